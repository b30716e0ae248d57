/**
 * The part of the form that launches a file: its path, a way to choose it, and the press that sends it.
 *
 * Rule: one intent is one run, however often it is pressed (`intent.ts`); for a moment after the answer a press means nothing.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import { button, el, setText } from '../card/dom';
import type { ISummary } from '../protocol';
import type { Given } from '../site/protocol';
import { ApiError } from '../runs/model';
import { Intent } from './intent';

/** A second press of a double click comes within this, also where the answer was quicker. */
const QUIET_MS = 1_000;
/** The server's own failures from here on; below, it has answered. */
const SERVER_FAILED = 500;

export interface IScriptActions {
  chooseFile(): Promise<string | null>;
  launch(id: string, file: string, given: Given): Promise<ISummary>;
  given(): Given;
  launched(run: ISummary): void;
  failed(error: unknown): void;
  edited(): void;
}

export class Script {
  readonly node: HTMLElement;

  constructor(
    private readonly _actions: IScriptActions,
    private readonly _trans: TranslationBundle
  ) {
    const trans = _trans;
    this._input.type = 'text';
    this._input.dir = 'auto';
    this._input.spellcheck = false;
    this._input.placeholder = trans.__('train.py');
    this._input.id = 'jp-aicci-script';
    this._input.addEventListener('input', () => _actions.edited());
    this._input.addEventListener('keydown', event => {
      if (event.key === 'Enter') {
        event.preventDefault();
        void this._launch();
      }
    });
    const label = el('label', 'label', trans.__('script'));
    label.htmlFor = this._input.id;
    const browse = button('button', trans.__('Browse…'), () => void this._browse());
    this._press = button('button primary', trans.__('Launch'), () => void this._launch());
    const line = el('div', 'script-line', this._input, browse, this._press);
    this.node = el('div', 'field script', label, line);
    this.node.hidden = true;
  }

  /** The file that is to run, or '' while none is meant. */
  get file(): string {
    return this.node.hidden ? '' : this._input.value.trim();
  }

  show(shown: boolean): void {
    this.node.hidden = !shown;
    if (shown) {
      this._input.focus();
    }
  }

  /** Whether launching is allowed. */
  allow(allowed: boolean, why: string): void {
    this._allowed = allowed;
    this._press.title = why;
    this._enable();
  }

  private async _browse(): Promise<void> {
    const path = await this._actions.chooseFile();
    if (path !== null) {
      this._input.value = path;
      this._actions.edited();
      this._press.focus();
    }
  }

  private async _launch(): Promise<void> {
    const { file } = this;
    if (this._busy || !this._allowed) {
      return;
    }
    if (!file) {
      this._actions.failed(new Error(this._trans.__('No script is chosen. Type its path, or press Browse.')));
      this._input.focus();
      return;
    }
    this._setBusy(true);
    try {
      await this._send(file);
    } catch (error) {
      if (error instanceof ApiError && error.status < SERVER_FAILED) {
        this._intent.end();
      }
      this._setBusy(false);
      this._actions.failed(error);
    }
  }

  private async _send(file: string): Promise<void> {
    const given = this._actions.given();
    const run = await this._actions.launch(this._intent.idOf(JSON.stringify([file, given])), file, given);
    this._intent.end();
    this._actions.launched(run);
    setTimeout(() => this._setBusy(false), QUIET_MS);
  }

  private _setBusy(busy: boolean): void {
    this._busy = busy;
    setText(this._press, busy ? this._trans.__('Launching…') : this._trans.__('Launch'));
    this._enable();
  }

  private _enable(): void {
    this._press.disabled = !this._allowed;
    this._press.setAttribute('aria-disabled', String(this._busy || !this._allowed)); // keeps the focus while it is busy
  }

  private _busy = false;
  private _allowed = true;
  private readonly _intent = new Intent();
  private readonly _input = el('input', 'input');
  private readonly _press: HTMLButtonElement;
}
