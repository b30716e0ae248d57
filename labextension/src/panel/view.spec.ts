/**
 * @jest-environment jsdom
 */
import { SiteModel } from '../site/model';
import { aDataSet, anOption, aQueue, aRun, aShape, aSite, aSiteDelta, english, PlayedSiteApi } from '../testing';
import { parseKept } from './actions';
import { PanelView } from './view';

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

const pass = (ms: number): Promise<void> => jest.advanceTimersByTimeAsync(ms);

function aPanel(api = new PlayedSiteApi(), keptBefore: object = {}) {
  const model = new SiteModel(api);
  const actions = {
    open: jest.fn(),
    stop: jest.fn(),
    copyId: jest.fn(),
    insertCell: jest.fn(() => Promise.resolve()),
    chooseFile: jest.fn()
  };
  const keeper = { fetch: () => Promise.resolve(keptBefore as never), save: jest.fn() };
  const view = new PanelView(model, actions, keeper, english);
  document.body.replaceChildren(view.node);
  const shown = async (site = aSite()): Promise<void> => {
    view.show();
    await pass(0);
    api.connections.at(-1)!.send({ type: 'site', site });
    await pass(0);
  };
  const section = (name: string): HTMLElement => view.node.querySelector(`[data-section=${name}]`)!;
  const text = (name: string): string => section(name).querySelector('.jp-aicci-section-body')!.textContent!;
  const runs = (): (string | undefined)[] =>
    [...view.node.querySelectorAll<HTMLElement>('.jp-aicci-run-row')].map(row => row.dataset.runId);
  const banner = (): string => {
    const node = view.node.querySelector<HTMLElement>('.jp-aicci-banner')!;
    return node.hidden ? '' : node.textContent!;
  };
  const last = () => api.connections.at(-1)!;
  return { api, model, view, actions, keeper, shown, section, text, runs, banner, last };
}

test('nothing is asked until somebody looks', async () => {
  const { api, view } = aPanel();
  await pass(60_000);
  expect(api.connections).toHaveLength(0);
  view.show();
  await pass(0);
  expect(api.connections).toHaveLength(1);
});

test('the sections say what is free, what runs, what waits where, and what data there is', async () => {
  const { shown, text } = aPanel();
  const queue = aQueue({ name: 'team-a', used: { h100: 14 }, deserved: { h100: 24 }, limit: { h100: 32 } });
  const shape = aShape({ start_ns: aSite().now_ns + 27 * 60e9 });
  await shown(aSite({ shapes: [shape], queues: [queue], data: [aDataSet()] }));
  expect(text('shapes')).toBe('cpux21/2$0.3627 min');
  expect(text('runs')).toContain('▶running, digitscpux2 ×2');
  expect(text('queues')).toBe('team-a14 · 24 · 32GPUs');
  expect(text('data')).toBe('imagenet/data/imagenet· 138 GB2 nodes');
});

test('a section that has nothing to show says what to do', async () => {
  const { shown, text } = aPanel();
  await shown(aSite({ runs: [], shapes: [], queues: [], data: [] }));
  expect(text('runs')).toBe('No run yet. Insert a cell or launch a script above.');
  expect(text('shapes')).toContain('offers no shape');
  expect(text('queues')).toContain('Runs wait in “default”');
  expect(text('data')).toContain('NAME=PATH');
});

test('the time of a run goes on without a word from the server', async () => {
  const { shown, text } = aPanel();
  await shown(aSite({ runs: [aRun({ started_at: '2026-11-24T10:12:40Z' })] }));
  expect(text('runs')).toContain('0:03');
  await pass(5_000);
  expect(text('runs')).toContain('0:08');
});

test('mine are listed first, all on request, and what was chosen is kept', async () => {
  const { shown, runs, section, text, keeper } = aPanel();
  await shown(aSite({ runs: [aRun({ id: 'r2', owner: 'grace' }), aRun({ id: 'r1' })] }));
  expect(runs()).toEqual(['r1']);
  const select = section('runs').querySelector('select')!;
  select.value = 'all';
  select.dispatchEvent(new Event('change'));
  expect(runs()).toEqual(['r2', 'r1']);
  expect(keeper.save).toHaveBeenLastCalledWith({ folded: [], whose: 'all' });
  expect(text('runs')).not.toContain('No run');
});

test('many runs can be searched by name, id, shape and state; what matches nothing says so', async () => {
  const { shown, runs, section, text } = aPanel();
  const many = Array.from({ length: 20 }, (_, at) => aRun({ id: `r${at}`, name: `sweep-${at}` }));
  await shown(aSite({ runs: [...many, aRun({ id: 'rx', name: 'vit', state: 'failed', shape: 'h100x8' })] }));
  const search = section('runs').querySelector<HTMLInputElement>('input[type=search]')!;
  const find = (words: string): (string | undefined)[] => {
    search.value = words;
    search.dispatchEvent(new Event('input'));
    return runs();
  };
  expect(search.hidden).toBe(false);
  expect(find('sweep-7')).toEqual(['r7']);
  expect(find('FAILED')).toEqual(['rx']);
  expect(find('h100')).toEqual(['rx']);
  expect(find('nothing')).toEqual([]);
  expect(text('runs')).toContain('No run matches. Clear the search to see all 21.');
});

test('a few runs are not searched', async () => {
  const { shown, section } = aPanel();
  await shown();
  expect(section('runs').querySelector<HTMLElement>('input[type=search]')!.hidden).toBe(true);
});

test('folded sections stay folded the next time', async () => {
  const { shown, section, keeper } = aPanel(undefined, { folded: ['shapes', 7], whose: 'all' });
  await shown();
  const fold = section('shapes').querySelector('button')!;
  expect(fold.getAttribute('aria-expanded')).toBe('false');
  fold.click();
  expect(fold.getAttribute('aria-expanded')).toBe('true');
  expect(keeper.save).toHaveBeenLastCalledWith({ folded: [], whose: 'all' });
});

test.each([undefined, null, 7, 'all', [], { folded: 'shapes' }])(
  'what was kept as %p is understood as nothing',
  value => {
    expect(parseKept(value as never)).toEqual({ folded: [], whose: 'mine' });
  }
);

test('a service that cannot start says why, what to do, and is tried again on a press', async () => {
  const api = new PlayedSiteApi();
  api.wake = () => Promise.reject(new Error('the service cannot start: its folder is full.'));
  const { view, banner, last } = aPanel(api);
  view.show();
  await pass(0);
  expect(banner()).toContain('Connecting');
  last().close();
  await pass(0);
  expect(banner()).toContain('its folder is full.');
  await pass(1);
  [...view.node.querySelectorAll('button')].find(each => each.textContent === 'Try again')!.click();
  await pass(0);
  expect(api.connections).toHaveLength(2);
});

test('a lost connection leaves everything in place, with a word and how long ago', async () => {
  const { shown, banner, last, runs, section } = aPanel();
  await shown();
  const typed = section('new-run').querySelector('input')!;
  typed.value = '2';
  last().close();
  await pass(2_100);
  expect(banner()).toMatch(/^Connection lost 0:0\d ago/);
  expect(runs()).toEqual(['r0f3c2ab']);
  last().send({ type: 'site', site: aSite() });
  await pass(0);
  expect(banner()).toBe('');
  expect(section('new-run').querySelector('input')!.value).toBe('2');
});

test('while nobody looks nothing is drawn; who looks again sees what is true', async () => {
  const { shown, view, last, runs } = aPanel();
  await shown();
  view.hide();
  last().send(aSiteDelta({ runs: [aRun({ id: 'r9' })] }));
  await pass(1_000);
  expect(runs()).toEqual(['r0f3c2ab']);
  view.show();
  expect(runs()).toContain('r9');
});

test('Delete asks to stop the run, unless one may only look', async () => {
  const api = new PlayedSiteApi();
  const { shown, view, actions } = aPanel(api);
  await shown();
  const press = (): boolean =>
    view.node
      .querySelector('.jp-aicci-run-row')!
      .dispatchEvent(new KeyboardEvent('keydown', { key: 'Delete', bubbles: true }));
  press();
  expect(actions.stop).toHaveBeenCalledWith('r0f3c2ab');
  api.rights = () => Promise.resolve({ launch: false, stop: false });
  view.show();
  await pass(0);
  press();
  expect(actions.stop).toHaveBeenCalledTimes(1);
  expect(view.node.textContent).toContain('not stop runs');
});

test('Delete on a run that has ended says so and asks nothing', async () => {
  const { shown, view, actions } = aPanel();
  await shown(aSite({ runs: [aRun({ state: 'succeeded' })] }));
  view.node
    .querySelector('.jp-aicci-run-row')!
    .dispatchEvent(new KeyboardEvent('keydown', { key: 'Delete', bubbles: true }));
  expect(actions.stop).not.toHaveBeenCalled();
  expect(view.node.textContent).toContain('digits has ended already.');
});

test('a press on a data set mounts it in the form, which unfolds', async () => {
  const api = new PlayedSiteApi();
  api.options = () => Promise.resolve([anOption({ flag: '--data', field: 'data', kind: 'pairs', repeats: true })]);
  const { shown, section } = aPanel(api, { folded: ['new-run'] });
  await shown(aSite({ data: [aDataSet()] }));
  section('data').querySelector<HTMLElement>('.jp-aicci-data-row')!.click();
  expect(section('new-run').querySelector<HTMLElement>('.jp-aicci-section-body')!.hidden).toBe(false);
  expect(section('new-run').querySelector('input')!.value).toBe('imagenet=/data/imagenet');
});

test('a name that is markup, and one that turns its text around, stay text of their own', async () => {
  const { shown, view } = aPanel();
  const evil = '<img src=x onerror=alert(1)>';
  const turning = '\u202Eevil';
  await shown(aSite({ runs: [aRun({ id: 'r2', name: evil }), aRun({ name: turning })] }));
  expect(view.node.querySelector('img')).toBeNull();
  const names = [...view.node.querySelectorAll('bdi.jp-aicci-row-name')].map(each => each.textContent);
  expect(names).toEqual(expect.arrayContaining([evil, turning]));
});

test('a panel that is disposed leaves nothing behind', async () => {
  const { shown, view, last } = aPanel();
  await shown();
  view.dispose();
  last().send(aSiteDelta({ runs: [] }));
  await pass(5_000);
  expect(document.body.childNodes).toHaveLength(0);
  expect(jest.getTimerCount()).toBe(0);
});
