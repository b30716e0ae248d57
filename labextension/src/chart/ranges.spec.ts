import table from '../../../tests/timeline/lane_range.json';
import { laneRange } from './ranges';

test.each(table)('a curve lies where Python puts it: %j', ({ lo, hi, band, total, start, end }) => {
  const [top, bottom] = band as [number, number];
  const [from, to] = laneRange(lo, hi, [top, bottom], total);
  expect(from).toBeCloseTo(start, 9);
  expect(to).toBeCloseTo(end, 9);
});
