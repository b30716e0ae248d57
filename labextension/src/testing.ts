/** Builders for the tests: a view as the service sends it, and an API whose connections the test plays. */
import type { IDelta, IView, Message } from './protocol';
import type { IRunApi } from './runs/model';

export function aView(changes: Partial<IView> = {}, state = 'running'): IView {
  return {
    run: {
      id: 'r0f3c2ab',
      name: 'digits',
      state,
      shape: 'cpux2',
      nodes: 2,
      queue: 'default',
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
