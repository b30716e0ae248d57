/**
 * The text of a recorded run becomes a recording, or an error that says what is wrong with the file.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { IRecording } from '../protocol';

/** The newest form that is read here (`VERSION` of timeline/recorded.py). */
const VERSION = 1;
const PARTS = ['view', 'figures', 'logs', 'bundle', 'bokeh'] as const;

/** Throws an Error with a sentence for the reader. */
export function readRecording(text: string, trans: TranslationBundle): IRecording {
  const data = parsed(text, trans) as { readonly [Part in keyof IRecording]?: IRecording[Part] | null } | null;
  if (typeof data !== 'object' || data === null || typeof data.aicci_run !== 'number') {
    throw new Error(trans.__('It is not a recorded run: it has no "aicci_run". Save the run again.'));
  }
  if (data.aicci_run !== VERSION) {
    throw new Error(
      trans.__('It is of form %1, and this extension reads form %2. Update jupyter-aicci.', data.aicci_run, VERSION)
    );
  }
  const missing = PARTS.filter(part => typeof data[part] !== 'object' || data[part] === null);
  if (missing.length || !Array.isArray(data.view?.lanes)) {
    const what = missing.join(', ') || 'view.lanes';
    throw new Error(trans.__('Parts of it are missing: %1. Save the run again.', what));
  }
  return data as IRecording;
}

function parsed(text: string, trans: TranslationBundle): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(trans.__('It is damaged or cut off: %1. Save the run again.', why));
  }
}

/** BokehJS as it was packed. Throws where the file is damaged. */
export async function unpacked(gzip: string): Promise<ArrayBuffer> {
  const packed = Uint8Array.from(atob(gzip), character => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Response(stream).arrayBuffer();
}
