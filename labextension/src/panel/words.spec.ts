/**
 * @jest-environment jsdom
 */
import { aDataSet, aQueue, aRun, aShape, english } from '../testing';
import { cachedWords, costWords, mainResource, optionWord, priceWords, shapeWords, short } from './words';
import { amountWords, fill, runTitle, sizeWords, startWord, whenWords, whereWords } from './words';

const NOW_NS = Date.parse('2026-11-24T10:12:43Z') * 1e6;
const when = (changes: Parameters<typeof aRun>[0]): string => whenWords(aRun(changes), NOW_NS, english);

test('a run says how long it runs by the clock of the service, one that ended how long it ran', () => {
  expect(when({ started_at: '2026-11-24T10:00:00Z' })).toBe('12:43');
  const ended = { started_at: '2026-11-24T08:00:00Z', ended_at: '2026-11-24T09:20:04Z' };
  expect(when({ ...ended, state: 'succeeded' })).toBe('1:20:04');
});

test('a run that waits says when it starts, else why it waits, else that it waits', () => {
  const queued = { state: 'queued', start_ns: NOW_NS + 27 * 60e9 };
  expect(when(queued)).toBe('in ≈ 27 min');
  expect(when({ ...queued, start_ns: NOW_NS - 5e9 })).toBe('soon');
  expect(when({ state: 'queued', why: 'quota' })).toBe('quota');
  expect(when({ state: 'queued' })).toBe('queued');
});

test('how a run ended is a word, also where it is one that this page does not know', () => {
  expect(when({ state: 'failed', exit_class: 'out of memory' })).toBe('out of memory');
  expect(when({ state: 'failed', exit_class: 'toString' })).toBe('toString');
  expect(when({ state: 'stopped' })).toBe('stopped');
});

test('a cost that nobody knows and none at all are not told as nothing paid', () => {
  expect(costWords(aRun({ cost_micro: null }))).toBe('–');
  expect(costWords(aRun({ cost_micro: 0, per_h_micro: 9e6 }))).toBe('–');
  expect(costWords(aRun({ cost_micro: 0, per_h_micro: 9e6, started_at: '2026-11-24T10:00:00Z' }))).toBe('$0.00');
  expect(costWords(aRun())).toBe('$4.12');
});

test('a name of ten thousand characters is cut, in the line and where the pointer rests', () => {
  const run = aRun({ name: 'x'.repeat(10_000) });
  expect(short(run.name)).toHaveLength(161);
  expect(runTitle(run, english).length).toBeLessThan(400);
  expect(whereWords(run)).toBe('cpux2 ×2');
});

test('a shape is told by what a node of it has', () => {
  const shape = aShape({ accelerator: 'h100', accelerators: 8, nvlink: true, rdma_nics: 8, cpus: 96 });
  expect(shapeWords(shape, english)).toBe('8 × H100, NVLink, 8 RDMA NICs, 96 CPUs');
  expect(priceWords({ ...shape.price, micro_per_h: null }, english)).toBe('–');
  expect(priceWords({ ...shape.price, micro_per_h: 0 }, english)).toBe('free');
  expect(startWord(NOW_NS + 27 * 60e9, NOW_NS, english)).toBe('27 min');
  expect(startWord(NOW_NS, NOW_NS, english)).toBe('now');
  expect(startWord(null, NOW_NS, english)).toBe('–');
});

test('a queue is told by the resource that is nearest to its limit', () => {
  const queue = aQueue({ limit: { cpu: 64, h100: 32 }, used: { cpu: 4, h100: 14 } });
  expect(mainResource(queue)).toBe('h100');
  expect(fill(queue, 'h100')).toBeCloseTo(0.4375);
  expect(amountWords(queue.used, 'h100')).toBe('14');
  expect(amountWords(queue.deserved, 'h100')).toBe('–');
  expect(amountWords({ memory: 64e9 }, 'memory')).toBe('64 GB');
});

test('a queue without a limit is told by the accelerators of its host', () => {
  expect(mainResource(aQueue({ capacity: { cpu: 4, memory: 1, h100: 8 } }))).toBe('h100');
});

test('a data set says its size, or that it is bigger, and where it is at hand', () => {
  expect(sizeWords(aDataSet(), english)).toBe('138 GB');
  expect(sizeWords(aDataSet({ size_is_least: true }), english)).toBe('more than 138 GB');
  expect(sizeWords(aDataSet({ size_bytes: null }), english)).toBe('');
  expect(cachedWords(aDataSet({ cached_nodes: 1 }), english)).toBe('1 node');
  expect(cachedWords(aDataSet({ exists: false }), english)).toBe('missing');
});

test('an option that has no word here keeps its own', () => {
  expect(optionWord('constructor', english)).toBe('constructor');
  expect(optionWord('some_new_one', english)).toBe('some new one');
});
