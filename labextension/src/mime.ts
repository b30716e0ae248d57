/**
 * The cell's output: draws the run that the output names, live, and writes the final picture into the notebook at its end.
 *
 * The kernel is not asked for anything: it may be busy, restarted or dead. Whoever opens the notebook later and still
 * finds no picture in it writes it then. Rule: the output is written once, and only after the run has ended.
 */
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { PartialJSONObject } from '@lumino/coreutils';
import type { Message } from '@lumino/messaging';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';

import { renderCard } from './card/card';
import { el, PREFIX } from './card/dom';
import type { IRunOutput } from './protocol';
import { hasEnded } from './runs/merge';
import type { RunState } from './runs/model';
import type { IRunLease } from './runs/registry';
import { MIME_TYPE, type IRuns } from './tokens';

/** Before text/html (50) and image/png (90): the live run wins over its picture. */
const RANK = 10;
const RUN_ID = /^r[0-9a-z]{7}$/; // model/ids.py

export interface IRendererOptions {
  readonly runs: IRuns;
  readonly trans: TranslationBundle;
  readonly bokehUrl: (version: string) => string;
  readonly open: ((id: string) => void) | null;
  /** Save the document that the widget is in. */
  readonly keep: (widget: Widget) => void;
}

/** The factory for `IRenderMimeRegistry.addFactory`. */
export function rendererFactory(options: IRendererOptions): IRenderMime.IRendererFactory {
  return {
    safe: true, // draws what the server says about an id; nothing in the notebook is run
    mimeTypes: [MIME_TYPE],
    defaultRank: RANK,
    createRenderer: () => new RunRenderer(options)
  };
}

export class RunRenderer extends Widget implements IRenderMime.IRenderer {
  constructor(private readonly _options: IRendererOptions) {
    super();
    this.addClass(`${PREFIX}output`);
  }

  /** Show the output; the same run again, as the kernel writes each state, only exchanges what is to be written to. */
  renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this._model = model;
    const output = model.data[MIME_TYPE] as unknown as Partial<IRunOutput> | undefined;
    const id = output?.id ?? '';
    if (!RUN_ID.test(id)) {
      this._clear();
      const { trans } = this._options;
      this.node.replaceChildren(el('p', 'detail', trans.__('This output names no run.')));
    } else if (id !== this._lease?.model.id) {
      this._draw(id, model);
    }
    return Promise.resolve();
  }

  override dispose(): void {
    this._clear();
    super.dispose();
  }

  /** A run that has just been launched is to be there after a reload. */
  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    if (!this._isKept) {
      this._isKept = true;
      this._options.keep(this);
    }
  }

  private _draw(id: string, model: IRenderMime.IMimeModel): void {
    this._clear();
    const { runs, trans, open, bokehUrl } = this._options;
    const lease = runs.lease(id);
    this._lease = lease;
    this._card = renderCard(this.node, lease.model, {
      trans,
      bokehUrl,
      open: open && (() => open(id)),
      saved: { png: text(model.data['image/png']), text: text(model.data['text/plain']) }
    });
    lease.model.changed.connect((_, state) => this._onState(state), this);
    this._onState(lease.model.state);
  }

  private _onState(state: RunState): void {
    if (state.kind === 'ended' && !this._writing && !this._isFinal()) {
      this._writing = this._write().finally(() => (this._writing = null));
    }
  }

  /** Whether the notebook has the final picture. */
  private _isFinal(): boolean {
    const output = this._model?.data[MIME_TYPE] as unknown as Partial<IRunOutput> | undefined;
    return hasEnded(output?.summary?.state ?? '') && text(this._model?.data['image/png']) !== '';
  }

  private async _write(): Promise<void> {
    const run = this._lease?.model;
    if (!run) {
      return;
    }
    try {
      const bundle = await run.api.bundle(run.id, run.signal);
      if (this._model && run === this._lease?.model) {
        const data = { ...this._model.data, ...bundle } as unknown as PartialJSONObject;
        this._model.setData({ data });
        this._options.keep(this);
      }
    } catch (error) {
      if (!run.isDisposed) {
        console.warn(`jupyter-aicci: the final picture of run ${run.id} was not written into the notebook:`, error);
      }
    }
  }

  private _clear(): void {
    Signal.disconnectReceiver(this);
    this._card?.dispose();
    this._lease?.dispose();
    this._card = this._lease = null;
  }

  private _model: IRenderMime.IMimeModel | null = null;
  private _lease: IRunLease | null = null;
  private _card: { dispose(): void } | null = null;
  private _writing: Promise<void> | null = null;
  private _isKept = false;
}

/** A MIME value as text; JupyterLab keeps multi-line values as they came. */
function text(value: unknown): string {
  return Array.isArray(value) ? value.join('') : typeof value === 'string' ? value : '';
}
