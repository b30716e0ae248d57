/**
 * The form of a new run: a field for each row of the option table, what would happen now, and the two ways to start it.
 *
 * Rule 1: the fields are made from the server's option table; none is named here but the two that a press elsewhere fills.
 * Rule 2: an error stands at the field that it names; what was typed stays, whatever goes wrong.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';

import { button, el, setText } from '../card/dom';
import type { ISummary } from '../protocol';
import type { Given, IDataRow, IOptionRow, IRights, ISite } from '../site/protocol';
import { ApiError } from '../runs/model';
import type { ISiteApi } from '../site/model';
import type { IPanelActions } from './actions';
import { Answer } from './answer';
import { Asker, type IAnswer, type IQuestion } from './asker';
import { mountText } from './data';
import { Field } from './fields';
import { sayIn } from './rows';
import { Script } from './script';
import { errorWords } from './words';

/** An answer this old is asked for again, once shapes or queues have changed. */
const STALE_MS = 10_000;
/** Between two requests for the options that failed. */
const LOAD_AGAIN_MS = 5_000;
const SHAPE = 'shape';
const DATA = 'data';

export class LaunchForm implements IDisposable {
  readonly node: HTMLElement;

  constructor(
    private readonly _api: ISiteApi,
    private readonly _actions: Pick<IPanelActions, 'open' | 'insertCell' | 'chooseFile'>,
    private readonly _nowNs: () => number,
    private readonly _trans: TranslationBundle
  ) {
    const trans = _trans;
    this._asker = new Asker(_api);
    this._asker.changed.connect((_, answer) => this._showAnswer(answer));
    this._answer = new Answer(shape => this._takeShape(shape), trans);
    this._script = this._makeScript();
    this._unfold = button('link', '', () => this._showMore(this._more.hidden));
    this._more.id = 'jp-aicci-more-options';
    this._unfold.setAttribute('aria-controls', this._more.id);
    this._showMore(false);
    this._scriptPress = button('button', trans.__('Launch script…'), () => {
      this._showScript(this._script.node.hidden);
      this._edited();
    });
    this._insert = button('button primary', trans.__('Insert cell'), () => void this._insertCell());
    const buttons = el('div', 'form-buttons', this._scriptPress, this._insert);
    this._said.setAttribute('role', 'status');
    this._error.setAttribute('role', 'alert');
    this.node = el('div', 'new-run', this._main, this._unfold, this._more, this._answer.node, this._barred);
    this.node.append(this._script.node, this._error, this._said, buttons);
    [this._barred, this._error, this._said].forEach(each => (each.hidden = true));
    this._showScript(false);
    this._insert.disabled = true;
  }

  get isDisposed(): boolean {
    return this._asker.isDisposed;
  }

  dispose(): void {
    clearTimeout(this._staleTimer);
    this._asker.dispose();
  }

  /** Ask the server which options there are, until it has said. */
  async load(signal: AbortSignal): Promise<void> {
    if (this._loading || this._fields.length || performance.now() < this._loadAgainMs) {
      return;
    }
    this._loading = true;
    try {
      this._build(await this._api.options(signal));
      sayIn(this._error, '');
    } catch (error) {
      this._loadAgainMs = performance.now() + LOAD_AGAIN_MS;
      sayIn(this._error, errorWords(error));
    } finally {
      this._loading = false;
    }
  }

  update(site: ISite): void {
    const changed = site.shapes !== this._site?.shapes || site.queues !== this._site.queues;
    const isFirst = !this._site;
    this._site = site;
    this._fields.forEach(field => field.update(site));
    if (isFirst) {
      this._ask(0);
    } else if (changed && this._fields.length) {
      this._staleTimer ??= setTimeout(() => this._askAgain(), STALE_MS);
    }
  }

  /** Another second has passed. */
  tick(): void {
    const { forecasts, asking } = this._asker.answer;
    this._answer.update(forecasts, asking, this._nowNs());
  }

  /** Offer what this user may do, and say why not the rest. */
  allow({ launch }: IRights): void {
    const trans = this._trans;
    const why = launch ? '' : trans.__('You may look, but not launch: this server gives you read access only.');
    this._script.allow(launch, why);
    this._scriptPress.disabled = !launch;
    this._scriptPress.title = why;
    sayIn(this._barred, why);
  }

  /** Mount this data set in the run, too. */
  mount(data: IDataRow): void {
    this._fieldOf(DATA)?.take([mountText(data)]);
    this._edited();
  }

  /** Go to the first field, as soon as there is one. */
  focus(): void {
    this._focusIsDue = this._fields.length === 0;
    this.node.querySelector<HTMLElement>('.jp-aicci-field select, .jp-aicci-field input')?.focus();
  }

  private _build(options: readonly IOptionRow[]): void {
    const ours = options.filter(option => option.section !== 'client');
    this._fields = ours.map(option => new Field(option, () => this._edited(), this._trans));
    for (const field of this._fields) {
      (field.option.section === 'main' ? this._main : this._more).append(field.node);
      if (this._site) {
        field.update(this._site);
      }
    }
    this._unfold.hidden = !this._more.childElementCount;
    this._insert.disabled = false;
    if (this._focusIsDue) {
      this.focus();
    }
    if (this._site) {
      this._ask(0);
    }
  }

  private _makeScript(): Script {
    return new Script(
      {
        chooseFile: () => this._actions.chooseFile(),
        launch: (id, file, given) => this._launch(id, file, given),
        given: () => this._given(),
        launched: run => this._launched(run),
        failed: error => this._fail(error),
        edited: () => this._edited()
      },
      this._trans
    );
  }

  private _given(): Given {
    const typed = this._fields.map(field => [field.option.field, field.given()] as const);
    return Object.fromEntries(typed.flatMap(([field, value]) => (value === null ? [] : [[field, value]])));
  }

  private _question(): IQuestion {
    const { file } = this._script;
    return { given: this._given(), program: file ? { file } : {} };
  }

  private _edited(): void {
    const site = this._site;
    this._clearErrors();
    if (site) {
      this._fields.forEach(field => field.update(site));
    }
    this._ask();
  }

  private _ask(pauseMs?: number): void {
    if (this._fields.length && this._site) {
      this._asker.ask(this._question(), pauseMs);
    }
  }

  private _askAgain(): void {
    this._staleTimer = undefined;
    const isSeen = !this.node.closest('[hidden]');
    if (isSeen && !this._asker.answer.asking && !this._inserting) {
      this._ask(0);
    }
  }

  private _takeShape(shape: string): void {
    this._fieldOf(SHAPE)?.take(shape);
    this._edited();
  }

  private _showAnswer({ asking, forecasts, error }: IAnswer): void {
    this._answer.update(forecasts, asking, this._nowNs());
    this.node.setAttribute('aria-busy', String(asking));
    if (error) {
      this._fail(error);
    } else if (!asking && this._refused) {
      this._clearErrors();
    }
    this._refused = error ? true : this._refused && asking;
  }

  private async _insertCell(): Promise<void> {
    if (this._inserting) {
      return;
    }
    this._setInserting(true);
    sayIn(this._said, '');
    try {
      const { magic } = await this._asker.now(this._question());
      await this._actions.insertCell(magic);
      sayIn(this._said, this._trans.__('Inserted in the notebook.'));
    } catch (error) {
      this._fail(error);
    } finally {
      this._setInserting(false);
    }
  }

  private _launch(id: string, file: string, given: Given): Promise<ISummary> {
    this._clearErrors();
    sayIn(this._said, this._trans.__('Launching %1…', file));
    return this._api.launch(id, file, given);
  }

  private _launched(run: ISummary): void {
    sayIn(this._said, this._trans.__('Launched as %1.', run.name || run.id));
    this._actions.open(run.id);
  }

  /** At the field that the error names, else below all. */
  private _fail(error: unknown): void {
    const named = error instanceof ApiError ? fieldOfFlag(error.field) : '';
    const field = named ? this._fieldOf(named) : undefined;
    sayIn(this._said, '');
    if (!field) {
      sayIn(this._error, errorWords(error));
      return;
    }
    field.fail(error instanceof Error ? error.message : String(error));
    if (field.option.section === 'more') {
      this._showMore(true);
    }
  }

  private _clearErrors(): void {
    this._fields.forEach(field => field.fail(''));
    sayIn(this._error, '');
  }

  private _fieldOf(name: string): Field | undefined {
    return this._fields.find(field => field.option.field === name);
  }

  private _showMore(shown: boolean): void {
    this._more.hidden = !shown;
    this._unfold.setAttribute('aria-expanded', String(shown));
    setText(this._unfold, shown ? this._trans.__('Fewer options') : this._trans.__('More options'));
  }

  private _showScript(shown: boolean): void {
    this._script.show(shown);
    this._scriptPress.setAttribute('aria-expanded', String(shown));
  }

  /** The button keeps the focus meanwhile. */
  private _setInserting(inserting: boolean): void {
    this._inserting = inserting;
    this._insert.setAttribute('aria-disabled', String(inserting));
  }

  private _site: ISite | null = null;
  private _fields: readonly Field[] = [];
  private _loading = false;
  private _loadAgainMs = 0;
  private _focusIsDue = false;
  private _inserting = false;
  private _refused = false; // what is said to be wrong is so by the latest answer
  private _staleTimer: ReturnType<typeof setTimeout> | undefined;
  private readonly _main = el('div', 'fields');
  private readonly _more = el('div', 'fields');
  private readonly _barred = el('p', 'barred');
  private readonly _error = el('p', 'field-error');
  private readonly _said = el('p', 'said');
  private readonly _asker: Asker;
  private readonly _answer: Answer;
  private readonly _script: Script;
  private readonly _unfold: HTMLButtonElement;
  private readonly _scriptPress: HTMLButtonElement;
  private readonly _insert: HTMLButtonElement;
}

/** `--min-nodes` and `min_nodes` are one field; servers name it either way. */
function fieldOfFlag(name: string): string {
  return name.replace(/^--/, '').replaceAll('-', '_');
}
