/**
 * @jest-environment jsdom
 */
import { nullTranslator } from '@jupyterlab/translation';

import { RunModel } from '../runs/model';
import { aView, PlayedApi } from '../testing';
import { LogView } from './view';

jest.mock('@jupyterlab/translation', () => ({
  nullTranslator: {
    load: () => ({ __: (text: string, ...args: unknown[]) => text.replace(/%(\d)/g, (_, i) => String(args[+i - 1])) })
  }
}));

/** jsdom lays nothing out: every element is 180 px high, of which a line has 18. */
Object.assign(globalThis, {
  ResizeObserver: class {
    observe(): void {}
    disconnect(): void {}
  }
});
Object.defineProperty(HTMLElement.prototype, 'clientHeight', { get: () => 180 });
HTMLElement.prototype.scrollIntoView = () => undefined;

const settle = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 30));

async function aLog(text: string, changes: Partial<ReturnType<typeof aView>['run']> = {}) {
  const api = new PlayedApi();
  const size = text.length;
  api.logs = (_id, { rank }) =>
    Promise.resolve({ rank, text: rank ? `rank ${rank}\n` : text, offset: size, size, ended: true });
  const saved: string[] = [];
  const view = new LogView(new RunModel('r1', api), nullTranslator.load(''), (_, name) => saved.push(name));
  document.body.replaceChildren(view.node);
  const { run } = aView();
  view.update(aView({ run: { ...run, ...changes } }));
  await settle();
  const find = (name: string): HTMLElement => view.node.querySelector<HTMLElement>(name)!;
  const input = view.node.querySelector('input')!;
  const press = (label: string): void =>
    [...view.node.querySelectorAll('button')]
      .find(each => (each.getAttribute('aria-label') ?? each.textContent) === label)!
      .click();
  const type = (words: string): void => {
    input.value = words;
    input.dispatchEvent(new Event('input'));
  };
  const key = (name: string, shiftKey = false): void => {
    find('input').dispatchEvent(new KeyboardEvent('keydown', { key: name, shiftKey, bubbles: true, cancelable: true }));
  };
  const lines = (): string[] => [...view.node.querySelectorAll('.jp-aicci-log-line')].map(row => row.textContent ?? '');
  const found = (): string => find('.jp-aicci-log-found').textContent ?? '';
  const current = (): string => find('.jp-aicci-mod-current').textContent ?? '';
  return { api, view, find, press, type, key, lines, found, current, saved };
}

test('only the lines that can be seen are in the page', async () => {
  const { lines } = await aLog('line\n'.repeat(100_000));
  expect(lines()).toHaveLength(11);
});

test('what a rank prints never becomes markup, and each line has a direction of its own', async () => {
  const evil = '<img src=x onerror=alert(1)>';
  const { lines, view } = await aLog(`${evil}\n\u202Ebackwards\n`);
  expect(lines()).toEqual([evil, '\u202Ebackwards']);
  expect(view.node.querySelector('img')).toBeNull();
});

test('a line of a megabyte is cut, and a match far in it is shown', async () => {
  const { lines, type, view } = await aLog(`${'x'.repeat(500_000)}needle${'y'.repeat(500_000)}\n`);
  expect(lines()[0]!.length).toBeLessThan(5_000);
  expect(lines()[0]).toContain('… 996006 more characters');
  type('needle');
  expect(view.node.querySelector('mark')!.textContent).toBe('needle');
});

test('Enter and F3 go through the lines that match, and around', async () => {
  const { type, key, found, current } = await aLog('loss 1\nfine\nLOSS 2\nloss 3\n');
  type('loss');
  expect(found()).toBe('lines that match: 3');
  key('Enter');
  expect([found(), current()]).toEqual(['1 of 3 lines', 'loss 1']);
  key('F3');
  expect(current()).toBe('LOSS 2');
  key('Enter', true);
  key('F3', true);
  expect([found(), current()]).toEqual(['3 of 3 lines', 'loss 3']);
  type('absent');
  expect(found()).toBe('no line matches');
});

test('a filter shows the lines that match alone, until the search is emptied', async () => {
  const { type, press, lines, find } = await aLog('loss 1\nfine\nloss 2\n');
  type('loss');
  press('Only matching lines');
  expect(lines()).toEqual(['loss 1', 'loss 2']);
  type('');
  expect(lines()).toEqual(['loss 1', 'fine', 'loss 2']);
  expect(find('button:disabled').textContent).toBe('Only matching lines');
});

test('a rank and an attempt are chosen; a new attempt is shown where the latest was', async () => {
  const { view, find, lines } = await aLog('line\n', { attempt: 2 });
  const [ranks, attempts] = [...view.node.querySelectorAll('select')] as [HTMLSelectElement, HTMLSelectElement];
  expect([ranks.length, attempts.value, attempts.hidden]).toEqual([2, '2', false]);
  view.update(aView({ run: { ...aView().run, attempt: 3 } }));
  expect(attempts.value).toBe('3');
  attempts.value = '1';
  view.update(aView({ run: { ...aView().run, attempt: 4 } }));
  expect(attempts.value).toBe('1');
  ranks.value = '1';
  ranks.dispatchEvent(new Event('change'));
  await settle();
  expect(lines()).toEqual(['rank 1']);
  expect(find('input')).not.toBeNull();
});

test('following ends when a match is gone to, and its button begins it again', async () => {
  const { view, type, key, press } = await aLog('loss\n'.repeat(5));
  const follow = [...view.node.querySelectorAll('button')].find(each => each.textContent === 'Follow')!;
  expect(follow.getAttribute('aria-pressed')).toBe('true');
  type('loss');
  key('Enter');
  expect(follow.getAttribute('aria-pressed')).toBe('false');
  press('Follow');
  expect(follow.getAttribute('aria-pressed')).toBe('true');
});

test('the last traceback is one press away, where there is one', async () => {
  const trace = 'Traceback (most recent call last):\n  File "x"\nValueError\n';
  const { find, press, view } = await aLog(`${trace}again\n${trace}`);
  const button = [...view.node.querySelectorAll('button')].find(each => each.textContent === 'Traceback')!;
  expect(button.hidden).toBe(false);
  press('Traceback');
  expect(find('.jp-aicci-log-lines')).not.toBeNull();
  const none = await aLog('fine\n');
  expect([...none.view.node.querySelectorAll('button')].find(each => each.textContent === 'Traceback')!.hidden).toBe(
    true
  );
});

test('the whole log is downloaded under the names of run and rank', async () => {
  const { press, saved, api } = await aLog('line\n');
  api.log = () => Promise.resolve(new Blob(['line\n']));
  press('Download');
  expect(saved).toEqual(['r1.rank-0.log']);
});
