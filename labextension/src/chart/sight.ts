/**
 * Whether an element can be seen, or nearly: what is far off the screen, or in a tab behind another, need not be drawn.
 *
 * A notebook may hold twenty cards of live runs. Rule: nothing is in sight before the browser has said so.
 */
import type { IDisposable } from '@lumino/disposable';

/** A little before it is scrolled to. */
const AROUND = '300px 0px';

export class Sight implements IDisposable {
  /** `appeared` hears when the element comes into sight. */
  constructor(element: Element, appeared: () => void) {
    this._observer = new IntersectionObserver(
      entries => {
        const isNow = entries.at(-1)?.isIntersecting ?? false;
        const hasAppeared = isNow && !this._isSeen;
        this._isSeen = isNow;
        if (hasAppeared) {
          appeared();
        }
      },
      { rootMargin: AROUND }
    );
    this._observer.observe(element);
  }

  get isSeen(): boolean {
    return this._isSeen;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    this._observer.disconnect();
  }

  private _isSeen = false;
  private _isDisposed = false;
  private readonly _observer: IntersectionObserver;
}
