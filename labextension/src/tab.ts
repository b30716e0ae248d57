/**
 * A run in a tab of the main area: the cell's card with the whole page: the strip of the whole run stays, and the log is searched.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

import { renderCard } from './card/card';
import type { BokehUrl } from './chart/chart';
import { PREFIX } from './card/dom';
import { stateWord } from './card/words';
import type { IRunLease } from './runs/registry';

export class RunTab extends Widget {
  readonly runId: string;

  constructor(
    private readonly _lease: IRunLease,
    trans: TranslationBundle,
    bokehUrl: BokehUrl
  ) {
    super();
    const { model } = _lease;
    this.runId = model.id;
    this.id = `${PREFIX}content-${model.id}`;
    this.addClass(`${PREFIX}tab`);
    this.title.label = model.id;
    this.title.closable = true;
    this._card = renderCard(this.node, model, {
      trans,
      bokehUrl,
      open: null,
      saved: { png: '', text: '' },
      hasPage: true
    });
    const rename = (): void => {
      if ('view' in model.state) {
        const { run } = model.state.view;
        this.title.label = `${run.icon} ${run.name || run.id}`;
        this.title.caption = trans.__('Run %1, %2', run.id, stateWord(run.state, trans));
      }
    };
    model.changed.connect(rename, this);
    rename();
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this._card.dispose();
      this._lease.dispose();
      super.dispose();
    }
  }

  private readonly _card: { dispose(): void };
}
