/**
 * One embedded Bokeh document: a view's data moved into the sources and ranges that `timeline/figure.py` has named.
 *
 * Rule: computes nothing but `laneRange`; what a lane looks like is decided in Python.
 */
import type { IDisposable } from '@lumino/disposable';

import type { IFigure, ISeriesLane, IView, Lane } from '../protocol';
import { structure } from '../runs/merge';
import type { IBokeh, IBokehDocument, IBokehModel, IBokehRange, IBokehViews } from './bokeh';
import { laneRange } from './ranges';
import type { IPageColours } from './theme';

export class EmbeddedFigure implements IDisposable {
  /** Draw `figure` into `host`, which is to be in the page. */
  static async embed(bokeh: IBokeh, figure: IFigure, host: HTMLElement): Promise<EmbeddedFigure> {
    const views = await bokeh.embed.embed_item(figure.item, host);
    return new EmbeddedFigure(bokeh, views, structure(figure.view));
  }

  private constructor(
    private readonly _bokeh: IBokeh,
    private readonly _views: IBokehViews,
    readonly structure: string
  ) {
    const root = _views.roots[0];
    if (!root) {
      throw new Error('the figure has no root');
    }
    this._document = root.model.document;
    for (const model of this._document.all_models) {
      if (model.name) {
        this._named.set(model.name, model);
      }
    }
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Show this view; lanes that are the same object as last time are left alone. */
  show(view: IView): void {
    const fresh = view.lanes.filter(lane => this._shown.get(lane.id) !== lane);
    for (const lane of fresh) {
      this._showLane(lane);
      this._shown.set(lane.id, lane);
    }
    this._showValues(fresh);
    this._showTime(Math.max(view.end_s, 1));
  }

  /** The surroundings in the page's colours; the lanes' own come with the figure. */
  paint(colours: IPageColours): void {
    for (const model of this._document.all_models) {
      if (model.type === 'LinearAxis') {
        model.setv({ major_label_text_color: model.name === 'lanes' ? colours.text : colours.muted });
      } else if (model.type === 'Grid' && model.dimension === 0) {
        model.setv({ grid_line_color: colours.grid });
      } else if (model.type === 'Span') {
        model.setv({ line_color: colours.grid });
      } else if (model.type === 'Quad') {
        model.setv({ hatch_color: { value: colours.background } });
      }
    }
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    this._views.clear();
    this._document.clear();
    const place = this._bokeh.documents.indexOf(this._document);
    if (place >= 0) {
      this._bokeh.documents.splice(place, 1); // BokehJS keeps every document that it ever embedded
    }
  }

  private _showLane(lane: Lane): void {
    const source = this._named.get(`lane:${lane.id}`);
    if (lane.kind === 'phases') {
      const { spans } = lane;
      source?.setv({ data: { t0: spans.map(s => s.t0), t1: spans.map(s => s.t1), phase: spans.map(s => s.phase) } });
      return;
    }
    if (lane.kind === 'heat') {
      return;
    }
    source?.setv({ data: { t: lane.t, v: lane.v.map(value => value ?? NaN) } });
    this._showRange(lane);
  }

  private _showRange(lane: ISeriesLane): void {
    const range = this._named.get(`range:${lane.id}`);
    if (range) {
      const [top, bottom, total] = range.tags as [number, number, number];
      const [start, end] = laneRange(lane.lo, lane.hi, [top, bottom], total);
      range.setv({ start, end });
    }
  }

  /** The column of latest values beside the frame. */
  private _showValues(lanes: readonly Lane[]): void {
    const axis = this._named.get('values');
    const ticks = new Map((axis?.tags ?? []) as [string, number][]);
    const texts = new Map(this._values);
    for (const lane of lanes) {
      const tick = ticks.get(lane.id);
      if (tick !== undefined) {
        texts.set(tick, lane.kind === 'phases' ? lane.note : lane.value);
      }
    }
    if (axis && !sameTexts(texts, this._values)) {
      this._values = texts;
      axis.setv({ major_label_overrides: texts });
    }
  }

  /** The time axis grows with the run, unless the reader has zoomed. */
  private _showTime(endS: number): void {
    const range = this._named.get('range:x') as IBokehRange | undefined;
    if (!range || endS === this._endS) {
      return;
    }
    const follows = this._endS === null || (range.start === 0 && range.end === this._endS);
    this._endS = endS;
    range.setv(follows ? { end: endS, reset_end: endS } : { reset_end: endS });
  }

  private readonly _document: IBokehDocument;
  private readonly _named = new Map<string, IBokehModel>();
  private readonly _shown = new Map<string, Lane>();
  private _values: ReadonlyMap<number, string> = new Map();
  private _endS: number | null = null;
  private _isDisposed = false;
}

function sameTexts(a: ReadonlyMap<number, string>, b: ReadonlyMap<number, string>): boolean {
  return a.size === b.size && [...a].every(([tick, text]) => b.get(tick) === text);
}
