/**
 * Words of the server that the page translates: states and phases. An unknown word, such as a span that a program named, stays.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { IView } from '../protocol';
import { numberWords } from '../words/intl';

export function stateWord(state: string, trans: TranslationBundle): string {
  const words: Record<string, string> = {
    submitted: trans.__('submitted'),
    queued: trans.__('queued'),
    starting: trans.__('starting'),
    running: trans.__('running'),
    preempted: trans.__('preempted'),
    lost: trans.__('lost'),
    succeeded: trans.__('succeeded'),
    failed: trans.__('failed'),
    stopped: trans.__('stopped')
  };
  return known(words, state) ?? state;
}

export function phaseWord(phase: string, label: string, trans: TranslationBundle): string {
  const words: Record<string, string> = {
    queued: trans.__('queued'),
    staging: trans.__('staging data'),
    starting: trans.__('starting'),
    compile: trans.__('compiling'),
    compute: trans.__('training'),
    data_wait: trans.__('waiting for data'),
    comm: trans.__('communicating'),
    straggler: trans.__('waiting for others'),
    checkpoint: trans.__('checkpoint'),
    eval: trans.__('evaluating'),
    redone: trans.__('redone work'),
    idle: trans.__('idle'),
    ending: trans.__('ending'),
    lost: trans.__('attempt lost'),
    failed: trans.__('failed')
  };
  return known(words, phase) ?? label;
}

/** How a run ended, in a word. */
export function exitWord(exit: string, trans: TranslationBundle): string {
  const words: Record<string, string> = {
    'user error': trans.__('user error'),
    'out of memory': trans.__('out of memory'),
    killed: trans.__('killed'),
    infrastructure: trans.__('infrastructure'),
    'node lost': trans.__('node lost'),
    'no progress': trans.__('no progress'),
    hang: trans.__('hang'),
    preempted: trans.__('preempted'),
    'time limit': trans.__('time limit'),
    budget: trans.__('budget'),
    condition: trans.__('condition'),
    stopped: trans.__('stopped'),
    failed: trans.__('failed')
  };
  return known(words, exit) ?? exit;
}

/** How much a finding matters. */
export function severityWord(severity: string, trans: TranslationBundle): string {
  const words: Record<string, string> = {
    high: trans.__('serious'),
    warning: trans.__('warning'),
    note: trans.__('note')
  };
  return known(words, severity) ?? severity;
}

/** Why a run waits, as the scheduler has it. */
export function whyWord(why: string, trans: TranslationBundle): string {
  const words: Record<string, string> = {
    'can never run': trans.__('can never run'),
    quota: trans.__('quota'),
    fragmentation: trans.__('fragmentation'),
    reserved: trans.__('reserved'),
    behind: trans.__('behind')
  };
  return known(words, why) ?? why;
}

/** The word of the table itself: a program may name a span `constructor`, which every object has from its prototype. */
function known(words: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(words, name) ? words[name] : undefined;
}

/** The chart in one breath, for who does not see it: state, the numbers on top, the latest value of each curve. */
export function chartWords(view: IView, trans: TranslationBundle): string {
  const { run } = view;
  const tiles = view.tiles.map(tile => `${tile.label}: ${tile.value}`);
  const curves = view.lanes
    .filter(lane => lane.kind !== 'phases' && !lane.parent)
    .map(lane => `${lane.name} ${lane.kind === 'phases' ? lane.note : lane.value}`);
  const found = view.findings.length ? [trans.__('%1 findings, listed below', String(view.findings.length))] : [];
  const head = trans.__('Timeline of run %1, %2', run.name || run.id, stateWord(run.state, trans));
  return [head, ...tiles, ...curves, ...found].join('; ');
}

/** `38 s`, `12 min`, `3 h 20 min`: about how long, in the page's language. */
export function span(seconds: number): string {
  const unit = (n: number, name: string): string => numberWords(n, { style: 'unit', unit: name, unitDisplay: 'short' });
  if (seconds < 119.5) {
    return unit(Math.round(seconds), 'second');
  }
  const minutes = Math.round(seconds / 60);
  return minutes < 120
    ? unit(minutes, 'minute')
    : `${unit(Math.floor(minutes / 60), 'hour')} ${unit(minutes % 60, 'minute')}`;
}

/** `0:07`, `12:43`, `1:20:04`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (n: number): string => String(n).padStart(2, '0');
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
