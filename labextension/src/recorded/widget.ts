/**
 * The document of a recorded run: the card of a tab, out of the file alone; or what is wrong with the file.
 *
 * A file with programs that are not known here is shown without its chart until the reader says that they may run.
 */
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { TranslationBundle } from '@jupyterlab/translation';
import { DisposableDelegate, type IDisposable } from '@lumino/disposable';
import { Widget } from '@lumino/widgets';

import { renderCard } from '../card/card';
import { button, el, PREFIX } from '../card/dom';
import type { IRecording } from '../protocol';
import { RunModel } from '../runs/model';
import { runsInWords } from '../words/inwords';
import { speaker } from '../words/served';
import { RecordedApi } from './api';
import { readRecording, unpacked } from './read';
import { isKnown } from './trust';

export class RecordedRun extends Widget {
  constructor(
    context: DocumentRegistry.Context,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.addClass(`${PREFIX}tab`);
    this.node.append(this._note, this._place);
    void context.ready.then(() => this._open(context.model.toString()));
  }

  override dispose(): void {
    this._card?.dispose();
    super.dispose();
  }

  private async _open(text: string): Promise<void> {
    try {
      const recording = readRecording(text, this._trans);
      const bokeh = await unpacked(recording.bokeh.gzip);
      const known = await isKnown(recording, bokeh);
      if (!this.isDisposed) {
        this._show(recording, known ? bokeh : null);
        if (!known) {
          this._ask(() => this._show(recording, bokeh));
        }
      }
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this._say(this._trans.__('This file cannot be shown as a run. %1', why));
    }
  }

  /** The card; without BokehJS, a table stands in the chart's place. */
  private _show(recording: IRecording, bokeh: ArrayBuffer | null): void {
    this._card?.dispose();
    const model = new RunModel(
      recording.view.run.id,
      runsInWords(new RecordedApi(recording, this._trans), speaker(this._trans))
    );
    const url = bokeh && URL.createObjectURL(new Blob([bokeh], { type: 'text/javascript' }));
    const card = renderCard(this._place, model, {
      trans: this._trans,
      bokehUrl: () => url ?? Promise.reject(new Error(this._trans.__('its programs are not known here'))),
      open: null,
      saved: { png: recording.bundle['image/png'], text: recording.bundle['text/plain'] },
      hasPage: true,
      isRecorded: true
    });
    void model.follow();
    this._card = new DisposableDelegate(() => {
      card.dispose();
      model.dispose();
      URL.revokeObjectURL(url ?? '');
    });
  }

  private _ask(run: () => void): void {
    const trans = this._trans;
    this._say(
      trans.__(
        'The chart of this file needs programs that are in the file and not known here: another version of Bokeh, or something else. They run with your rights. Draw it only if you trust where the file is from.'
      )
    );
    const draw = button('button', trans.__('Draw the chart'), () => {
      this._note.hidden = true;
      run();
    });
    this._note.append(' ', draw);
  }

  private _say(words: string): void {
    this._note.replaceChildren(words);
    this._note.hidden = false;
  }

  private _card: IDisposable | null = null;
  private readonly _note = Object.assign(el('p', 'recorded-note'), { hidden: true, role: 'status' });
  private readonly _place = el('div', '');
}
