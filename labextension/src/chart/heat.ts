/**
 * A strip of heat as it is drawn: the same functions as in `jupyter_aicci.timeline.heat`, tested with the same table.
 */
import type { IHeatLane } from '../protocol';

type Row = readonly (number | null)[];

const MOST_ROWS = 112;
const MOST_COUNTED = 4096;
const LOW = 0.9;
const HIGH = 1.6;

/** Rows of equal length, the first one on top, of columns of equal width; NaN where nothing was seen. */
export function heatImage(lane: IHeatLane): number[][] {
  return even(lane.t, grouped(lane.v));
}

/** The values at the two ends of the colours. */
export function heatScale(lane: IHeatLane): [number, number] {
  const finite: number[] = [];
  for (const row of lane.v) {
    for (const value of row) {
      if (value !== null) {
        finite.push(value);
      }
    }
  }
  const each = Math.max(1, Math.ceil(finite.length / MOST_COUNTED));
  const counted = finite.filter((_, at) => at % each === 0).sort((a, b) => a - b);
  const middle = counted[Math.floor((counted.length - 1) / 2)] ?? 0;
  return middle > 0 ? [LOW * middle, HIGH * middle] : [0, 1];
}

/** At most `MOST_ROWS` rows; each is the highest of its group of neighbours. */
function grouped(rows: readonly Row[]): number[][] {
  const each = Math.max(1, Math.ceil(rows.length / MOST_ROWS));
  const made: number[][] = [];
  for (let first = 0; first < rows.length; first += each) {
    const highest = (rows[first] ?? []).map(value => value ?? NaN);
    for (const row of rows.slice(first + 1, first + each)) {
      row.forEach((value, column) => {
        if (value !== null && !((highest[column] ?? NaN) >= value)) {
          highest[column] = value;
        }
      });
    }
    made.push(highest);
  }
  return made;
}

/** Columns of equal width: each takes the value at its middle. */
function even(t: readonly number[], rows: number[][]): number[][] {
  const columns = t.length - 1;
  const first = t[0] ?? 0;
  const width = ((t[columns] ?? 0) - first) / columns;
  const isEven = t.every((edge, at) => at === 0 || Math.abs(edge - (t[at - 1] ?? 0) - width) <= 0.02 * width + 1.5e-3);
  if (columns < 2 || isEven) {
    return rows;
  }
  const places = Array.from({ length: columns }, (_, column) => {
    const middle = first + (column + 0.5) * width;
    const next = t.findIndex(edge => edge > middle);
    return Math.min(Math.max((next < 0 ? t.length : next) - 1, 0), columns - 1);
  });
  return rows.map(row => places.map(place => row[place] ?? NaN));
}
