/**
 * @jest-environment jsdom
 */
import { aQueue, aRun, aSite, english } from '../testing';
import type { ISite } from '../site/protocol';
import { statusWords } from './words';

const said = (changes: Partial<ISite>) => statusWords({ kind: 'live', site: aSite(changes) }, english)!;
const hour = (per_h_micro: number, currency = 'USD', state = 'running') => aRun({ per_h_micro, currency, state });

test('it says how many run and what they cost an hour', () => {
  expect(said({ runs: [hour(19_440_000), hour(1_220_000), hour(9, 'USD', 'queued')] }).runs).toBe(
    '▶ 2 running · $20.66/h'
  );
});

test('money of two currencies is not added up', () => {
  expect(said({ runs: [hour(1_000_000), hour(2_000_000, 'EUR')] }).runs).toBe('▶ 2 running · $1.00/h · €2.00/h');
});

test('where nothing runs it says what waits, or that nothing does', () => {
  expect(said({ runs: [hour(1, 'USD', 'queued')] }).runs).toBe('◷ 1 waiting');
  expect(said({ runs: [hour(1, 'USD', 'succeeded')] }).runs).toBe('no run');
});

test('the fullest queue that has a limit is told', () => {
  const queues = [
    aQueue(),
    aQueue({ name: 'team-a', used: { h100: 14 }, limit: { h100: 32 } }),
    aQueue({ name: 'team-b', used: {}, limit: { cpu: 8 } })
  ];
  expect(said({ queues }).queue).toBe('team-a 14/32 GPUs');
  expect(said({ queues: queues.slice(2) }).queue).toBe('team-b 0/8 CPUs');
  expect(said({ queues: [aQueue()] }).queue).toBe('');
});

test('a run near its budget is a warning in a word, and at length where the pointer rests', () => {
  const near = aRun({ name: 'vit', budget_note: '82 % of the budget of $50 is spent' });
  expect(said({ runs: [near] })).toMatchObject({ warning: 'budget' });
  expect(said({ runs: [near] }).title).toContain('vit: 82 % of the budget of $50 is spent');
});

test('a service that is down, and a connection that is lost, are told; before anything is known nothing is', () => {
  expect(statusWords({ kind: 'down', message: 'no service', hint: '' }, english)).toMatchObject({ warning: 'down' });
  const lost = { kind: 'interrupted', site: aSite(), message: '', hint: '' } as const;
  expect(statusWords(lost, english)).toMatchObject({ warning: 'connection lost' });
  expect(statusWords({ kind: 'loading' }, english)).toBeNull();
});
