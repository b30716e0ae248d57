/**
 * @jest-environment jsdom
 */
import type { IForecasts, IOptionRow } from '../site/protocol';
import { ApiError } from '../runs/model';
import { aDataSet, aForecast, anOption, aRun, aShape, aSite, english, PlayedSiteApi } from '../testing';
import { TYPING_MS } from './asker';
import { LaunchForm } from './form';

const NOW_NS = aSite().now_ns;
const OPTIONS: readonly IOptionRow[] = [
  anOption({ flag: '--shape', field: 'shape', kind: 'names', default: 'auto' }),
  anOption(),
  anOption({ flag: '--data', field: 'data', kind: 'pairs', repeats: true, default: '', metavar: 'NAME=URI' }),
  anOption({ flag: '--budget', field: 'budget', kind: 'money', default: '', metavar: '20' }),
  anOption({ flag: '--time-limit', field: 'time_limit', kind: 'duration', default: '', section: 'more' }),
  anOption({ flag: '--detach', field: 'detach', kind: 'flag', default: '', section: 'client' })
];

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

const pass = (ms: number): Promise<void> => jest.advanceTimersByTimeAsync(ms);

async function aForm(api = new PlayedSiteApi(), site = aSite()) {
  api.options = () => Promise.resolve(OPTIONS);
  const forecasts = jest.spyOn(api, 'forecasts');
  const launch = jest.spyOn(api, 'launch');
  const actions = { open: jest.fn(), insertCell: jest.fn(() => Promise.resolve()), chooseFile: jest.fn() };
  const form = new LaunchForm(api, actions, () => NOW_NS, english);
  document.body.replaceChildren(form.node);
  await form.load(new AbortController().signal);
  form.update(site);
  await pass(TYPING_MS);
  const field = (name: string): HTMLElement => form.node.querySelector(`[data-field=${name}]`)!;
  const type = async (name: string, text: string): Promise<void> => {
    const input = field(name).querySelector<HTMLInputElement | HTMLSelectElement>('input, select')!;
    input.value = text;
    input.dispatchEvent(new Event(input.tagName === 'SELECT' ? 'change' : 'input'));
    await pass(TYPING_MS);
  };
  const press = async (label: string): Promise<void> => {
    [...form.node.querySelectorAll('button')].find(each => each.textContent === label)!.click();
    await pass(0);
  };
  const given = (): unknown => forecasts.mock.calls.at(-1)![0];
  const error = (name: string): string => field(name).querySelector('.jp-aicci-field-error')!.textContent!;
  const find = (name: string): HTMLElement => form.node.querySelector(`.jp-aicci-${name}`)!;
  return { api, form, actions, field, type, press, given, error, find, launch, forecasts };
}

const answered = (...answers: IForecasts['answers']): PlayedSiteApi => {
  const api = new PlayedSiteApi();
  const magic = '%%aicci train --nodes 2';
  api.forecasts = () => Promise.resolve({ magic, now_ns: NOW_NS, asked: [answers[0]!.shape], answers, refused: '' });
  return api;
};

test('there is a field for each row of the table that is of the run; what is rarer stands behind a press', async () => {
  const { form, field, press } = await aForm();
  const names = [...form.node.querySelectorAll<HTMLElement>('[data-field]')].map(each => each.dataset.field);
  expect(names).toEqual(['shape', 'nodes', 'data', 'budget', 'time_limit']);
  expect(field('time_limit').parentElement!.hidden).toBe(true);
  await press('More options');
  expect(field('time_limit').parentElement!.hidden).toBe(false);
});

test('only what differs from the default is asked for, as it was typed', async () => {
  const { type, given } = await aForm();
  expect(given()).toEqual({});
  await type('nodes', '2');
  await type('budget', '0.50');
  await type('nodes', '1');
  expect(given()).toEqual({ budget: '0.50' });
});

test('a shape says how many are free and what it costs; what is chosen stays chosen when that changes', async () => {
  const { form, field, type } = await aForm();
  const entries = (): (string | null)[] => [...field('shape').querySelectorAll('option')].map(each => each.textContent);
  expect(entries()).toEqual(['auto · the smallest that fits', 'cpux2 · 1/2 free · $0.36/h']);
  await type('shape', 'cpux2');
  const entry = field('shape').querySelectorAll('option')[1];
  form.update(aSite({ shapes: [aShape({ free: 0 }), aShape({ name: 'cpux4' })] }));
  expect(entries()).toContain('cpux2 · 0/2 free · $0.36/h');
  expect(field('shape').querySelector('select')!.value).toBe('cpux2');
  expect(field('shape').querySelectorAll('option')[1]).toBe(entry);
  form.update(aSite({ shapes: [] }));
  expect(field('shape').querySelector('select')!.value).toBe('cpux2');
});

test('data sets are lines that are added, taken from those that are known, and removed', async () => {
  const { form, field, given, press, type } = await aForm(undefined, aSite({ data: [aDataSet()] }));
  form.mount(aDataSet());
  form.mount(aDataSet());
  await pass(TYPING_MS);
  expect(given()).toEqual({ data: ['imagenet=/data/imagenet'] });
  expect(field('data').querySelector('.jp-aicci-field-note')!.textContent).toBe('138 GB · cached: 2 nodes');
  await press('Add');
  await type('data', 'own=/home/ada/own');
  expect(given()).toEqual({ data: ['own=/home/ada/own'] });
  await press('×');
  await pass(TYPING_MS);
  expect(given()).toEqual({});
});

test('the answer says when, where, how fast, how dear, and how it would do, which is marked estimated', async () => {
  const outlook = { ranks: 16, ratio: 0.91, finish_s: 7_800, finish_micro: 41_200_000, basis: 'from 3 runs of it' };
  const bandwidth = { text: 'leaf-a: 100 %', best_ratio: 1 };
  const forecast = aForecast({ nodes: 2, domain: 'leaf-a', per_h_micro: 19_440_000, outlook, bandwidth });
  const { find } = await aForm(answered({ shape: 'cpux2', forecast, refused: '' }));
  const lines = [...find('answer-lines').children].map(each => each.textContent);
  expect(lines).toEqual([
    'starts now · in leaf-a · cpux2 ×2 · $19.44/h',
    'bandwidth: leaf-a: 100 %',
    'speed-up on 16 ranks ≈ 0.91 (estimated). from 3 runs of it',
    'to finish ≈ 2 hr 10 min, $41.20 (estimated). from 3 runs of it'
  ]);
});

test('a run that would wait says how long, by when, behind how many, why, and what would start it now', async () => {
  const later = { starts: 'later', start_ns: NOW_NS + 720e9, latest_ns: NOW_NS + 1800e9, place: 2 } as const;
  const forecast = aForecast({ ...later, reason: 'behind 1 run', change: 'with 1 node it would start now' });
  const { find } = await aForm(answered({ shape: 'cpux2', forecast, refused: '' }));
  expect(find('answer-lines').textContent).toMatch(
    /^starts in about 12 min · by .+ at the latest · place 2 in line · cpux2 · \$0.36\/hbehind 1 run.*start now$/
  );
});

test('beside it stands every other shape, and a press takes it', async () => {
  const { find, press, given } = await aForm(
    answered(
      { shape: 'auto', forecast: aForecast(), refused: '' },
      { shape: 'cpux2', forecast: aForecast({ starts: 'later', start_ns: NOW_NS + 1620e9 }), refused: '' },
      { shape: 'h100x8', forecast: null, refused: 'this machine has no h100' }
    )
  );
  const rows = [...find('others').querySelectorAll('tr')].map(row => [...row.children].map(each => each.textContent));
  expect(rows).toEqual([
    ['shape', 'starts', 'price/h'],
    ['cpux2', '27 min', '$0.36'],
    ['h100x8', 'cannot run']
  ]);
  await press('cpux2');
  await pass(TYPING_MS);
  expect(given()).toEqual({ shape: 'cpux2' });
});

test('an error stands at its field, opens what hides it, and goes with the next key; the text stays', async () => {
  const api = new PlayedSiteApi();
  const { error, type, field } = await aForm(api);
  api.forecasts = () =>
    Promise.reject(new ApiError(400, 'bad_option', 'expected 30s or 2h', 'Try 2h.', '--time-limit'));
  await type('time_limit', 'soon');
  expect(error('time_limit')).toBe('expected 30s or 2h');
  expect(field('time_limit').parentElement!.hidden).toBe(false);
  const input = field('time_limit').querySelector('input')!;
  expect(input.value).toBe('soon');
  expect(input.getAttribute('aria-invalid')).toBe('true');
  api.forecasts = () => Promise.resolve({ magic: '', now_ns: NOW_NS, asked: [], answers: [], refused: '' });
  await type('time_limit', '2h');
  expect(error('time_limit')).toBe('');
});

test('an error that names no field stands below the form', async () => {
  const api = new PlayedSiteApi();
  const { form, type } = await aForm(api);
  api.forecasts = () => Promise.reject(new Error('the service is away'));
  await type('nodes', '2');
  expect(form.node.querySelector(':scope > .jp-aicci-field-error')!.textContent).toBe('the service is away');
});

test('Insert cell writes the line of a fresh answer, and says so where there is no notebook', async () => {
  const { actions, press, find, form } = await aForm(answered({ shape: 'cpux2', forecast: aForecast(), refused: '' }));
  await press('Insert cell');
  expect(actions.insertCell).toHaveBeenCalledWith('%%aicci train --nodes 2');
  expect(find('said').textContent).toBe('Inserted in the notebook.');
  actions.insertCell.mockImplementation(() => Promise.reject(new Error('Open a notebook first.')));
  await press('Insert cell');
  expect(form.node.textContent).toContain('Open a notebook first.');
});

/** The form with a script in it, ready to be launched. */
async function aScript(api = new PlayedSiteApi()) {
  const all = await aForm(api);
  all.actions.chooseFile.mockResolvedValue('jobs/train.py');
  await all.press('Launch script…');
  await all.press('Browse…');
  return all;
}

test('two clicks on Launch are one run, which is opened', async () => {
  const { press, launch, actions, find } = await aScript();
  await press('Launch');
  await press('Launching…');
  expect(launch.mock.calls.map(([, file]) => file)).toEqual(['jobs/train.py']);
  expect(actions.open).toHaveBeenCalledWith(launch.mock.calls[0]![0]);
  expect(find('said').textContent).toMatch(/^Launched as/);
});

test('a launch whose answer was lost is tried again under the same id, an edited one under another', async () => {
  const api = new PlayedSiteApi();
  const { press, launch, type, form } = await aScript(api);
  launch.mockRejectedValueOnce(new Error('the network is gone'));
  await press('Launch');
  expect(form.node.textContent).toContain('the network is gone');
  launch.mockRejectedValueOnce(new ApiError(503, 'away', 'the service is away', ''));
  await press('Launch');
  await type('nodes', '2');
  launch.mockResolvedValueOnce(aRun());
  await press('Launch');
  const ids = launch.mock.calls.map(([id]) => id);
  expect(ids[1]).toBe(ids[0]);
  expect(ids[2]).not.toBe(ids[0]);
});

test('the program that is to be launched is asked about, too', async () => {
  const { forecasts } = await aScript();
  await pass(TYPING_MS);
  expect(forecasts.mock.calls.at(-1)![1]).toEqual({ file: 'jobs/train.py' });
});

test('who may only look is told so, and cannot launch', async () => {
  const { find, form } = await aForm();
  form.allow({ launch: false, stop: false });
  expect(find('barred').textContent).toContain('read access only');
  const launch = [...form.node.querySelectorAll('button')].find(each => each.textContent === 'Launch script…')!;
  expect(launch.disabled).toBe(true);
  expect(launch.title).toBe(find('barred').textContent);
});

test('what others say never becomes markup', async () => {
  const evil = '<img src=x onerror=alert(1)>';
  const forecast = aForecast({ domain: evil, shape: evil });
  const { form } = await aForm(
    answered({ shape: evil, forecast, refused: '' }, { shape: evil, forecast: null, refused: evil }),
    aSite({ shapes: [aShape({ name: evil })], data: [aDataSet({ name: evil })] })
  );
  expect(form.node.querySelector('img')).toBeNull();
  expect(form.node.textContent).toContain(evil);
});

test('options that cannot be fetched are asked for again, but not with every news', async () => {
  const api = new PlayedSiteApi();
  const options = jest.spyOn(api, 'options').mockRejectedValue(new Error('the server is away'));
  const actions = { open: jest.fn(), insertCell: jest.fn(), chooseFile: jest.fn() };
  const form = new LaunchForm(api, actions, () => NOW_NS, english);
  const { signal } = new AbortController();
  await form.load(signal);
  await form.load(signal);
  expect(options).toHaveBeenCalledTimes(1);
  expect(form.node.textContent).toContain('the server is away');
  options.mockResolvedValue(OPTIONS);
  await pass(5_000);
  await form.load(signal);
  expect(form.node.textContent).not.toContain('the server is away');
  expect(form.node.querySelectorAll('[data-field]')).toHaveLength(5);
});
