/**
 * A list of any length: rows of one height, of which only those in view are in the document.
 *
 * Rule 1: a row keeps its element as long as it is in view, wherever it moves to, so that focus and selection stay.
 * Rule 2: the current row is always there, in view or not: it has the focus, or takes it with Tab.
 * Keys: arrows, Page Up and Down, Home and End move; Enter opens, Delete removes, Ctrl+C copies.
 */
import { el } from '../card/dom';
import { kept, moved } from './selection';

/** Height of a row, in CSS pixels; panel.css has the same. */
export const ROW_PX = 26;
/** Rows that are seen at once; the rest is scrolled to. */
export const ROWS_IN_VIEW = 12;
/** Rows that are ready beyond both edges. */
const AROUND = 8;

export interface IListRow<T> {
  readonly node: HTMLElement;
  update(item: T): void;
}

export interface IListActions {
  open(id: string): void;
  remove(id: string): void;
  copy(id: string): void;
}

export class VirtualList<T extends { readonly id: string }> {
  readonly node = el('div', 'list');

  constructor(
    label: string,
    private readonly _make: () => IListRow<T>,
    private readonly _actions: IListActions
  ) {
    this._canvas.setAttribute('role', 'listbox');
    this._canvas.setAttribute('aria-label', label);
    this.node.append(this._canvas);
    this.node.style.maxHeight = `${ROW_PX * ROWS_IN_VIEW}px`;
    this.node.addEventListener('scroll', () => this._draw(), { passive: true });
    this.node.addEventListener('keydown', event => this._onKey(event));
    this.node.addEventListener('dblclick', event => this._at(event, id => this._actions.open(id)));
    for (const type of ['mousedown', 'focusin', 'contextmenu']) {
      this.node.addEventListener(type, event => this._at(event, id => this.select(id)));
    }
  }

  /** The id of the current row, or ''. */
  get current(): string {
    return this._current;
  }

  /** Show these; the current row stays the current one. */
  update(items: readonly T[]): void {
    const before = this._items.map(item => item.id);
    const hadFocus = this._canvas.contains(document.activeElement);
    this._current = kept(
      this._current,
      before,
      items.map(item => item.id)
    );
    this._items = items;
    this._canvas.style.height = `${ROW_PX * items.length}px`;
    this._draw();
    if (hadFocus && !this._canvas.contains(document.activeElement)) {
      this._focus();
    }
  }

  /** Draw what is in view again, at another moment. */
  refresh(): void {
    this._rows.forEach(({ row, item }) => row.update(item));
  }

  select(id: string): void {
    if (id !== this._current) {
      this._current = id;
      this._draw();
    }
  }

  private _onKey(event: KeyboardEvent): void {
    const at = this._items.findIndex(item => item.id === this._tabbable);
    const to = moved(event.key, at, this._items.length, ROWS_IN_VIEW - 1);
    const does: Record<string, ((id: string) => void) | undefined> = {
      Enter: id => this._actions.open(id),
      Delete: id => this._actions.remove(id),
      ...(event.ctrlKey || event.metaKey ? { c: (id: string) => this._actions.copy(id) } : {})
    };
    const act = does[event.key];
    if (to === null && !act) {
      return;
    }
    event.preventDefault();
    event.stopPropagation(); // the notebook has its own meaning for these keys
    if (to !== null) {
      this._go(to);
    } else if (this._tabbable) {
      act?.(this._tabbable);
    }
  }

  private _go(to: number): void {
    this._current = this._items[to]?.id ?? '';
    const top = to * ROW_PX;
    const height = this.node.clientHeight || ROW_PX * ROWS_IN_VIEW;
    if (top < this.node.scrollTop) {
      this.node.scrollTop = top;
    } else if (top + ROW_PX > this.node.scrollTop + height) {
      this.node.scrollTop = top + ROW_PX - height;
    }
    this._draw();
    this._focus();
  }

  private _focus(): void {
    this._rows.get(this._tabbable)?.row.node.focus({ preventScroll: true });
  }

  /** Do something with the row that an event is on. */
  private _at(event: Event, act: (id: string) => void): void {
    const row = event.target instanceof Element ? event.target.closest<HTMLElement>('[data-run-id]') : null;
    if (row?.dataset.runId) {
      act(row.dataset.runId);
    }
  }

  /** The row that Tab comes to: the current one, else the first. */
  private get _tabbable(): string {
    return this._current || (this._items[0]?.id ?? '');
  }

  private _draw(): void {
    const from = Math.max(0, Math.floor(this.node.scrollTop / ROW_PX) - AROUND);
    const to = from + ROWS_IN_VIEW + 2 * AROUND;
    const tabbable = this._tabbable;
    const places = new Map<string, readonly [T, number]>();
    this._items.forEach((item, at) => {
      if ((at >= from && at < to) || item.id === tabbable) {
        places.set(item.id, [item, at]);
      }
    });
    this._drop(places);
    let next = this._canvas.firstElementChild;
    for (const [item, at] of places.values()) {
      const node = this._place(item, at);
      if (node === next) {
        next = next.nextElementSibling;
      } else {
        this._canvas.insertBefore(node, next); // in order, also for who reads the rows aloud
      }
    }
  }

  /** Take away the rows that are no longer in view, first of all: then no other has to move, and lose the focus by it. */
  private _drop(places: ReadonlyMap<string, unknown>): void {
    for (const [id, { row }] of this._rows) {
      if (!places.has(id)) {
        row.node.remove();
        this._rows.delete(id);
      }
    }
  }

  private _place(item: T, at: number): HTMLElement {
    const known = this._rows.get(item.id);
    const row = known?.row ?? this._make();
    if (known?.item !== item) {
      row.update(item);
    }
    const { node } = row;
    node.tabIndex = item.id === this._tabbable ? 0 : -1;
    node.setAttribute('aria-selected', String(item.id === this._current));
    if (known?.at !== at) {
      node.style.top = `${at * ROW_PX}px`;
      node.setAttribute('aria-posinset', String(at + 1));
    }
    if (known?.count !== this._items.length) {
      node.setAttribute('aria-setsize', String(this._items.length));
    }
    this._rows.set(item.id, { row, item, at, count: this._items.length });
    return node;
  }

  private _items: readonly T[] = [];
  private _current = '';
  private readonly _rows = new Map<string, IDrawn<T>>();
  private readonly _canvas = el('div', 'list-canvas');
}

interface IDrawn<T> {
  readonly row: IListRow<T>;
  readonly item: T;
  readonly at: number;
  readonly count: number;
}
