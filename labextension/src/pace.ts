/**
 * How often changes are told: the first after a pause at once, later ones together, at most four times a second.
 *
 * However fast the server's messages come, what is on the screen is not drawn more often than that.
 */
import type { IDisposable } from '@lumino/disposable';

/** Between two changes that are told. */
export const BETWEEN_MS = 250;

export class Pace implements IDisposable {
  constructor(private readonly _tell: () => void) {}

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Something has changed; what is urgent is told at once. */
  change(isUrgent: boolean): void {
    const leftMs = isUrgent ? 0 : this._toldMs + BETWEEN_MS - performance.now();
    if (leftMs <= 0) {
      this._now();
    } else {
      this._timer ??= setTimeout(() => this._now(), leftMs);
    }
  }

  dispose(): void {
    clearTimeout(this._timer);
    this._isDisposed = true;
  }

  private _now(): void {
    clearTimeout(this._timer);
    this._timer = undefined;
    this._toldMs = performance.now();
    if (!this._isDisposed) {
      this._tell();
    }
  }

  private _isDisposed = false;
  private _toldMs = -Infinity;
  private _timer: ReturnType<typeof setTimeout> | undefined;
}
