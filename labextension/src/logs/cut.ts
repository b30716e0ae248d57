/**
 * What is shown of a line that is too long for a page: a stretch around what is looked for, and how much is left out.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

export const MOST_SHOWN = 4_000;

/** The line, or of a longer one `MOST_SHOWN` characters around the place `at`. */
export function shownPart(line: string, at: number, trans: TranslationBundle): string {
  if (line.length <= MOST_SHOWN) {
    return line;
  }
  const from = at < MOST_SHOWN / 2 ? 0 : Math.min(at - MOST_SHOWN / 2, line.length - MOST_SHOWN);
  const left = trans.__('… %1 more characters', line.length - MOST_SHOWN);
  return `${from ? '… ' : ''}${line.slice(from, from + MOST_SHOWN)} ${left}`;
}
