/**
 * What was found, the costliest first: number, name and when, what was seen, what to try, and what it costs.
 *
 * A press shows the evidence in the chart. Severity is a word as well as a colour.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import { moneyWords } from '../chart/values';
import type { IFigure, IFinding, IView } from '../protocol';
import { button, el } from './dom';
import { clock, severityWord, span } from './words';

/** Less is no time that is said: it would read as 0 s. */
const LEAST_S = 0.5;

export class Findings {
  readonly node = el('ol', 'findings');

  constructor(
    private readonly _show: (finding: IFinding) => void,
    private readonly _trans: TranslationBundle
  ) {
    this.node.hidden = true;
    this.node.setAttribute('aria-label', this._trans.__('Findings'));
  }

  update({ findings, run }: IView): void {
    const key = JSON.stringify([findings, run.currency]);
    if (key === this._key) {
      return;
    }
    this._key = key;
    this.node.hidden = findings.length === 0;
    const focused = [...this.node.children].findIndex(row => row.contains(document.activeElement));
    this.node.replaceChildren(...findings.map((finding, at) => this._row(finding, at + 1, run.currency)));
    this.node.children[focused]?.querySelector('button')?.focus();
  }

  /** Mark the row of this finding as the one that the chart shows. */
  mark(id: string): void {
    for (const row of this.node.querySelectorAll('button')) {
      row.setAttribute('aria-current', String(row.dataset.finding === id));
    }
  }

  /** The colours of severities in the figure that is shown. */
  paint(figure: IFigure): void {
    for (const [severity, colour] of Object.entries(figure.severities)) {
      this.node.style.setProperty(`--jp-aicci-${severity}`, colour);
    }
  }

  private _row(finding: IFinding, number: number, currency: string): HTMLElement {
    const badge = el('span', 'badge', String(number));
    badge.dataset.severity = finding.severity;
    badge.title = severityWord(finding.severity, this._trans);
    const name = el('b', '', this._trans.__('%1, %2.', capital(finding.name), when(finding, this._trans)));
    const fix = el('span', 'fix', finding.fix);
    const words = el('span', 'finding-words', name, ' ', sentence(finding.text, this._trans), ' ', fix);
    const severity = el('span', 'live', this._trans.__('%1:', badge.title), ' ');
    const press = button('finding', '', () => this._show(finding));
    press.append(badge, severity, words, el('span', 'money', wasteWords(finding, currency, this._trans)));
    press.title = this._trans.__('Show it in the chart');
    press.dataset.finding = finding.id;
    return el('li', '', press);
  }

  private _key = '';
}

/** `7:10 – 9:20`, or `since 10:00` for what goes on. */
export function when(finding: IFinding, trans: TranslationBundle): string {
  return finding.ongoing
    ? trans.__('since %1', clock(finding.from_s))
    : trans.__('%1 – %2', clock(finding.from_s), clock(finding.to_s));
}

/** `≈ $0.31 wasted`, `≈ $0.22 so far`, `≈ $0.40 at risk`; where there is no price, the time of the ranks. */
export function wasteWords(finding: IFinding, currency: string, trans: TranslationBundle): string {
  const lost = lostWords(finding, currency, trans);
  if (!lost) {
    return '';
  }
  if (finding.at_risk) {
    return trans.__('≈ %1 at risk', lost);
  }
  return finding.ongoing ? trans.__('≈ %1 so far', lost) : trans.__('≈ %1 wasted', lost);
}

/** The amount alone; '' where it is nothing. */
function lostWords(finding: IFinding, currency: string, trans: TranslationBundle): string {
  if (finding.wasted_micro) {
    return moneyWords(finding.wasted_micro / 1e6, currency);
  }
  const wastedS = finding.wasted_ns / 1e9;
  return wastedS >= LEAST_S ? trans.__('%1 of rank time', span(wastedS)) : '';
}

function capital(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** With a full stop, unless it ends with a program's own words that have one. */
function sentence(text: string, trans: TranslationBundle): string {
  return /[.!?。]$/.test(text) ? text : trans.__('%1.', text);
}
