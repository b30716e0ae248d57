/**
 * The part of a view between two times, cut out of the whole: of curves one point more at either side, so that lines reach the edges.
 */
import type { IHeatLane, ISeriesLane, IView, Lane } from '../protocol';

export function partOf(view: IView, from: number, to: number): IView {
  return { ...view, window: [from, to], lanes: view.lanes.map(lane => laneIn(lane, from, to)) };
}

function laneIn(lane: Lane, from: number, to: number): Lane {
  switch (lane.kind) {
    case 'phases':
      return { ...lane, spans: lane.spans.filter(span => span.t1 >= from && span.t0 <= to) };
    case 'series':
      return seriesIn(lane, from, to);
    case 'heat':
      return heatIn(lane, from, to);
  }
}

function seriesIn(lane: ISeriesLane, from: number, to: number): ISeriesLane {
  const [first, end] = stretch(lane.t, from, to);
  return { ...lane, t: lane.t.slice(first, end), v: lane.v.slice(first, end) };
}

/** Columns that are seen, if only in part; there is an edge more than there are columns. */
function heatIn(lane: IHeatLane, from: number, to: number): IHeatLane {
  const [first, end] = stretch(lane.t, from, to);
  return { ...lane, t: lane.t.slice(first, end), v: lane.v.map(row => row.slice(first, Math.max(first, end - 1))) };
}

/** From the last time at or before `from` to behind the first one at or after `to`. */
function stretch(times: readonly number[], from: number, to: number): readonly [number, number] {
  const first = times.findIndex(t => t > from);
  const last = times.findIndex(t => t >= to);
  return [Math.max(0, (first < 0 ? times.length : first) - 1), last < 0 ? times.length : last + 1];
}
