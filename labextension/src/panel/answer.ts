/**
 * What would happen now: when and where it starts, how fast it is wired, what an hour costs, how it would do; beside it every other shape.
 *
 * Rule: what is computed by a model is marked estimated, and its inputs are said where the pointer rests. Nothing unknown is said.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import { button, el, setText } from '../card/dom';
import { momentWords } from '../card/waits';
import { span } from '../card/words';
import { moneyWords } from '../chart/values';
import type { IForecast, IForecasts, IOutlook, IShapeForecast } from '../site/protocol';
import { numberWords } from '../words/intl';
import { NONE, priceWords, short, startWord } from './words';

const NS = 1e9;
const MICRO = 1e6;

export class Answer {
  readonly node = el('div', 'answer');

  constructor(
    private readonly _take: (shape: string) => void,
    private readonly _trans: TranslationBundle
  ) {
    this._told.setAttribute('role', 'status');
    this.node.append(this._lines, this._others, this._told);
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
    if (forecasts && forecasts !== this._forecasts) {
      setText(this._told, [...this._lines.children].map(line => line.textContent).join(', '));
    }
    this._forecasts = forecasts;
  }

  private _showLines(forecasts: IForecasts, nowNs: number): void {
    const best = bestOf(forecasts);
    const lines = best?.forecast
      ? forecastLines(best.forecast, nowNs, this._trans)
      : [{ strong: '', words: best?.refused ?? '', title: '', dot: 'never' }];
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
    const shown = columnsOf(trans).filter(({ name }) => rows.some(row => row.cells[name] && row.cells[name] !== NONE));
    const shape = el('th', '', trans.__('shape'));
    const heads = [shape, ...shown.map(({ name, title }) => inColumn(el('th', '', title), name))];
    heads.forEach(head => (head.scope = 'col'));
    const body = rows.map(row => {
      const name = el('th', '', this._nameOf(row));
      name.scope = 'row';
      return el('tr', '', name, ...this._cells(row, shown));
    });
    const caption = el('caption', 'live', trans.__('The same run on other shapes'));
    const head = shown.length ? [el('thead', '', el('tr', '', ...heads))] : [];
    return el('table', 'others', caption, ...head, el('tbody', '', ...body));
  }

  private _nameOf(row: IOther): HTMLElement {
    if (row.refused) {
      return el('bdi', '', short(row.shape));
    }
    const press = button('link', short(row.shape), () => this._take(row.shape));
    press.title = this._trans.__('Take %1 instead', short(row.shape));
    return press;
  }

  private _cells(row: IOther, shown: readonly IColumn[]): HTMLElement[] {
    if (row.refused) {
      const cell = el('td', 'refused', this._trans.__('cannot run'));
      cell.colSpan = shown.length || 1;
      cell.title = row.refused;
      return [cell];
    }
    return shown.map(({ name }) => inColumn(el('td', '', row.cells[name] ?? NONE), name));
  }

  private _forecasts: IForecasts | null = null;
  private _linesKey = '';
  private _othersKey = '';
  private readonly _lines = el('ul', 'answer-lines');
  private readonly _others = el('div', 'others-place');
  private readonly _told = el('p', 'live'); // each answer once: the lines count down every second
}

interface ILine {
  /** What is said first, and stands out. */
  readonly strong: string;
  readonly words: string;
  /** Where the number is from, or empty. */
  readonly title: string;
  /** What its mark looks like. */
  readonly dot: string;
}

interface IOther {
  readonly shape: string;
  readonly refused: string;
  /** By the name of the column. */
  readonly cells: Readonly<Record<string, string>>;
}

interface IColumn {
  readonly name: string;
  readonly title: string;
}

function columnsOf(trans: TranslationBundle): readonly IColumn[] {
  return [
    { name: 'starts', title: trans.__('starts') },
    { name: 'price', title: trans.__('price/h') },
    { name: 'speed-up', title: trans.__('speed-up') },
    { name: 'finish', title: trans.__('to finish') }
  ];
}

function inColumn<T extends HTMLElement>(cell: T, name: string): T {
  cell.dataset.column = name;
  return cell;
}

/** Of the shapes that were asked for the first that can run; they stand first. */
function bestOf({ answers, asked, refused }: IForecasts): IShapeForecast | undefined {
  if (refused) {
    return { shape: asked[0] ?? '', forecast: null, refused }; // what fits one shape alone is among the others
  }
  const mine = answers.slice(0, Math.max(1, asked.length));
  return mine.find(each => each.forecast) ?? answers[0];
}

function lineNode({ strong, words, title, dot }: ILine): HTMLElement {
  const line = el('li', 'answer-line', ...(strong ? [el('b', '', strong)] : []), words);
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
  const dot = later ? 'later' : 'now';
  const lines: ILine[] = [{ ...startLine(forecast, nowNs, trans), title: '', dot }];
  if (forecast.bandwidth) {
    lines.push({ strong: '', words: trans.__('bandwidth: %1', forecast.bandwidth.text), title: '', dot });
  }
  lines.push(...outlookLines(forecast.outlook, forecast.currency, trans));
  for (const words of later ? [forecast.reason, forecast.change] : []) {
    if (words) {
      lines.push({ strong: '', words, title: '', dot: 'note' });
    }
  }
  return lines;
}

/** `starts in about 12 min · by 14:40 at the latest · in leaf-a · $19.44/h`. */
function startLine(forecast: IForecast, nowNs: number, trans: TranslationBundle): Pick<ILine, 'strong' | 'words'> {
  const later = forecast.starts === 'later';
  const { latest_ns, domain, shape, nodes } = forecast;
  const parts = [
    later && latest_ns !== null ? trans.__('by %1 at the latest', momentWords(latest_ns, nowNs)) : '',
    later && forecast.place > 0 ? trans.__('place %1 in line', forecast.place) : '',
    domain && trans.__('in %1', domain),
    nodes > 1 ? `${shape} ×${nodes}` : shape,
    hourWords(forecast, trans)
  ];
  return {
    strong: later ? laterWords(forecast.start_ns, nowNs, trans) : trans.__('starts now'),
    words: parts
      .filter(Boolean)
      .map(part => ` · ${part}`)
      .join('')
  };
}

function laterWords(startNs: number | null, nowNs: number, trans: TranslationBundle): string {
  return startNs === null
    ? trans.__('nobody knows when it starts')
    : trans.__('starts in about %1', span(Math.max(0, (startNs - nowNs) / NS)));
}

function hourWords({ per_h_micro, currency }: IForecast, trans: TranslationBundle): string {
  if (per_h_micro === null) {
    return trans.__('price not set');
  }
  return per_h_micro ? trans.__('%1/h', moneyWords(per_h_micro / MICRO, currency)) : trans.__('free of charge');
}

function outlookLines(outlook: IOutlook | null, currency: string, trans: TranslationBundle): readonly ILine[] {
  if (!outlook) {
    return [];
  }
  const lines: ILine[] = [];
  const { ratio, ranks, basis: title } = outlook;
  if (ratio !== null) {
    const words = trans.__('speed-up on %1 ranks ≈ %2 (estimated)', ranks, ratioWords(ratio));
    lines.push({ strong: '', words, title, dot: 'estimate' });
  }
  const finish = finishWords(outlook, currency);
  if (finish) {
    lines.push({ strong: '', words: trans.__('to finish ≈ %1 (estimated)', finish), title, dot: 'estimate' });
  }
  if (lines.length) {
    return lines;
  }
  return [{ strong: '', words: trans.__('speed-up and cost to finish: not known'), title, dot: 'note' }];
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
    return { shape, refused: refused || trans.__('nobody knows why'), cells: {} };
  }
  const { outlook, currency, per_h_micro } = forecast;
  const finish = outlook?.finish_micro ? moneyWords(outlook.finish_micro / MICRO, currency) : '';
  const cells = {
    starts: forecast.starts === 'now' ? trans.__('now') : startWord(forecast.start_ns, nowNs, trans),
    price: priceWords({ micro_per_h: per_h_micro, currency }, trans),
    'speed-up': outlook?.ratio ? `≈ ${ratioWords(outlook.ratio)}` : NONE,
    finish: finish ? `≈ ${finish}` : NONE
  };
  return { shape, refused: '', cells };
}
