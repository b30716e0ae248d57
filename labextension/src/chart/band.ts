/**
 * Which part of the chart is worth drawing: what can be seen of it, and half a screen around that.
 *
 * In: the stage, and an element beside each lane. Out: a band of pixels from the frame's top, and a word when another one is due.
 * Rule: the band stays while what is seen is well inside it, so that scrolling draws a screenful at a time and not lane by lane.
 */
import type { IDisposable } from '@lumino/disposable';

export type Pixels = readonly [top: number, bottom: number];

/** The band around what is seen: `before` as long as a quarter of a screen around it lies inside, else a new one. */
export function bandAround(seen: Pixels, before: Pixels | null): Pixels {
  const spare = (seen[1] - seen[0]) / 2;
  const holds = before !== null && before[0] <= seen[0] - spare / 2 && before[1] >= seen[1] + spare / 2;
  return holds ? before : [seen[0] - spare, seen[1] + spare];
}

/** Whether a lane from `top` to `bottom` lies in the band, if only in part. */
export function isIn(band: Pixels, { top, bottom }: { readonly top: number; readonly bottom: number }): boolean {
  return bottom >= band[0] && top <= band[1];
}

export class Band implements IDisposable {
  /** `frame` is the element over the lanes; `moved` hears when another band is due. */
  constructor(
    private readonly _frame: HTMLElement,
    moved: () => void
  ) {
    this._observer = new IntersectionObserver(() => {
      if (this._band !== null && bandAround(this._seen, this._band) !== this._band) {
        moved();
      }
    });
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** The band as of now. */
  get now(): Pixels {
    return (this._band = bandAround(this._seen, this._band));
  }

  /** Look at these elements, one beside each lane, and no others. */
  watch(rows: Iterable<Element>): void {
    this._observer.disconnect();
    for (const row of rows) {
      this._observer.observe(row);
    }
  }

  dispose(): void {
    this._isDisposed = true;
    this._observer.disconnect();
  }

  /** What of the window lies beside the frame, in the frame's pixels. */
  private get _seen(): Pixels {
    const top = -this._frame.getBoundingClientRect().top;
    return [top, top + window.innerHeight];
  }

  private _band: Pixels | null = null;
  private _isDisposed = false;
  private readonly _observer: IntersectionObserver;
}
