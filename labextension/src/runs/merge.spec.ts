import type { ISeriesLane } from '../protocol';
import { aDelta, aView } from '../testing';
import { LOG_CHARS, merge, structure } from './merge';

const loss = (view = aView()): ISeriesLane => view.lanes.find((lane): lane is ISeriesLane => lane.kind === 'series')!;

test('a delta appends points, replaces spans and leaves what it does not name the same object', () => {
  const view = aView();
  const merged = merge(
    view,
    aDelta({ series: { 'value:loss': { note: '', t: [3], v: [2.0], value: '2', lo: 2, hi: 2.3 } } })
  );
  expect(loss(merged)).toMatchObject({ note: '', t: [1, 2, 3], v: [2.3, 2.1, 2.0], value: '2', lo: 2, hi: 2.3 });
  expect(merged.lanes[0]).toBe(view.lanes[0]);
  expect(merged.cursor).toBe(11);
  expect(merged.end_s).toBe(13);
  expect(loss(view).t).toEqual([1, 2]);
});

test('points that come a second time after a reconnection are not drawn twice', () => {
  const again = { note: '', t: [1, 1.5, 2.5], v: [2.3, 2.2, 2.0], value: '2', lo: 2, hi: 2.3 };
  expect(loss(merge(aView(), aDelta({ series: { 'value:loss': again } }))).t).toEqual([1, 2, 2.5]);
});

test('a break in the line stays a break', () => {
  const gap = { note: '', t: [3, 4], v: [null, 2.0], value: '2', lo: 2, hi: 2.3 };
  expect(loss(merge(aView(), aDelta({ series: { 'value:loss': gap } }))).v).toEqual([2.3, 2.1, null, 2.0]);
});

test('a delta with nothing but a log line keeps the time axis', () => {
  const log = { '0': 'epoch 2\n', '1': 'of another rank' };
  const merged = merge(aView(), { type: 'delta', cursor: 11, log });
  expect(merged.log.text).toBe('epoch 1\nepoch 2\n');
  expect(merged.end_s).toBe(12);
});

test('the log kept on the page is bounded and begins with a whole line', () => {
  const { text } = merge(aView(), aDelta({ log: { '0': 'x'.repeat(99).concat('\n').repeat(2_000) } })).log;
  expect(text.length).toBeLessThanOrEqual(LOG_CHARS);
  expect(text.startsWith('x'.repeat(99) + '\n')).toBe(true);
});

test('of a progress bar that was cut its next picture is kept, and of one long line its end', () => {
  const bar = merge(aView(), aDelta({ log: { '0': '\repoch: 50%|#####'.repeat(9_000) + '\nValueError\n' } })).log;
  expect(bar.text.startsWith('epoch: 50%|#####\r')).toBe(true);
  expect(bar.text.endsWith('#\nValueError\n')).toBe(true);
  expect(merge(aView(), aDelta({ log: { '0': 'x'.repeat(99_999) } })).log.text).toBe('x'.repeat(LOG_CHARS));
});

test('the run is over when its state says so', () => {
  const run = { ...aView().run, state: 'failed' };
  const merged = merge(aView(), aDelta({ run, verdict: { text: 'rank 1 failed' } }));
  expect(merged.live).toBe(false);
  expect(merged.verdict).toEqual({ text: 'rank 1 failed' });
  expect(merge(merged, aDelta()).verdict).toEqual({ text: 'rank 1 failed' });
});

test('another lane or another phase asks for another figure, more points do not', () => {
  const view = aView();
  const more = merge(
    view,
    aDelta({ series: { 'value:loss': { note: '', t: [3], v: [2], value: '2', lo: 2, hi: 3 } } })
  );
  expect(structure(more)).toBe(structure(view));
  expect(structure({ ...view, legend: ['queued', 'compute'] })).not.toBe(structure(view));
  expect(structure({ ...view, lanes: view.lanes.slice(0, 1) })).not.toBe(structure(view));
});
