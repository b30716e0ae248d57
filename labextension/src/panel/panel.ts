/**
 * The side panel as a widget: tells the view when somebody looks. What is in it is `view.ts`.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import { PREFIX } from '../card/dom';
import type { ISiteModel } from '../site/model';
import type { IKeeper, IPanelActions } from './actions';
import { PanelView } from './view';

export class TrainingPanel extends Widget {
  constructor(model: ISiteModel, actions: IPanelActions, keeper: IKeeper, trans: TranslationBundle) {
    super();
    this.id = `${PREFIX}training`;
    this.addClass(`${PREFIX}side`);
    this.title.caption = trans.__('Training');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Training'));
    this._view = new PanelView(model, actions, keeper, trans);
    this.node.append(this._view.node);
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this._view.dispose();
      super.dispose();
    }
  }

  /** Go to the form of a new run; the panel is to be active already. */
  newRun(): void {
    this._view.focusForm();
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._view.show();
  }

  protected override onAfterHide(message: Message): void {
    this._view.hide();
    super.onAfterHide(message);
  }

  /** A panel that is attached where it is seen at once is never told that it is shown. */
  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    if (this.isVisible) {
      this._view.show();
    }
  }

  private readonly _view: PanelView;
}
