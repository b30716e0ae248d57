/**
 * The column beside the frame: each lane's name and latest value; under the cursor, the value there.
 *
 * A lane with others under it has a button that unfolds them. Rows stay the same elements when a figure is exchanged, so
 * that the focus stays where it is.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import { button, el, setText } from '../card/dom';
import type { IFigure, IPlace, IView, Lane } from '../protocol';
import { valueAt } from './values';

/** Of so many lanes under one the rest are not drawn (`MOST_UNDER` of timeline/places.py). */
const MOST_UNDER = 64;
const STEP_PX = 12;

interface IRow {
  readonly node: HTMLElement;
  readonly name: HTMLElement;
  readonly value: HTMLElement;
  readonly foldable: boolean;
}

export class Labels {
  readonly node = el('div', 'lanes');

  constructor(
    private readonly _fold: (id: string) => void,
    private readonly _trans: TranslationBundle
  ) {}

  /** The rows of this figure. */
  place(figure: IFigure): void {
    const { left, top } = figure.frame;
    Object.assign(this.node.style, { width: `${left}px`, top: `${top}px`, height: `${figure.frame.height}px` });
    this._phases = new Map(figure.legend.map(row => [row.phase, row.label]));
    const before = this._rows;
    this._rows = new Map();
    figure.places.forEach((place, at) => {
      const old = before.get(place.id);
      const row = old && old.foldable === place.under > 0 ? old : this._row(place);
      this._rows.set(place.id, row);
      this._set(row, place);
      if (this.node.children[at] !== row.node) {
        this.node.insertBefore(row.node, this.node.children[at] ?? null);
      }
    });
    while (this.node.children.length > figure.places.length) {
      this.node.lastElementChild?.remove();
    }
    this._places = figure.places;
  }

  /** Names, and values at `t`, or the latest where it is null; `drawn` has the lanes as they are on the screen. */
  show(view: IView, drawn: IView, t: number | null): void {
    const shown = new Map(drawn.lanes.map(lane => [lane.id, lane]));
    for (const lane of view.lanes) {
      const row = this._rows.get(lane.id);
      if (row) {
        const latest = lane.kind === 'phases' ? lane.note : lane.value;
        const there = t === null ? '' : valueAt(shown.get(lane.id) ?? lane, t, this._phases, this._trans);
        setText(row.name, this._nameOf(lane));
        row.name.title = lane.note ? `${lane.name}: ${lane.note}` : lane.name;
        setText(row.value, t === null ? latest : there || '–');
        row.value.title = row.value.textContent ?? '';
      }
    }
    this.node.classList.toggle('jp-aicci-mod-reading', t !== null);
  }

  /** Everything that the column says, for who does not see it. */
  get words(): string {
    return [...this._rows.values()].map(row => `${row.name.textContent} ${row.value.textContent}`).join('; ');
  }

  private _nameOf(lane: Lane): string {
    const place = this._places.find(each => each.id === lane.id);
    const cut = place?.unfolded && place.under > MOST_UNDER;
    return cut ? this._trans.__('%1 · first %2 of %3', lane.name, String(MOST_UNDER), String(place.under)) : lane.name;
  }

  private _row(place: IPlace): IRow {
    const value = el('span', 'lane-value');
    const foldable = place.under > 0;
    const name = foldable ? button('lane-name fold', '', () => this._fold(place.id)) : el('span', 'lane-name');
    name.setAttribute('data-lane', place.id);
    return { node: el('div', 'lane', name, value), name, value, foldable };
  }

  private _set(row: IRow, place: IPlace): void {
    Object.assign(row.node.style, { top: `${place.top}px`, height: `${place.bottom - place.top}px` });
    row.node.style.paddingLeft = `${14 + place.depth * STEP_PX}px`;
    if (row.foldable) {
      row.name.setAttribute('aria-expanded', String(place.unfolded));
    }
  }

  private _rows = new Map<string, IRow>();
  private _places: readonly IPlace[] = [];
  private _phases: ReadonlyMap<string, string> = new Map();
}
