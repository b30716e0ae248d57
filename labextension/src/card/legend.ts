/**
 * What each bar's colour and hatch mean, from the table that coloured the figure.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { ILegendRow } from '../protocol';
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
  '.': 'hatch-dots'
};

export class Legend {
  readonly node = el('ul', 'legend');

  constructor(private readonly _trans: TranslationBundle) {}

  update(rows: readonly ILegendRow[]): void {
    this.node.replaceChildren(
      ...rows.map(row => {
        const swatch = el('i', `swatch ${HATCHES[row.hatch] ?? ''}`);
        swatch.style.backgroundColor = row.colour;
        return el('li', 'legend-row', swatch, phaseWord(row.phase, row.label, this._trans));
      })
    );
  }
}
