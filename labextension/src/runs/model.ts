/**
 * One run as the page knows it: the view, kept current over the stream, through every loss of connection.
 *
 * No DOM here. In: an `IRunApi`. Out: `state`, a tagged union, and `changed`, at most four times a second.
 * Rule 1: what was shown once stays shown; a lost connection only says so beside it.
 * Rule 2: it asks again with the cursor of the last frame, after a pause that doubles; a run that ended asks no more.
 * Rule 3: a view to which much was appended is asked for afresh, thinned, so that a page may stand open for days.
 * Rule 4: `dispose` ends every request and timer.
 */
import type { IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';

import type { IBundle, IFigure, ILogPart, ISummary, IView, Message, Palette } from '../protocol';
import { Pace } from '../pace';
import { isFull, merge } from './merge';

/** One rank's log; `attempt` 0 is the latest. */
export interface ILogRef {
  readonly rank: number;
  readonly attempt: number;
}

/** A part of it: up to `limit` bytes from `offset`; a negative offset counts from its end. */
export interface ILogAsked extends ILogRef {
  readonly offset: number;
  readonly limit: number;
}

/** What a run can be asked; `api.ts` is the one that is real. */
export interface IRunApi {
  summary(id: string, signal: AbortSignal): Promise<ISummary>;
  view(id: string, signal: AbortSignal): Promise<IView>;
  /** `unfolded` are the lanes whose lanes under them are drawn; null = as the lanes say. */
  figure(
    id: string,
    widthPx: number,
    palette: Palette,
    unfolded: readonly string[] | null,
    signal: AbortSignal
  ): Promise<IFigure>;
  /** The view of a part, in chart seconds. */
  window(id: string, fromS: number, toS: number, widthPx: number, signal: AbortSignal): Promise<IView>;
  /** The run in one file of this format. */
  exported(id: string, format: string, signal: AbortSignal): Promise<Blob>;
  logs(id: string, asked: ILogAsked, signal: AbortSignal): Promise<ILogPart>;
  /** The whole log as a file. */
  log(id: string, log: ILogRef, signal: AbortSignal): Promise<Blob>;
  bundle(id: string, signal: AbortSignal): Promise<IBundle>;
  stop(id: string): Promise<ISummary>;
  /** Resolves when the connection is over; `onMessage` gets each message in order. */
  stream(id: string, cursor: number | null, onMessage: (message: Message) => void, signal: AbortSignal): Promise<void>;
}

/** An error of the API with the status and the server's own words. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly hint: string,
    /** The option that is wrong, or empty. */
    readonly field = ''
  ) {
    super(message);
  }
}

export type RunState =
  | { readonly kind: 'loading' }
  | { readonly kind: 'live'; readonly view: IView }
  | { readonly kind: 'interrupted'; readonly view: IView }
  | { readonly kind: 'ended'; readonly view: IView }
  | { readonly kind: 'unknown'; readonly message: string; readonly hint: string }
  | { readonly kind: 'unreachable'; readonly message: string; readonly hint: string };

export const FIRST_PAUSE_MS = 250;
export const LONGEST_PAUSE_MS = 8_000;

/** The view that a state holds, if any. */
export function viewOf(state: RunState): IView | null {
  return 'view' in state ? state.view : null;
}

/** Whether there is nothing more to come. */
function isLast(state: RunState): boolean {
  return state.kind === 'ended' || state.kind === 'unknown';
}

export class RunModel implements IDisposable {
  constructor(
    readonly id: string,
    readonly api: IRunApi
  ) {}

  get state(): RunState {
    return this._state;
  }

  get changed(): ISignal<this, RunState> {
    return this._changed;
  }

  get signal(): AbortSignal {
    return this._abort.signal;
  }

  get isDisposed(): boolean {
    return this._abort.signal.aborted;
  }

  /** Follow the run until it ends or this is disposed. */
  async follow(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    while (!this.isDisposed) {
      const before = this._received;
      await this._watch();
      if (isLast(this._state)) {
        return;
      }
      pauseMs = this._received > before ? FIRST_PAUSE_MS : Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
      await pause(pauseMs * (0.75 + Math.random() / 2), this.signal);
    }
  }

  /** Ask for the run's stop; the stream tells the rest. */
  async stop(): Promise<void> {
    await this.api.stop(this.id);
  }

  dispose(): void {
    this._abort.abort();
    this._pace.dispose();
    Signal.clearData(this);
  }

  /** One connection, from its opening to the word of why there is none any more. */
  private async _watch(): Promise<void> {
    const connection = new AbortController();
    const close = (): void => connection.abort();
    this.signal.addEventListener('abort', close);
    const cursor = viewOf(this._state)?.cursor ?? null;
    try {
      await this.api.stream(this.id, cursor, message => this._take(message, connection), connection.signal);
      const view = viewOf(this._state);
      if (view && !view.live) {
        this._set({ kind: 'ended', view: await this.api.view(this.id, this.signal) }); // with the log's last lines
      } else if (!view || !isFull(view)) {
        await this.api.summary(this.id, this.signal); // the socket does not say why it closed: this does
        this._interrupt(null);
      }
    } catch (error) {
      this._interrupt(error);
    } finally {
      this.signal.removeEventListener('abort', close);
    }
  }

  private _take(message: Message, connection: AbortController): void {
    if (connection.signal.aborted) {
      return;
    }
    this._received += 1;
    const known = viewOf(this._state);
    if (message.type === 'view') {
      this._set({ kind: 'live', view: message.view });
    } else if (known) {
      this._set({ kind: 'live', view: merge(known, message) });
    }
    const view = viewOf(this._state);
    if (view && (!view.live || isFull(view))) {
      connection.abort(); // it has ended; or the next connection begins with a view that is thinned
    }
  }

  private _interrupt(error: unknown): void {
    if (this.isDisposed) {
      return;
    }
    const view = viewOf(this._state);
    const message = error instanceof Error ? error.message : '';
    const hint = error instanceof ApiError ? error.hint : '';
    if (error instanceof ApiError && error.status === 404) {
      this._set({ kind: 'unknown', message, hint });
    } else if (view) {
      this._set({ kind: 'interrupted', view });
    } else if (error !== null) {
      this._set({ kind: 'unreachable', message, hint });
    }
  }

  private _set(state: RunState): void {
    if (!this.isDisposed) {
      const isUrgent = state.kind !== this._state.kind || viewOf(state)?.run.state !== viewOf(this._state)?.run.state;
      this._state = state;
      this._pace.change(isUrgent);
    }
  }

  private _state: RunState = { kind: 'loading' };
  private _received = 0;
  private readonly _abort = new AbortController();
  private readonly _changed = new Signal<this, RunState>(this);
  private readonly _pace = new Pace(() => this._changed.emit(this._state));
}

/** Wait, or until the signal says that nobody waits any more. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
