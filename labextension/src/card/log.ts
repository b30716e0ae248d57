/**
 * The folded tail of one rank's log. Rank 0 comes with the stream; another one is asked for while it is chosen and unfolded.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';

import type { IView } from '../protocol';
import { tail } from '../runs/merge';
import { pause, type RunModel } from '../runs/model';
import { el, setText } from './dom';
import { plainLines } from './terminal';

const FIRST_BYTES = -16_384;
const LIMIT_BYTES = 65_536;
const BETWEEN_MS = 1_000;

export class LogTail implements IDisposable {
  readonly node: HTMLElement;

  constructor(
    private readonly _model: RunModel,
    private readonly _trans: TranslationBundle
  ) {
    this._ranks = el('select', 'select');
    this._ranks.setAttribute('aria-label', this._trans.__('Rank whose log is shown'));
    this._ranks.addEventListener('change', () => this._choose());
    this._text.tabIndex = 0;
    this._text.setAttribute('aria-label', this._trans.__('End of the log'));
    const bar = el('div', 'log-bar', this._ranks);
    this._details = el('details', 'log', el('summary', 'log-title', this._trans.__('Log')), bar, this._text);
    this._details.addEventListener('toggle', () => this._choose());
    this.node = this._details;
  }

  get isDisposed(): boolean {
    return this._abort.signal.aborted;
  }

  update(view: IView): void {
    this._view = view;
    const count = Math.max(view.run.world_size, 1);
    for (let rank = this._ranks.length; rank < count; rank++) {
      const option = el('option', '', this._trans.__('rank %1', rank));
      option.value = String(rank);
      this._ranks.append(option);
    }
    if (this._rank === view.log.rank) {
      this._show(view.log.text);
    }
  }

  /** Unfold and show this rank. */
  open(rank: number): void {
    this._ranks.value = String(rank);
    this._details.open = true;
    this._choose();
  }

  dispose(): void {
    this._abort.abort();
    this._reading?.abort();
  }

  private get _rank(): number {
    return Number(this._ranks.value || 0);
  }

  private _choose(): void {
    this._reading?.abort();
    const view = this._view;
    if (!view || !this._details.open) {
      return;
    }
    if (this._rank === view.log.rank) {
      this._show(view.log.text);
      return;
    }
    this._reading = new AbortController();
    this._show('');
    void this._read(this._rank, this._reading.signal);
  }

  private async _read(rank: number, signal: AbortSignal): Promise<void> {
    let [text, offset] = ['', FIRST_BYTES];
    while (!signal.aborted) {
      try {
        const asked = { rank, offset, limit: LIMIT_BYTES, attempt: 0 };
        const part = await this._model.api.logs(this._model.id, asked, signal);
        text = tail(text + part.text);
        offset = part.offset;
        if (this._reading?.signal === signal) {
          this._show(text);
        }
        if (part.ended && offset >= part.size) {
          return;
        }
      } catch {
        // the header says that the connection is lost; the next round tries again
      }
      await pause(BETWEEN_MS, signal);
    }
  }

  /** The reader who has scrolled up stays where he is. */
  private _show(text: string): void {
    const pre = this._text;
    const follows = pre.scrollHeight - pre.scrollTop - pre.clientHeight < 30;
    if (!this._details.open) {
      return;
    }
    setText(pre, plainLines(text) || this._trans.__('Nothing yet.'));
    if (follows) {
      pre.scrollTop = pre.scrollHeight;
    }
  }

  private _view: IView | null = null;
  private _reading: AbortController | null = null;
  private readonly _ranks: HTMLSelectElement;
  private readonly _details: HTMLDetailsElement;
  private readonly _text = el('pre', 'log-text');
  private readonly _abort = new AbortController();
}
