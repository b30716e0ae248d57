/**
 * Asks when and where a form's run would start: a moment after the last key, and never more than one question at a time.
 *
 * No DOM here. Rule: an answer to an older question is never shown over a newer one; what was answered last stays meanwhile.
 */
import type { IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';

import type { Given, IForecasts } from '../site/protocol';
import type { IProgram, ISiteApi } from '../site/model';

export interface IQuestion {
  readonly given: Given;
  readonly program: IProgram;
}

export interface IAnswer {
  readonly asking: boolean;
  /** The latest answer; null = there was none yet, or the latest is an error. */
  readonly forecasts: IForecasts | null;
  readonly error: unknown;
}

/** After the last key. */
export const TYPING_MS = 250;

export class Asker implements IDisposable {
  constructor(private readonly _api: ISiteApi) {}

  get answer(): IAnswer {
    return this._answer;
  }

  get changed(): ISignal<this, IAnswer> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Ask this after `pauseMs`, unless something else is asked before. */
  ask(question: IQuestion, pauseMs = TYPING_MS): void {
    this._drop();
    this._set({ ...this._answer, asking: true, error: null });
    this._timer = setTimeout(() => void this.now(question).catch(() => undefined), pauseMs);
  }

  /** Ask this at once; the answer is shown, and is what comes back. */
  async now(question: IQuestion): Promise<IForecasts> {
    this._drop();
    const { signal } = this._asked;
    this._set({ ...this._answer, asking: true, error: null });
    try {
      const forecasts = await this._api.forecasts(question.given, question.program, signal);
      this._take({ asking: false, forecasts, error: null }, signal);
      return forecasts;
    } catch (error) {
      this._take({ asking: false, forecasts: null, error }, signal);
      throw error;
    }
  }

  dispose(): void {
    this._isDisposed = true;
    this._drop();
    Signal.clearData(this);
  }

  private _drop(): void {
    clearTimeout(this._timer);
    this._asked.abort();
    this._asked = new AbortController();
  }

  private _take(answer: IAnswer, signal: AbortSignal): void {
    if (!signal.aborted) {
      this._set(answer);
    }
  }

  private _set(answer: IAnswer): void {
    this._answer = answer;
    this._changed.emit(answer);
  }

  private _answer: IAnswer = { asking: false, forecasts: null, error: null };
  private _asked = new AbortController();
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _isDisposed = false;
  private readonly _changed = new Signal<this, IAnswer>(this);
}
