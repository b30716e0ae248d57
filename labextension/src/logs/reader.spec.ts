import { RunModel, type ILogAsked } from '../runs/model';
import { PlayedApi } from '../testing';
import { LogReader } from './reader';

const settle = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 30));

/** An API whose log is this text of one byte a character, as the service would give it. */
function anApi(log: { text: string; ended: boolean }, asked: ILogAsked[] = []): PlayedApi {
  const api = new PlayedApi();
  api.logs = (_id, ask) => {
    asked.push(ask);
    const size = log.text.length;
    const start = ask.offset < 0 ? Math.max(0, size + ask.offset) : Math.min(ask.offset, size);
    const text = log.text.slice(start, start + ask.limit);
    return Promise.resolve({ rank: ask.rank, text, offset: start + text.length, size, ended: log.ended });
  };
  return api;
}

const linesOf = ({ text }: LogReader): string[] => Array.from({ length: text.count }, (_, at) => text.line(at));

test('a short log is there whole after one answer, of the rank and attempt that were chosen', async () => {
  const asked: ILogAsked[] = [];
  const model = new RunModel('r1', anApi({ text: 'one\ntwo\n', ended: true }, asked));
  const reader = new LogReader(model, 3, 2, () => undefined);
  await settle();
  expect(linesOf(reader)).toEqual(['one', 'two']);
  expect(reader.isWhole).toBe(true);
  expect(asked.map(({ rank, attempt }) => [rank, attempt])).toEqual([[3, 2]]);
});

test('a log that grows is read on, without a gap', async () => {
  const log = { text: 'one\n', ended: false };
  const reader = new LogReader(new RunModel('r1', anApi(log)), 0, 1, () => undefined);
  await settle();
  log.text += 'two\nthree';
  log.ended = true;
  await new Promise(resolve => setTimeout(resolve, 1_100));
  expect(linesOf(reader)).toEqual(['one', 'two', 'three']);
  expect(reader.text.finished).toBe(3);
});

test('of a long log the end comes first, the whole when it is asked for, each line once', async () => {
  const numbers = Array.from({ length: 1_200_000 }, (_, at) => String(at));
  const log = { text: `${numbers.join('\n')}\n`, ended: true };
  const reader = new LogReader(new RunModel('r1', anApi(log)), 0, 1, () => undefined);
  await settle();
  expect(reader.isWhole).toBe(false);
  expect(reader.text.count).toBeLessThan(70_000);
  expect(reader.text.line(reader.text.count - 1)).toBe('1199999');
  reader.readWhole();
  expect(reader.share).toBe(0);
  while (!reader.isWhole) {
    await settle();
  }
  expect([reader.text.count, reader.text.finished, reader.share]).toEqual([1_200_000, 1_200_000, null]);
  expect(numbers.every((line, at) => reader.text.line(at) === line)).toBe(true);
});

test('an answer that is missing is asked for again', async () => {
  const api = anApi({ text: 'one\n', ended: true });
  const answer = api.logs;
  api.logs = () => Promise.reject(new Error('away'));
  const reader = new LogReader(new RunModel('r1', api), 0, 1, () => undefined);
  await settle();
  api.logs = answer;
  await new Promise(resolve => setTimeout(resolve, 1_100));
  expect(linesOf(reader)).toEqual(['one']);
  reader.dispose();
});
