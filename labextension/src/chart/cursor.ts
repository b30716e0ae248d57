/**
 * One vertical line over all lanes, moved by mouse and by keyboard; the frame itself takes the focus as a slider of time.
 *
 * Arrows move it (with Shift further), + and - zoom around it, Home and End go to the window's ends, Escape shows all, F goes
 * from finding to finding (with Shift back), and ? says so.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import { el, setText } from '../card/dom';
import { clock } from '../card/words';
import type { IFrame } from '../protocol';

export interface ICursorActions {
  /** The cursor is at this time, or gone. */
  moved(t: number | null): void;
  /** Show `factor` times as much, with `t` where it is. */
  zoom(factor: number, t: number): void;
  /** Show all; false where that is so already. */
  reset(): boolean;
  /** Show the evidence of the next finding, or of the one before. */
  finding(step: 1 | -1): void;
  /** Show or hide what the keys do. */
  help(): void;
}

/** Steps of an arrow key across the window. */
const STEPS = 200;
const SHIFT_STEPS = 20;

/** What the keys do, in a line. */
export function keyWords(trans: TranslationBundle): string {
  return [
    trans.__('Keys, once the chart has the focus'),
    trans.__('← → move the cursor, with Shift further'),
    trans.__('Home and End go to the edges'),
    trans.__('+ and − zoom around it'),
    trans.__('Escape shows all'),
    trans.__('F goes to the next finding, Shift+F to the one before'),
    trans.__('? hides this line')
  ].join(' · ');
}

export class Cursor {
  readonly node = el('div', 'frame');

  constructor(
    private readonly _actions: ICursorActions,
    trans: TranslationBundle
  ) {
    const { node } = this;
    node.append(this._line);
    this._line.append(this._time);
    node.tabIndex = 0;
    node.setAttribute('role', 'slider');
    node.setAttribute('aria-label', trans.__('Time cursor; ? shows its keys'));
    node.setAttribute('data-lm-suppress-shortcuts', 'true'); // the notebook has its own meaning for these keys
    node.addEventListener('keydown', event => this._onKey(event));
    node.addEventListener('blur', () => this.move(null));
    this._line.hidden = true;
  }

  get t(): number | null {
    return this._t;
  }

  /** Where the frame lies on the stage. */
  place(frame: IFrame): void {
    Object.assign(this.node.style, {
      left: `${frame.left}px`,
      right: `${frame.right}px`,
      top: `${frame.top}px`,
      height: `${frame.height}px`
    });
  }

  /** The seconds from the frame's left edge to its right one. */
  setWindow(from: number, to: number): void {
    this._window = [from, to];
    this.node.setAttribute('aria-valuemin', String(Math.round(from)));
    this.node.setAttribute('aria-valuemax', String(Math.round(to)));
    if (this._t === null) {
      this.node.setAttribute('aria-valuenow', String(Math.round(to)));
    }
    this._draw();
  }

  /** The mouse is here on the page; outside the frame's width there is no cursor. */
  point(clientX: number): void {
    const box = this.node.getBoundingClientRect();
    const [from, to] = this._window;
    const share = (clientX - box.left) / box.width;
    if (share >= 0 && share <= 1) {
      this.move(from + share * (to - from));
    } else {
      this.leave();
    }
  }

  /** The mouse has gone; whoever has the focus keeps the cursor. */
  leave(): void {
    if (document.activeElement !== this.node) {
      this.move(null);
    }
  }

  move(t: number | null): void {
    if (t !== this._t) {
      this._t = t;
      this._draw();
      this._actions.moved(t);
    }
  }

  /** What the lanes say at the cursor. */
  say(words: string): void {
    const at = this._t ?? this._window[1];
    this.node.setAttribute('aria-valuenow', String(Math.round(at)));
    this.node.setAttribute('aria-valuetext', `${clock(at)}: ${words}`);
  }

  private _draw(): void {
    const [from, to] = this._window;
    const t = this._t;
    this._line.hidden = t === null || t < from || t > to;
    if (t !== null && !this._line.hidden) {
      this._line.style.left = `${(100 * (t - from)) / (to - from)}%`;
      setText(this._time, to - from < 120 ? `${clock(t)}.${Math.floor((t % 1) * 10)}` : clock(t));
    }
  }

  private _onKey(event: KeyboardEvent): void {
    const [from, to] = this._window;
    const step = (to - from) / (event.shiftKey ? SHIFT_STEPS : STEPS);
    const t = this._t ?? (from + to) / 2;
    const keys: Record<string, () => void> = {
      ArrowLeft: () => this.move(Math.max(from, t - step)),
      ArrowRight: () => this.move(Math.min(to, t + step)),
      Home: () => this.move(from),
      End: () => this.move(to),
      '+': () => this._actions.zoom(0.5, t),
      '=': () => this._actions.zoom(0.5, t),
      '-': () => this._actions.zoom(2, t),
      f: () => this._actions.finding(1),
      F: () => this._actions.finding(-1),
      '?': () => this._actions.help(),
      Escape: () => {
        if (!this._actions.reset()) {
          this.move(null);
        }
      }
    };
    const act = keys[event.key];
    if (act && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      event.stopPropagation();
      act();
    }
  }

  private _t: number | null = null;
  private _window: readonly [number, number] = [0, 1];
  private readonly _line = el('div', 'cursor');
  private readonly _time = el('span', 'cursor-time');
}
