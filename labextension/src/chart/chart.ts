/**
 * The live chart in a card: builds the figure when lanes, folds or the theme's palette change, and moves data in between.
 *
 * In: views, as often as they come. They are drawn once a frame of the screen at most, and not while the page is hidden or the
 * chart is out of sight.
 * A part of the run is shown from a view of its own, asked for afresh after each change of the window; until it is there,
 * what is known is drawn larger. Of a tall chart those lanes are drawn that can be seen (`Band`). A figure that cannot be
 * built is said through `failed`, and tried again with the next change of lanes.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';

import { el } from '../card/dom';
import type { IFigure, IView, Palette } from '../protocol';
import { structure } from '../runs/merge';
import { pause } from '../runs/model';
import { Band } from './band';
import { loadBokeh } from './bokeh';
import { Cursor } from './cursor';
import { EmbeddedFigure } from './figure';
import { Labels } from './labels';
import { Overview } from './overview';
import { Sight } from './sight';
import { onThemeChange, pageColours, palette } from './theme';

/** Where BokehJS of a version lies. */
export type BokehUrl = (version: string) => string | Promise<string>;

/** Where figures, parts of the run and BokehJS come from. */
export interface IFigureSource {
  readonly figure: (
    widthPx: number,
    palette: Palette,
    unfolded: readonly string[] | null,
    signal: AbortSignal
  ) => Promise<IFigure>;
  readonly window: (fromS: number, toS: number, widthPx: number, signal: AbortSignal) => Promise<IView>;
  readonly bokehUrl: BokehUrl;
}

export interface IChartOptions {
  /** Whether the strip of the whole run is there also while all of it is shown. */
  readonly hasOverview: boolean;
  /** Show the evidence of the next finding, or of the one before. */
  readonly finding: (step: 1 | -1) => void;
  /** Show or hide what the keys do. */
  readonly help: () => void;
}

/** Space beside the frame, which holds no points. */
const MARGIN_PX = 190;
/** Between two figures for changed lanes: the stream's view and the figure's may be a moment apart. */
const REBUILD_PAUSE_MS = 500;
/** A drag changes the window many times; the part is asked for when it rests. */
const WINDOW_PAUSE_MS = 40;
/** A window is not made smaller. */
const LEAST_WINDOW_S = 0.05;

export class Chart implements IDisposable {
  constructor(
    private readonly _host: HTMLElement,
    private readonly _source: IFigureSource,
    private readonly _options: IChartOptions,
    trans: TranslationBundle
  ) {
    this._labels = new Labels(id => this._fold(id), trans);
    this._cursor = new Cursor(
      {
        moved: () => this._read(),
        zoom: (factor, t) => this._zoomAround(factor, t),
        reset: () => this.showAll(),
        finding: _options.finding,
        help: _options.help
      },
      trans
    );
    this._overview = new Overview(
      (from, to) => this.show(from, to),
      () => this.showAll(),
      trans
    );
    this._stage.append(this._labels.node, this._cursor.node);
    this._labels.node.hidden = this._cursor.node.hidden = true;
    this._stage.addEventListener('pointermove', event => this._cursor.point(event.clientX));
    this._stage.addEventListener('pointerleave', () => this._cursor.leave());
    this._band = new Band(this._cursor.node, () => this._schedule());
    this._host.replaceChildren(this._overview.node, this._stage);
    this._theme = onThemeChange(() => this._schedule());
    this._sight = new Sight(this._host, () => this._schedule());
  }

  get isDisposed(): boolean {
    return this._abort.signal.aborted;
  }

  /** Another figure is shown, with other colours or places. */
  get figureChanged(): ISignal<this, IFigure> {
    return this._figureChanged;
  }

  get failed(): ISignal<this, Error> {
    return this._failed;
  }

  update(view: IView): void {
    this._view = view;
    this._schedule();
  }

  /** Show from `from` to `to` chart seconds. */
  show(from: number, to: number): void {
    const endS = this._endS;
    const width = Math.min(Math.max(to - from, LEAST_WINDOW_S), endS);
    const start = Math.min(Math.max(0, (from + to - width) / 2), endS - width);
    if (this._figure) {
      this._figure.window = [start, start + width];
    }
  }

  /** Show the whole run; false where that is so already. */
  showAll(): boolean {
    const isPart = this._part !== null;
    if (this._figure && isPart) {
      this._figure.window = [0, this._endS];
    }
    return isPart;
  }

  dispose(): void {
    this._abort.abort();
    this._asking?.abort();
    cancelAnimationFrame(this._frame);
    this._theme.dispose();
    this._band.dispose();
    this._sight.dispose();
    this._figure?.dispose();
    this._figure = null;
    this._host.replaceChildren();
    Signal.clearData(this);
  }

  private get _endS(): number {
    return Math.max(this._view?.end_s ?? 0, 1);
  }

  private _schedule(): void {
    if (!this._frame && !this.isDisposed) {
      this._frame = requestAnimationFrame(() => {
        this._frame = 0;
        this._draw();
      });
    }
  }

  private _draw(): void {
    const view = this._view;
    if (!view || !this._host.isConnected || !this._sight.isSeen) {
      return;
    }
    if (this._figure && this._palette === palette()) {
      if (this._painted !== document.body.dataset.jpThemeName) {
        this._paint(this._figure);
      }
      this._fill(this._figure, view);
      if (this._figure.structure === structure(view) && this._foldsDrawn === this._folds) {
        return;
      }
    }
    if (!this._building) {
      this._building = true;
      void this._build().finally(() => (this._building = false));
    }
  }

  /** The view into the figure and what stands beside it. */
  private _fill(figure: EmbeddedFigure, view: IView): void {
    figure.show(view, this._part?.view ?? null, this._band.now);
    this._labels.show(view, this._part?.view ?? view, this._cursor.t);
    if (this._part ?? this._options.hasOverview) {
      const { from, to } = this._part ?? { from: 0, to: this._endS };
      this._overview.show(view, figure.figure.legend, from, to);
    } else {
      this._overview.hide();
    }
    if (!this._part) {
      this._cursor.setWindow(...figure.window);
    }
  }

  private _read(): void {
    if (this._view && this._figure) {
      this._labels.show(this._view, this._part?.view ?? this._view, this._cursor.t);
      this._cursor.say(this._labels.words);
    }
  }

  private async _build(): Promise<void> {
    const { signal } = this._abort;
    const colours = palette();
    const place = el('div', 'figure mod-building');
    let wait = REBUILD_PAUSE_MS;
    const folds = this._folds;
    try {
      const figure = await this._source.figure(this._widthPx, colours, this._unfolded, signal);
      const { version } = figure.item.doc;
      const bokeh = await loadBokeh(version, await this._source.bokehUrl(version));
      if (signal.aborted) {
        return;
      }
      this._stage.prepend(place);
      const embedded = await EmbeddedFigure.embed(bokeh, figure, place);
      this._palette = colours;
      this._foldsDrawn = folds;
      this._swap(embedded, place);
      wait = folds === this._folds ? wait : 0;
    } catch (error) {
      place.remove();
      if (!signal.aborted) {
        this._failed.emit(error instanceof Error ? error : new Error(String(error)));
      }
    }
    await pause(wait, signal);
    // what changed while it was built found nobody to build it
    const anew = this._foldsDrawn !== this._folds || this._palette !== palette();
    if (this._view && (anew || this._figure?.structure !== structure(this._view))) {
      this._schedule();
    }
  }

  private get _widthPx(): number {
    return Math.round(Math.max(this._host.clientWidth - MARGIN_PX, 200));
  }

  /** The new figure takes the old one's place when it is drawn, so that nothing flickers; the window stays. */
  private _swap(embedded: EmbeddedFigure, place: HTMLElement): void {
    if (this.isDisposed) {
      embedded.dispose();
      return;
    }
    const before = this._part;
    this._figure?.dispose();
    this._place?.remove();
    this._figure = embedded;
    this._place = place;
    place.classList.remove('jp-aicci-mod-building');
    this._labels.place(embedded.figure);
    this._cursor.place(embedded.figure.frame);
    this._labels.node.hidden = this._cursor.node.hidden = false;
    this._band.watch(this._labels.node.children);
    this._paint(embedded);
    if (this._view) {
      this._fill(embedded, this._view);
    }
    embedded.onWindow(() => this._onWindow(embedded));
    if (before) {
      embedded.window = [before.from, before.to];
    }
    this._figureChanged.emit(embedded.figure);
  }

  private _paint(figure: EmbeddedFigure): void {
    figure.paint(pageColours());
    this._painted = document.body.dataset.jpThemeName;
  }

  /** Lanes under this one are shown, or hidden again. */
  private _fold(id: string): void {
    const places = this._figure?.figure.places ?? [];
    const opened = new Set(this._unfolded ?? places.filter(place => place.unfolded).map(place => place.id));
    if (!opened.delete(id)) {
      opened.add(id);
    }
    this._unfolded = [...opened];
    this._folds += 1;
    this._schedule();
  }

  private _zoomAround(factor: number, t: number): void {
    const [from, to] = this._figure?.window ?? [0, this._endS];
    if (factor * (to - from) >= this._endS) {
      this.showAll();
    } else {
      this.show(t - factor * (t - from), t + factor * (to - t));
    }
  }

  /** The reader, or `show`, has changed the window. */
  private _onWindow(figure: EmbeddedFigure): void {
    if (figure !== this._figure || !this._view) {
      return;
    }
    const [from, to] = figure.window;
    this._cursor.setWindow(from, to);
    this._asking?.abort();
    if (from <= 0 && to >= this._endS - 1e-6) {
      this._asking = null;
      this._part = null;
    } else if (this._part?.from !== from || this._part.to !== to || !this._part.view) {
      this._part = { from, to, view: this._part?.view ?? null };
      this._asking = new AbortController();
      void this._ask(from, to, this._asking.signal);
    }
    this._host.dataset.part = this._part ? 'asked' : '';
    this._schedule();
  }

  /** The part as the service has it, with as many points as the frame has pixels. */
  private async _ask(from: number, to: number, signal: AbortSignal): Promise<void> {
    await pause(WINDOW_PAUSE_MS, signal);
    if (signal.aborted) {
      return;
    }
    try {
      const view = await this._source.window(Math.max(0, from), to, this._widthPx, signal);
      if (signal === this._asking?.signal) {
        this._part = { from, to, view };
        this._host.dataset.part = 'shown';
        this._schedule();
      }
    } catch {
      // what is known of the part stays shown; the connection's own words say what is wrong
    }
  }

  private _view: IView | null = null;
  private _part: { readonly from: number; readonly to: number; readonly view: IView | null } | null = null;
  private _asking: AbortController | null = null;
  private _unfolded: readonly string[] | null = null;
  private _folds = 0; // how often lanes were folded, and up to which time that is drawn
  private _foldsDrawn = 0;
  private _figure: EmbeddedFigure | null = null;
  private _place: HTMLElement | null = null;
  private _palette: Palette | null = null;
  private _painted: string | undefined;
  private _building = false;
  private _frame = 0;
  private readonly _labels: Labels;
  private readonly _cursor: Cursor;
  private readonly _overview: Overview;
  private readonly _band: Band;
  private readonly _stage = el('div', 'stage');
  private readonly _theme: IDisposable;
  private readonly _sight: Sight;
  private readonly _abort = new AbortController();
  private readonly _figureChanged = new Signal<this, IFigure>(this);
  private readonly _failed = new Signal<this, Error>(this);
}
