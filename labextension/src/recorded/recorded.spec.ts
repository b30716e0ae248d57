/**
 * @jest-environment jsdom
 */
import { nullTranslator } from '@jupyterlab/translation';

import type { IRecording, ISeriesLane, Palette, RecordedFigure } from '../protocol';
import { RunModel } from '../runs/model';
import { aView } from '../testing';
import { RecordedApi } from './api';
import known from './known.json';
import { partOf } from './part';
import { readRecording } from './read';
import { isKnown } from './trust';

jest.mock('@jupyterlab/translation', () => ({
  nullTranslator: {
    load: () => ({ __: (text: string, ...args: unknown[]) => text.replace(/%(\d)/g, (_, i) => String(args[+i - 1])) })
  }
}));

const trans = nullTranslator.load('');
const signal = new AbortController().signal;

function aFigure(item: object = {}, unfolded = false): RecordedFigure {
  return {
    item: { target_id: null, root_id: 'p1', doc: { version: '3.9.2', ...item } },
    legend: [],
    places: [{ id: 'cpu', top: 0, bottom: 36, depth: 0, under: 2, unfolded }],
    frame: { left: 0, right: 0, top: 0, height: 36 },
    heat: { colours: ['#ffffff'], lanes: [] },
    severities: { high: '#ff0000' }
  };
}

function aRecording(changes: Partial<IRecording> = {}, item: object = {}): IRecording {
  const folds = { own: aFigure(item), all: aFigure(item, true) };
  return {
    aicci_run: 1,
    view: aView(),
    figures: { light: folds, dark: folds, contrast: folds },
    logs: { '0': 'the last line\n' },
    bundle: {
      'application/vnd.aicci.run+json': { id: 'r1', summary: {}, version: 1 },
      'image/png': '',
      'text/plain': 'the run'
    },
    bokeh: { version: '3.9.2', gzip: '' },
    ...changes
  };
}

test('a recording is read as it was written', () => {
  const recording = aRecording();
  expect(readRecording(JSON.stringify(recording), trans)).toEqual(recording);
});

test.each([
  ['{"aicci_run": 1, "vie', /damaged or cut off: .+Save the run again/],
  ['{"cells": []}', /not a recorded run/],
  ['null', /not a recorded run/],
  ['{"aicci_run": 9}', /of form 9, and this extension reads form 1\. Update/],
  ['{"aicci_run": 1, "view": {"lanes": []}, "logs": {}, "bokeh": {}}', /missing: figures, bundle\./],
  [JSON.stringify({ ...aRecording(), view: {} }), /missing: view\.lanes\./]
])('a file that is none says what is wrong, %#', (text, words) => {
  expect(() => readRecording(text, trans)).toThrow(words);
});

test('a run that lived when it was recorded is shown as it was, and nothing more is awaited', async () => {
  const model = new RunModel('r1', new RecordedApi(aRecording(), trans));
  await model.follow();
  expect(model.state).toMatchObject({ kind: 'ended', view: { run: { state: 'running' }, live: false } });
});

test('who unfolds one lane unfolds all, who folds one folds all; a theme changes nothing of that', async () => {
  const api = new RecordedApi(aRecording(), trans);
  const isUnfolded = async (palette: Palette, unfolded: readonly string[] | null): Promise<boolean | undefined> =>
    (await api.figure('r1', 800, palette, unfolded)).places[0]?.unfolded;
  expect(await isUnfolded('light', null)).toBe(false);
  expect(await isUnfolded('light', ['cpu'])).toBe(true);
  expect(await isUnfolded('dark', ['cpu'])).toBe(true);
  expect(await isUnfolded('dark', [])).toBe(false);
});

test('the end of a log is read by offset; another attempt or rank says that it is not there', async () => {
  const api = new RecordedApi(aRecording(), trans);
  const asked = { rank: 0, attempt: 1, offset: -5, limit: 100 };
  expect(await api.logs('r1', asked)).toEqual({ rank: 0, text: 'line\n', offset: 14, size: 14, ended: true });
  expect((await api.logs('r1', { ...asked, offset: 0, rank: 1 })).text).toContain('not in the file');
  expect((await api.logs('r1', { ...asked, offset: 0, attempt: 2 })).text).toContain('not in the file');
});

test('what needs a service is refused', async () => {
  const api = new RecordedApi(aRecording(), trans);
  await expect(api.stop()).rejects.toThrow('no service');
  await expect(api.exported()).rejects.toThrow('no service');
});

test('a part of a view has the points in it and one more at either side', () => {
  const view = aView();
  const loss = { ...(view.lanes[1] as ISeriesLane), t: [0, 1, 2, 3, 4, 5], v: [5, 4, 3, 2, 1, 0] };
  const spans = [0, 2, 4].map(t0 => ({ t0, t1: t0 + 2, phase: 'compute' }));
  const heat = { ...loss, id: 'heat', kind: 'heat' as const, rows: [0], t: [0, 2, 4, 6], v: [[1, 2, 3]] };
  const bar = { ...view.lanes[0]!, kind: 'phases' as const, spans };
  const part = partOf({ ...view, lanes: [bar, loss, heat] }, 2.5, 3.5);
  expect(part.window).toEqual([2.5, 3.5]);
  expect(part.lanes).toMatchObject([{ spans: [{ t0: 2 }] }, { t: [2, 3, 4], v: [3, 2, 1] }, { t: [2, 4], v: [[2]] }]);
});

describe('programs in a file', () => {
  const bytes = new ArrayBuffer(8);
  const digest = Object.keys(known.bokeh)[0]!;
  const version = Object.values(known.bokeh)[0]!;
  const bokeh = { version, gzip: '' };

  beforeEach(() => {
    const hash = Uint8Array.from(digest.match(/../g)!, pair => parseInt(pair, 16)).buffer;
    Object.defineProperty(window, 'isSecureContext', { value: true, configurable: true });
    Object.defineProperty(globalThis, 'crypto', {
      value: { subtle: { digest: () => Promise.resolve(hash) } },
      configurable: true
    });
  });

  test.each([
    [{ roots: [{ type: 'object', name: 'Figure', attributes: { title: 'loss, a-b' } }] }, true],
    [{ roots: [{ type: 'object', name: 'CustomJS', attributes: { code: 'fig.reset.emit()' } }] }, true],
    [{ roots: [{ type: 'object', name: 'CustomJS', attributes: { code: 'fetch("/api/kernels")' } }] }, false],
    [{ roots: [{ type: 'object', name: 'Div', attributes: {} }] }, false],
    [{ roots: [{ type: 'map', entries: [['tooltips', '<img src=x onerror=alert`1`>']] }] }, false]
  ])('%j is known: %s', async (item, is) => {
    expect(await isKnown(aRecording({ bokeh }, item), bytes)).toBe(is);
  });

  test('another version of BokehJS than the figure says is not known', async () => {
    expect(await isKnown(aRecording({ bokeh: { ...bokeh, version: '3.0.0' } }), bytes)).toBe(false);
  });

  test('where the page may not compute digests nothing is known', async () => {
    Object.defineProperty(window, 'isSecureContext', { value: false, configurable: true });
    expect(await isKnown(aRecording({ bokeh }), bytes)).toBe(false);
  });
});

test('a model answers from the file by the signature of any other API', async () => {
  const model = new RunModel('r1', new RecordedApi(aRecording(), trans));
  const part = await model.api.window('r1', 0, 1, 800, signal);
  expect(part.lanes).toHaveLength(aView().lanes.length);
});
