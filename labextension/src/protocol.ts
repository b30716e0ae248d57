/**
 * The wire: what the server extension sends, word for word (docs/explanation/processes-and-files.md, sections 6 to 9).
 *
 * Types only, nothing runs here. tests/extension/test_protocol.py compares the names with what the Python side writes.
 */

/** One row of the run list; also the head of a view. */
export interface ISummary {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly shape: string;
  readonly nodes: number;
  readonly queue: string;
  readonly owner: string;
  readonly submitted_at: string | null;
  readonly started_at: string | null;
  readonly ended_at: string | null;
  readonly exit_class: string | null;
  readonly cost_micro: number | null; // null: nobody has set a price
  readonly currency: string;
  readonly per_h_micro: number | null;
  readonly unpriced: boolean;
  readonly reason: string;
  readonly icon: string;
  readonly world_size: number;
  readonly attempt: number;
  readonly budget_micro: number;
  readonly budget_note: string; // told from 80 % on
  readonly seq: number;
  /** Why it waits, in words. */
  readonly waiting: string;
  /** The class of that reason; null for a run that does not wait. */
  readonly why: string | null;
  /** In line, 1 = first; 0 = not in line. */
  readonly place: number;
  /** Expected and latest start, epoch nanoseconds; null = nobody knows. */
  readonly start_ns: number | null;
  readonly latest_ns: number | null;
  readonly domain: string;
  readonly bandwidth: string;
}

export interface ITile {
  readonly value: string;
  readonly label: string;
  /** Where the number is from, or empty. */
  readonly note: string;
}

/** Seconds since the run was submitted. */
export interface ISpan {
  readonly t0: number;
  readonly t1: number;
  readonly phase: string;
}

export interface IPhaseLane {
  readonly id: string;
  readonly kind: 'phases';
  readonly name: string;
  readonly note: string;
  /** Id of the lane under which it is drawn once that is unfolded, or empty. */
  readonly parent: string;
  /** Whether the lanes under it begin hidden. */
  readonly folded: boolean;
  readonly spans: readonly ISpan[];
}

/** `v` has the length of `t`; null is a break in the line. */
export interface ISeriesLane {
  readonly id: string;
  readonly kind: 'series';
  readonly name: string;
  /** What is not drawn, or empty. */
  readonly note: string;
  readonly parent: string;
  readonly folded: boolean;
  readonly unit: string;
  readonly value: string;
  readonly lo: number;
  readonly hi: number;
  readonly t: readonly number[];
  readonly v: readonly (number | null)[];
  /** From and to of time whose money was wasted. */
  readonly shade: readonly (readonly [number, number])[];
}

/** A row of colour a rank; `t` are the edges of the columns, one more than there are. */
export interface IHeatLane {
  readonly id: string;
  readonly kind: 'heat';
  readonly name: string;
  readonly note: string;
  readonly parent: string;
  readonly folded: boolean;
  readonly unit: string;
  readonly value: string;
  readonly lo: number;
  readonly hi: number;
  readonly rows: readonly number[];
  readonly t: readonly number[];
  readonly v: readonly (readonly (number | null)[])[];
}

export type Lane = IPhaseLane | ISeriesLane | IHeatLane;

/** `jupyter_aicci.model.finding.Finding`: times are chart seconds, `ranks` and `nodes` empty = all. */
export interface IFinding {
  readonly id: string;
  readonly name: string;
  readonly version: number;
  readonly severity: string;
  readonly from_s: number;
  readonly to_s: number;
  readonly ongoing: boolean;
  readonly ranks: readonly number[];
  readonly nodes: readonly number[];
  readonly value: number;
  readonly threshold: number;
  readonly inputs: Readonly<Record<string, number>>;
  readonly confidence: number;
  readonly wasted_ns: number;
  readonly wasted_micro: number;
  /** Whether `wasted_*` is not lost, but what may be. */
  readonly at_risk: boolean;
  readonly text: string;
  readonly fix: string;
  readonly lanes: readonly string[];
}

export interface ILog {
  readonly rank: number;
  readonly text: string;
}

/** What failed, in words; the rest of the record is for other readers. */
export interface IVerdict {
  readonly text?: string;
  readonly where?: string;
  readonly hint?: string;
  readonly rank?: number | null;
}

export interface IView {
  readonly run: ISummary;
  readonly cursor: number;
  readonly origin_ns: number;
  readonly end_s: number;
  readonly live: boolean;
  readonly tiles: readonly ITile[];
  readonly lanes: readonly Lane[];
  readonly legend: readonly string[];
  readonly log: ILog;
  readonly findings: readonly IFinding[];
  readonly verdict: IVerdict | null;
  /** Where the money went, in one sentence, or empty. */
  readonly headline: string;
  /** From and to in chart seconds where only a part was asked for. */
  readonly window: readonly [number, number] | null;
}

/** Points to append to a lane, and its latest value, bounds and note. */
export interface ISeriesDelta {
  readonly note: string;
  readonly t: readonly number[];
  readonly v: readonly (number | null)[];
  readonly value: string;
  readonly lo: number;
  readonly hi: number;
  readonly shade?: readonly (readonly [number, number])[];
}

/** Only what changed is there. */
export interface IDelta {
  readonly type: 'delta';
  readonly cursor: number;
  readonly end_s?: number;
  readonly run?: ISummary;
  readonly tiles?: readonly ITile[];
  readonly spans?: Readonly<Record<string, readonly ISpan[]>>;
  readonly series?: Readonly<Record<string, ISeriesDelta>>;
  readonly heat?: Readonly<Record<string, IHeatLane>>;
  readonly findings?: readonly IFinding[];
  readonly headline?: string;
  readonly log?: Readonly<Record<string, string>>;
  readonly verdict?: IVerdict | null;
}

export interface IViewMessage {
  readonly type: 'view';
  readonly view: IView;
}

export type Message = IViewMessage | IDelta;

/** What colours a phase; `hatch` is a letter of Bokeh's, or empty. */
export interface ILegendRow {
  readonly phase: string;
  readonly label: string;
  readonly colour: string;
  readonly hatch: string;
}

export type Palette = 'light' | 'dark' | 'contrast';

/** A Bokeh document as `bokeh.embed.json_item` writes it. */
export interface IBokehItem {
  readonly target_id: string | null;
  readonly root_id: string;
  readonly doc: { readonly version: string };
}

/** Where a lane is drawn, in pixels from the frame's top; `under` counts the lanes that it unfolds to. */
export interface IPlace {
  readonly id: string;
  readonly top: number;
  readonly bottom: number;
  readonly depth: number;
  readonly under: number;
  readonly unfolded: boolean;
}

/** The frame's distances from the figure's edges, and its height, in pixels. */
export interface IFrame {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly height: number;
}

/** The colours of strips of heat from low to high, and the lanes that are such strips. */
export interface IHeatLook {
  readonly colours: readonly string[];
  readonly lanes: readonly string[];
}

/** Answer of `api/runs/REF/figure`; the data is in the view alone. */
export interface IFigure {
  readonly item: IBokehItem;
  readonly view: IView;
  readonly legend: readonly ILegendRow[];
  readonly places: readonly IPlace[];
  readonly frame: IFrame;
  readonly heat: IHeatLook;
  readonly severities: Readonly<Record<string, string>>;
}

/** A figure without its view, as a file keeps it. */
export type RecordedFigure = Omit<IFigure, 'view'>;

/** The figure as lanes say of themselves, and with all of them unfolded. */
export interface IRecordedFolds {
  readonly own: RecordedFigure;
  readonly all: RecordedFigure;
}

/** BokehJS, gzip in base64. */
export interface IPackedBokeh {
  readonly version: string;
  readonly gzip: string;
}

/** A file `.aicci.json` (timeline/recorded.py). */
export interface IRecording {
  readonly aicci_run: number;
  readonly view: IView;
  readonly figures: Readonly<Record<Palette, IRecordedFolds>>;
  /** Ends of logs by rank. */
  readonly logs: Readonly<Record<string, string>>;
  readonly bundle: IBundle;
  readonly bokeh: IPackedBokeh;
}

/** Answer of `api/runs/REF/logs`. */
export interface ILogPart {
  readonly rank: number;
  readonly text: string;
  readonly offset: number;
  readonly size: number;
  readonly ended: boolean;
}

/** The JSON of the cell's output. */
export interface IRunOutput {
  readonly id: string;
  readonly summary: Partial<ISummary>;
  readonly version: number;
}

/** Answer of `api/runs/REF/bundle`: the MIME bundle that the notebook keeps. */
export interface IBundle {
  readonly 'application/vnd.aicci.run+json': IRunOutput;
  readonly 'image/png': string;
  readonly 'text/plain': string;
}

/** Body of every error answer. */
export interface IErrorBody {
  readonly message: string;
  readonly code: string;
  readonly hint: string;
  /** The option that is wrong; not there where none is. */
  readonly field?: string;
}
