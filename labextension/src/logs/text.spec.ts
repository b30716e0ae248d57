import { Search } from './search';
import { LogText } from './text';

const linesOf = (text: LogText): string[] => Array.from({ length: text.count }, (_, at) => text.line(at));

function aText(...parts: string[]): LogText {
  const text = new LogText();
  parts.forEach(part => text.append(part));
  return text;
}

test('lines come out whole, wherever the parts were cut', () => {
  expect(linesOf(aText('epo', 'ch 1\nepoch', ' 2\n', 'epoch 3'))).toEqual(['epoch 1', 'epoch 2', 'epoch 3']);
});

test('a progress bar is the line that it left, colours are dropped, also where a sequence was cut', () => {
  expect(linesOf(aText(' 10%\r 50%', '\r100%\n\x1b[3', '1mred\x1b[0m\r\n'))).toEqual(['100%', 'red']);
});

test('the unfinished line is shown, and finished once nothing more comes', () => {
  const text = aText('done\nhalf');
  expect([text.count, text.finished]).toEqual([2, 1]);
  text.end();
  expect([text.count, text.finished]).toEqual([2, 2]);
});

test('of too much text the oldest lines go, and are counted', () => {
  const text = new LogText(30);
  text.append('0123456789\n'.repeat(3));
  text.append('the last\n');
  expect(text.dropped).toBe(1);
  expect(linesOf(text)).toEqual(['0123456789', '0123456789', 'the last']);
});

test('a line of a megabyte is one line', () => {
  const text = aText('x'.repeat(500_000), `${'x'.repeat(500_000)}\n`);
  expect([text.count, text.line(0).length]).toEqual([1, 1_000_000]);
});

test('a search finds lines whatever the case, marks in sequences of signs and all, and goes on with what is printed later', () => {
  const text = aText('Loss [nan] here\nfine\nloss [NaN]\nloss [na');
  const search = new Search('[nan]');
  expect(search.scan(text)).toBe(true);
  expect(search.hits).toEqual([0, 2]);
  text.append('n]\n');
  search.scan(text);
  expect(search.hits).toEqual([0, 2, 3]);
  expect([search.from(0), search.from(1), search.from(9)]).toEqual([0, 1, 0]);
  expect(search.within('a [nan] [NAN]')).toEqual([
    [2, 7],
    [8, 13]
  ]);
});

test('a long log is looked at in batches', () => {
  const text = aText('line\n'.repeat(120_000));
  const search = new Search('line');
  expect([search.scan(text), search.scan(text), search.scan(text)]).toEqual([false, false, true]);
  expect(search.hits).toHaveLength(120_000);
});

test('a text that has lost its oldest lines is looked at anew', () => {
  const text = new LogText(30);
  text.append('first one\nanother one\n');
  const search = new Search('another');
  search.scan(text);
  expect(search.hits).toEqual([1]);
  text.append('and more of it\n');
  search.scan(text);
  expect([text.dropped, search.hits]).toEqual([1, [0]]);
});
