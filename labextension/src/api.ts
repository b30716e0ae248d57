/**
 * The only place that sends requests: the server extension under `<base_url>aicci/`, by Jupyter's own settings.
 *
 * Rule: every request takes an AbortSignal, except `stop`, which is to arrive even when the card goes.
 * `ServerConnection.makeRequest` adds token and XSRF header; the socket carries the token as Jupyter's own do.
 */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import type { IBundle, IErrorBody, IFigure, ILogPart, ISummary, IView, Message, Palette } from './protocol';
import { ApiError, type ILogAsked, type ILogRef, type IRunApi } from './runs/model';

export class Api implements IRunApi {
  constructor(private readonly _settings: ServerConnection.ISettings) {}

  summary(id: string, signal: AbortSignal): Promise<ISummary> {
    return this._get(`runs/${encodeURIComponent(id)}`, {}, signal);
  }

  view(id: string, signal: AbortSignal): Promise<IView> {
    return this._get(`runs/${encodeURIComponent(id)}/view`, {}, signal);
  }

  window(id: string, fromS: number, toS: number, widthPx: number, signal: AbortSignal): Promise<IView> {
    const query = { from_s: fromS.toFixed(3), to_s: toS.toFixed(3), width_px: String(widthPx) };
    return this._get(`runs/${encodeURIComponent(id)}/view`, query, signal);
  }

  figure(
    id: string,
    widthPx: number,
    palette: Palette,
    unfolded: readonly string[] | null,
    signal: AbortSignal
  ): Promise<IFigure> {
    const query: Record<string, string> = { width_px: String(widthPx), theme: palette };
    if (unfolded) {
      query.unfolded = unfolded.join(',');
    }
    return this._get(`runs/${encodeURIComponent(id)}/figure`, query, signal);
  }

  async exported(id: string, format: string, signal: AbortSignal): Promise<Blob> {
    const url = this._url(`runs/${encodeURIComponent(id)}/export`) + URLExt.objectToQueryString({ format });
    return (await this._answer(url, { signal })).blob();
  }

  bundle(id: string, signal: AbortSignal): Promise<IBundle> {
    return this._get(`runs/${encodeURIComponent(id)}/bundle`, {}, signal);
  }

  logs(id: string, asked: ILogAsked, signal: AbortSignal): Promise<ILogPart> {
    return this._get(`runs/${encodeURIComponent(id)}/logs`, texts({ ...asked }), signal);
  }

  async log(id: string, log: ILogRef, signal: AbortSignal): Promise<Blob> {
    const query = URLExt.objectToQueryString(texts({ ...log }));
    const url = this._url(`runs/${encodeURIComponent(id)}/logs/download`) + query;
    return (await this._answer(url, { signal })).blob();
  }

  stop(id: string): Promise<ISummary> {
    return this._request(this._url(`runs/${encodeURIComponent(id)}/stop`), { method: 'POST', body: '{}' });
  }

  /** Where BokehJS of exactly this version lies. */
  bokehUrl(version: string): string {
    return URLExt.join(this._settings.baseUrl, 'aicci', 'bokeh', encodeURIComponent(version), 'bokeh.min.js');
  }

  stream(id: string, cursor: number | null, onMessage: (message: Message) => void, signal: AbortSignal): Promise<void> {
    const query: Record<string, string> = cursor === null ? {} : { cursor: String(cursor) };
    if (this._settings.appendToken && this._settings.token) {
      query.token = this._settings.token;
    }
    const path = URLExt.join(this._settings.wsUrl, 'aicci', 'api', 'runs', encodeURIComponent(id), 'stream');
    const socket = new this._settings.WebSocket(path + URLExt.objectToQueryString(query));
    return new Promise(resolve => {
      const close = (): void => socket.close();
      socket.onmessage = (event: MessageEvent<string>) => onMessage(JSON.parse(event.data) as Message);
      socket.onclose = () => {
        signal.removeEventListener('abort', close);
        resolve();
      };
      signal.addEventListener('abort', close);
      if (signal.aborted) {
        close();
      }
    });
  }

  private _url(path: string): string {
    return URLExt.join(this._settings.baseUrl, 'aicci', 'api', path);
  }

  private _get<T>(path: string, query: Record<string, string>, signal: AbortSignal): Promise<T> {
    return this._request(this._url(path) + URLExt.objectToQueryString(query), { signal });
  }

  private async _request<T>(url: string, init: RequestInit): Promise<T> {
    return (await (await this._answer(url, init)).json()) as T;
  }

  /** The answer, or the server's own words why there is none. */
  private async _answer(url: string, init: RequestInit): Promise<Response> {
    const response = await ServerConnection.makeRequest(url, init, this._settings);
    if (!response.ok) {
      const body = (await response.json().catch(() => ({}))) as Partial<IErrorBody>;
      const { code = '', message = response.statusText, hint = '', field = '' } = body;
      throw new ApiError(response.status, code, message, hint, field);
    }
    return response;
  }
}

/** Numbers of a query as it takes them. */
function texts(query: Readonly<Record<string, number>>): Record<string, string> {
  return Object.fromEntries(Object.entries(query).map(([name, value]) => [name, String(value)]));
}
