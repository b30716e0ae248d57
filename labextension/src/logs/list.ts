/**
 * Lines in a window that scrolls: only those that can be seen are in the page, however many there are.
 *
 * Browsers stop at some 30 million pixels of height; a longer list scrolls in proportion. The window takes the focus, so that
 * the browser's own keys scroll it.
 */
import { el } from '../card/dom';

/** Draw line number `row` into its element. */
export type DrawRow = (row: number, element: HTMLElement) => void;

const MOST_PX = 15_000_000;
const USUAL_ROW_PX = 18;
/** So near to the end is at the end. */
const NEAR_PX = 4;

export class LineList {
  readonly node: HTMLElement;

  constructor(
    private readonly _drawRow: DrawRow,
    scrolled: () => void
  ) {
    this._space = el('div', 'log-space', this._rows);
    this.node = el('div', 'log-lines', this._space);
    this.node.tabIndex = 0;
    this.node.setAttribute('role', 'region');
    this.node.addEventListener('scroll', () => {
      this._draw();
      scrolled();
    });
  }

  get isAtEnd(): boolean {
    const { scrollTop, clientHeight, scrollHeight } = this.node;
    return scrollHeight - scrollTop - clientHeight <= NEAR_PX;
  }

  /** The first line that is seen. */
  get first(): number {
    return Math.floor(this._topPx / this._rowPx);
  }

  /** So many lines now, drawn anew, at the same place. */
  show(count: number): void {
    this._count = count;
    this.node.hidden = count === 0;
    this._space.style.height = `${Math.min(count * this._rowPx, MOST_PX)}px`;
    this._draw();
  }

  toEnd(): void {
    this.node.scrollTop = this.node.scrollHeight;
    this._draw();
  }

  /** Bring this line to the middle, unless it is well in sight. */
  reveal(row: number): void {
    const seen = this.node.clientHeight / this._rowPx;
    if (row < this.first + 1 || row > this.first + seen - 2) {
      this.scrollTo(row - seen / 2);
    } else {
      this._draw();
    }
  }

  /** This line on top. */
  scrollTo(row: number): void {
    const [room, hidden] = this._rooms;
    this.node.scrollTop = hidden > 0 ? (row * this._rowPx * room) / hidden : 0;
    this._draw();
  }

  /** Pixels that the bar can be moved by, and pixels of lines that are out of sight. */
  private get _rooms(): readonly [number, number] {
    const total = this._count * this._rowPx;
    const { clientHeight } = this.node;
    return [Math.max(Math.min(total, MOST_PX) - clientHeight, 0), Math.max(total - clientHeight, 0)];
  }

  /** Pixels of lines above the window. */
  private get _topPx(): number {
    const [room, hidden] = this._rooms;
    return room > 0 ? (Math.min(this.node.scrollTop, room) / room) * hidden : 0;
  }

  private _draw(): void {
    const { clientHeight } = this.node;
    const [top, first] = [this._topPx, this.first];
    const most = Math.ceil(clientHeight / this._rowPx) + 1;
    const count = Math.max(0, Math.min(most, this._count - first));
    while (this._rows.children.length > count) {
      this._rows.lastElementChild?.remove();
    }
    while (this._rows.children.length < count) {
      this._rows.append(el('div', 'log-line'));
    }
    [...this._rows.children].forEach((row, at) => this._drawRow(first + at, row as HTMLElement));
    this._rows.style.height = `${Math.min(clientHeight, this._count * this._rowPx)}px`;
    this._rows.style.setProperty('--jp-aicci-shift', `${first * this._rowPx - top}px`);
    this._measure();
  }

  /** How high a line is, once one is there. */
  private _measure(): void {
    const heightPx = this._rows.firstElementChild?.getBoundingClientRect().height ?? 0;
    if (heightPx > 0 && Math.abs(heightPx - this._rowPx) > 0.01) {
      this._rowPx = heightPx;
      this.show(this._count);
    }
  }

  private _count = 0;
  private _rowPx = USUAL_ROW_PX;
  private readonly _space: HTMLElement;
  private readonly _rows = el('div', 'log-rows');
}
