/**
 * @jest-environment jsdom
 */
import { numberWords, pageLanguage, timeWords } from './intl';

afterEach(() => {
  document.documentElement.lang = '';
});

test('numbers and times follow the language that the page was set to', () => {
  document.documentElement.lang = 'de';
  expect(numberWords(1234.5)).toBe('1.234,5');
  document.documentElement.lang = 'zh-CN';
  expect(numberWords(3, { style: 'unit', unit: 'minute', unitDisplay: 'short' })).toBe('3分钟');
  expect(timeWords(new Date(2026, 10, 24), { year: 'numeric', month: 'long' })).toBe('2026年11月');
});

test.each(['', 'zh_CN', 'not a language'])('a page that says "%s" gets the language of the browser', said => {
  document.documentElement.lang = said;
  expect(pageLanguage()).toBeUndefined();
  expect(numberWords(7)).toBe('7');
});
