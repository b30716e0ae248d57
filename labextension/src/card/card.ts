/**
 * The run card: `renderCard(host, model, options)` draws a run into any element and keeps it current until it is disposed.
 *
 * Framework-free: no widget, no kernel, no application. In a notebook's output, a tab or another page it is the same card.
 * Rule: what a lost connection or a run that is not known here leaves is the saved picture, with a word on why.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import { DisposableSet, type IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';

import { Chart, type BokehUrl } from '../chart/chart';
import { keyWords } from '../chart/cursor';
import { LogView } from '../logs/view';
import type { IFigure, IFinding, IView } from '../protocol';
import type { RunModel, RunState } from '../runs/model';
import { button, el, setText } from './dom';
import { Findings, when } from './findings';
import { Header } from './header';
import { Legend } from './legend';
import { LogTail } from './log';
import { Saved, type ISaved } from './saved';
import { Starts } from './starts';
import { viewTable } from './table';
import { plainLines } from './terminal';
import { Tiles } from './tiles';
import { Verdict } from './verdict';
import { startWords, Waits } from './waits';
import { chartWords, stateWord } from './words';

export interface ICardOptions {
  readonly trans: TranslationBundle;
  /** Where BokehJS of a version lies. */
  readonly bokehUrl: BokehUrl;
  /** Show the run larger; null where there is no larger place. */
  readonly open: (() => void) | null;
  /** What the notebook keeps of the run. */
  readonly saved: ISaved;
  /** Whether it has a whole page: then the log can be searched, and the strip of the whole run stays. */
  readonly hasPage?: boolean;
  /** Whether the run is a file: there is nobody to stop it or to save it in another form. */
  readonly isRecorded?: boolean;
}

/** Ends of the names of exported files, where they are not the format's name. */
const FILE_ENDS: Readonly<Record<string, string>> = {
  perfetto: 'pftrace',
  csv: 'csv.zip',
  parquet: 'parquet.zip',
  recorded: 'aicci.json'
};
const TAIL_BYTES = -8_192;
/** Between two announcements to screen readers. */
const ANNOUNCE_MS = 10_000;

/** Draw the run into `host`; dispose what comes back and nothing of it is left. */
export function renderCard(host: HTMLElement, model: RunModel, options: ICardOptions): IDisposable {
  return new Card(host, model, options);
}

class Card implements IDisposable {
  constructor(
    private readonly _host: HTMLElement,
    private readonly _model: RunModel,
    private readonly _options: ICardOptions
  ) {
    const { trans } = _options;
    this._header = new Header(
      _model.id,
      {
        stop: _options.isRecorded ? null : () => _model.stop(),
        open: _options.open,
        save: _options.isRecorded ? null : format => void this._save(format)
      },
      trans
    );
    this._waits = new Waits(trans);
    this._starts = new Starts(trans);
    this._legend = new Legend(trans);
    this._log = _options.hasPage
      ? new LogView(_model, trans, (file, name) => void this._saveAs(file, name))
      : new LogTail(_model, trans);
    this._verdict = new Verdict(
      rank => this._log.open(rank),
      rank => this._lastLines(rank),
      trans
    );
    this._chart = new Chart(
      this._plot,
      {
        figure: (width, palette, unfolded, signal) => _model.api.figure(_model.id, width, palette, unfolded, signal),
        window: (from, to, width, signal) => _model.api.window(_model.id, from, to, width, signal),
        bokehUrl: _options.bokehUrl
      },
      {
        hasOverview: _options.hasPage ?? false,
        finding: step => this._toFinding(step),
        help: () => this._showKeys(this._keys.hidden)
      },
      trans
    );
    this._findings = new Findings(finding => this._showFinding(finding), trans);
    this._toggle = this._tableToggle();
    this._keysButton = this._keysToggle();
    this._plot.setAttribute('role', 'group');
    this._live.setAttribute('aria-live', 'polite');
    this._table.hidden = true;
    const legendRow = el('div', 'legend-line', this._legend.node, this._toggle, this._keysButton);
    this._body = el('div', 'body', this._waits.node, this._starts.node, this._tiles.node, this._headline, legendRow);
    this._body.append(
      this._keys,
      this._plot,
      this._table,
      this._findings.node,
      this._notes,
      this._verdict.node,
      this._log.node
    );
    this._saved = new Saved(_options.saved, trans);
    this._node = el('section', 'card', this._header.node, this._saved.node, this._body, this._live);
    this._node.setAttribute('aria-label', trans.__('Run %1', _model.id));
    _host.replaceChildren(this._node);
    this._connect();
  }

  get isDisposed(): boolean {
    return this._parts.isDisposed;
  }

  dispose(): void {
    if (!this.isDisposed) {
      this._parts.dispose();
      Signal.clearData(this);
      this._host.replaceChildren();
    }
  }

  private _connect(): void {
    this._parts.add(this._chart);
    this._parts.add(this._log);
    this._chart.figureChanged.connect((_, figure) => this._onFigure(figure), this);
    this._chart.failed.connect((_, error) => this._showTable(error.message), this);
    this._model.changed.connect((_, state) => this._show(state), this);
    this._show(this._model.state);
  }

  private _show(state: RunState): void {
    const { trans } = this._options;
    this._node.dataset.connection = state.kind;
    const hasView = 'view' in state;
    this._body.hidden = !hasView;
    this._saved.update(state);
    this._header.say(state.kind === 'interrupted' ? trans.__('connection lost, trying again…') : '');
    if (hasView) {
      this._showView(state.view);
    }
  }

  private _showView(view: IView): void {
    this._header.update(view.run);
    this._waits.update(view);
    this._starts.update(view);
    this._tiles.update(view.tiles);
    setText(this._headline, view.headline);
    this._headline.hidden = !view.headline;
    this._verdict.update(view);
    this._findings.update(view);
    this._log.update(view);
    this._chart.update(view);
    this._showNotes(view);
    this._plot.setAttribute('aria-label', chartWords(view, this._options.trans));
    this._view = view;
    if (!this._table.hidden) {
      this._drawTable();
    }
    this._announce(view);
  }

  private _onFigure(figure: IFigure): void {
    this._legend.update(figure.legend, figure.heat);
    this._findings.paint(figure);
  }

  /** The evidence with as much again around it. */
  private _showFinding({ from_s, to_s }: IFinding): void {
    const around = Math.max((to_s - from_s) / 2, 1);
    this._chart.show(from_s - around, to_s + around);
    if (!this._table.hidden) {
      this._showTable('', false);
    }
    this._plot.scrollIntoView({ block: 'nearest' });
  }

  /** The next finding, around at the ends: its evidence in the chart, its words for who does not see it. */
  private _toFinding(step: 1 | -1): void {
    const { trans } = this._options;
    const findings = this._view?.findings ?? [];
    const first = step > 0 ? 0 : findings.length - 1;
    const at = this._findingAt === null ? first : (this._findingAt + step + findings.length) % findings.length;
    const finding = findings[at];
    if (!finding) {
      setText(this._live, trans.__('Nothing was found.'));
      return;
    }
    this._findingAt = at;
    this._showFinding(finding);
    this._findings.mark(finding.id);
    const words = `${finding.name}, ${when(finding, trans)}. ${finding.text} ${finding.fix}`;
    setText(this._live, trans.__('Finding %1 of %2: %3', at + 1, findings.length, words));
  }

  /** What the curves leave out. */
  private _showNotes(view: IView): void {
    const notes = view.lanes
      .filter(lane => lane.kind === 'series' && lane.note)
      .map(lane => `${lane.name}: ${lane.note}`);
    setText(this._notes, notes.join('; '));
    this._notes.hidden = notes.length === 0;
  }

  /** A line for screen readers, at most every ten seconds; the state's change at once. */
  private _announce(view: IView): void {
    const now = performance.now();
    if (now - this._announcedMs > ANNOUNCE_MS || this._announcedState !== view.run.state) {
      this._announcedMs = now;
      this._announcedState = view.run.state;
      const numbers = view.tiles.map(tile => `${tile.value} ${tile.label}`);
      if (view.run.why !== null) {
        numbers.push(view.run.waiting, startWords(view, this._options.trans));
      }
      setText(
        this._live,
        [view.run.name || view.run.id, stateWord(view.run.state, this._options.trans), ...numbers].join(', ')
      );
    }
  }

  private _keysToggle(): HTMLButtonElement {
    const { trans } = this._options;
    setText(this._keys, keyWords(trans));
    const toggle = button('link', '?', () => this._showKeys(this._keys.hidden));
    toggle.title = trans.__('Keys of the chart');
    toggle.setAttribute('aria-label', toggle.title);
    this._showKeys(false, toggle);
    return toggle;
  }

  private _showKeys(on: boolean, toggle = this._keysButton): void {
    this._keys.hidden = !on;
    toggle.setAttribute('aria-expanded', String(on));
  }

  private _tableToggle(): HTMLButtonElement {
    const { trans } = this._options;
    const toggle = el('button', 'link', trans.__('Show as table'));
    toggle.type = 'button';
    toggle.setAttribute('aria-pressed', 'false');
    toggle.addEventListener('click', () => this._showTable('', this._table.hidden));
    return toggle;
  }

  /** The table in the chart's place, or back; with a word on why the chart cannot be drawn. */
  private _showTable(why: string, on = true): void {
    const { trans } = this._options;
    this._table.hidden = !on;
    this._plot.hidden = on;
    this._toggle.setAttribute('aria-pressed', String(on));
    setText(this._toggle, on ? trans.__('Show as chart') : trans.__('Show as table'));
    this._tableNote = why && trans.__('The chart cannot be drawn: %1', why);
    this._drawTable();
  }

  private _drawTable(): void {
    const note = this._tableNote ? [el('p', 'detail', this._tableNote)] : [];
    const table = this._view ? [viewTable(this._view, this._options.trans)] : [];
    this._table.replaceChildren(...note, ...table);
  }

  private async _lastLines(rank: number): Promise<string> {
    try {
      const asked = { rank, attempt: 0, offset: TAIL_BYTES, limit: -TAIL_BYTES };
      return plainLines((await this._model.api.logs(this._model.id, asked, this._model.signal)).text);
    } catch {
      return ''; // the log is still one click away
    }
  }

  /** The run as a file of this format. */
  private _save(format: string): Promise<void> {
    const file = this._model.api.exported(this._model.id, format, this._model.signal);
    return this._saveAs(file, `${this._view?.run.name || this._model.id}.${FILE_ENDS[format] ?? format}`);
  }

  /** A file into the reader's downloads. */
  private async _saveAs(file: Promise<Blob>, name: string): Promise<void> {
    try {
      const link = el('a', '');
      link.href = URL.createObjectURL(await file);
      link.download = name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the download has begun by then
      this._header.say('');
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const { trans } = this._options;
      this._header.say(trans.__('Not saved: %1', why));
    }
  }

  private _view: IView | null = null;
  private _findingAt: number | null = null;
  private _tableNote = '';
  private _announcedMs = -Infinity;
  private _announcedState = '';
  private readonly _parts = new DisposableSet();
  private readonly _tiles = new Tiles();
  private readonly _headline = el('p', 'headline');
  private readonly _plot = el('div', 'plot');
  private readonly _table = el('div', 'table-place');
  private readonly _notes = el('p', 'notes detail');
  private readonly _keys = el('p', 'keys detail');
  private readonly _live = el('p', 'live');
  private readonly _header: Header;
  private readonly _waits: Waits;
  private readonly _starts: Starts;
  private readonly _legend: Legend;
  private readonly _log: LogTail | LogView;
  private readonly _verdict: Verdict;
  private readonly _chart: Chart;
  private readonly _findings: Findings;
  private readonly _toggle: HTMLButtonElement;
  private readonly _keysButton: HTMLButtonElement;
  private readonly _body: HTMLElement;
  private readonly _saved: Saved;
  private readonly _node: HTMLElement;
}
