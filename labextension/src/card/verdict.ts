/**
 * Why it stopped or failed: the reason in words; for a failure the first rank that failed, where, and what to try.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { IView } from '../protocol';
import { button, el } from './dom';
import { exitWord } from './words';

const LAST_LINES = 30;

export class Verdict {
  readonly node = el('div', 'verdict');

  constructor(
    private readonly _openLog: (rank: number) => void,
    private readonly _lastLines: (rank: number) => Promise<string>,
    private readonly _trans: TranslationBundle
  ) {
    this.node.hidden = true;
  }

  update(view: IView): void {
    const { run, verdict } = view;
    const key = JSON.stringify([run.state, run.reason, run.why, verdict]);
    if (key === this._key) {
      return;
    }
    this._key = key;
    const failed = run.state === 'failed';
    const quiet = ['running', 'succeeded', 'starting'].includes(run.state) || run.why !== null; // `Waits` tells the latter
    const told = failed || verdict !== null || !quiet;
    this.node.hidden = !told || !(verdict?.text ?? run.reason);
    this.node.classList.toggle('jp-aicci-mod-failed', failed);
    if (!this.node.hidden) {
      this.node.replaceChildren(...(verdict ? this._failure(view) : [el('p', 'reason', run.reason)]));
    }
  }

  private _failure({ run, verdict }: IView): HTMLElement[] {
    const text = verdict?.text || run.reason;
    const why = run.exit_class ? [el('b', '', this._trans.__('%1:', exitWord(run.exit_class, this._trans))), ' '] : [];
    const head = el('p', 'reason', ...why, text);
    const lines = [verdict?.where, verdict?.hint].filter((line): line is string => Boolean(line));
    const parts: HTMLElement[] = [head, ...lines.map(line => el('p', 'detail', line))];
    const rank = verdict?.rank;
    if (typeof rank === 'number' && rank >= 0) {
      const output = el('pre', 'last-lines');
      output.hidden = true;
      output.tabIndex = 0;
      output.setAttribute('aria-label', this._trans.__('Last lines of rank %1', rank));
      const whole = button('link', this._trans.__('Log of rank %1', rank), () => this._openLog(rank));
      parts.push(output, el('p', 'detail', whole));
      void this._lastLines(rank).then(text => {
        output.textContent = text.trimEnd().split('\n').slice(-LAST_LINES).join('\n');
        output.hidden = !output.textContent;
        output.scrollTop = output.scrollHeight;
      });
    }
    return parts;
  }

  private _key = '';
}
