/**
 * Whether a recorded run carries only programs that are known here: models and snippets of our figures, and releases of BokehJS.
 *
 * A figure of Bokeh may hold JavaScript, and the file holds BokehJS itself; a file from elsewhere could hold anything in their place.
 * Rule: what is not in known.json is not run before the reader has said so. tests/timeline/test_recorded.py keeps the list complete.
 */
import type { IRecording } from '../protocol';
import known from './known.json';

const MODELS = new Set(known.models);
const TEXTS = new Set(known.texts);
const RELEASES: Readonly<Record<string, string>> = known.bokeh;
/** A text without any of these can be neither markup nor a call. */
const HARMLESS = /^[^<>(){}=;`[\]&]*$/;

/** Whether everything of it that can be run is known; `bokeh` is BokehJS as it was unpacked. */
export async function isKnown(recording: IRecording, bokeh: ArrayBuffer): Promise<boolean> {
  const figures = Object.values(recording.figures).flatMap(({ own, all }) => [own, all]);
  const drawn = figures.every(({ item, heat, severities }) => isHarmless([item, heat, severities]));
  return drawn && (await releaseOf(bokeh)) === recording.bokeh.version;
}

/** Whether a value has no models and no texts but those that are known. */
function isHarmless(value: unknown): boolean {
  if (typeof value === 'string') {
    return HARMLESS.test(value) || TEXTS.has(value);
  }
  if (typeof value !== 'object' || value === null) {
    return true;
  }
  const { type, name } = value as { readonly type?: unknown; readonly name?: unknown };
  const isModel = type === 'object';
  return (!isModel || MODELS.has(String(name))) && Object.entries(value).flat().every(isHarmless);
}

/** The version of BokehJS that these bytes are, or undefined; also where the page may not compute digests. */
async function releaseOf(bytes: ArrayBuffer): Promise<string | undefined> {
  if (!window.isSecureContext) {
    return undefined;
  }
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return RELEASES[Array.from(digest, byte => byte.toString(16).padStart(2, '0')).join('')];
}
