/**
 * Why a run waits and when it starts: the class, the reason in words, the expected and the latest start, its place in line.
 *
 * Rule: moments are told from the service's clock, which the view carries, never from the browser's. Nothing that nobody knows is said.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { IView } from '../protocol';
import { timeWords } from '../words/intl';
import { el, setText } from './dom';
import { span, whyWord } from './words';

const NS = 1e9;
const MINUTE_NS = 60 * NS;

export class Waits {
  readonly node: HTMLElement;

  constructor(private readonly _trans: TranslationBundle) {
    this.node = el('div', 'waits', el('p', 'reason', this._class, ' ', this._reason), this._start);
    this.node.hidden = true;
  }

  update(view: IView): void {
    const { run } = view;
    this.node.hidden = run.why === null || run.state !== 'queued';
    if (run.why !== null && !this.node.hidden) {
      setText(this._class, this._trans.__('%1:', whyWord(run.why, this._trans)));
      setText(this._reason, run.waiting);
      setText(this._start, startWords(view, this._trans));
      this._start.hidden = !this._start.textContent;
    }
  }

  private readonly _class = el('b', '');
  private readonly _reason = el('span', '');
  private readonly _start = el('p', 'detail');
}

/** `starts in about 12 min · by 14:40 at the latest · place 2 in line · on leaf-a`. */
export function startWords(view: IView, trans: TranslationBundle): string {
  const { run } = view;
  const nowNs = view.origin_ns + view.end_s * NS;
  const parts: string[] = [];
  if (run.start_ns !== null) {
    const leftS = (run.start_ns - nowNs) / NS;
    parts.push(leftS > 1 ? trans.__('starts in about %1', span(leftS)) : trans.__('starts soon'));
  }
  if (run.latest_ns !== null) {
    parts.push(trans.__('by %1 at the latest', momentWords(run.latest_ns, nowNs)));
  }
  if (run.place > 0) {
    parts.push(trans.__('place %1 in line', run.place));
  }
  if (run.domain) {
    parts.push(trans.__('on %1', [run.domain, run.bandwidth].filter(Boolean).join(', ')));
  }
  return parts.join(' · ');
}

/** A time of day, with the date where that is another day; rounded up to the minute, since it is a bound. */
export function momentWords(timeNs: number, nowNs: number): string {
  const at = new Date((Math.ceil(timeNs / MINUTE_NS) * MINUTE_NS) / 1e6);
  const today = new Date(nowNs / 1e6).toDateString() === at.toDateString();
  const time: Intl.DateTimeFormatOptions = { hour: '2-digit', minute: '2-digit' };
  const day: Intl.DateTimeFormatOptions = { year: 'numeric', month: '2-digit', day: '2-digit' };
  return timeWords(at, today ? time : { ...day, ...time });
}
