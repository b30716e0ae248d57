/**
 * The only place that sends requests: the server extension under `<base_url>aicci/`, by Jupyter's own settings.
 *
 * Rule: every request takes an AbortSignal, except `stop` and `launch`, which are to arrive even when who asked goes.
 * `ServerConnection.makeRequest` adds token and XSRF header; the socket carries the token as Jupyter's own do.
 */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import type { IBundle, IErrorBody, IFigure, ILogPart, ISummary, IView, Message, Palette } from './protocol';
import type { Given, IForecasts, IOptionRow, IRights, SiteMessage } from './site/protocol';
import { ApiError, type ILogAsked, type ILogRef, type IRunApi } from './runs/model';
import type { IProgram, ISiteApi } from './site/model';

export class Api implements IRunApi, ISiteApi {
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
    return this._post(`runs/${encodeURIComponent(id)}/stop`, {});
  }

  /** Where BokehJS of exactly this version lies. */
  bokehUrl(version: string): string {
    return URLExt.join(this._settings.baseUrl, 'aicci', 'bokeh', encodeURIComponent(version), 'bokeh.min.js');
  }

  stream(id: string, cursor: number | null, onMessage: (message: Message) => void, signal: AbortSignal): Promise<void> {
    const query: Record<string, string> = cursor === null ? {} : { cursor: String(cursor) };
    return this._listen(`runs/${encodeURIComponent(id)}/stream`, query, onMessage, signal);
  }

  siteStream(onMessage: (message: SiteMessage) => void, signal: AbortSignal): Promise<void> {
    return this._listen('stream', {}, onMessage, signal);
  }

  /** Whether a service answers; none is started for that. */
  async awake(signal: AbortSignal): Promise<boolean> {
    return (await this._get<{ awake: boolean }>('awake', {}, signal)).awake;
  }

  async wake(signal: AbortSignal): Promise<void> {
    await this._get('status', {}, signal);
  }

  options(signal: AbortSignal): Promise<readonly IOptionRow[]> {
    return this._get('options', {}, signal);
  }

  rights(signal: AbortSignal): Promise<IRights> {
    return this._get('rights', {}, signal);
  }

  forecasts(given: Given, program: IProgram, signal: AbortSignal): Promise<IForecasts> {
    return this._post('forecasts', { given, ...program }, signal);
  }

  launch(id: string, file: string, given: Given): Promise<ISummary> {
    return this._post('launch', { id, file, given });
  }

  /** Resolves when the connection is over. */
  private _listen(
    path: string,
    query: Record<string, string>,
    onMessage: (message: never) => void,
    signal: AbortSignal
  ): Promise<void> {
    const login: Record<string, string> =
      this._settings.appendToken && this._settings.token ? { token: this._settings.token } : {};
    const url = URLExt.join(this._settings.wsUrl, 'aicci', 'api', path);
    const socket = new this._settings.WebSocket(url + URLExt.objectToQueryString({ ...query, ...login }));
    return new Promise(resolve => {
      const close = (): void => socket.close();
      socket.onmessage = (event: MessageEvent<string>) => onMessage(JSON.parse(event.data) as never);
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

  private _post<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
    return this._request(this._url(path), { method: 'POST', body: JSON.stringify(body), ...(signal && { signal }) });
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
