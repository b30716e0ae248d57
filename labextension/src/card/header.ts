/**
 * The card's first row: icon, name, state, where it runs, id; Stop, Open and the menu. State is icon and word, never colour alone.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { ISummary } from '../protocol';
import { hasEnded } from '../runs/merge';
import { button, el, setText } from './dom';
import { Menu } from './menu';
import { stateWord } from './words';

/** What can be done; null where it cannot, and then there is no button for it. */
export interface IHeaderActions {
  readonly stop: (() => Promise<void>) | null;
  readonly open: (() => void) | null;
  readonly save: ((format: string) => void) | null;
}

export class Header {
  readonly node: HTMLElement;

  constructor(
    id: string,
    private readonly _actions: IHeaderActions,
    private readonly _trans: TranslationBundle
  ) {
    const trans = _trans;
    this._id = el('span', 'id', id);
    this._id.title = trans.__('The id of the run');
    this._stop = button('button', trans.__('Stop'), () => this._ask(true));
    this._asked = el('span', 'confirm', trans.__('Stop this run?'));
    this._asked.append(
      button('button danger', trans.__('Stop it'), () => void this._halt()),
      button('button', trans.__('Keep it running'), () => this._ask(false))
    );
    this._open = button('button', trans.__('Open'), () => this._actions.open?.());
    this._open.hidden = !_actions.open;
    const menu = new Menu(trans.__('More'), [[trans.__('Copy run id'), () => this._copy(id)], ...this._formats()]);
    this._icon.setAttribute('aria-hidden', 'true');
    this._note.setAttribute('role', 'status');
    this._asked.hidden = this._stop.hidden = true;
    const facts = el('span', 'facts', this._shape, ' · ', this._queue, ' · ', this._id);
    const buttons = el('span', 'buttons', this._note, this._asked, this._stop, this._open, menu.node);
    this.node = el('header', 'header', this._icon, this._name, this._state, facts, buttons);
    setText(this._name, id);
  }

  update(run: ISummary): void {
    this.node.dataset.state = run.state;
    setText(this._icon, run.icon);
    setText(this._name, run.name || run.id);
    setText(this._state, stateWord(run.state, this._trans));
    setText(this._shape, `${run.shape} ×${run.nodes}`);
    setText(this._queue, run.queue);
    const live = !hasEnded(run.state) && this._actions.stop !== null;
    this._stop.hidden = !live || !this._asked.hidden;
    this._asked.hidden = this._asked.hidden || !live;
    if (!live) {
      this._stopping = false;
    }
    this._stop.disabled = this._stopping;
    setText(this._stop, this._stopping ? this._trans.__('Stopping…') : this._trans.__('Stop'));
  }

  /** A word on the connection, or none. */
  say(note: string): void {
    setText(this._note, note);
  }

  /** The files that the run can be saved as. */
  private _formats(): (readonly [string, () => void])[] {
    const { save } = this._actions;
    const trans = this._trans;
    const labels = {
      png: trans.__('Save picture'),
      html: trans.__('Save page (HTML)'),
      recorded: trans.__('Save recorded run (.aicci.json)'),
      perfetto: trans.__('Save trace (Perfetto)'),
      csv: trans.__('Save samples (CSV)'),
      parquet: trans.__('Save samples (Parquet)')
    };
    return save ? Object.entries(labels).map(([format, label]) => [label, () => save(format)] as const) : [];
  }

  /** Into the clipboard; on a page without https, where there is none, the id is selected for Ctrl+C. */
  private _copy(id: string): void {
    if (window.isSecureContext) {
      void navigator.clipboard.writeText(id);
    } else {
      getSelection()?.selectAllChildren(this._id);
    }
  }

  private _ask(asked: boolean): void {
    this._asked.hidden = !asked;
    this._stop.hidden = asked;
    (asked ? this._asked.querySelector('button') : this._stop)?.focus();
  }

  private async _halt(): Promise<void> {
    this._ask(false);
    this._stopping = this._stop.disabled = true;
    setText(this._stop, this._trans.__('Stopping…'));
    try {
      await this._actions.stop?.();
      this.say('');
    } catch (error) {
      this._stopping = this._stop.disabled = false;
      setText(this._stop, this._trans.__('Stop'));
      this.say(this._trans.__('The run was not stopped: %1', error instanceof Error ? error.message : String(error)));
    }
  }

  private readonly _icon = el('span', 'icon');
  private readonly _name = el('b', 'name');
  private readonly _state = el('span', 'state');
  private readonly _shape = el('span', '');
  private readonly _queue = el('span', '');
  private readonly _note = el('span', 'note');
  private readonly _id: HTMLElement;
  private readonly _stop: HTMLButtonElement;
  private readonly _asked: HTMLElement;
  private readonly _open: HTMLButtonElement;
  private _stopping = false;
}
