import { kept, moved } from './selection';

test('keys move within the list and never out of it', () => {
  const to = (key: string, at: number): number | null => moved(key, at, 100, 11);
  expect([to('ArrowDown', 3), to('ArrowUp', 3), to('PageDown', 3), to('PageUp', 3)]).toEqual([4, 2, 14, 0]);
  expect([to('Home', 3), to('End', 3), to('ArrowDown', 99), to('ArrowUp', 0)]).toEqual([0, 99, 99, 0]);
  expect([to('a', 3), to('constructor', 3)]).toEqual([null, null]);
});

test('the current row stays the current one where others come, go and change places', () => {
  expect(kept('b', ['a', 'b', 'c'], ['c', 'x', 'b'])).toBe('b');
});

test('a current row that goes hands over to the one after it, at the end to the last', () => {
  expect(kept('b', ['a', 'b', 'c', 'd'], ['a', 'd'])).toBe('d');
  expect(kept('d', ['a', 'b', 'd'], ['a', 'b'])).toBe('b');
  expect(kept('a', ['a'], [])).toBe('');
  expect(kept('', ['a'], ['b'])).toBe('');
});
