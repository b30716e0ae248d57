/**
 * In which lines of a log a word occurs, whatever its case; looked for a batch at a time, so that a long log holds up no key press.
 *
 * No DOM here. Rule: only finished lines are looked at; what is printed later is looked at by the next `scan`.
 */
import type { LogText } from './text';

/** Lines a call: some milliseconds. */
const BATCH = 50_000;

export class Search {
  constructor(readonly words: string) {
    this._pattern = new RegExp(words.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'i');
  }

  /** The lines that have it, ascending. */
  get hits(): readonly number[] {
    return this._hits;
  }

  /** Look at the next lines; false while there are more. A text that has lost its oldest lines is looked at anew. */
  scan(text: LogText): boolean {
    if (text !== this._text || text.dropped !== this._dropped) {
      [this._text, this._dropped, this._scanned, this._hits] = [text, text.dropped, 0, []];
    }
    const end = Math.min(text.finished, this._scanned + BATCH);
    for (let at = this._scanned; at < end; at++) {
      if (this._pattern.test(text.line(at))) {
        this._hits.push(at);
      }
    }
    this._scanned = end;
    return end === text.finished;
  }

  /** The place in `hits` of the first line at or after this one; the first of all where there is none. */
  from(line: number): number {
    const place = this._hits.findIndex(hit => hit >= line);
    return Math.max(place, 0);
  }

  /** From and to of each occurrence in a text. */
  within(text: string): readonly (readonly [number, number])[] {
    const every = new RegExp(this._pattern.source, 'gi');
    return [...text.matchAll(every)].map(({ index, 0: found }) => [index, index + found.length] as const);
  }

  private readonly _pattern: RegExp;
  private _hits: number[] = [];
  private _text: LogText | null = null;
  private _dropped = 0;
  private _scanned = 0;
}
