/**
 * The whole run in one strip: the first bar, the part that is shown, and the way back.
 *
 * While a part is shown, a press or a drag moves it; while all is, a drag chooses one. By keyboard the frame's own keys do the same.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import { button, el, setText } from '../card/dom';
import { clock } from '../card/words';
import type { ILegendRow, IView } from '../protocol';

/** A shorter drag, of the whole run, is a press whose hand was not still. */
const LEAST_SHARE = 0.01;

export class Overview {
  readonly node: HTMLElement;

  constructor(show: (from: number, to: number) => void, reset: () => void, trans: TranslationBundle) {
    this._back = button('link', trans.__('Show all'), reset);
    this._trans = trans;
    this._showPart = show;
    this.node = el('div', 'overview', this._words, this._strip, this._back);
    this.node.hidden = true;
    this._strip.setAttribute('aria-hidden', 'true'); // the words beside it say the same
    this._strip.addEventListener('pointerdown', event => {
      this._strip.setPointerCapture(event.pointerId);
      this._anchor = this._isAll ? this._timeAt(event) : null;
      this._drag(event);
    });
    this._strip.addEventListener('pointermove', event => {
      if (event.buttons === 1) {
        this._drag(event);
      }
    });
  }

  private _drag(event: PointerEvent): void {
    const t = this._timeAt(event);
    if (this._anchor === null) {
      const half = (this._to - this._from) / 2;
      const at = Math.min(Math.max(t, half), Math.max(half, this._endS - half));
      this._showPart(at - half, at + half);
    } else if (Math.abs(t - this._anchor) > LEAST_SHARE * this._endS) {
      this._showPart(Math.min(this._anchor, t), Math.max(this._anchor, t));
    }
  }

  private _timeAt(event: PointerEvent): number {
    const box = this._strip.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    return Math.min(Math.max(share, 0), 1) * this._endS;
  }

  private get _isAll(): boolean {
    return this._from <= 0 && this._to >= this._endS;
  }

  hide(): void {
    this.node.hidden = true;
  }

  /** The run with the part from `from` to `to` seconds marked. */
  show(view: IView, legend: readonly ILegendRow[], from: number, to: number): void {
    [this._from, this._to, this._endS] = [from, to, Math.max(view.end_s, 1)];
    this.node.hidden = false;
    this._back.style.visibility = this._isAll ? 'hidden' : 'visible'; // the strip keeps its width
    const words = this._trans.__('%1 – %2 of %3', clock(from), clock(to), clock(view.end_s));
    setText(this._words, words);
    const colours = new Map(legend.map(row => [row.phase, row.colour]));
    const bar = view.lanes.find(lane => lane.kind === 'phases');
    if (bar !== this._bar || this._drawnEndS !== this._endS) {
      this._bar = bar;
      this._drawnEndS = this._endS;
      const spans = bar?.kind === 'phases' ? bar.spans : [];
      this._spans.replaceChildren(
        ...spans.map(span => {
          const piece = el('i', 'overview-span');
          this._set(piece, span.t0, span.t1);
          piece.style.backgroundColor = colours.get(span.phase) ?? 'transparent';
          return piece;
        })
      );
    }
    this._set(this._part, from, to);
  }

  private _set(element: HTMLElement, from: number, to: number): void {
    element.style.left = `${(100 * Math.max(0, from)) / this._endS}%`;
    element.style.width = `${(100 * (Math.min(to, this._endS) - Math.max(0, from))) / this._endS}%`;
  }

  private _anchor: number | null = null; // where a drag that chooses a part began
  private _from = 0;
  private _to = 1;
  private _endS = 1;
  private _drawnEndS = 0;
  private _bar: unknown = null;
  private readonly _trans: TranslationBundle;
  private readonly _showPart: (from: number, to: number) => void;
  private readonly _back: HTMLButtonElement;
  private readonly _words = el('span', 'overview-words');
  private readonly _spans = el('div', 'overview-spans');
  private readonly _part = el('div', 'overview-part');
  private readonly _strip = el('div', 'overview-strip', this._spans, this._part);
}
