/**
 * A short list whose rows are kept by key: what did not change is not touched, so that focus and selections stay.
 */
import { el, setText } from '../card/dom';

export interface IRow<T> {
  readonly node: HTMLElement;
  /** Show this item as it is at this moment of the service's clock. */
  update(item: T, nowNs: number): void;
}

export class Rows<T> {
  readonly node: HTMLElement;

  /** `empty` stands in the list's place while there is nothing, and says what to do. */
  constructor(
    private readonly _words: { readonly label: string; readonly empty: string },
    private readonly _keyOf: (item: T) => string,
    private readonly _make: () => IRow<T>
  ) {
    this._list.setAttribute('aria-label', _words.label);
    this.node = el('div', '', this._list, this._empty);
  }

  update(items: readonly T[], nowNs: number): void {
    this._list.hidden = items.length === 0;
    sayIn(this._empty, items.length ? '' : this._words.empty);
    const keys = new Set(items.map(this._keyOf));
    for (const [key, row] of this._rows) {
      if (!keys.has(key)) {
        row.node.remove();
        this._rows.delete(key);
      }
    }
    let next = this._list.firstElementChild;
    for (const item of items) {
      const row = this._rowOf(this._keyOf(item));
      row.update(item, nowNs);
      if (row.node === next) {
        next = next.nextElementSibling;
      } else {
        this._list.insertBefore(row.node, next);
      }
    }
  }

  private _rowOf(key: string): IRow<T> {
    const row = this._rows.get(key) ?? this._make();
    this._rows.set(key, row);
    return row;
  }

  private readonly _rows = new Map<string, IRow<T>>();
  private readonly _list = el('ul', 'rows');
  private readonly _empty = el('p', 'empty');
}

/** A bar that is filled to a share; the number stands beside it, so it is told to nobody else. */
export class Bar {
  readonly node = el('span', 'bar');

  constructor() {
    this.node.setAttribute('aria-hidden', 'true');
    this.node.append(this._filled);
  }

  update(ratio: number, isFull: boolean): void {
    const width = `${Math.round(100 * Math.min(1, Math.max(0, ratio)))}%`;
    if (this._filled.style.width !== width) {
      this._filled.style.width = width;
    }
    this.node.classList.toggle('jp-aicci-mod-full', isFull);
  }

  private readonly _filled = el('i', 'bar-filled');
}

/** Set an attribute where it differs. */
export function setTitle(node: HTMLElement, title: string): void {
  if (node.title !== title) {
    node.title = title;
  }
}

/** Say it in this element, or hide that where there is nothing to say. */
export function sayIn(node: HTMLElement, words: string): void {
  setText(node, words);
  node.hidden = !words;
}
