/**
 * What a lane says at one moment, in words: the phase, the nearest point of a curve, the slowest rank of a strip of heat.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import { phaseWord } from '../card/words';
import type { IHeatLane, ISeriesLane, Lane } from '../protocol';
import { numberWords } from '../words/intl';

/** The words, or empty where nothing was seen. */
export function valueAt(lane: Lane, t: number, labels: ReadonlyMap<string, string>, trans: TranslationBundle): string {
  if (lane.kind === 'phases') {
    const span = lane.spans.find(each => each.t0 <= t && t <= each.t1);
    return span ? phaseWord(span.phase, labels.get(span.phase) ?? span.phase, trans) : '';
  }
  return lane.kind === 'heat' ? heatAt(lane, t, trans) : seriesAt(lane, t);
}

function seriesAt(lane: ISeriesLane, t: number): string {
  const { t: times, v } = lane;
  const first = times[0];
  const last = times.at(-1);
  if (first === undefined || last === undefined || t < first || t > last) {
    return '';
  }
  const next = Math.min(place(times, t), times.length - 1);
  const before = Math.max(0, next - 1);
  const nearest = t - (times[before] ?? 0) <= (times[next] ?? 0) - t ? before : next;
  const value = v[nearest] ?? null;
  return value === null ? '' : valueWords(value, lane.unit);
}

function heatAt(lane: IHeatLane, t: number, trans: TranslationBundle): string {
  const column = Math.min(place(lane.t, t), lane.t.length - 1) - 1;
  let [highest, rank] = [-Infinity, -1];
  lane.v.forEach((row, at) => {
    const value = row[column] ?? null;
    if (value !== null && value > highest) {
      [highest, rank] = [value, lane.rows[at] ?? -1];
    }
  });
  return rank < 0 ? '' : trans.__('%1 · rank %2', valueWords(highest, lane.unit), String(rank));
}

/** How many of the ascending times are at or before `t`. */
function place(times: readonly number[], t: number): number {
  let [low, high] = [0, times.length];
  while (low < high) {
    const half = (low + high) >> 1;
    if ((times[half] ?? Infinity) <= t) {
      low = half + 1;
    } else {
      high = half;
    }
  }
  return low;
}

const STEPS: readonly (readonly [number, string])[] = [
  [1e12, 'T'],
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k']
];

/** `310 ms`, `1.9 GB/s`, `$0.31`, `93 %`; in the page's language. */
export function valueWords(value: number, unit: string): string {
  if (unit === 's') {
    return value < 1 ? `${digits(value * 1000, 3)} ms` : `${digits(value, 3)} s`;
  }
  if (unit === 'B' || unit === 'B/s') {
    const [size, letter] = STEPS.find(([each]) => Math.abs(value) >= each) ?? [1, ''];
    return `${digits(value / size)} ${letter}${unit}`;
  }
  if (/^[A-Z]{3}$/.test(unit)) {
    return moneyWords(value, unit);
  }
  return unit ? `${digits(value)} ${unit}` : digits(value);
}

/** An amount with its currency; more decimals below ten cents, so that little does not read as nothing. */
export function moneyWords(amount: number, currency: string): string {
  const decimals = amount !== 0 && Math.abs(amount) < 0.1 ? 4 : 2;
  return numberWords(amount, {
    style: 'currency',
    currency,
    currencyDisplay: 'narrowSymbol',
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals
  });
}

function digits(value: number, most = 4): string {
  const options = Math.abs(value) >= 1000 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: most };
  return numberWords(value, options);
}
