import { plainLines } from './terminal';

test.each([
  ['a progress bar shows its last state', ' 10%|#   |\r 50%|##  |\r100%|####|\ndone\n', '100%|####|\ndone\n'],
  ['a shorter rewrite leaves the rest of the line', 'abcdef\rxy', 'xycdef'],
  ['a Windows line end is a line end', 'one\r\ntwo\r\n', 'one\ntwo\n'],
  ['colours and titles are dropped', '\x1b[1;32mok\x1b[0m \x1b]0;title\x07end', 'ok end'],
  ['plain text stays', 'loss 1.92\n  indented', 'loss 1.92\n  indented']
])('%s', (_, text, shown) => expect(plainLines(text)).toBe(shown));
