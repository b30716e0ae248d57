/**
 * A recorded run answers what a run can be asked, out of its file alone; what needs a service is refused.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { IBundle, IFigure, ILogPart, IRecording, ISummary, IView, Message, Palette } from '../protocol';
import type { ILogAsked, ILogRef, IRunApi } from '../runs/model';
import { partOf } from './part';

export class RecordedApi implements IRunApi {
  constructor(
    private readonly _recording: IRecording,
    private readonly _trans: TranslationBundle
  ) {
    this._view = { ..._recording.view, live: false }; // nothing more comes, whatever the run did afterwards
  }

  summary(): Promise<ISummary> {
    return Promise.resolve(this._view.run);
  }

  view(): Promise<IView> {
    return Promise.resolve(this._view);
  }

  window(_id: string, fromS: number, toS: number): Promise<IView> {
    return Promise.resolve(partOf(this._view, fromS, toS));
  }

  /** There is one figure as lanes say and one with all lanes unfolded: who unfolds one unfolds all, who folds one folds all. */
  figure(_id: string, _widthPx: number, palette: Palette, unfolded: readonly string[] | null): Promise<IFigure> {
    const count = unfolded?.length ?? 0;
    const shown = this._shown?.places.filter(place => place.unfolded).length ?? count;
    const { own, all } = this._recording.figures[palette];
    this._isUnfolded = count === shown ? this._isUnfolded : count > shown;
    this._shown = { ...(this._isUnfolded ? all : own), view: this._view };
    return Promise.resolve(this._shown);
  }

  logs(_id: string, { rank, attempt, offset, limit }: ILogAsked): Promise<ILogPart> {
    const text = this._log({ rank, attempt });
    const size = text.length;
    const start = offset < 0 ? Math.max(0, size + offset) : Math.min(offset, size);
    const part = text.slice(start, start + limit);
    return Promise.resolve({ rank, text: part, offset: start + part.length, size, ended: true });
  }

  log(_id: string, log: ILogRef): Promise<Blob> {
    return Promise.resolve(new Blob([this._log(log)], { type: 'text/plain' }));
  }

  bundle(): Promise<IBundle> {
    return Promise.resolve(this._recording.bundle);
  }

  exported(): Promise<Blob> {
    return this._refuse();
  }

  stop(): Promise<ISummary> {
    return this._refuse();
  }

  stream(_id: string, _cursor: number | null, onMessage: (message: Message) => void): Promise<void> {
    onMessage({ type: 'view', view: this._view });
    return Promise.resolve();
  }

  /** The end of a rank's log; where it is not kept, a line that says so. */
  private _log({ rank, attempt }: ILogRef): string {
    const isKept = attempt === 0 || attempt === this._view.run.attempt;
    const text = isKept ? this._recording.logs[String(rank)] : undefined;
    return text ?? this._trans.__('[the log of this rank and attempt is not in the file]');
  }

  private _refuse(): Promise<never> {
    return Promise.reject(new Error(this._trans.__('this is a recorded run, there is no service behind it')));
  }

  private readonly _view: IView;
  private _shown: IFigure | null = null;
  private _isUnfolded = false;
}
