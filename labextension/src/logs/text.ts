/**
 * A log as the lines that a terminal would leave: text goes in as it is read, whole lines come out; the last one may still grow.
 *
 * No DOM here. Rule: memory is bounded: of more than `MOST_CHARS` the oldest quarter goes, and `dropped` counts its lines.
 */
import { plainLines } from '../card/terminal';

/** More than a rank's log keeps on disk (agent/loglimit.py: 64 MB). */
export const MOST_CHARS = 80_000_000;

export class LogText {
  constructor(private readonly _mostChars = MOST_CHARS) {}

  /** Lines, the unfinished one included. */
  get count(): number {
    return this._lines.length + (this._rest ? 1 : 0);
  }

  /** Lines that do not change any more. */
  get finished(): number {
    return this._lines.length;
  }

  /** How many lines have gone from the beginning. */
  get dropped(): number {
    return this._dropped;
  }

  line(at: number): string {
    return this._lines[at] ?? (at === this._lines.length ? plainLines(this._rest) : '');
  }

  append(text: string): void {
    const parts = (this._rest + text).split('\n');
    this._rest = parts.pop() ?? '';
    for (const part of parts) {
      this._push(part);
    }
    this._trim();
  }

  /** Nothing more comes: the last line is finished as it is. */
  end(): void {
    if (this._rest) {
      this._push(this._rest);
      this._rest = '';
    }
  }

  private _push(raw: string): void {
    const line = plainLines(raw);
    this._chars += line.length;
    this._lines.push(line);
  }

  private _trim(): void {
    if (this._chars > this._mostChars) {
      const gone = this._lines.splice(0, Math.ceil(this._lines.length / 4));
      this._dropped += gone.length;
      this._chars -= gone.reduce((sum, line) => sum + line.length, 0);
    }
  }

  private _lines: string[] = [];
  private _rest = '';
  private _chars = 0;
  private _dropped = 0;
}
