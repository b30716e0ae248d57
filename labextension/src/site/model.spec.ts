import { ApiError, FIRST_PAUSE_MS } from '../runs/model';
import { aRun, aSite, aSiteDelta, PlayedSiteApi } from '../testing';
import { BETWEEN_MS } from '../pace';
import { SiteModel, siteOf } from './model';

const LONGER = 1.5; // a pause varies by a quarter

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

/** Let promises run, and time pass. */
const pass = (ms: number): Promise<void> => jest.advanceTimersByTimeAsync(ms);

async function anOpenModel(api = new PlayedSiteApi()) {
  const model = new SiteModel(api);
  const kinds: string[] = [];
  model.changed.connect((_, state) => kinds.push(state.kind));
  model.open();
  await pass(0);
  return { api, model, kinds, last: () => api.connections.at(-1)! };
}

test('nothing is asked until the first reader opens it, and then once', async () => {
  const api = new PlayedSiteApi();
  const model = new SiteModel(api);
  await pass(60_000);
  expect(api.connections).toHaveLength(0);
  model.open();
  model.open();
  await pass(0);
  expect(api.connections).toHaveLength(1);
  model.dispose();
});

test('fifty messages a second are told four times a second, and the last of them is', async () => {
  const { model, kinds, last } = await anOpenModel();
  last().send({ type: 'site', site: aSite() });
  for (let at = 0; at < 50; at += 1) {
    last().send(aSiteDelta({ runs: [aRun({ seq: at })] }));
    await pass(20);
  }
  await pass(BETWEEN_MS);
  expect(kinds.length).toBeLessThanOrEqual(6);
  expect(siteOf(model.state)?.runs[0]?.seq).toBe(49);
  model.dispose();
});

test('the clock is the one of the service, and goes on between its messages', async () => {
  const { model, last } = await anOpenModel();
  expect(model.nowNs).toBe(0);
  last().send({ type: 'site', site: aSite({ now_ns: 1e18 }) });
  await pass(3_000);
  expect(Math.round((model.nowNs - 1e18) / 1e9)).toBe(3);
  last().send(aSiteDelta({ now_ns: 1e18 + 60e9 }));
  expect(Math.round((model.nowNs - 1e18) / 1e9)).toBe(60);
  model.dispose();
});

test('a lost connection keeps what is shown, says so at once, and connects again', async () => {
  const { api, model, kinds, last } = await anOpenModel();
  last().send({ type: 'site', site: aSite() });
  last().close();
  await pass(0);
  expect(model.state).toMatchObject({ kind: 'interrupted', site: aSite() });
  await pass(FIRST_PAUSE_MS * LONGER);
  expect(api.connections).toHaveLength(2);
  last().send({ type: 'site', site: aSite({ user: 'grace' }) });
  expect(kinds).toEqual(['live', 'interrupted', 'live']);
  model.dispose();
});

test('a service that cannot start says why and what to do, and a person may try again at once', async () => {
  const api = new PlayedSiteApi();
  api.wake = () => Promise.reject(new ApiError(503, 'no_service', 'the service cannot start.', 'read its log'));
  const { model, last } = await anOpenModel(api);
  last().close();
  await pass(0);
  expect(model.state).toEqual({ kind: 'down', message: 'the service cannot start.', hint: 'read its log' });
  await pass(1);
  model.retry();
  await pass(0);
  expect(api.connections).toHaveLength(2);
  model.dispose();
});

test('a model that is disposed closes its connection, tells nobody and asks no more', async () => {
  const { api, model, kinds, last } = await anOpenModel();
  const { signal } = last();
  model.dispose();
  expect(signal.aborted).toBe(true);
  last().send({ type: 'site', site: aSite() });
  await pass(60_000);
  expect(kinds).toEqual([]);
  expect(api.connections).toHaveLength(1);
});
