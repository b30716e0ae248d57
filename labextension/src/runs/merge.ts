/**
 * A view and the deltas after it add up to the view that the server would send afresh, but for thinning.
 *
 * Pure: nothing given is changed; lanes that a delta does not touch stay the same object, so that a chart can tell.
 */
import type { IDelta, ILog, ISeriesDelta, ISeriesLane, IView, Lane } from '../protocol';

/** Characters of a log tail that are kept on the page. */
export const LOG_CHARS = 65_536;

/** Points of a lane on the page; a fresh view has a few a pixel. */
export const MOST_POINTS = 20_000;

const TERMINAL = new Set(['succeeded', 'failed', 'stopped']);

/** Whether the run's state is one of those that last. */
export function hasEnded(state: string): boolean {
  return TERMINAL.has(state);
}

/** Whether so much was appended that the view should be asked for afresh. */
export function isFull(view: IView): boolean {
  return view.lanes.some(lane => lane.kind === 'series' && lane.t.length > MOST_POINTS);
}

/** The view after one more delta. */
export function merge(view: IView, delta: IDelta): IView {
  const run = delta.run ?? view.run;
  return {
    ...view,
    run,
    cursor: delta.cursor,
    end_s: delta.end_s ?? view.end_s,
    live: !hasEnded(run.state),
    tiles: delta.tiles ?? view.tiles,
    lanes: view.lanes.map(lane => mergeLane(lane, delta)),
    log: mergeLog(view.log, delta.log),
    findings: delta.findings ?? view.findings,
    headline: delta.headline ?? view.headline,
    verdict: delta.verdict === undefined ? view.verdict : delta.verdict
  };
}

function mergeLane(lane: Lane, delta: IDelta): Lane {
  if (lane.kind === 'phases') {
    const spans = delta.spans?.[lane.id];
    return spans ? { ...lane, spans } : lane;
  }
  if (lane.kind === 'heat') {
    return delta.heat?.[lane.id] ?? lane;
  }
  const more = delta.series?.[lane.id];
  return more ? appended(lane, more) : lane;
}

/** The lane with the delta's points; points before its last one are there already and come again after a reconnection. */
function appended(lane: ISeriesLane, more: ISeriesDelta): ISeriesLane {
  const last = lane.t.at(-1) ?? -Infinity;
  const first = more.t.findIndex(t => t >= last);
  const fresh = first < 0 ? more.t.length : first;
  return {
    ...lane,
    note: more.note,
    value: more.value,
    lo: more.lo,
    hi: more.hi,
    shade: more.shade ?? lane.shade,
    t: lane.t.concat(more.t.slice(fresh)),
    v: lane.v.concat(more.v.slice(fresh))
  };
}

function mergeLog(log: ILog, more: IDelta['log']): ILog {
  const text = more?.[String(log.rank)];
  return text ? { ...log, text: tail(log.text + text) } : log;
}

/** The last `LOG_CHARS` characters, from the beginning of a line; of a progress bar, from its next picture. */
export function tail(text: string): string {
  if (text.length <= LOG_CHARS) {
    return text;
  }
  const cut = text.slice(-LOG_CHARS);
  return cut.replace(/^[^\r\n]*(\r\n?|\n)(?=.)/s, '');
}

/** What a figure is built for; where it differs, another figure is due. */
export function structure(view: IView): string {
  const rows = (lane: Lane): number => (lane.kind === 'heat' ? lane.rows.length : 0);
  return JSON.stringify([view.lanes.map(lane => [lane.id, lane.parent, lane.folded, rows(lane)]), view.legend]);
}
