/**
 * The status bar's item: what runs, what it costs an hour, and the fullest queue. A press shows the panel.
 *
 * Hidden while nothing is known. It never connects by itself: it shows what the model has.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import { Signal, type ISignal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';

import { button, el, PREFIX, setText } from '../card/dom';
import type { ISiteModel } from '../site/model';
import { statusWords } from './words';

export class StatusItem extends Widget {
  constructor(
    private readonly _model: ISiteModel,
    show: () => void,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.addClass(`${PREFIX}status`);
    this._press = button('status-press', '', show);
    this._press.append(this._warning, this._runs, this._queue);
    this.node.append(this._press);
    _model.changed.connect(() => this._draw(), this);
    this._draw();
  }

  /** Whether there is anything to show; the status bar asks. */
  get isActive(): boolean {
    return this._isActive;
  }

  get activeChanged(): ISignal<this, void> {
    return this._activeChanged;
  }

  override dispose(): void {
    Signal.clearData(this);
    super.dispose();
  }

  private _draw(): void {
    const words = statusWords(this._model.state, this._trans);
    setText(this._warning, words?.warning ? `⚠ ${words.warning}` : '');
    setText(this._runs, words?.runs ?? '');
    setText(this._queue, words?.queue ?? '');
    this._press.title = words?.title ?? '';
    this._press.classList.toggle(`${PREFIX}mod-warning`, Boolean(words?.warning));
    if (this._isActive !== (words !== null)) {
      this._isActive = words !== null;
      this._activeChanged.emit();
    }
  }

  private _isActive = false;
  private readonly _activeChanged = new Signal<this, void>(this);
  private readonly _press: HTMLButtonElement;
  private readonly _warning = el('b', 'status-warning');
  private readonly _runs = el('span', 'status-runs');
  private readonly _queue = el('span', 'status-queue');
}
