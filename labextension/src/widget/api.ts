/**
 * A run over a widget's connection to the kernel, for pages that cannot ask a Jupyter server of ours.
 *
 * Rule 1: calls wait for as long as a cell keeps the kernel busy; they end when the page no longer wants them.
 * Rule 2: the stream beats once a second while a run lives, whatever the kernel does. Silence is a kernel that is gone.
 */
import { PromiseDelegate } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';

import { isBokehHere } from '../chart/bokeh';
import type { IBundle, IFigure, ILogPart, ISummary, IView, Message, Palette } from '../protocol';
import { ApiError, type ILogAsked, type ILogRef, type IRunApi } from '../runs/model';
import type { FromKernel, IKernelModel } from './model';

/** Without a message; the service sends one a second. */
const SILENCE_MS = 10_000;

export interface IKernelWords {
  readonly silent: string;
  readonly hint: string;
}

export class KernelApi implements IRunApi, IDisposable {
  constructor(
    private readonly _model: IKernelModel,
    private readonly _words: IKernelWords
  ) {
    _model.on('msg:custom', (content, buffers) => this._hear(content, buffers));
    _model.on('comm_live_update', () => this._endStream(this._silent()));
  }

  /** Why the stream fell silent, and what to do. */
  get words(): string {
    return `${this._words.silent} ${this._words.hint}`;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      this._endStream(null);
      this._model.off('msg:custom');
      this._model.off('comm_live_update');
    }
  }

  summary(_id: string, signal: AbortSignal): Promise<ISummary> {
    return this._json('summary', {}, signal);
  }

  view(_id: string, signal: AbortSignal): Promise<IView> {
    return this._json('view', {}, signal);
  }

  window(_id: string, fromS: number, toS: number, widthPx: number, signal: AbortSignal): Promise<IView> {
    return this._json('view', { from_s: fromS, to_s: toS, width_px: widthPx }, signal);
  }

  figure(
    _id: string,
    widthPx: number,
    palette: Palette,
    unfolded: readonly string[] | null,
    signal: AbortSignal
  ): Promise<IFigure> {
    return this._json('figure', { width_px: widthPx, theme: palette, unfolded }, signal);
  }

  async exported(_id: string, format: string, signal: AbortSignal): Promise<Blob> {
    return new Blob([await this._call('export', { format }, signal)]);
  }

  logs(_id: string, asked: ILogAsked, signal: AbortSignal): Promise<ILogPart> {
    return this._json('logs', { ...asked }, signal);
  }

  async log(_id: string, { rank, attempt }: ILogRef, signal: AbortSignal): Promise<Blob> {
    return new Blob([await this._call('log', { rank, attempt }, signal)], { type: 'text/plain' });
  }

  bundle(_id: string, signal: AbortSignal): Promise<IBundle> {
    return this._json('bundle', {}, signal);
  }

  stop(): Promise<ISummary> {
    return this._json('stop', {}, null);
  }

  /** Where BokehJS of this version lies: in the page, once the kernel has sent it. */
  async bokehUrl(version: string): Promise<string> {
    if (isBokehHere(version)) {
      return '';
    }
    this._bokeh ??= this._call('bokeh', { version }, null).then(script =>
      URL.createObjectURL(new Blob([script], { type: 'text/javascript' }))
    );
    return this._bokeh;
  }

  stream(
    _id: string,
    _cursor: number | null,
    onMessage: (message: Message) => void,
    signal: AbortSignal
  ): Promise<void> {
    this._endStream(null);
    const stream = { onMessage, ended: new PromiseDelegate<void>() };
    this._stream = stream;
    const leave = (): void => {
      this._model.send({ leave: this._page });
      this._endStream(null);
    };
    signal.addEventListener('abort', leave);
    this._model.send({ follow: this._page });
    this._listen();
    return stream.ended.promise.finally(() => signal.removeEventListener('abort', leave));
  }

  private async _json<T>(call: string, args: object, signal: AbortSignal | null): Promise<T> {
    return JSON.parse(new TextDecoder().decode(await this._call(call, args, signal))) as T;
  }

  private _call(call: string, args: object, signal: AbortSignal | null): Promise<DataView> {
    const id = `${this._page}-${this._calls++}`;
    const answer = new PromiseDelegate<DataView>();
    this._waiting.set(id, answer);
    const forget = (): void => answer.reject(new DOMException('Nobody waits any more.', 'AbortError'));
    signal?.addEventListener('abort', forget);
    this._model.send({ call, id, args });
    return answer.promise.finally(() => {
      this._waiting.delete(id);
      signal?.removeEventListener('abort', forget);
    });
  }

  private _hear(content: FromKernel, buffers: readonly DataView[]): void {
    if ('push' in content) {
      this._listen();
      this._stream?.onMessage(JSON.parse(content.push) as Message);
    } else if ('closed' in content) {
      this._endStream(null);
    } else if (content.error) {
      const { status, code, message, hint, field } = content.error;
      this._waiting.get(content.id)?.reject(new ApiError(status, code, message, hint, field));
    } else {
      this._waiting.get(content.id)?.resolve(buffers[0] as DataView);
    }
  }

  /** From now on silence counts anew. */
  private _listen(): void {
    clearTimeout(this._listening);
    if (this._stream) {
      this._listening = setTimeout(() => this._endStream(this._silent()), SILENCE_MS);
    }
  }

  private _endStream(error: ApiError | null): void {
    clearTimeout(this._listening);
    const stream = this._stream;
    this._stream = null;
    if (error) {
      stream?.ended.reject(error);
    } else {
      stream?.ended.resolve();
    }
  }

  private _silent(): ApiError {
    return new ApiError(503, 'kernel_silent', this._words.silent, this._words.hint);
  }

  private _isDisposed = false;
  private _calls = 0;
  private _bokeh: Promise<string> | null = null;
  private _stream: { onMessage: (message: Message) => void; ended: PromiseDelegate<void> } | null = null;
  private _listening: ReturnType<typeof setTimeout> | undefined;
  private readonly _page = Math.random().toString(36).slice(2);
  private readonly _waiting = new Map<string, PromiseDelegate<DataView>>();
}
