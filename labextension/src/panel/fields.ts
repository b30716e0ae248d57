/**
 * One field of the form for a row of the option table: what is typed, what the service offers, what is wrong with it.
 *
 * Rule 1: the row's kind decides what the field is; no option is named here.
 * Rule 2: a field says what differs from the default, as text; the service reads it. What was typed is never changed or lost.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import { el, setText } from '../card/dom';
import type { IOptionRow, ISite } from '../site/protocol';
import { CHOICES, choiceLine, type IChoice } from './choices';
import { RepeatedField } from './repeated';
import { optionWord } from './words';

export type Typed = string | readonly string[];

/** What a person works with; `given` is null where it is as the default. */
export interface IControl {
  readonly node: HTMLElement;
  /** What a label is for. */
  readonly target: HTMLElement;
  given(): Typed | null;
  take(typed: Typed): void;
  /** A word on what is chosen, or empty. */
  update(site: ISite): string;
}

/** A control with its label, its help, and what is wrong with it. */
export class Field {
  readonly node: HTMLElement;

  constructor(
    readonly option: IOptionRow,
    onEdit: () => void,
    trans: TranslationBundle
  ) {
    const name = optionWord(option.field, trans);
    this._control = controlOf(option, onEdit, trans);
    const { target } = this._control;
    const id = `jp-aicci-field-${option.field}`;
    target.id = id;
    this._help.id = `${id}-help`;
    this._error.id = `${id}-error`;
    target.setAttribute('aria-describedby', `${this._help.id} ${this._error.id}`);
    this._error.setAttribute('role', 'alert');
    this._error.hidden = this._note.hidden = true;
    const label = el('label', 'label', name);
    label.htmlFor = id;
    label.id = `${id}-label`;
    target.setAttribute('aria-labelledby', label.id); // also where it is a group, which no label can be for
    label.title = `${option.flag}: ${option.help}`;
    setText(this._help, option.help);
    const beside = el('div', 'field-body', this._control.node, this._note, this._error, this._help);
    this.node = el('div', 'field', label, beside);
    this.node.dataset.field = option.field;
  }

  given(): Typed | null {
    return this._control.given();
  }

  take(typed: Typed): void {
    this._control.take(typed);
  }

  update(site: ISite): void {
    setText(this._note, this._control.update(site));
    this._note.hidden = !this._note.textContent;
  }

  /** Say what is wrong with it; '' = nothing. */
  fail(message: string): void {
    setText(this._error, message);
    this._error.hidden = !message;
    for (const input of this.node.querySelectorAll('input, select')) {
      input.setAttribute('aria-invalid', String(message !== ''));
    }
  }

  private readonly _control: IControl;
  private readonly _note = el('p', 'field-note');
  private readonly _error = el('p', 'field-error');
  private readonly _help = el('p', 'field-help');
}

function controlOf(option: IOptionRow, onEdit: () => void, trans: TranslationBundle): IControl {
  if (option.kind === 'flag') {
    return new FlagControl(onEdit);
  }
  if (option.kind === 'choice' || option.field in CHOICES) {
    return new ChoiceControl(option, onEdit, trans);
  }
  return option.repeats ? new RepeatedField(option, onEdit, trans) : new TextControl(option, onEdit, trans);
}

/** What could be typed; a letter that stands for anything is no example. */
export function exampleWords(metavar: string, trans: TranslationBundle): string {
  return metavar.length > 1 ? trans.__('such as %1', metavar) : '';
}

class TextControl implements IControl {
  readonly target = el('input', 'input');
  readonly node = this.target;

  constructor(
    private readonly _option: IOptionRow,
    onEdit: () => void,
    trans: TranslationBundle
  ) {
    const { kind, metavar } = _option;
    this.target.type = 'text';
    this.target.dir = 'auto';
    this.target.spellcheck = false;
    this.target.autocomplete = 'off';
    this.target.inputMode = kind === 'int' ? 'numeric' : kind === 'money' ? 'decimal' : 'text';
    this.target.placeholder = _option.default || exampleWords(metavar, trans);
    this.target.addEventListener('input', onEdit);
  }

  given(): string | null {
    const typed = this.target.value.trim();
    return typed && typed !== this._option.default ? typed : null;
  }

  take(typed: Typed): void {
    this.target.value = String(typed);
  }

  update(): string {
    return '';
  }
}

class FlagControl implements IControl {
  readonly target = el('input', 'flag');
  readonly node = this.target;

  constructor(onEdit: () => void) {
    this.target.type = 'checkbox';
    this.target.addEventListener('change', onEdit);
  }

  given(): string | null {
    return this.target.checked ? 'true' : null;
  }

  take(typed: Typed): void {
    this.target.checked = typed === 'true';
  }

  update(): string {
    return '';
  }
}

class ChoiceControl implements IControl {
  readonly target = el('select', 'input');
  readonly node = this.target;

  constructor(
    private readonly _option: IOptionRow,
    onEdit: () => void,
    private readonly _trans: TranslationBundle
  ) {
    this._show(_option.choices.map(value => ({ value, note: '', detail: '' })));
    this.target.addEventListener('change', onEdit);
  }

  given(): string | null {
    const { value } = this.target;
    return value !== this._option.default ? value : null;
  }

  take(typed: Typed): void {
    const value = String(typed);
    if (![...this.target.options].some(each => each.value === value)) {
      this.target.append(new Option(value, value));
    }
    this.target.value = value;
  }

  update(site: ISite): string {
    const choices = CHOICES[this._option.field]?.(site, this._trans) ?? [];
    if (choices.length) {
      this._show(choices);
    }
    return choices.find(each => each.value === this.target.value)?.detail ?? '';
  }

  /** Offer these, the default and what is chosen; entries that stay keep their element, so that an open list stays open. */
  private _show(choices: readonly IChoice[]): void {
    const chosen = this.target.value || this._option.default;
    const offered = new Map(choices.map(each => [each.value, each]));
    for (const value of [this._option.default, chosen]) {
      if (!offered.has(value)) {
        offered.set(value, { value, note: '', detail: '' });
      }
    }
    const known = new Map([...this.target.options].map(each => [each.value, each]));
    for (const choice of offered.values()) {
      const entry = known.get(choice.value) ?? new Option('', choice.value);
      setText(entry, choiceLine(choice));
      if (!known.delete(choice.value)) {
        this.target.append(entry);
      }
    }
    known.forEach(entry => entry.remove());
    this.target.value = chosen;
  }
}
