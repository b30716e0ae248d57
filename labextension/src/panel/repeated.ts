/**
 * A field for an option that may be given several times: a line for each, with what is known already proposed; lines are added and removed.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import { button, el } from '../card/dom';
import type { IOptionRow, ISite } from '../site/protocol';
import { PROPOSALS, type IChoice } from './choices';
import type { IControl, Typed } from './fields';
import { optionWord } from './words';

export class RepeatedField implements IControl {
  readonly node: HTMLElement;
  readonly target: HTMLElement;

  constructor(
    private readonly _option: IOptionRow,
    private readonly _onEdit: () => void,
    private readonly _trans: TranslationBundle
  ) {
    this._proposals.id = `jp-aicci-proposals-${_option.field}`;
    this._more = button('button add', this._trans.__('Add'), () => this._add('').focus());
    this._more.setAttribute('aria-label', this._trans.__('Add %1', optionWord(_option.field, _trans)));
    this.node = this.target = el('div', 'repeated', this._lines, this._more, this._proposals);
    this.node.setAttribute('role', 'group');
  }

  given(): readonly string[] | null {
    const typed = this._inputs().map(input => input.value.trim());
    const filled = typed.filter(Boolean);
    return filled.length ? filled : null;
  }

  /** One more value is a line more, unless it is there. */
  take(typed: Typed): void {
    for (const value of [typed].flat()) {
      if (!this._inputs().some(input => input.value.trim() === value)) {
        this._add(value);
      }
    }
  }

  update(site: ISite): string {
    const proposals = PROPOSALS[this._option.field]?.(site, this._trans) ?? [];
    const key = JSON.stringify(proposals);
    if (key !== this._key) {
      this._key = key;
      this._proposals.replaceChildren(...proposals.map(({ value, note }) => new Option(note, value)));
    }
    return this._noteOf(proposals);
  }

  /** What is known of those lines that are known. */
  private _noteOf(proposals: readonly IChoice[]): string {
    const details = this._inputs().map(
      input => proposals.find(each => each.value === input.value.trim() && each.detail)?.detail ?? ''
    );
    return details.filter(Boolean).join('\n');
  }

  private _add(value: string): HTMLInputElement {
    const input = el('input', 'input');
    const name = optionWord(this._option.field, this._trans);
    input.type = 'text';
    input.dir = 'auto';
    input.spellcheck = false;
    input.value = value;
    input.placeholder = this._option.metavar;
    input.setAttribute('list', this._proposals.id);
    input.setAttribute('aria-label', name);
    input.addEventListener('input', this._onEdit);
    const remove = button('button remove', '×', () => {
      line.remove();
      this._more.focus();
      this._onEdit();
    });
    remove.title = this._trans.__('Remove this line');
    remove.setAttribute('aria-label', remove.title);
    const line = el('div', 'repeated-line', input, remove);
    this._lines.append(line);
    return input;
  }

  private _inputs(): readonly HTMLInputElement[] {
    return [...this._lines.querySelectorAll('input')];
  }

  private _key = '';
  private readonly _more: HTMLButtonElement;
  private readonly _lines = el('div', 'repeated-lines');
  private readonly _proposals = el('datalist', '');
}
