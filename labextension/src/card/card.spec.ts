/**
 * @jest-environment jsdom
 */
import { nullTranslator } from '@jupyterlab/translation';

import { BETWEEN_MS } from '../pace';
import type { IFinding } from '../protocol';
import { RunModel } from '../runs/model';
import { aDelta, aView, PlayedApi } from '../testing';
import { renderCard } from './card';
import { wasteWords } from './findings';

jest.mock('@jupyterlab/translation', () => ({
  nullTranslator: {
    load: () => ({ __: (text: string, ...args: unknown[]) => text.replace(/%(\d)/g, (_, i) => String(args[+i - 1])) })
  }
}));

/** jsdom has none; nothing is scrolled in these tests. */
class NeverMoves {
  observe(): void {}
  disconnect(): void {}
}
Object.assign(globalThis, { IntersectionObserver: NeverMoves });

const pass = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));
const settle = (): Promise<void> => pass(20);
/** Until what came meanwhile is on the screen. */
const drawn = (): Promise<void> => pass(BETWEEN_MS + 20);

async function aCard(api = new PlayedApi(), saved = { png: '', text: 'saved words' }) {
  const model = new RunModel('r1', api);
  void model.follow();
  await settle();
  const host = document.createElement('div');
  document.body.replaceChildren(host);
  const card = renderCard(host, model, {
    trans: nullTranslator.load(''),
    bokehUrl: version => `/bokeh/${version}`,
    open: null,
    saved
  });
  const find = (name: string): HTMLElement => host.querySelector(`.jp-aicci-${name}`)!;
  const press = (label: string): void =>
    [...host.querySelectorAll('button')].find(each => each.textContent === label)!.click();
  return { api, model, host, card, find, press };
}

test('a card shows name, state in a word, where the run is, and its numbers', async () => {
  const { api, find, model } = await aCard();
  api.last.send({ type: 'view', view: aView() });
  expect(find('header').textContent).toContain('▶digitsrunningcpux2 ×2 · default · r1');
  expect(find('tile').textContent).toBe('0:12 elapsed');
  expect(find('plot').getAttribute('aria-label')).toBe('Timeline of run digits, running; elapsed: 0:12; loss 2.1');
  model.dispose();
});

test('a tile that is no longer told goes', async () => {
  const { api, host, model } = await aCard();
  const [first] = aView().tiles;
  api.last.send({
    type: 'view',
    view: aView({ tiles: [first!, { value: '0.86', label: 'speed-up on 4', note: '' }] })
  });
  api.last.send({ type: 'view', view: aView({ tiles: [first!] }) });
  await drawn();
  expect([...host.querySelectorAll('.jp-aicci-tile')].map(each => each.textContent)).toEqual(['0:12 elapsed']);
  model.dispose();
});

test('a list price says where it is from when the pointer rests on it', async () => {
  const { api, find, model } = await aCard();
  const note = 'list price, which nobody here was charged: a catalogue, 2026-11-24';
  api.last.send({ type: 'view', view: aView({ tiles: [{ value: '$4.12', label: '$55.04/h list price', note }] }) });
  expect(find('tile').title).toBe(note);
  api.last.send(aDelta({ tiles: aView().tiles }));
  await drawn();
  expect(find('tile').title).toBe('');
  model.dispose();
});

test('a run that waits says why, when it starts and its place in line, by the clock of the service', async () => {
  const { api, find, model } = await aCard();
  const queued = aView({ origin_ns: 1e18, end_s: 60 }, 'queued');
  const waiting = 'behind 1 waiting run: 2 cpux2 nodes need 4 CPUs, 2 free';
  const run = { ...queued.run, why: 'behind', waiting, reason: waiting, place: 2, domain: 'laptop' };
  api.last.send({
    type: 'view',
    view: { ...queued, run: { ...run, start_ns: 1e18 + 780e9, latest_ns: 1e18 + 1800e9 } }
  });
  expect(find('waits').hidden).toBe(false);
  expect(find('waits').textContent).toMatch(
    /^behind: behind 1 waiting run: 2 cpux2 nodes need 4 CPUs, 2 freestarts in about 12 min · by .+ at the latest · place 2 in line · on laptop$/
  );
  expect(find('verdict').hidden).toBe(true);
  api.last.send(aDelta({ run: { ...run, start_ns: null, latest_ns: null } }));
  await drawn();
  expect(find('waits').textContent).toContain('freeplace 2 in line');
  api.last.send(aDelta({ run: aView({}, 'starting').run }));
  expect(find('waits').hidden).toBe(true);
  model.dispose();
});

test('what a run says never becomes markup', async () => {
  const { api, host, model } = await aCard();
  const evil = '<img src=x onerror=alert(1)>';
  const run = { ...aView({}, 'failed').run, name: evil, reason: evil };
  api.view = () => Promise.reject(new Error('away'));
  api.last.send({
    type: 'view',
    view: aView({ run, verdict: { text: evil, rank: -1 }, log: { rank: 0, text: evil } })
  });
  expect(host.querySelector('img')).toBeNull();
  expect(host.textContent).toContain(evil);
  model.dispose();
});

test('Stop asks first, then stops', async () => {
  const { api, model, press } = await aCard();
  const stop = jest.spyOn(api, 'stop');
  api.last.send({ type: 'view', view: aView() });
  press('Stop');
  expect(stop).not.toHaveBeenCalled();
  press('Stop it');
  expect(stop).toHaveBeenCalledWith('r1');
  model.dispose();
});

test('a stop that fails says so, and can be tried again', async () => {
  const { api, model, press, find } = await aCard();
  api.stop = () => Promise.reject(new Error('no service'));
  api.last.send({ type: 'view', view: aView() });
  press('Stop');
  press('Stop it');
  await settle();
  expect(find('note').textContent).toBe('The run was not stopped: no service');
  press('Stop');
  model.dispose();
});

test('while the connection is lost the card says so and keeps what it shows', async () => {
  const { api, find, model } = await aCard();
  api.last.send({ type: 'view', view: aView() });
  api.last.close();
  await settle();
  expect(find('note').textContent).toContain('connection lost');
  expect(find('body').hidden).toBe(false);
  model.dispose();
});

test('a run that is not known here leaves the saved picture and words', async () => {
  const { ApiError } = await import('../runs/model');
  const api = new PlayedApi();
  api.summary = () => Promise.reject(new ApiError(404, 'unknown_run', 'no such run', ''));
  const { find, host } = await aCard(api, { png: 'AAAA', text: 'digits succeeded' });
  api.last.close();
  await settle();
  expect(find('saved').hidden).toBe(false);
  expect(find('saved').textContent).toContain('not known here');
  expect(host.querySelector('img')!.src).toBe('data:image/png;base64,AAAA');
  expect(host.querySelector('img')!.alt).toBe('digits succeeded');
  expect(find('body').hidden).toBe(true);
});

test('the chart is also a table, which follows the run', async () => {
  const { api, find, model, press } = await aCard();
  api.last.send({ type: 'view', view: aView() });
  press('Show as table');
  expect(find('plot').hidden).toBe(true);
  api.last.send(aDelta({ series: { 'value:loss': { note: '', t: [3], v: [2], value: '2.0', lo: 2, hi: 2.3 } } }));
  await drawn();
  const rows = [...find('table-place').querySelectorAll('tbody tr')].map(row =>
    [...row.children].map(cell => cell.textContent)
  );
  expect(rows).toEqual([
    ['node 0', 'training', '0:00', '12.0 s'],
    ['loss', '2.0', '2', '2.3', '3']
  ]);
  press('Show as chart');
  expect(find('plot').hidden).toBe(false);
  model.dispose();
});

test('the table says lowest and highest in the unit of the curve', async () => {
  const { api, find, model, press } = await aCard();
  const lanes = aView().lanes.map(lane =>
    lane.kind === 'series' ? { ...lane, unit: 'B', value: '1.9 GB', lo: 0, hi: 1.9e9 } : lane
  );
  api.last.send({ type: 'view', view: aView({ lanes }) });
  press('Show as table');
  const row = [...find('table-place').querySelectorAll('tbody tr')].at(-1)!;
  expect([...row.children].map(cell => cell.textContent).slice(1, 4)).toEqual(['1.9 GB', '0 B', '1.9 GB']);
  model.dispose();
});

test('what a finding wastes is money, else time, else nothing', () => {
  const trans = nullTranslator.load('');
  const said = (wasted_micro: number, wasted_ns: number, at_risk = false): string =>
    wasteWords({ wasted_micro, wasted_ns, at_risk, ongoing: at_risk } as IFinding, 'USD', trans);
  expect(said(310_000, 9e9)).toBe('≈ $0.31 wasted');
  expect(said(0, 9e9)).toContain('of rank time');
  expect(said(0, 4e8)).toBe('');
  expect(said(310_000, 9e9, true)).toBe('≈ $0.31 at risk');
  expect(said(0, 9e9, true)).toContain('of rank time at risk');
});

test('a failure names its class, where, what to try, and the last lines of the rank', async () => {
  const { api, find, host } = await aCard();
  const verdict = { text: 'rank 1 failed: ValueError', where: 'Cell In[7], line 17', hint: 'try smaller', rank: 1 };
  const failed = aView({ run: { ...aView({}, 'failed').run, exit_class: 'user error' }, verdict, live: false });
  api.view = () => Promise.resolve(failed);
  api.last.send({ type: 'view', view: failed });
  await settle();
  expect(find('verdict').textContent).toContain('user error: rank 1 failed: ValueErrorCell In[7], line 17try smaller');
  expect(find('last-lines').textContent).toBe('line of rank 1');
  const stop = [...host.querySelectorAll('button')].find(each => each.textContent === 'Stop')!;
  expect(stop.hidden).toBe(true);
});

test('a disposed card leaves nothing behind', async () => {
  const { api, card, host, model } = await aCard();
  api.last.send({ type: 'view', view: aView() });
  card.dispose();
  api.last.send(aDelta());
  expect(host.childNodes).toHaveLength(0);
  model.dispose();
});
