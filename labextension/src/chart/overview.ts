/**
 * The whole run in one strip, while only a part is shown: the first bar, the part that is shown, and the way back.
 *
 * The strip takes a press or a drag as "show this"; by keyboard the frame's own keys do the same.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import { button, el, setText } from '../card/dom';
import { clock } from '../card/words';
import type { ILegendRow, IView } from '../protocol';

export class Overview {
  readonly node: HTMLElement;

  constructor(show: (from: number, to: number) => void, reset: () => void, trans: TranslationBundle) {
    const back = button('link', trans.__('Show all'), reset);
    this._trans = trans;
    this.node = el('div', 'overview', this._words, this._strip, back);
    this.node.hidden = true;
    this._strip.setAttribute('aria-hidden', 'true'); // the words beside it say the same
    const move = (event: PointerEvent): void => {
      const box = this._strip.getBoundingClientRect();
      const middle = ((event.clientX - box.left) / box.width) * this._endS;
      const half = (this._to - this._from) / 2;
      const at = Math.min(Math.max(middle, half), Math.max(half, this._endS - half));
      show(at - half, at + half);
    };
    this._strip.addEventListener('pointerdown', event => {
      this._strip.setPointerCapture(event.pointerId);
      move(event);
    });
    this._strip.addEventListener('pointermove', event => {
      if (event.buttons === 1) {
        move(event);
      }
    });
  }

  hide(): void {
    this.node.hidden = true;
  }

  /** The run with the part from `from` to `to` seconds marked. */
  show(view: IView, legend: readonly ILegendRow[], from: number, to: number): void {
    [this._from, this._to, this._endS] = [from, to, Math.max(view.end_s, 1)];
    this.node.hidden = false;
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

  private _from = 0;
  private _to = 1;
  private _endS = 1;
  private _drawnEndS = 0;
  private _bar: unknown = null;
  private readonly _trans: TranslationBundle;
  private readonly _words = el('span', 'overview-words');
  private readonly _spans = el('div', 'overview-spans');
  private readonly _part = el('div', 'overview-part');
  private readonly _strip = el('div', 'overview-strip', this._spans, this._part);
}
