/**
 * The wire beside single runs: what runs, what is free, queues, data, and what a launch form asks (docs/explanation/processes-and-files.md).
 *
 * Types only, as in `../protocol`; tests/extension/test_protocol.py compares the names with what the Python side writes.
 */
import type { ISummary } from '../protocol';

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
