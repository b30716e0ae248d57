/**
 * The chart as a table: time in each phase of each node, of each curve the latest, lowest and highest value, and findings.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { IHeatLane, IPhaseLane, ISeriesLane, IView } from '../protocol';
import { valueWords } from '../chart/values';
import { el } from './dom';
import { wasteWords, when } from './findings';
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
    curves.map(lane => [
      lane.name,
      lane.value,
      valueWords(lane.lo, lane.unit),
      valueWords(lane.hi, lane.unit),
      String(lane.t.length)
    ])
  );
  const heats = view.lanes.filter((lane): lane is IHeatLane => lane.kind === 'heat');
  const ranks = heats.map(lane =>
    table(
      trans.__('%1 of each rank', lane.name),
      [trans.__('rank'), trans.__('mean'), trans.__('highest')],
      heatRows(lane)
    )
  );
  const found = table(
    trans.__('Findings'),
    [trans.__('finding'), trans.__('when'), trans.__('what was seen'), trans.__('what to try'), trans.__('cost')],
    view.findings.map(each => [
      each.name,
      when(each, trans),
      each.text,
      each.fix,
      wasteWords(each, view.run.currency, trans)
    ])
  );
  return el('div', 'tables', phases, values, ...ranks, ...(view.findings.length ? [found] : []));
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

function heatRows(lane: IHeatLane): string[][] {
  return lane.rows.map((rank, at) => {
    const seen = (lane.v[at] ?? []).filter((value): value is number => value !== null);
    const mean = seen.reduce((sum, value) => sum + value, 0) / seen.length;
    const highest = seen.reduce((most, value) => Math.max(most, value), -Infinity);
    return [String(rank), ...(seen.length ? [mean, highest].map(value => valueWords(value, lane.unit)) : ['–', '–'])];
  });
}

function table(caption: string, heads: readonly string[], rows: readonly string[][]): HTMLElement {
  const head = el('tr', '', ...heads.map(text => Object.assign(el('th', '', text), { scope: 'col' })));
  const body = rows.map(([name, ...cells]) =>
    el('tr', '', Object.assign(el('th', '', name ?? ''), { scope: 'row' }), ...cells.map(text => el('td', '', text)))
  );
  return el('table', 'table', el('caption', '', caption), el('thead', '', head), el('tbody', '', ...body));
}
