/**
 * The live chart in a card: builds the figure when the lanes or the theme's palette change, and moves data in between.
 *
 * In: views, as often as they come. They are drawn once a frame of the screen at most, and not while the page is hidden.
 * A figure that cannot be built is said through `failed`, and tried again with the next change of lanes.
 */
import type { IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';

import type { IFigure, ILegendRow, IView, Palette } from '../protocol';
import { structure } from '../runs/merge';
import { pause } from '../runs/model';
import { loadBokeh } from './bokeh';
import { EmbeddedFigure } from './figure';
import { onThemeChange, pageColours, palette } from './theme';

/** Where figures and BokehJS come from. */
export interface IFigureSource {
  readonly figure: (widthPx: number, palette: Palette, signal: AbortSignal) => Promise<IFigure>;
  readonly bokehUrl: (version: string) => string;
}

/** Space beside the frame, which holds no points. */
const MARGIN_PX = 182;
/** Between two figures for changed lanes: the stream's view and the figure's may be a moment apart. */
const REBUILD_PAUSE_MS = 500;

export class Chart implements IDisposable {
  constructor(
    private readonly _host: HTMLElement,
    private readonly _source: IFigureSource
  ) {
    this._theme = onThemeChange(() => this._schedule());
  }

  get isDisposed(): boolean {
    return this._abort.signal.aborted;
  }

  /** The colours of the phases in the figure that is shown. */
  get legendChanged(): ISignal<this, readonly ILegendRow[]> {
    return this._legendChanged;
  }

  get failed(): ISignal<this, Error> {
    return this._failed;
  }

  update(view: IView): void {
    this._view = view;
    this._schedule();
  }

  dispose(): void {
    this._abort.abort();
    cancelAnimationFrame(this._frame);
    this._theme.dispose();
    this._figure?.dispose();
    this._figure = null;
    this._host.replaceChildren();
    Signal.clearData(this);
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
    if (!view || !this._host.isConnected) {
      return;
    }
    if (this._figure && this._palette === palette()) {
      if (this._painted !== document.body.dataset.jpThemeName) {
        this._paint(this._figure);
      }
      this._figure.show(view);
      if (this._figure.structure === structure(view)) {
        return;
      }
    }
    if (!this._building) {
      this._building = true;
      void this._build().finally(() => (this._building = false));
    }
  }

  private async _build(): Promise<void> {
    const { signal } = this._abort;
    const colours = palette();
    const width = Math.max(this._host.clientWidth - MARGIN_PX, 200);
    try {
      const figure = await this._source.figure(Math.round(width), colours, signal);
      const bokeh = await loadBokeh(figure.item.doc.version, this._source.bokehUrl(figure.item.doc.version));
      const place = document.createElement('div');
      if (signal.aborted) {
        return;
      }
      this._host.append(place);
      const embedded = await EmbeddedFigure.embed(bokeh, figure, place);
      this._swap(embedded, place);
      this._palette = colours;
      this._legendChanged.emit(figure.legend);
    } catch (error) {
      if (!signal.aborted) {
        this._failed.emit(error instanceof Error ? error : new Error(String(error)));
      }
    }
    await pause(REBUILD_PAUSE_MS, signal);
    if (this._view && this._figure?.structure !== structure(this._view)) {
      this._schedule();
    }
  }

  /** The new figure takes the old one's place when it is drawn, so that nothing flickers. */
  private _swap(embedded: EmbeddedFigure, place: HTMLElement): void {
    if (this.isDisposed) {
      embedded.dispose();
      return;
    }
    this._figure?.dispose();
    this._figure = embedded;
    this._host.replaceChildren(place);
    this._paint(embedded);
    if (this._view) {
      embedded.show(this._view);
    }
  }

  private _paint(figure: EmbeddedFigure): void {
    figure.paint(pageColours());
    this._painted = document.body.dataset.jpThemeName;
  }

  private _view: IView | null = null;
  private _figure: EmbeddedFigure | null = null;
  private _palette: Palette | null = null;
  private _painted: string | undefined;
  private _building = false;
  private _frame = 0;
  private readonly _theme: IDisposable;
  private readonly _abort = new AbortController();
  private readonly _legendChanged = new Signal<this, readonly ILegendRow[]>(this);
  private readonly _failed = new Signal<this, Error>(this);
}
