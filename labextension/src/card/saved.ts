/**
 * What the notebook itself keeps of a run: picture and summary, shown until the run is here, or in its place with the reason.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { RunState } from '../runs/model';
import { el, setText } from './dom';

export interface ISaved {
  /** PNG in base64, or empty. */
  readonly png: string;
  readonly text: string;
}

export class Saved {
  readonly node: HTMLElement;

  constructor(
    saved: ISaved,
    private readonly _trans: TranslationBundle
  ) {
    this.node = el('div', 'saved', this._note, el('pre', 'saved-text', saved.text));
    this._note.setAttribute('role', 'status');
    if (saved.png) {
      const picture = el('img', 'saved-picture');
      picture.src = `data:image/png;base64,${saved.png}`;
      picture.alt = saved.text;
      this.node.insertBefore(picture, this.node.lastChild);
    }
  }

  update(state: RunState): void {
    this.node.hidden = 'view' in state;
    setText(this._note, this._words(state));
  }

  private _words(state: RunState): string {
    const trans = this._trans;
    switch (state.kind) {
      case 'loading':
        return trans.__('Looking for the run…');
      case 'unknown':
        return trans.__('This run is not known here. What the notebook keeps of it:');
      case 'unreachable':
        return [trans.__('The run cannot be reached, trying again…'), state.message, state.hint].join(' ').trim();
      default:
        return '';
    }
  }

  private readonly _note = el('p', 'detail');
}
