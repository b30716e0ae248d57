import type { TranslationBundle } from '@jupyterlab/translation';

import { sayer, speaker, type IGrammar } from './served';

const grammar: IGrammar = {
  sentences: {
    free: [],
    '%1 failed: %2': ['who', ''],
    'rank %1': [''],
    '%1 ranks': [''],
    'behind %1': ['runs'],
    '%1 waiting run': [''],
    '%1 waiting runs': [''],
    'first in line': [],
    '%1: %2 %3; %4 would start now': ['place', 'gang', '', ''],
    '%1 %2 nodes need': ['', ''],
    '1 %1 node needs': [''],
    '%1 is spent. Nothing was submitted.': ['*']
  },
  parts: {
    who: ['rank %1', '%1 ranks'],
    runs: ['%1 waiting run', '%1 waiting runs'],
    place: ['behind %1', 'first in line'],
    gang: ['%1 %2 nodes need', '1 %1 node needs']
  }
};
const chinese: Readonly<Record<string, string>> = {
  running: '运行中',
  free: '免费',
  '%1 failed: %2': '%1 失败：%2',
  'rank %1': 'rank %1',
  '%1 ranks': '%1 个 rank',
  '; ': '；',
  'behind %1': '排在 %1 之后',
  '%1 waiting run': '%1 个等待的运行',
  '%1 waiting runs': '%1 个等待的运行',
  '%1: %2 %3; %4 would start now': '%1：%2 %3；改用 %4 可立即开始',
  '%1 %2 nodes need': '%1 个 %2 节点需要',
  '%1 is spent. Nothing was submitted.': '%1已用完。未提交任何内容。'
};

/** As JupyterLab's: what the catalogue lacks stays. */
const trans = {
  __: (text: string) => chinese[text] ?? text,
  _p: (_context: string, text: string, ...args: string[]) =>
    (chinese[text] ?? text).replace(/%(\d+)/g, (_, at: string) => args[Number(at) - 1] ?? 'undefined')
} as unknown as TranslationBundle;
const say = sayer(grammar, trans);

test('a sentence is said with what stood in its holes', () => {
  expect(say('free')).toBe('免费');
  expect(say('2 ranks failed: ValueError: bad batch')).toBe('2 个 rank 失败：ValueError: bad batch');
});

test('a hole that holds a sentence is said, too, and tells where its neighbour begins', () => {
  expect(say('behind 3 waiting runs: 2 h100x8 nodes need 16 h100; --nodes 1 would start now')).toBe(
    '排在 3 个等待的运行 之后：2 个 h100x8 节点需要 16 h100；改用 --nodes 1 可立即开始'
  );
});

test('sentences in a row are said one by one', () => {
  expect(say('behind 1 waiting run; what nobody knows')).toBe('排在 1 个等待的运行 之后；what nobody knows');
  expect(say('behind 1 waiting run · free')).toBe('排在 1 个等待的运行 之后 · free');
});

test.each([
  '',
  'a program’s own words',
  'constructor',
  '%1 failed',
  '100 % of %2',
  'x'.repeat(10_000),
  '(.*',
  'toString'
])('what is no sentence of ours stays: %s', text => {
  expect(say(text)).toBe(text);
});

test('a program’s own words in a hole are not translated', () => {
  expect(say('rank 3 failed: free')).toBe('rank 3 失败：free');
  expect(say('rank 3 failed: ValueError: a; free')).toBe('rank 3 失败：ValueError: a; free');
  expect(say('rank 3 failed: %1 $& %2')).toBe('rank 3 失败：%1 $& %2');
});

test('where the page is in English nothing is changed or fetched', async () => {
  const english = { __: (text: string) => text } as unknown as TranslationBundle;
  expect((await speaker(english))('free')).toBe('free');
});
