import type { Given, IForecasts } from '../site/protocol';
import { aSite, PlayedSiteApi } from '../testing';
import { Asker, TYPING_MS } from './asker';

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

const pass = (ms: number): Promise<void> => jest.advanceTimersByTimeAsync(ms);

/** An API whose answers the test gives, in any order. */
function asking() {
  const api = new PlayedSiteApi();
  const asked: { given: Given; signal: AbortSignal; answer: (magic: string) => void; fail: (error: Error) => void }[] =
    [];
  api.forecasts = (given, _, signal) =>
    new Promise<IForecasts>((resolve, reject) => {
      const answer = (magic: string): void =>
        resolve({ magic, now_ns: aSite().now_ns, asked: [], answers: [], refused: '' });
      asked.push({ given, signal, answer, fail: reject });
    });
  const asker = new Asker(api);
  const nodes = (n: number) => ({ given: { nodes: String(n) }, program: {} });
  return { asker, asked, nodes };
}

test('while somebody types nothing is asked; a moment after the last key one question is', async () => {
  const { asker, asked, nodes } = asking();
  for (let n = 1; n <= 9; n += 1) {
    asker.ask(nodes(n));
    await pass(TYPING_MS / 2);
  }
  expect(asked).toHaveLength(0);
  await pass(TYPING_MS);
  expect(asked.map(each => each.given)).toEqual([{ nodes: '9' }]);
});

test('an older answer is never shown over a newer one', async () => {
  const { asker, asked, nodes } = asking();
  asker.ask(nodes(1));
  await pass(TYPING_MS);
  asker.ask(nodes(2));
  await pass(TYPING_MS);
  expect(asked[0]!.signal.aborted).toBe(true);
  asked[1]!.answer('new');
  asked[0]!.answer('old');
  await pass(0);
  expect(asker.answer).toMatchObject({ asking: false, forecasts: { magic: 'new' } });
});

test('the latest answer stays while the next question is asked, and goes when that fails', async () => {
  const { asker, asked, nodes } = asking();
  asker.ask(nodes(1), 0);
  await pass(0);
  asked[0]!.answer('first');
  await pass(0);
  asker.ask(nodes(2), 0);
  await pass(0);
  expect(asker.answer).toMatchObject({ asking: true, forecasts: { magic: 'first' }, error: null });
  asked[1]!.fail(new Error('no'));
  await pass(0);
  expect(asker.answer).toEqual({ asking: false, forecasts: null, error: new Error('no') });
});

test('who needs a fresh answer gets it, and no question asked before is answered after it', async () => {
  const { asker, asked, nodes } = asking();
  asker.ask(nodes(1));
  const fresh = asker.now(nodes(2));
  await pass(TYPING_MS);
  expect(asked).toHaveLength(1);
  asked[0]!.answer('%%aicci train --nodes 2');
  expect((await fresh).magic).toBe('%%aicci train --nodes 2');
});

test('an asker that is disposed asks and tells no more', async () => {
  const { asker, asked, nodes } = asking();
  const told = jest.fn();
  asker.ask(nodes(1));
  asker.changed.connect(told);
  asker.dispose();
  await pass(TYPING_MS);
  expect(asked).toHaveLength(0);
  expect(told).not.toHaveBeenCalled();
});
