/**
 * @jest-environment jsdom
 */
import { nullTranslator } from '@jupyterlab/translation';

import type { IPhaseLane, ISpan, IView } from '../protocol';
import { aView } from '../testing';
import { Starts } from './starts';

jest.mock('@jupyterlab/translation', () => ({
  nullTranslator: {
    load: () => ({ __: (text: string, ...args: unknown[]) => text.replace(/%(\d)/g, (_, i) => String(args[+i - 1])) })
  }
}));

function aStart(state: string, ...spans: [number, number, string][]): IView {
  const view = aView({}, state);
  const bar = view.lanes[0] as IPhaseLane;
  const told: ISpan[] = spans.map(([t0, t1, phase]) => ({ t0, t1, phase }));
  return { ...view, lanes: [{ ...bar, spans: told }], run: { ...view.run, domain: 'leaf-a' } };
}

function shown(view: IView): string[] | null {
  const starts = new Starts(nullTranslator.load(''));
  starts.update(view);
  return starts.node.hidden ? null : [...starts.node.children].map(row => row.textContent ?? '');
}

test('a run that starts says what is done, what is now and what comes', () => {
  expect(shown(aStart('starting', [0, 3, 'queued'], [3, 43, 'staging'], [43, 45, 'starting']))).toEqual([
    '✓ placed on leaf-a',
    '✓ staging data · 40 sec',
    '● starting ranks · 2 sec',
    '○ first step'
  ]);
});

test('a second attempt begins anew, and a run that compiles has not made a step', () => {
  const first: [number, number, string][] = [
    [0, 1, 'queued'],
    [1, 9, 'starting'],
    [9, 20, 'compute'],
    [20, 21, 'lost'],
    [21, 22, 'queued']
  ];
  expect(shown(aStart('running', ...first, [22, 24, 'starting'], [24, 60, 'compile']))).toEqual([
    '✓ placed on leaf-a',
    '✓ starting ranks · 2 sec',
    '● compiling · 36 sec',
    '○ first step'
  ]);
});

test.each([
  ['running', 'compute'],
  ['queued', 'queued'],
  ['succeeded', 'compute']
])('a run that is %s says nothing of its start', (state, phase) => {
  expect(shown(aStart(state, [0, 9, 'starting'], [9, 12, phase]))).toBeNull();
});
