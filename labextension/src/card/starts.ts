/**
 * How far a run is that starts: placed, staging data, starting ranks, compiling, first step; what is done, for how long it took, what is now.
 *
 * Read from the first node's bar, from where the run last waited. Each step has a sign and a word, never a colour alone.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { ISpan, IView } from '../protocol';
import { el } from './dom';
import { phaseWord, span } from './words';

/** Before the first step, in this order; of these only `starting` is there in every run. */
const BEFORE = ['staging', 'starting', 'compile'];
const SIGNS = { done: '✓', now: '●', open: '○' } as const;

export class Starts {
  readonly node = el('ol', 'starts');

  constructor(private readonly _trans: TranslationBundle) {
    this.node.hidden = true;
    this.node.setAttribute('aria-label', this._trans.__('How far the start is'));
  }

  update(view: IView): void {
    const spans = sinceLastWait(view);
    const isWorking = spans.some(each => !BEFORE.includes(each.phase));
    const { state, attempt, domain } = view.run;
    this.node.hidden = !(state === 'starting' || (state === 'running' && !isWorking)) || attempt === 0;
    if (!this.node.hidden) {
      const key = JSON.stringify([spans, domain, isWorking]);
      if (key !== this._key) {
        this._key = key;
        this.node.replaceChildren(...this._steps(spans, domain, isWorking));
      }
    }
  }

  private _steps(spans: readonly ISpan[], domain: string, isWorking: boolean): HTMLElement[] {
    const trans = this._trans;
    const last = spans.at(-1)?.phase ?? 'starting';
    const placed = domain ? trans.__('placed on %1', domain) : trans.__('placed');
    const phases = BEFORE.filter(phase => phase === 'starting' || spans.some(each => each.phase === phase));
    const now = isWorking ? phases.length : phases.indexOf(last);
    return [
      step('done', placed),
      ...phases.map((phase, at) => {
        const words = phase === 'starting' ? trans.__('starting ranks') : phaseWord(phase, phase, trans);
        const tookS = spans.reduce((sum, each) => sum + (each.phase === phase ? each.t1 - each.t0 : 0), 0);
        const took = tookS >= 1 ? `${words} · ${span(tookS)}` : words;
        return step(at < now ? 'done' : at === now ? 'now' : 'open', took);
      }),
      step(isWorking ? 'now' : 'open', trans.__('first step'))
    ];
  }

  private _key = '';
}

function step(kind: keyof typeof SIGNS, words: string): HTMLElement {
  const row = el('li', `start mod-${kind}`, `${SIGNS[kind]} ${words}`);
  if (kind === 'now') {
    row.setAttribute('aria-current', 'step');
  }
  return row;
}

/** What the first node did since it was taken for this attempt. */
function sinceLastWait({ lanes }: IView): readonly ISpan[] {
  const bar = lanes.find(lane => lane.kind === 'phases');
  const spans = bar?.kind === 'phases' ? bar.spans : [];
  const waits = spans.map(each => ['queued', 'lost', 'failed'].includes(each.phase));
  return spans.slice(waits.lastIndexOf(true) + 1);
}
