/**
 * What each bar's colour and hatch mean, from the table that coloured the figure.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { IHeatLook, ILegendRow } from '../protocol';
import { el } from './dom';
import { phaseWord } from './words';

/** Bokeh's hatch letters as class names. */
const HATCHES: Record<string, string> = {
  '/': 'hatch-right',
  '\\': 'hatch-left',
  '|': 'hatch-upright',
  '-': 'hatch-flat',
  '+': 'hatch-plus',
  x: 'hatch-cross',
  o: 'hatch-dots',
  '*': 'hatch-cross',
  '.': 'hatch-dots'
};

export class Legend {
  readonly node = el('ul', 'legend');

  constructor(private readonly _trans: TranslationBundle) {}

  update(rows: readonly ILegendRow[], heat: IHeatLook): void {
    const strips = heat.lanes.length ? [this._heat(heat.colours)] : [];
    this.node.replaceChildren(
      ...rows.map(row => {
        const swatch = el('i', `swatch ${HATCHES[row.hatch] ?? ''}`);
        swatch.style.backgroundColor = row.colour;
        return el('li', 'legend-row', swatch, phaseWord(row.phase, row.label, this._trans));
      }),
      ...strips
    );
  }

  /** The scale of the strips: usual at its left, much slower at its right. */
  private _heat(colours: readonly string[]): HTMLElement {
    const scale = el('i', 'heat-scale');
    const stops = colours.map(
      (colour, at) => `${colour} ${(100 * at) / colours.length}% ${(100 * (at + 1)) / colours.length}%`
    );
    scale.style.backgroundImage = `linear-gradient(to right, ${stops.join(', ')})`;
    const [usual, slow] = [this._trans.__('usual step'), this._trans.__('1.6×')];
    return el('li', 'legend-row', `${usual} `, scale, ` ${slow}`);
  }
}
