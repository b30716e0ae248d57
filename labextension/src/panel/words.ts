/**
 * What the panel says of a run, a shape, a queue and a data set, as plain texts; who draws decides where they stand.
 *
 * Pure. Moments are told from the service's clock (`nowNs`), never from the browser's. Nothing that nobody knows is said.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import { exitWord, clock, span, stateWord, whyWord } from '../card/words';
import { moneyWords, valueWords } from '../chart/values';
import type { ISummary } from '../protocol';
import type { Amounts, IDataRow, IPrice, IQueueRow, IShapeRow } from '../site/protocol';
import { hasEnded } from '../runs/merge';
import { numberWords } from '../words/intl';

const NS = 1e9;
const MICRO = 1e6;
/** What nobody knows. */
export const NONE = '–';
/** Characters of a name that are shown; the rest could not be seen, and would be laid out all the same. */
const NAME_CHARS = 160;
/** A start within this is one that does not wait. */
const NOW_S = 1;

/** A name as it is shown: one line, and not longer than anybody reads. */
export function short(name: string): string {
  return name.length > NAME_CHARS ? `${name.slice(0, NAME_CHARS)}…` : name;
}

/** `h100x8 ×2`, `h100x8`. */
export function whereWords(run: ISummary): string {
  return run.nodes > 1 ? `${run.shape} ×${run.nodes}` : run.shape;
}

/** What stands at the end of a run's line: how long it runs or ran, when it starts, or the word of how it ended. */
export function whenWords(run: ISummary, nowNs: number, trans: TranslationBundle): string {
  if (run.state === 'failed') {
    return exitWord(run.exit_class ?? 'failed', trans);
  }
  if (run.state === 'running' || run.state === 'succeeded') {
    return clock(elapsedS(run, nowNs));
  }
  return hasEnded(run.state) || run.state === 'starting' ? stateWord(run.state, trans) : waitWords(run, nowNs, trans);
}

/** `in ≈ 27 min`, the class of the reason, or the state's own word. */
function waitWords(run: ISummary, nowNs: number, trans: TranslationBundle): string {
  if (run.start_ns !== null) {
    const leftS = (run.start_ns - nowNs) / NS;
    return leftS > NOW_S ? trans.__('in ≈ %1', span(leftS)) : trans.__('soon');
  }
  return run.why === null ? stateWord(run.state, trans) : whyWord(run.why, trans);
}

/** Seconds since it started; of a run that ended, how long it ran. */
export function elapsedS(run: ISummary, nowNs: number): number {
  const from = run.started_at ?? run.submitted_at;
  const toMs = run.ended_at ? Date.parse(run.ended_at) : nowNs / 1e6;
  return from ? Math.max(0, (toMs - Date.parse(from)) / 1e3) : 0;
}

/** What it has cost; a run that waits, and one that is free, has cost nothing. */
export function costWords({ cost_micro, per_h_micro, started_at, currency }: ISummary): string {
  const isNothing = !cost_micro && (!per_h_micro || !started_at);
  return cost_micro === null || isNothing ? NONE : moneyWords(cost_micro / MICRO, currency);
}

/** Everything about a run in one text: what its line has no room for. */
export function runTitle(run: ISummary, trans: TranslationBundle): string {
  const parts = [
    [short(run.name), run.id, stateWord(run.state, trans)].filter(Boolean).join(' · '),
    run.owner && trans.__('of %1', run.owner),
    trans.__('in queue %1', run.queue),
    run.place > 0 ? trans.__('place %1 in line', run.place) : '',
    run.waiting || run.reason,
    run.budget_note
  ];
  return parts.filter(Boolean).map(short).join('\n');
}

/** `$9.72`, `free`, or nothing known. */
export function priceWords(
  { micro_per_h, currency }: Pick<IPrice, 'micro_per_h' | 'currency'>,
  trans: TranslationBundle
): string {
  if (micro_per_h === null) {
    return NONE;
  }
  return micro_per_h ? moneyWords(micro_per_h / MICRO, currency) : trans.__('free');
}

/** Where a price is from. */
export function priceTitle({ micro_per_h, confidence, source }: IPrice, trans: TranslationBundle): string {
  if (micro_per_h === null) {
    return trans.__('nobody has set a price');
  }
  const mark = confidence ? trans.__('estimated from a list price') : trans.__('for one node and hour');
  return source ? `${mark} (${source})` : mark;
}

/** `8 × H100, NVLink, 8 RDMA NICs, 96 CPUs, 2 TB`. */
export function shapeWords(shape: IShapeRow, trans: TranslationBundle): string {
  const parts = [
    shape.accelerators ? `${shape.accelerators} × ${shape.accelerator.toUpperCase()}` : '',
    shape.nvlink ? trans.__('NVLink') : '',
    shape.rdma_nics ? trans.__('%1 RDMA NICs', shape.rdma_nics) : '',
    trans._n('%1 CPU', '%1 CPUs', shape.cpus),
    shape.memory_bytes ? valueWords(shape.memory_bytes, 'B') : ''
  ];
  return parts.filter(Boolean).join(', ');
}

/** `now`, `27 min`: when one that is sent now would start. */
export function startWord(startNs: number | null, nowNs: number, trans: TranslationBundle): string {
  if (startNs === null) {
    return NONE;
  }
  const leftS = (startNs - nowNs) / NS;
  return leftS > NOW_S ? span(leftS) : trans.__('now');
}

/** The resource of a queue that is nearest to its bound, or the one that its host has most to count on. */
export function mainResource(queue: IQueueRow): string {
  const bounded = Object.keys(queue.limit);
  const names = bounded.length ? bounded : Object.keys(queue.capacity);
  const accelerator = names.find(name => name !== 'cpu' && name !== 'memory');
  const fullest = [...bounded].sort((one, other) => fill(queue, other) - fill(queue, one))[0];
  return fullest ?? accelerator ?? names[0] ?? 'cpu';
}

/** How full a queue is of this resource, 0 to 1 and above. */
export function fill(queue: IQueueRow, resource: string): number {
  const bound = queue.limit[resource] ?? queue.capacity[resource] ?? 0;
  return bound ? (queue.used[resource] ?? 0) / bound : 0;
}

/** `14`, `64 GB`; nothing known where the queue has no such bound. */
export function amountWords(amounts: Amounts, resource: string): string {
  const amount = amounts[resource];
  if (amount === undefined) {
    return NONE;
  }
  return resource === 'memory' ? valueWords(amount, 'B') : numberWords(amount, { maximumFractionDigits: 1 });
}

/** `GPUs`: what is counted. */
export function resourceWord(resource: string, trans: TranslationBundle): string {
  if (resource === 'cpu' || resource === 'memory') {
    return resource === 'cpu' ? trans.__('CPUs') : trans.__('memory');
  }
  if (resource === 'accelerator') {
    return trans.__('accelerators');
  }
  return resource.startsWith('ascend') ? trans.__('NPUs') : trans.__('GPUs');
}

/** `138 GB`, `more than 2 TB`, or nothing. */
export function sizeWords(data: IDataRow, trans: TranslationBundle): string {
  if (data.size_bytes === null) {
    return '';
  }
  const size = valueWords(data.size_bytes, 'B');
  return data.size_is_least ? trans.__('more than %1', size) : size;
}

/** `2 nodes`, `missing`: where it is at hand. */
export function cachedWords(data: IDataRow, trans: TranslationBundle): string {
  if (!data.exists) {
    return trans.__('missing');
  }
  return data.cached_nodes ? trans._n('%1 node', '%1 nodes', data.cached_nodes) : NONE;
}

/** An option's name as a label; an option that has no word here keeps its own. */
export function optionWord(field: string, trans: TranslationBundle): string {
  const words: Record<string, string> = {
    shape: trans.__('shape'),
    nodes: trans.__('nodes'),
    min_nodes: trans.__('min nodes'),
    ranks_per_node: trans.__('ranks per node'),
    data: trans.__('data'),
    queue: trans.__('queue'),
    priority: trans.__('priority'),
    time_limit: trans.__('time limit'),
    budget: trans.__('budget'),
    stop_if: trans.__('stop if'),
    deadline: trans.__('deadline'),
    retries: trans.__('retries'),
    grace: trans.__('grace'),
    engine: trans.__('engine'),
    image: trans.__('image'),
    isolation: trans.__('isolation'),
    topology: trans.__('topology'),
    launcher: trans.__('launcher'),
    push: trans.__('push'),
    pull: trans.__('pull'),
    workdir: trans.__('workdir'),
    env: trans.__('env'),
    secret: trans.__('secret'),
    name: trans.__('name')
  };
  return Object.hasOwn(words, field) ? (words[field] ?? field) : field.replaceAll('_', ' ');
}

/** What went wrong, with what to do about it. */
export function errorWords(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const hint = error instanceof Error && 'hint' in error && typeof error.hint === 'string' ? error.hint : '';
  return [message, hint].filter(Boolean).join(' ');
}
