/**
 * The service as the page knows it: runs, shapes, queues and data, kept current over one connection.
 *
 * No DOM here. In: an `ISiteApi`. Out: `state`, a tagged union, and `changed`, at most four times a second.
 * Rule 1: what was shown once stays shown; a lost connection only says so beside it.
 * Rule 2: it connects when the first reader asks (`open`), never at activation.
 * Rule 3: `dispose` ends every request and timer.
 */
import type { IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';

import type { ISummary } from '../protocol';
import type { Given, IForecasts, IOptionRow, IRights, ISite, SiteMessage } from './protocol';
import { Pace } from '../pace';
import { FIRST_PAUSE_MS, LONGEST_PAUSE_MS, ApiError, pause } from '../runs/model';
import { mergeSite } from './merge';

/** What the service can be asked beside single runs; `api.ts` is the one that is real. */
export interface ISiteApi {
  /** Resolves when the connection is over; `onMessage` gets each message in order. */
  siteStream(onMessage: (message: SiteMessage) => void, signal: AbortSignal): Promise<void>;
  /** Starts a service that is down; rejects with the server's words where it cannot. */
  wake(signal: AbortSignal): Promise<void>;
  options(signal: AbortSignal): Promise<readonly IOptionRow[]>;
  rights(signal: AbortSignal): Promise<IRights>;
  /** When, where and at which price it would start; `cell` is the source of a cell that it would be. */
  forecasts(given: Given, program: IProgram, signal: AbortSignal): Promise<IForecasts>;
  /** Launches a file of the Jupyter server; the same `id` twice is one run. */
  launch(id: string, file: string, given: Given): Promise<ISummary>;
  stop(id: string): Promise<ISummary>;
}

/** What is to run: a file of the Jupyter server, the source of a cell, or nothing yet. */
export interface IProgram {
  readonly file?: string;
  readonly cell?: string;
}

export type SiteState =
  | { readonly kind: 'loading' }
  | { readonly kind: 'live'; readonly site: ISite }
  | { readonly kind: 'interrupted'; readonly site: ISite; readonly message: string; readonly hint: string }
  | { readonly kind: 'down'; readonly message: string; readonly hint: string };

/** The server answers, but the connection over which news come does not open, or was closed by a service that restarts. */
export const NO_SOCKET = 'no WebSocket';

/** The site that a state holds, if any. */
export function siteOf(state: SiteState): ISite | null {
  return 'site' in state ? state.site : null;
}

export interface ISiteModel extends IDisposable {
  readonly api: ISiteApi;
  readonly state: SiteState;
  readonly changed: ISignal<ISiteModel, SiteState>;
  readonly signal: AbortSignal;
  /** The service's clock now, epoch nanoseconds: what it last told and the time since; 0 = it has told nothing. */
  readonly nowNs: number;
  /** Connect, if nobody has yet. */
  open(): void;
  /** Try again at once. */
  retry(): void;
}

export class SiteModel implements ISiteModel {
  constructor(readonly api: ISiteApi) {}

  get state(): SiteState {
    return this._state;
  }

  get changed(): ISignal<ISiteModel, SiteState> {
    return this._changed;
  }

  get signal(): AbortSignal {
    return this._abort.signal;
  }

  get nowNs(): number {
    return this._toldNs && this._toldNs + (performance.now() - this._receivedMs) * 1e6;
  }

  get isDisposed(): boolean {
    return this._abort.signal.aborted;
  }

  open(): void {
    if (!this._isOpen) {
      this._isOpen = true;
      void this._follow();
    }
  }

  retry(): void {
    this._waiting?.abort();
  }

  dispose(): void {
    this._abort.abort();
    this._waiting?.abort();
    this._pace.dispose();
    Signal.clearData(this);
  }

  private async _follow(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    while (!this.isDisposed) {
      const before = this._received;
      await this._watch();
      pauseMs = this._received > before ? FIRST_PAUSE_MS : Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
      await this._rest(pauseMs * (0.75 + Math.random() / 2));
    }
  }

  /** A pause that `retry` and `dispose` end. */
  private async _rest(ms: number): Promise<void> {
    this._waiting = new AbortController();
    await pause(this.isDisposed ? 0 : ms, this._waiting.signal);
  }

  /** One connection, from its opening to the word of why there is none any more. */
  private async _watch(): Promise<void> {
    try {
      await this.api.siteStream(message => this._take(message), this.signal);
      await this.api.wake(this.signal); // the socket does not say why it closed: this does
      this._interrupt(NO_SOCKET, '');
    } catch (error) {
      const hint = error instanceof ApiError ? error.hint : '';
      this._interrupt(error instanceof Error ? error.message : String(error), hint);
    }
  }

  private _take(message: SiteMessage): void {
    const known = siteOf(this._state);
    this._received += 1;
    this._toldNs = message.type === 'site' ? message.site.now_ns : message.now_ns;
    this._receivedMs = performance.now();
    if (message.type === 'site') {
      this._set({ kind: 'live', site: message.site });
    } else if (known) {
      this._set({ kind: 'live', site: mergeSite(known, message) });
    }
  }

  private _interrupt(message: string, hint: string): void {
    const site = siteOf(this._state);
    if (site) {
      this._set({ kind: 'interrupted', site, message, hint });
    } else if (message) {
      this._set({ kind: 'down', message, hint });
    }
  }

  private _set(state: SiteState): void {
    const changesKind = state.kind !== this._state.kind;
    this._state = state;
    this._pace.change(changesKind);
  }

  private _state: SiteState = { kind: 'loading' };
  private _isOpen = false;
  private _received = 0;
  private _receivedMs = 0;
  private _toldNs = 0;
  private _waiting: AbortController | null = null;
  private readonly _abort = new AbortController();
  private readonly _changed = new Signal<ISiteModel, SiteState>(this);
  private readonly _pace = new Pace(() => this._changed.emit(this._state));
}
