/**
 * One rank's log of one attempt, read while it grows: first its end, and all of it from its beginning once that is asked for.
 *
 * No DOM here. In: `IRunApi.logs`. Out: `text`, and a call of `changed` after each change.
 * Rule: what is shown is one stretch without a gap: the whole takes the end's place when it has reached it, not before.
 */
import type { IDisposable } from '@lumino/disposable';

import type { ILogPart } from '../protocol';
import { pause, type RunModel } from '../runs/model';
import { LogText } from './text';

const TAIL_BYTES = 262_144;
/** Of the whole at once; the service gives no more (`MOST_LOG_BYTES` of service/routes.py). */
const PART_BYTES = 4_000_000;
const BETWEEN_MS = 1_000;

export class LogReader implements IDisposable {
  constructor(
    private readonly _model: RunModel,
    readonly rank: number,
    readonly attempt: number,
    private readonly _changed: () => void
  ) {
    void this._follow();
  }

  get text(): LogText {
    return this._text;
  }

  /** Whether the text begins where the log does. */
  get isWhole(): boolean {
    return this._isWhole;
  }

  /** How much of the whole is read; null while nobody reads it. */
  get share(): number | null {
    return this._share;
  }

  get isDisposed(): boolean {
    return this._abort.signal.aborted;
  }

  dispose(): void {
    this._abort.abort();
  }

  /** Read all of it, if that is not done. */
  readWhole(): void {
    if (!this._isWhole && this._share === null) {
      this._share = 0;
      void this._readWhole();
    }
  }

  private async _follow(): Promise<void> {
    while (!this.isDisposed) {
      const asked = this._offset;
      const part = await this._ask(asked ?? -TAIL_BYTES, TAIL_BYTES);
      if (part && asked === this._offset) {
        this._take(part, asked === null);
        if (part.ended && part.offset >= part.size) {
          this._text.end();
          this._isOver = true;
          this._changed();
          return;
        }
      }
      const more = part !== null && part.offset < part.size;
      await pause(more ? 0 : BETWEEN_MS, this._abort.signal);
    }
  }

  private _take(part: ILogPart, isFirst: boolean): void {
    if (isFirst) {
      this._isWhole = part.size <= TAIL_BYTES;
    }
    this._offset = part.offset;
    if (part.text || isFirst) {
      this._text.append(isFirst && !this._isWhole ? fromWholeLine(part.text) : part.text);
      this._changed();
    }
  }

  private async _readWhole(): Promise<void> {
    const text = new LogText();
    let offset = 0;
    while (!this.isDisposed) {
      const part = await this._ask(offset, PART_BYTES);
      if (part) {
        text.append(part.text);
        offset = part.offset;
        this._share = part.size ? offset / part.size : 1;
        if (this._offset !== null && offset >= this._offset) {
          this._becomeWhole(text, offset);
          return;
        }
        this._changed();
      }
      await pause(part ? 0 : BETWEEN_MS, this._abort.signal);
    }
  }

  private _becomeWhole(text: LogText, offset: number): void {
    if (this._isOver) {
      text.end();
    }
    [this._text, this._offset, this._isWhole, this._share] = [text, offset, true, null];
    this._changed();
  }

  /** Null where there is no answer: the header says that the connection is lost, and the next round tries again. */
  private async _ask(offset: number, limit: number): Promise<ILogPart | null> {
    const { rank, attempt } = this;
    try {
      return await this._model.api.logs(this._model.id, { rank, attempt, offset, limit }, this._abort.signal);
    } catch {
      return null;
    }
  }

  private _text = new LogText();
  private _offset: number | null = null;
  private _isWhole = false;
  private _isOver = false;
  private _share: number | null = null;
  private readonly _abort = new AbortController();
}

/** What follows the first line end of a text that was cut out of a log; all of it where nothing does. */
function fromWholeLine(text: string): string {
  return text.slice(text.indexOf('\n') + 1) || text;
}
