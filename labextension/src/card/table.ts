/**
 * The chart as a table: time in each phase of each node, and of each curve the latest, lowest and highest value.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { IPhaseLane, ISeriesLane, IView } from '../protocol';
import { el } from './dom';
import { clock, phaseWord } from './words';

export function viewTable(view: IView, trans: TranslationBundle): HTMLElement {
  const bars = view.lanes.filter((lane): lane is IPhaseLane => lane.kind === 'phases');
  const curves = view.lanes.filter((lane): lane is ISeriesLane => lane.kind === 'series');
  const phases = table(
    trans.__('Time in each phase'),
    [trans.__('node'), trans.__('phase'), trans.__('first'), trans.__('in all')],
    bars.flatMap(bar => phaseRows(bar, trans))
  );
  const values = table(
    trans.__('Curves'),
    [trans.__('curve'), trans.__('latest'), trans.__('lowest'), trans.__('highest'), trans.__('points')],
    curves.map(lane => [lane.name, lane.value, number(lane.lo), number(lane.hi), String(lane.t.length)])
  );
  return el('div', 'tables', phases, values);
}

function phaseRows(bar: IPhaseLane, trans: TranslationBundle): string[][] {
  const total = new Map<string, number>();
  const first = new Map<string, number>();
  for (const span of bar.spans) {
    total.set(span.phase, (total.get(span.phase) ?? 0) + span.t1 - span.t0);
    first.set(span.phase, Math.min(first.get(span.phase) ?? Infinity, span.t0));
  }
  return [...total].map(([phase, s]) => [
    bar.name,
    phaseWord(phase, phase, trans),
    clock(first.get(phase) ?? 0),
    `${s.toFixed(1)} s`
  ]);
}

function number(value: number): string {
  return new Intl.NumberFormat(document.documentElement.lang || undefined, { maximumSignificantDigits: 5 }).format(
    value
  );
}

function table(caption: string, heads: readonly string[], rows: readonly string[][]): HTMLElement {
  const head = el('tr', '', ...heads.map(text => Object.assign(el('th', '', text), { scope: 'col' })));
  const body = rows.map(([name, ...cells]) =>
    el('tr', '', Object.assign(el('th', '', name ?? ''), { scope: 'row' }), ...cells.map(text => el('td', '', text)))
  );
  return el('table', 'table', el('caption', '', caption), el('thead', '', head), el('tbody', '', ...body));
}
