/**
 * The service in a few words, for the status bar: what runs and what it costs an hour, and the queue that is fullest. Pure.
 *
 * Rule: money of two currencies is never added up; a queue without a bound is not told.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import { moneyWords } from '../chart/values';
import { amountWords, fill, mainResource, resourceWord, short } from '../panel/words';
import type { ISummary } from '../protocol';
import type { IQueueRow, ISite } from '../site/protocol';
import type { SiteState } from '../site/model';

const MICRO = 1e6;

export interface IStatusWords {
  /** `▶ 2 running · $20.66/h`. */
  readonly runs: string;
  /** `team-a 14/32 GPUs`, or empty. */
  readonly queue: string;
  /** What is to be looked at, or empty. */
  readonly warning: string;
  /** All of it at length. */
  readonly title: string;
}

/** The words for a state; null where nothing is known. */
export function statusWords(state: SiteState, trans: TranslationBundle): IStatusWords | null {
  if (state.kind === 'loading') {
    return null;
  }
  if (state.kind === 'down') {
    const title = [state.message, state.hint].filter(Boolean).join('\n');
    return { runs: trans.__('training service is down'), queue: '', warning: trans.__('down'), title };
  }
  const { site } = state;
  const near = site.runs.filter(run => run.budget_note);
  const lost = state.kind === 'interrupted' ? trans.__('connection lost') : '';
  const budget = near.length ? trans.__('budget') : '';
  const notes = near.map(run => `${short(run.name || run.id)}: ${run.budget_note}`);
  return {
    runs: runsWords(site, trans),
    queue: queueWords(site.queues, trans),
    warning: lost || budget,
    title: [lost, ...notes, trans.__('Show the training panel')].filter(Boolean).join('\n')
  };
}

function runsWords(site: ISite, trans: TranslationBundle): string {
  const holding = site.runs.filter(run => run.state === 'running' || run.state === 'starting');
  const waiting = site.runs.filter(run => run.state === 'queued' || run.state === 'submitted');
  if (holding.length) {
    return ['▶ ' + trans.__('%1 running', holding.length), ...rates(holding, trans)].join(' · ');
  }
  return waiting.length ? '◷ ' + trans.__('%1 waiting', waiting.length) : trans.__('no run');
}

/** What they cost an hour, a sum for each currency. */
function rates(runs: readonly ISummary[], trans: TranslationBundle): readonly string[] {
  const sums = new Map<string, number>();
  for (const { per_h_micro, currency } of runs) {
    if (per_h_micro) {
      sums.set(currency, (sums.get(currency) ?? 0) + per_h_micro);
    }
  }
  return [...sums].map(([currency, micro]) => trans.__('%1/h', moneyWords(micro / MICRO, currency)));
}

function queueWords(queues: readonly IQueueRow[], trans: TranslationBundle): string {
  const bounded = queues.filter(queue => mainResource(queue) in queue.limit);
  const [busiest] = bounded.sort((one, other) => fillOf(other) - fillOf(one));
  if (!busiest) {
    return '';
  }
  const resource = mainResource(busiest);
  const used = amountWords({ [resource]: 0, ...busiest.used }, resource);
  const limit = amountWords(busiest.limit, resource);
  return `${short(busiest.name)} ${used}/${limit} ${resourceWord(resource, trans)}`;
}

function fillOf(queue: IQueueRow): number {
  return fill(queue, mainResource(queue));
}
