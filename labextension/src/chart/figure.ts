/**
 * One embedded Bokeh document: a view's data moved into the sources and ranges that `timeline/figure.py` has named.
 *
 * Rule 1: computes nothing but `laneRange`, `heatImage`, `heatScale` and `marks`; what a lane looks like is decided in Python.
 * Rule 2: a lane outside the band that is worth drawing has no data: a frame draws all that there is of every lane, and BokehJS
 * indexes it.
 * Rule 3: numbers go in as typed arrays: of any other BokehJS looks at each element, whether it is a model.
 */
import type { IDisposable } from '@lumino/disposable';

import type { IFigure, IFinding, IHeatLane, IPlace, ISeriesLane, IView, Lane } from '../protocol';
import { structure } from '../runs/merge';
import { isIn, type Pixels } from './band';
import type {
  BokehArray,
  IBokeh,
  IBokehDocument,
  IBokehModel,
  IBokehRange,
  IBokehRenderer,
  IBokehSource,
  IBokehViews
} from './bokeh';
import { heatImage, heatScale } from './heat';
import { badgeY, marks } from './marks';
import { laneRange } from './ranges';
import type { IPageColours } from './theme';

export class EmbeddedFigure implements IDisposable {
  /** Draw `figure` into `host`, which is to be in the page. */
  static async embed(bokeh: IBokeh, figure: IFigure, host: HTMLElement): Promise<EmbeddedFigure> {
    const views = await bokeh.embed.embed_item(figure.item, host);
    return new EmbeddedFigure(bokeh, views, figure);
  }

  private constructor(
    private readonly _bokeh: IBokeh,
    private readonly _views: IBokehViews,
    readonly figure: IFigure
  ) {
    const root = _views.roots[0];
    if (!root) {
      throw new Error('the figure has no root');
    }
    this.structure = structure(figure.view);
    this._places = new Map(figure.places.map(place => [place.id, place]));
    this._document = root.model.document;
    for (const model of this._document.all_models) {
      if (model.name) {
        this._named.set(model.name, model);
      }
    }
    const range = this._named.get('range:x');
    if (!range) {
      throw new Error('the figure has no time axis');
    }
    this._range = range as IBokehRange;
  }

  /** What this figure was built for. */
  readonly structure: string;

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /**
   * Show this view in a band of the frame, with the lanes of `part` where only a part is shown. Lanes that are the same object
   * are left alone; one outside the band is emptied when it changes.
   */
  show(view: IView, part: IView | null, band: Pixels): void {
    const lanes = part ? new Map(part.lanes.map(lane => [lane.id, lane])) : null;
    for (const whole of view.lanes) {
      const lane = lanes ? lanes.get(whole.id) : whole;
      const place = this._places.get(whole.id);
      const before = this._shown.get(whole.id);
      if (!lane || !place || before === lane) {
        continue;
      }
      if (isIn(band, place)) {
        this._showLane(lane, whole);
        this._shown.set(whole.id, lane);
      } else if (before) {
        this._empty(lane);
        this._shown.delete(whole.id);
      }
    }
    this._showFindings(view.findings, view.lanes);
    this._showTime(Math.max(view.end_s, 1));
  }

  /** The seconds at the frame's edges. */
  get window(): [number, number] {
    return [this._range.start, this._range.end];
  }

  set window([start, end]: [number, number]) {
    this._range.setv({ start, end });
  }

  /** Call `changed` after each change of the window, whoever made it. */
  onWindow(changed: () => void): void {
    this._range.change.connect(changed);
  }

  /** The surroundings in the page's colours; the lanes' own come with the figure. */
  paint(colours: IPageColours): void {
    for (const model of this._document.all_models) {
      if (model.type === 'LinearAxis') {
        model.setv({ major_label_text_color: colours.muted });
      } else if (model.type === 'Grid' && model.dimension === 0) {
        model.setv({ grid_line_color: colours.grid });
      } else if (model.type === 'Span') {
        model.setv({ line_color: colours.grid });
      } else if (model.name?.startsWith('hatch:')) {
        (model as IBokehRenderer).glyph.setv({ hatch_color: { value: colours.background } });
      } else if (model.type === 'Text') {
        model.setv({ text_color: { value: colours.background } });
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

  /** The lane's data; the colours of heat mean the same in every window: they are scaled by all of the run. */
  private _showLane(lane: Lane, whole: Lane): void {
    const source = this._named.get(`lane:${lane.id}`);
    if (lane.kind === 'phases') {
      const { spans } = lane;
      const [t0, t1] = [Float64Array.from(spans, s => s.t0), Float64Array.from(spans, s => s.t1)];
      source?.setv({ data: { t0, t1, phase: spans.map(s => s.phase) } });
      return;
    }
    if (lane.kind === 'heat') {
      this._showHeat(lane, source as IBokehSource | undefined, whole.kind === 'heat' ? whole : lane);
      return;
    }
    source?.setv({ data: { t: Float64Array.from(lane.t), v: Float64Array.from(lane.v, value => value ?? NaN) } });
    const [left, right] = [lane.shade.map(([from]) => from), lane.shade.map(([, to]) => to)];
    this._named.get(`shade:${lane.id}`)?.setv({ data: { left, right } });
    this._showRange(lane);
  }

  /** Nothing is drawn of the lane until it is shown again; a strip of heat is small and stays. */
  private _empty(lane: Lane): void {
    const data = { series: { t: [], v: [] }, phases: { t0: [], t1: [], phase: [] }, heat: null }[lane.kind];
    if (data) {
      this._named.get(`lane:${lane.id}`)?.setv({ data });
    }
  }

  private _showHeat(lane: IHeatLane, source: IBokehSource | undefined, whole: IHeatLane): void {
    const rows = heatImage(lane).reverse(); // an image begins at its bottom
    const columns = rows[0]?.length ?? 0;
    const old = source && column(source, 'image')[0];
    if (!source || !old || !columns) {
      return;
    }
    const Values = old.constructor as BokehArray;
    const [x, last] = [lane.t[0] ?? 0, lane.t.at(-1) ?? 0];
    const [low, high] = heatScale(whole);
    this._named.get(`scale:${lane.id}`)?.setv({ low, high });
    source.setv({ data: { image: [new Values(rows.flat(), [rows.length, columns])], x: [x], dw: [last - x] } });
  }

  private _showFindings(findings: readonly IFinding[], lanes: readonly Lane[]): void {
    if (findings === this._findings) {
      return;
    }
    this._findings = findings;
    const { places, severities } = this.figure;
    const found = marks(findings, places, lanes);
    const colour = (severity: string): string => severities[severity] ?? severities.warning ?? 'orange';
    const boxes = {
      left: found.map(each => each.left),
      right: found.map(each => each.right),
      top: found.map(each => each.top),
      bottom: found.map(each => each.bottom),
      colour: found.map(each => colour(each.severity))
    };
    const numbered = found.filter(each => each.numbered);
    const badges = {
      x: numbered.map(each => (each.left + each.right) / 2),
      y: numbered.map(badgeY),
      text: numbered.map(each => String(each.number)),
      colour: numbered.map(each => colour(each.severity))
    };
    this._named.get('findings')?.setv({ data: boxes });
    this._named.get('badges')?.setv({ data: badges });
  }

  private _showRange(lane: ISeriesLane): void {
    const range = this._named.get(`range:${lane.id}`);
    if (range) {
      const [top, bottom, total] = range.tags as [number, number, number];
      const [start, end] = laneRange(lane.lo, lane.hi, [top, bottom], total);
      range.setv({ start, end });
    }
  }

  /** The time axis grows with the run, unless the reader has zoomed. */
  private _showTime(endS: number): void {
    const range = this._range;
    if (endS === this._endS) {
      return;
    }
    const follows = this._endS === null || (range.start === 0 && range.end === this._endS);
    this._endS = endS;
    range.setv(follows ? { end: endS, reset_end: endS } : { reset_end: endS });
  }

  private readonly _document: IBokehDocument;
  private readonly _named = new Map<string, IBokehModel>();
  private readonly _places: ReadonlyMap<string, IPlace>;
  private readonly _shown = new Map<string, Lane>();
  private readonly _range: IBokehRange;
  private _findings: readonly IFinding[] | null = null;
  private _endS: number | null = null;
  private _isDisposed = false;
}

/** A column of a source, whichever way this version of BokehJS keeps them. */
function column({ data }: IBokehSource, name: string): readonly unknown[] {
  return (data instanceof Map ? (data.get(name) as unknown[]) : (data as Record<string, unknown[]>)[name]) ?? [];
}
