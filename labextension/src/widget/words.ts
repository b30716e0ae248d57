/**
 * Texts as they stand in the code, with their numbers put in: JupyterLab's own would bring half of JupyterLab along.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

export const plainWords: TranslationBundle = {
  __: filled,
  _n: one,
  _p: (_context, text, ...args: unknown[]) => filled(text, ...args),
  _np: (_context, text, texts, n, ...args: unknown[]) => one(text, texts, n, ...args),
  gettext: filled,
  ngettext: one,
  pgettext: (_context, text, ...args: unknown[]) => filled(text, ...args),
  npgettext: (_context, text, texts, n, ...args: unknown[]) => one(text, texts, n, ...args),
  dcnpgettext: (_domain, _context, text, texts, n, ...args: unknown[]) => one(text, texts, n, ...args)
};

/** `%1` is the first argument, and so on. */
function filled(text: string, ...args: unknown[]): string {
  return text.replace(/%(\d+)/g, (hole, at: string) =>
    Number(at) <= args.length ? String(args[Number(at) - 1]) : hole
  );
}

/** With `%1` the number. */
function one(text: string, texts: string, n: number, ...args: unknown[]): string {
  return filled(n === 1 ? text : texts, n, ...args);
}
