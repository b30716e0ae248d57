/**
 * A small menu on a button: opens with Enter or click, arrows move, Escape and leaving close it.
 */
import { button, el } from './dom';

export class Menu {
  readonly node: HTMLElement;

  constructor(label: string, items: readonly (readonly [string, () => void])[]) {
    this._button = button('button', '⋯', () => this._show(this._list.hidden));
    this._button.setAttribute('aria-label', label);
    this._button.setAttribute('aria-haspopup', 'menu');
    this._button.title = label;
    this._list = el('div', 'menu');
    this._list.setAttribute('role', 'menu');
    for (const [text, act] of items) {
      const item = button('menu-item', text, () => {
        this._show(false);
        act();
      });
      item.setAttribute('role', 'menuitem');
      item.tabIndex = -1;
      this._list.append(item);
    }
    this.node = el('span', 'menu-place', this._button, this._list);
    this.node.addEventListener('keydown', event => this._onKey(event));
    this.node.addEventListener('focusout', event => {
      if (!this.node.contains(event.relatedTarget as Node | null)) {
        this._list.hidden = true;
        this._button.setAttribute('aria-expanded', 'false');
      }
    });
    this._list.hidden = true;
    this._button.setAttribute('aria-expanded', 'false');
  }

  private _show(open: boolean): void {
    this._list.hidden = !open;
    this._button.setAttribute('aria-expanded', String(open));
    const first = this._list.querySelector('button');
    (open && first ? first : this._button).focus();
  }

  private _onKey(event: KeyboardEvent): void {
    const items = [...this._list.querySelectorAll('button')];
    const at = items.indexOf(document.activeElement as HTMLButtonElement);
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1 };
    const step = steps[event.key];
    if (this._list.hidden || (step === undefined && event.key !== 'Escape')) {
      return;
    }
    event.preventDefault();
    event.stopPropagation(); // the notebook has its own meaning for these keys
    if (step === undefined) {
      this._show(false);
    } else {
      items.at((at + step) % items.length)?.focus();
    }
  }

  private readonly _button: HTMLButtonElement;
  private readonly _list: HTMLElement;
}
