/** The words of a settings' schema, as JupyterLab's server translates those of its own. */
import type { TranslationBundle } from '@jupyterlab/translation';

const WORDS = new Set(['title', 'description', 'label']);

/** Every title, description and name of a menu, in place, where the catalogue has it. */
export function translateSchema(node: unknown, trans: TranslationBundle): void {
  if (typeof node !== 'object' || node === null) {
    return;
  }
  const parts = node as Record<string, unknown>;
  for (const [name, value] of Object.entries(parts)) {
    if (typeof value === 'string' && value && WORDS.has(name)) {
      parts[name] = trans._p('schema', value);
    } else {
      translateSchema(value, trans);
    }
  }
}
