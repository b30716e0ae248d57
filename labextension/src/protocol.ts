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

/** What a node costs; `micro_per_h` null = nobody has set a price. */
export interface IPrice {
  readonly micro_per_h: number | null;
  readonly currency: string;
  /** `estimated` for a list price that stands in for the user's own, or empty. */
  readonly confidence: string;
  readonly source: string;
}

/** What a node may get: how many fit now and when nothing runs, and when the next one would start. */
export interface IShapeRow {
  readonly name: string;
  readonly accelerator: string;
  readonly accelerators: number;
  readonly cpus: number;
  readonly memory_bytes: number;
  readonly nvlink: boolean;
  readonly rdma_nics: number;
  readonly price: IPrice;
  readonly free: number;
  readonly total: number;
  /** Expected start of a run on one such node that is sent now, epoch nanoseconds; null = nobody knows. */
  readonly start_ns: number | null;
  /** Why one can never start, or empty. */
  readonly never: string;
}

/** Amounts by resource: CPUs (`cpu`), accelerators by kind, and bytes of `memory`. */
export type Amounts = Readonly<Record<string, number>>;

/** Where runs wait; a resource that is missing in `limit` or `deserved` is not bounded. */
export interface IQueueRow {
  readonly name: string;
  readonly parent: string;
  readonly guarantee: Amounts;
  readonly deserved: Amounts;
  readonly limit: Amounts;
  readonly used: Amounts;
  readonly running: number;
  readonly queued: number;
  readonly weight: number;
  readonly priority: number;
  readonly users: readonly string[];
  /** All that this host has. */
  readonly capacity: Amounts;
}

/** A data set that runs have mounted. */
export interface IDataRow {
  readonly name: string;
  readonly uri: string;
  readonly mode: string;
  /** null = not measured yet, or not to be measured. */
  readonly size_bytes: number | null;
  /** Whether it is bigger than `size_bytes`: measuring ended early. */
  readonly size_is_least: boolean;
  readonly exists: boolean;
  /** Nodes that have it at hand. */
  readonly cached_nodes: number;
  /** Id of the latest run that mounted it. */
  readonly used_by: string;
}

export interface IServiceStatus {
  readonly pid: number;
  readonly version: string;
  readonly started_ns: number;
  readonly home: string;
  readonly running: number;
  readonly queued: number;
  readonly notes: readonly string[];
}

/** Everything that a page shows beside single runs; `runs` are newest first. */
export interface ISite {
  /** The service's clock, epoch nanoseconds; the browser's may be wrong. */
  readonly now_ns: number;
  readonly user: string;
  readonly status: IServiceStatus;
  readonly runs: readonly ISummary[];
  /** Older runs that are not in `runs`. */
  readonly more_runs: number;
  readonly shapes: readonly IShapeRow[];
  readonly queues: readonly IQueueRow[];
  readonly data: readonly IDataRow[];
}

/** Messages of `api/stream`: first everything, then only what changed. */
export interface ISiteMessage {
  readonly type: 'site';
  readonly site: ISite;
}

export interface ISiteDelta {
  readonly type: 'site_delta';
  readonly now_ns: number;
  readonly status?: IServiceStatus;
  /** Changed and new runs. */
  readonly runs?: readonly ISummary[];
  /** Ids of runs that are no longer there. */
  readonly gone?: readonly string[];
  readonly more_runs?: number;
  readonly shapes?: readonly IShapeRow[];
  readonly queues?: readonly IQueueRow[];
  readonly data?: readonly IDataRow[];
}

export type SiteMessage = ISiteMessage | ISiteDelta;

/** One row of the option table (jupyter_aicci/model/options.py); `default` is text as a person would type it, or empty. */
export interface IOptionRow {
  readonly flag: string;
  readonly field: string;
  readonly kind: 'text' | 'names' | 'int' | 'money' | 'duration' | 'flag' | 'choice' | 'pairs';
  readonly help: string;
  readonly default: string;
  readonly metavar: string;
  readonly choices: readonly string[];
  readonly repeats: boolean;
  /** Where a form shows it: what is asked first, or behind "More options"; `client` options are not of the run. */
  readonly section: 'main' | 'more' | 'client';
}

/** What was typed into a form, by field; only what differs from the default. Repeating options are lists. */
export type Given = Readonly<Record<string, string | readonly string[]>>;

/** How a program would do: `ratio` is the speed-up per rank over the smallest measured run, 1 = perfect. */
export interface IOutlook {
  readonly ranks: number;
  readonly ratio: number | null;
  /** Cost and time to the end, of runs of this program that ended; null = nobody knows. */
  readonly finish_s: number | null;
  readonly finish_micro: number | null;
  /** What it is computed from, in words, or why there is none. */
  readonly basis: string;
}

/** What would happen now (answer of POST /v1/forecast, and more keys). */
export interface IForecast {
  readonly shape: string;
  readonly nodes: number;
  readonly world_size: number;
  readonly starts: 'now' | 'later';
  /** null = nobody knows. */
  readonly start_ns: number | null;
  readonly latest_ns: number | null;
  readonly place: number;
  readonly domain: string;
  readonly bandwidth: { readonly text: string; readonly best_ratio: number } | null;
  readonly reason: string;
  readonly why: string | null;
  readonly change: string;
  readonly price_text: string;
  readonly per_h_micro: number | null;
  readonly currency: string;
  readonly outlook: IOutlook | null;
}

export interface IShapeForecast {
  readonly shape: string;
  readonly forecast: IForecast | null;
  /** Why it can never run, or empty. */
  readonly refused: string;
}

/** Answer of POST api/forecasts: the form's own shapes first. */
export interface IForecasts {
  /** The first line of a cell that would launch it. */
  readonly magic: string;
  readonly now_ns: number;
  readonly asked: readonly string[];
  /** Why what was asked for would be refused as it stands, or empty. */
  readonly refused: string;
  readonly answers: readonly IShapeForecast[];
}

/** What this user may do, and why not. */
export interface IRights {
  readonly launch: boolean;
  readonly stop: boolean;
}

/** Body of every error answer. */
export interface IErrorBody {
  readonly message: string;
  readonly code: string;
  readonly hint: string;
  /** The option that is wrong; not there where none is. */
  readonly field?: string;
}
