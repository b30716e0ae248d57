/** Builders for the tests: a view as the service sends it, and an API whose connections the test plays. */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { IDelta, ISummary, IView, Message } from './protocol';
import type {
  IDataRow,
  IForecast,
  IForecasts,
  IOptionRow,
  IQueueRow,
  IShapeRow,
  ISite,
  ISiteDelta,
  SiteMessage
} from './site/protocol';
import type { IRunApi } from './runs/model';
import type { ISiteApi } from './site/model';

/** English, as it stands in the source. */
export const english = {
  __: (text: string, ...args: unknown[]) => filled(text, args),
  _n: (one: string, many: string, n: number, ...args: unknown[]) => filled(n === 1 ? one : many, [n, ...args])
} as unknown as TranslationBundle;

function filled(text: string, args: readonly unknown[]): string {
  return text.replace(/%(\d)/g, (_, at: string) => String(args[Number(at) - 1]));
}

export function aView(changes: Partial<IView> = {}, state = 'running'): IView {
  return {
    run: {
      id: 'r0f3c2ab',
      name: 'digits',
      state,
      shape: 'cpux2',
      nodes: 2,
      queue: 'default',
      owner: 'ada',
      submitted_at: '2026-11-24T10:00:00.000+00:00',
      started_at: null,
      ended_at: null,
      exit_class: null,
      cost_micro: 4_120_000,
      currency: 'USD',
      per_h_micro: 0,
      unpriced: false,
      reason: '',
      icon: '▶',
      world_size: 2,
      attempt: 1,
      budget_micro: 0,
      budget_note: '',
      seq: 7,
      waiting: '',
      why: null,
      place: 0,
      start_ns: null,
      latest_ns: null,
      domain: '',
      bandwidth: ''
    },
    cursor: 10,
    origin_ns: 0,
    end_s: 12,
    live: !['succeeded', 'failed', 'stopped'].includes(state),
    tiles: [{ value: '0:12', label: 'elapsed', note: '' }],
    lanes: [
      {
        id: 'node-0',
        kind: 'phases',
        name: 'node 0',
        note: 'this host',
        parent: '',
        folded: false,
        spans: [{ t0: 0, t1: 12, phase: 'compute' }]
      },
      {
        id: 'value:loss',
        kind: 'series',
        name: 'loss',
        note: '',
        parent: '',
        folded: false,
        unit: '',
        value: '2.1',
        lo: 2.1,
        hi: 2.3,
        t: [1, 2],
        v: [2.3, 2.1],
        shade: []
      }
    ],
    legend: ['compute'],
    log: { rank: 0, text: 'epoch 1\n' },
    findings: [],
    verdict: null,
    headline: '',
    window: null,
    ...changes
  };
}

export function aDelta(changes: Partial<IDelta> = {}): IDelta {
  return { type: 'delta', cursor: 11, end_s: 13, ...changes };
}

/** One connection that the model has opened. */
export interface IConnection {
  readonly cursor: number | null;
  readonly signal: AbortSignal;
  send(message: Message): void;
  close(): void;
}

/** An API whose streams the test answers; everything else is refused unless given. */
export class PlayedApi implements IRunApi {
  readonly connections: IConnection[] = [];
  summary: IRunApi['summary'] = () => Promise.resolve(aView().run);
  view: IRunApi['view'] = () => Promise.resolve(aView({}, 'succeeded'));
  figure: IRunApi['figure'] = () => Promise.reject(new Error('no figure in this test'));
  window: IRunApi['window'] = () => Promise.reject(new Error('no window in this test'));
  exported: IRunApi['exported'] = () => Promise.reject(new Error('no export in this test'));
  logs: IRunApi['logs'] = () =>
    Promise.resolve({ rank: 1, text: 'line of rank 1\n', offset: 15, size: 15, ended: true });
  log: IRunApi['log'] = () => Promise.reject(new Error('no log in this test'));
  bundle: IRunApi['bundle'] = () => Promise.reject(new Error('no bundle in this test'));
  stop: IRunApi['stop'] = () => Promise.resolve(aView().run);

  stream(
    _id: string,
    cursor: number | null,
    onMessage: (message: Message) => void,
    signal: AbortSignal
  ): Promise<void> {
    return new Promise(resolve => {
      signal.addEventListener('abort', () => resolve());
      this.connections.push({ cursor, signal, send: onMessage, close: resolve });
    });
  }

  get last(): IConnection {
    const last = this.connections.at(-1);
    if (!last) {
      throw new Error('nothing has connected');
    }
    return last;
  }
}

export function aRun(changes: Partial<ISummary> = {}): ISummary {
  return { ...aView().run, ...changes };
}

export function aShape(changes: Partial<IShapeRow> = {}): IShapeRow {
  return {
    name: 'cpux2',
    accelerator: '',
    accelerators: 0,
    cpus: 2,
    memory_bytes: 0,
    nvlink: false,
    rdma_nics: 0,
    price: { micro_per_h: 360_000, currency: 'USD', confidence: '', source: 'local book' },
    free: 1,
    total: 2,
    start_ns: null,
    never: '',
    ...changes
  };
}

export function aQueue(changes: Partial<IQueueRow> = {}): IQueueRow {
  return {
    name: 'default',
    parent: '',
    guarantee: {},
    deserved: {},
    limit: {},
    used: { cpu: 2 },
    running: 1,
    queued: 0,
    weight: 1,
    priority: 0,
    users: ['ada'],
    capacity: { cpu: 4 },
    ...changes
  };
}

export function aDataSet(changes: Partial<IDataRow> = {}): IDataRow {
  return {
    name: 'imagenet',
    uri: '/data/imagenet',
    mode: 'mount',
    size_bytes: 138e9,
    size_is_least: false,
    exists: true,
    cached_nodes: 2,
    used_by: 'r1',
    ...changes
  };
}

export function aForecast(changes: Partial<IForecast> = {}): IForecast {
  return {
    shape: 'cpux2',
    nodes: 1,
    world_size: 2,
    starts: 'now',
    start_ns: Date.parse('2026-11-24T10:12:43Z') * 1e6,
    latest_ns: null,
    place: 0,
    domain: '',
    bandwidth: null,
    reason: '',
    why: null,
    change: '',
    price_text: '$0.36/h',
    per_h_micro: 360_000,
    currency: 'USD',
    outlook: null,
    ...changes
  };
}

export function aSite(changes: Partial<ISite> = {}): ISite {
  return {
    now_ns: Date.parse('2026-11-24T10:12:43Z') * 1e6,
    user: 'ada',
    status: {
      pid: 7,
      version: '0.1.0',
      started_ns: 0,
      home: '/home/ada/.local/share/jupyter/aicci',
      running: 1,
      queued: 0,
      notes: []
    },
    runs: [aRun()],
    more_runs: 0,
    shapes: [aShape()],
    queues: [aQueue()],
    data: [],
    ...changes
  };
}

export function aSiteDelta(changes: Partial<ISiteDelta> = {}): ISiteDelta {
  return { type: 'site_delta', now_ns: aSite().now_ns + 1e9, ...changes };
}

export function anOption(changes: Partial<IOptionRow> = {}): IOptionRow {
  return {
    flag: '--nodes',
    field: 'nodes',
    kind: 'int',
    help: 'nodes in the gang',
    default: '1',
    metavar: 'N',
    choices: [],
    repeats: false,
    section: 'main',
    ...changes
  };
}

/** One connection that the site's model has opened. */
export interface ISiteConnection {
  readonly signal: AbortSignal;
  send(message: SiteMessage): void;
  close(): void;
}

/** An API of the service whose stream the test plays. */
export class PlayedSiteApi implements ISiteApi {
  readonly connections: ISiteConnection[] = [];
  wake: ISiteApi['wake'] = () => Promise.resolve();
  options: ISiteApi['options'] = () => Promise.resolve([anOption()]);
  rights: ISiteApi['rights'] = () => Promise.resolve({ launch: true, stop: true });
  forecasts: ISiteApi['forecasts'] = () =>
    Promise.resolve<IForecasts>({
      magic: '%%aicci train',
      now_ns: aSite().now_ns,
      asked: [],
      answers: [],
      refused: ''
    });
  launch: ISiteApi['launch'] = id => Promise.resolve(aRun({ id }));
  stop: ISiteApi['stop'] = id => Promise.resolve(aRun({ id }));

  siteStream(onMessage: (message: SiteMessage) => void, signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      signal.addEventListener('abort', () => resolve());
      this.connections.push({ signal, send: onMessage, close: resolve });
    });
  }
}
