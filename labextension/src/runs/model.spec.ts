import { BETWEEN_MS } from '../pace';
import { aDelta, aView, PlayedApi } from '../testing';
import { MOST_POINTS } from './merge';
import { ApiError, FIRST_PAUSE_MS, LONGEST_PAUSE_MS, RunModel, viewOf } from './model';
import { Runs } from './registry';

const LONGER = 1.5; // a pause varies by a quarter

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

function following(api: PlayedApi): RunModel {
  const model = new RunModel('r1', api);
  void model.follow();
  return model;
}

/** Let promises run, and time pass. */
const pass = (ms: number): Promise<void> => jest.advanceTimersByTimeAsync(ms);

test('a view and its deltas are shown as they come', async () => {
  const api = new PlayedApi();
  const model = following(api);
  const kinds: string[] = [];
  model.changed.connect((_, state) => kinds.push(state.kind));
  await pass(0);
  api.last.send({ type: 'view', view: aView() });
  api.last.send(aDelta());
  expect(kinds).toEqual(['live']);
  await pass(BETWEEN_MS);
  expect(kinds).toEqual(['live', 'live']);
  expect(model.state).toMatchObject({ kind: 'live', view: { cursor: 11 } });
  model.dispose();
});

test('a lost connection keeps what is shown, and asks again from the last frame', async () => {
  const api = new PlayedApi();
  const model = following(api);
  await pass(0);
  expect(api.last.cursor).toBeNull();
  api.last.send({ type: 'view', view: aView() });
  api.last.close();
  await pass(0);
  expect(model.state).toMatchObject({ kind: 'interrupted', view: { cursor: 10 } });
  await pass(FIRST_PAUSE_MS * LONGER);
  expect(api.connections).toHaveLength(2);
  expect(api.last.cursor).toBe(10);
  api.last.send(aDelta());
  expect(model.state.kind).toBe('live');
  model.dispose();
});

test('while nobody answers the pauses grow to a limit, and never stop', async () => {
  const api = new PlayedApi();
  api.summary = () => Promise.reject(new ApiError(503, 'service_unreachable', 'the service is away.', 'start it'));
  const model = following(api);
  const gaps: number[] = [];
  for (let tries = 1, waited = 0; tries <= 12; waited += 50) {
    await pass(50);
    if (api.connections.length === tries) {
      gaps.push(waited);
      waited = 0;
      tries += 1;
      api.last.close();
    }
  }
  expect(model.state).toEqual({ kind: 'unreachable', message: 'the service is away.', hint: 'start it' });
  expect(gaps.at(-1)).toBeGreaterThan(LONGEST_PAUSE_MS / 2);
  expect(Math.max(...gaps)).toBeLessThan(LONGEST_PAUSE_MS * LONGER);
  model.dispose();
});

test('a run that is not known here is not asked for again', async () => {
  const api = new PlayedApi();
  api.summary = () => Promise.reject(new ApiError(404, 'unknown_run', 'no run is called r1.', ''));
  const model = following(api);
  await pass(0);
  api.last.close();
  await pass(60_000);
  expect(model.state.kind).toBe('unknown');
  expect(api.connections).toHaveLength(1);
});

test('when the run ends, the connection ends and the whole view is fetched once more', async () => {
  const api = new PlayedApi();
  const model = following(api);
  await pass(0);
  api.last.send({ type: 'view', view: aView() });
  api.last.send(aDelta({ run: { ...aView().run, state: 'succeeded' } }));
  expect(api.last.signal.aborted).toBe(true);
  await pass(60_000);
  expect(model.state).toMatchObject({ kind: 'ended', view: { live: false } });
  expect(api.connections).toHaveLength(1);
});

test('a model that is disposed closes its connection, tells nobody and asks no more', async () => {
  const api = new PlayedApi();
  const model = following(api);
  const told = jest.fn();
  model.changed.connect(told);
  await pass(0);
  model.dispose();
  expect(api.last.signal.aborted).toBe(true);
  api.last.send({ type: 'view', view: aView() });
  await pass(60_000);
  expect(api.connections).toHaveLength(1);
  expect(told).not.toHaveBeenCalled();
});

test('two cards of one run share one connection, which the last to go closes', async () => {
  const api = new PlayedApi();
  const runs = new Runs(api);
  const [first, second] = [runs.lease('r1'), runs.lease('r1')];
  await pass(0);
  expect(api.connections).toHaveLength(1);
  expect(second.model).toBe(first.model);
  first.dispose();
  first.dispose();
  expect(api.last.signal.aborted).toBe(false);
  second.dispose();
  expect(api.last.signal.aborted).toBe(true);
  expect(runs.lease('r1').model).not.toBe(first.model);
});

test('fifty messages a second are told at most four times a second', async () => {
  const api = new PlayedApi();
  const model = following(api);
  let told = 0;
  model.changed.connect(() => (told += 1));
  await pass(0);
  api.last.send({ type: 'view', view: aView() });
  for (let at = 0; at < 100; at++) {
    api.last.send(aDelta({ cursor: 11 + at, end_s: 13 + at / 50 }));
    await pass(20);
  }
  expect(told).toBeLessThanOrEqual(2 + 4 * 2);
  expect(viewOf(model.state)?.cursor).toBe(110);
  model.dispose();
});

test('a view to which much was appended is asked for afresh', async () => {
  const api = new PlayedApi();
  const model = following(api);
  await pass(0);
  api.last.send({ type: 'view', view: aView() });
  const t = Array.from({ length: MOST_POINTS }, (_, at) => 3 + at);
  const loss = { note: '', t, v: t, value: '1', lo: 0, hi: 1 };
  api.last.send(aDelta({ series: { 'value:loss': loss } }));
  expect(api.last.signal.aborted).toBe(true);
  await pass(LONGEST_PAUSE_MS);
  expect(api.connections).toHaveLength(2);
  expect(model.state.kind).toBe('live');
  api.last.send({ type: 'view', view: aView({ cursor: 20 }) });
  expect(viewOf(model.state)?.cursor).toBe(20);
  model.dispose();
});
