/**
 * BokehJS of the version that made the figure, loaded once a page from the server extension.
 *
 * Another extension may have its own Bokeh on the page: each version registers itself as `Bokeh[version]`, and only that
 * one is used. The types are the few members that the chart touches.
 */
import type { IBokehItem } from '../protocol';

export interface IBokehModel {
  readonly type: string;
  readonly name: string | null;
  readonly tags: readonly unknown[];
  readonly dimension?: unknown;
  setv(values: Record<string, unknown>): void;
}

export interface IBokehRange extends IBokehModel {
  readonly start: number;
  readonly end: number;
  readonly change: { connect(slot: () => void): boolean };
}

export interface IBokehRenderer extends IBokehModel {
  readonly glyph: IBokehModel;
}

/** An array of Bokeh's own with a shape, as columns of images hold them. */
export type BokehArray = new (values: number[], shape: [number, number]) => object;

export interface IBokehSource extends IBokehModel {
  readonly data: ReadonlyMap<string, readonly unknown[]> | Readonly<Record<string, readonly unknown[]>>;
}

export interface IBokehDocument {
  readonly all_models: Set<IBokehModel>;
  clear(): void;
}

export interface IBokehViews {
  readonly roots: readonly { readonly model: { readonly document: IBokehDocument } }[];
  clear(): void;
}

export interface IBokeh {
  readonly version: string;
  readonly documents: IBokehDocument[];
  readonly embed: { embed_item(item: IBokehItem, target: HTMLElement): Promise<IBokehViews> };
}

const loads = new Map<string, Promise<IBokeh>>();

/** BokehJS of this version; a failed load is tried again at the next call. */
export function loadBokeh(version: string, url: string): Promise<IBokeh> {
  const here = registered(version);
  if (here) {
    return Promise.resolve(here);
  }
  let load = loads.get(version);
  if (!load) {
    load = addScript(url).then(() => {
      const bokeh = registered(version);
      if (!bokeh) {
        throw new Error(`${url} is not BokehJS ${version}`);
      }
      return bokeh;
    });
    loads.set(version, load);
    load.catch(() => loads.delete(version));
  }
  return load;
}

/** Whether the page has BokehJS of this version already. */
export function isBokehHere(version: string): boolean {
  return registered(version) !== undefined;
}

function registered(version: string): IBokeh | undefined {
  const root = (window as unknown as { Bokeh?: IBokeh & Record<string, IBokeh | undefined> }).Bokeh;
  return root?.version === version ? root : root?.[version];
}

function addScript(url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = url;
    script.onload = () => resolve();
    script.onerror = () => {
      script.remove();
      reject(new Error(`${url} cannot be loaded`));
    };
    document.head.append(script);
  });
}
