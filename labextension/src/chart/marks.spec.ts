/** The functions that the page repeats give what Python gives: both are tested with one table each. */
import heats from '../../../tests/timeline/heat.json';
import table from '../../../tests/timeline/marks.json';
import type { IFinding, IHeatLane, IPlace, Lane } from '../protocol';
import { heatImage, heatScale } from './heat';
import { marks } from './marks';

test.each(table.map(row => [row.name, row] as const))('%s', (_, row) => {
  const finding = { ...row.finding, severity: 'warning', from_s: 1, to_s: 2 } as unknown as IFinding;
  const lanes = row.lanes.map(lane => ({ parent: '', ...lane })) as unknown as Lane[];
  const found = marks([finding], row.places as unknown as IPlace[], lanes);
  expect(found.map(({ top, bottom }) => [top, bottom])).toEqual(row.boxes);
  expect(found.map(({ numbered }) => numbered)).toEqual(row.boxes.map((_, at) => at === 0));
});

test.each(heats.map(row => [row.name, row] as const))('%s', (_, row) => {
  const lane = { t: row.t, v: row.v } as unknown as IHeatLane;
  expect(heatImage(lane).map(line => line.map(value => (Number.isNaN(value) ? null : value)))).toEqual(row.image);
  const [low, high] = heatScale(lane);
  expect(low).toBeCloseTo(row.scale[0] ?? NaN, 9);
  expect(high).toBeCloseTo(row.scale[1] ?? NaN, 9);
});
