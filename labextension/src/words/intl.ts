/**
 * Numbers, money and times in the language of the page: the one that JupyterLab was set to, not the browser's.
 *
 * Rule: whoever formats for a person asks here. Formatters are dear to make and are kept.
 */

/** The page's language as JupyterLab wrote it, if `Intl` knows what it means; undefined is the browser's own. */
export function pageLanguage(): string | undefined {
  const said = document.documentElement.lang;
  try {
    return Intl.getCanonicalLocales(said || [])[0];
  } catch {
    return undefined; // a page that writes `zh_CN`, or no language at all
  }
}

export function numberWords(value: number, options: Intl.NumberFormatOptions = {}): string {
  return kept(numbers, options, language => new Intl.NumberFormat(language, options)).format(value);
}

export function timeWords(at: Date, options: Intl.DateTimeFormatOptions): string {
  return kept(times, options, language => new Intl.DateTimeFormat(language, options)).format(at);
}

const numbers = new Map<string, Intl.NumberFormat>();
const times = new Map<string, Intl.DateTimeFormat>();

function kept<T>(formats: Map<string, T>, options: object, make: (language: string | undefined) => T): T {
  const language = pageLanguage();
  const key = `${language ?? ''} ${JSON.stringify(options)}`;
  const format = formats.get(key) ?? make(language);
  formats.set(key, format);
  return format;
}
