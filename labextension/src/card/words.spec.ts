import type { TranslationBundle } from '@jupyterlab/translation';

import { phaseWord, severityWord, stateWord, whyWord } from './words';

const trans = { __: (text: string) => `translated ${text}` } as unknown as TranslationBundle;

test('words of the server are translated', () => {
  expect(stateWord('queued', trans)).toBe('translated queued');
  expect(phaseWord('compute', 'training', trans)).toBe('translated training');
});

test.each(['constructor', 'toString', '__proto__', 'hasOwnProperty'])('a span named %s keeps its name', name => {
  expect(phaseWord(name, name, trans)).toBe(name);
  expect(stateWord(name, trans)).toBe(name);
  expect(severityWord(name, trans)).toBe(name);
  expect(whyWord(name, trans)).toBe(name);
});
