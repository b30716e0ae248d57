/**
 * What would happen now: when and where it starts, how fast it is wired, what an hour costs, how it would do; beside it every other shape.
 *
 * Rule: what is computed by a model is marked estimated, and its inputs are said where the pointer rests. Nothing unknown is said.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import { button, el } from '../card/dom';
import { momentWords } from '../card/waits';
import { span } from '../card/words';
import { moneyWords } from '../chart/values';
import type { IForecast, IForecasts, IOutlook, IShapeForecast } from '../protocol';
import { numberWords } from '../words/intl';
import { NONE, short, startWord } from './words';

const NS = 1e9;
const MICRO = 1e6;

export class Answer {
  readonly node = el('div', 'answer');

  constructor(
    private readonly _take: (shape: string) => void,
    private readonly _trans: TranslationBundle
  ) {
    this._lines.setAttribute('role', 'status');
    this.node.append(this._lines, this._others);
    this.node.hidden = true;
  }

  /** `asking`: a newer answer is on its way. */
  update(forecasts: IForecasts | null, asking: boolean, nowNs: number): void {
    this.node.classList.toggle('jp-aicci-mod-asking', asking);
    this.node.hidden = !forecasts;
    if (forecasts) {
      this._showLines(forecasts, nowNs);
      this._showOthers(forecasts, nowNs);
    }
  }

  private _showLines(forecasts: IForecasts, nowNs: number): void {
    const best = bestOf(forecasts);
    const lines = best?.forecast
      ? forecastLines(best.forecast, nowNs, this._trans)
      : [{ words: best?.refused ?? '', title: '', dot: 'never' }];
    const key = JSON.stringify(lines);
    if (key !== this._linesKey) {
      this._linesKey = key;
      this._lines.replaceChildren(...lines.map(line => lineNode(line)));
    }
  }

  private _showOthers(forecasts: IForecasts, nowNs: number): void {
    const best = bestOf(forecasts);
    const rows = forecasts.answers.filter(each => each !== best).map(each => otherRow(each, nowNs, this._trans));
    const key = JSON.stringify(rows);
    if (key === this._othersKey) {
      return;
    }
    this._othersKey = key;
    const focused = [...this._others.querySelectorAll('button')].findIndex(each => each === document.activeElement);
    this._others.hidden = rows.length === 0;
    this._others.replaceChildren(...(rows.length ? [this._table(rows)] : []));
    this._others.querySelectorAll('button')[focused]?.focus();
  }

  /** Columns that nobody knows anything in are left out. */
  private _table(rows: readonly IOther[]): HTMLElement {
    const trans = this._trans;
    const titles = [trans.__('starts'), trans.__('price/h'), trans.__('speed-up'), trans.__('to finish')];
    const shown = titles.map((_, at) => rows.some(row => (row.cells[at] ?? NONE) !== NONE));
    const heads = [trans.__('shape'), ...titles.filter((_, at) => shown[at])].map(title => el('th', '', title));
    heads.forEach(head => (head.scope = 'col'));
    const body = rows.map(row => {
      const name = el('th', '', this._nameOf(row));
      name.scope = 'row';
      return el('tr', '', name, ...this._cells(row, shown));
    });
    const caption = el('caption', 'live', trans.__('The same run on other shapes'));
    return el('table', 'others', caption, el('thead', '', el('tr', '', ...heads)), el('tbody', '', ...body));
  }

  private _nameOf(row: IOther): HTMLElement {
    if (row.refused) {
      return el('bdi', '', short(row.shape));
    }
    const press = button('link', short(row.shape), () => this._take(row.shape));
    press.title = this._trans.__('Take %1 instead', short(row.shape));
    return press;
  }

  private _cells(row: IOther, shown: readonly boolean[]): HTMLElement[] {
    if (row.refused) {
      const cell = el('td', 'refused', this._trans.__('cannot run'));
      cell.colSpan = shown.filter(Boolean).length || 1;
      cell.title = row.refused;
      return [cell];
    }
    return row.cells.filter((_, at) => shown[at]).map(words => el('td', '', words));
  }

  private _linesKey = '';
  private _othersKey = '';
  private readonly _lines = el('ul', 'answer-lines');
  private readonly _others = el('div', 'others-place');
}

interface ILine {
  readonly words: string;
  /** Where the number is from, or empty. */
  readonly title: string;
  /** What its mark looks like. */
  readonly dot: string;
}

interface IOther {
  readonly shape: string;
  readonly refused: string;
  readonly cells: readonly string[];
}

/** Of the shapes that were asked for the first that can run; they stand first. */
function bestOf({ answers, asked }: IForecasts): IShapeForecast | undefined {
  const mine = answers.slice(0, Math.max(1, asked.length));
  return mine.find(each => each.forecast) ?? answers[0];
}

function lineNode({ words, title, dot }: ILine): HTMLElement {
  const line = el('li', 'answer-line', words);
  line.dataset.dot = dot;
  if (title) {
    line.title = title;
    line.append(el('span', 'live', `. ${title}`));
  }
  return line;
}

/** Everything that is known of this forecast, the start first. */
export function forecastLines(forecast: IForecast, nowNs: number, trans: TranslationBundle): readonly ILine[] {
  const later = forecast.starts === 'later';
  const plain = (words: string): ILine => ({ words, title: '', dot: later ? 'later' : 'now' });
  const lines = [plain(startLine(forecast, nowNs, trans))];
  if (forecast.bandwidth) {
    lines.push(plain(trans.__('bandwidth: %1', forecast.bandwidth.text)));
  }
  lines.push(...outlookLines(forecast.outlook, forecast.currency, trans));
  for (const words of later ? [forecast.reason, forecast.change] : []) {
    if (words) {
      lines.push({ words, title: '', dot: 'note' });
    }
  }
  return lines;
}

/** `starts in about 12 min · by 14:40 at the latest · in leaf-a · $19.44/h`. */
function startLine(forecast: IForecast, nowNs: number, trans: TranslationBundle): string {
  const later = forecast.starts === 'later';
  const leftS = Math.max(0, (forecast.start_ns - nowNs) / NS);
  const { latest_ns, domain, shape, nodes } = forecast;
  const parts = [
    later ? trans.__('starts in about %1', span(leftS)) : trans.__('starts now'),
    later && latest_ns !== null ? trans.__('by %1 at the latest', momentWords(latest_ns, nowNs)) : '',
    later && forecast.place > 0 ? trans.__('place %1 in line', forecast.place) : '',
    domain && trans.__('in %1', domain),
    nodes > 1 ? `${shape} ×${nodes}` : shape,
    hourWords(forecast, trans)
  ];
  return parts.filter(Boolean).join(' · ');
}

function hourWords({ per_h_micro, currency }: IForecast, trans: TranslationBundle): string {
  if (per_h_micro === null) {
    return trans.__('price not set');
  }
  return per_h_micro ? trans.__('%1/h', moneyWords(per_h_micro / MICRO, currency)) : trans.__('free');
}

function outlookLines(outlook: IOutlook | null, currency: string, trans: TranslationBundle): readonly ILine[] {
  if (!outlook) {
    return [];
  }
  const lines: ILine[] = [];
  const { ratio, ranks, basis: title } = outlook;
  if (ratio !== null) {
    const words = trans.__('speed-up on %1 ranks ≈ %2 (estimated)', ranks, ratioWords(ratio));
    lines.push({ words, title, dot: 'estimate' });
  }
  const finish = finishWords(outlook, currency);
  if (finish) {
    lines.push({ words: trans.__('to finish ≈ %1 (estimated)', finish), title, dot: 'estimate' });
  }
  return lines.length ? lines : [{ words: trans.__('speed-up and cost to finish: not known'), title, dot: 'note' }];
}

function ratioWords(ratio: number): string {
  return numberWords(ratio, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
}

/** `2 h 10 min, $41.20`. */
function finishWords({ finish_s, finish_micro }: IOutlook, currency: string): string {
  const time = finish_s === null ? '' : span(finish_s);
  const money = finish_micro === null ? '' : moneyWords(finish_micro / MICRO, currency);
  return [time, money].filter(Boolean).join(', ');
}

function otherRow({ shape, forecast, refused }: IShapeForecast, nowNs: number, trans: TranslationBundle): IOther {
  if (!forecast) {
    return { shape, refused: refused || trans.__('nobody knows why'), cells: [] };
  }
  const { outlook, currency, per_h_micro } = forecast;
  const finish = outlook ? finishWords(outlook, currency) : '';
  const cells = [
    forecast.starts === 'now' ? trans.__('now') : startWord(forecast.start_ns, nowNs, trans),
    per_h_micro === null ? NONE : per_h_micro ? moneyWords(per_h_micro / MICRO, currency) : trans.__('free'),
    outlook?.ratio ? `≈ ${ratioWords(outlook.ratio)}` : NONE,
    finish ? `≈ ${finish}` : NONE
  ];
  return { shape, refused: '', cells };
}
