import type { Message } from '../protocol';
import type { SiteMessage } from '../site/protocol';
import { ApiError } from '../runs/model';
import { aDelta, aSite, aView, PlayedApi } from '../testing';
import type { ISiteApi } from '../site/model';
import { runsInWords, siteInWords } from './inwords';

/** A language that is told at once. */
const say = (text: string): string => (text ? `«${text}»` : text);
const ready = Promise.resolve(say);
const signal = new AbortController().signal;

test('a view is in words, but for what the program and its user named', async () => {
  const api = new PlayedApi();
  api.view = () => Promise.resolve(aView({ headline: '61 % was useful' }));
  const view = await runsInWords(api, ready).view('r1', signal);
  expect(view.headline).toBe('«61 % was useful»');
  expect(view.tiles[0]?.label).toBe('«elapsed»');
  expect(view.lanes.map(lane => lane.name)).toEqual(['«node 0»', 'loss']);
  expect(view.run.name).toBe('digits');
  expect(view.log.text).toBe('epoch 1\n');
});

test('what a stream brings is in words, and no more is there than it brought', async () => {
  const api = new PlayedApi();
  const heard: Message[] = [];
  void runsInWords(api, ready).stream('r1', null, message => heard.push(message), signal);
  await ready;
  const delta = aDelta({ tiles: [{ value: 'free', label: 'on this machine', note: '' }] });
  api.last.send(delta);
  api.last.send(aDelta());
  expect(heard).toEqual([{ ...delta, tiles: [{ value: '«free»', label: '«on this machine»', note: '' }] }, aDelta()]);
});

test('an error is in words, and keeps its code', async () => {
  const api = new PlayedApi();
  api.stop = () => Promise.reject(new ApiError(409, 'run_ended', 'run r1 has ended already', 'look', 'id'));
  const error = await runsInWords(api, ready)
    .stop('r1')
    .catch((reason: unknown) => reason);
  expect(error).toMatchObject({
    status: 409,
    code: 'run_ended',
    message: '«run r1 has ended already»',
    hint: '«look»',
    field: 'id'
  });
});

test('a method that says nothing is the API’s own', async () => {
  const asked = { rank: 1, attempt: 0, offset: 0, limit: 100 };
  const api = new PlayedApi();
  await expect(runsInWords(api, ready).logs('r1', asked, signal)).resolves.toMatchObject({ text: 'line of rank 1\n' });
});

test('the site is in words, reasons of its runs included', async () => {
  const heard: SiteMessage[] = [];
  const site = aSite();
  const api = {
    siteStream: (onMessage: (message: SiteMessage) => void) => {
      onMessage({ type: 'site', site });
      onMessage({ type: 'site_delta', now_ns: 1, status: { ...site.status, notes: ['a note'] } });
      return Promise.resolve();
    }
  } as unknown as ISiteApi;
  await siteInWords(api, ready).siteStream(message => heard.push(message), signal);
  expect(heard[0]).toMatchObject({
    site: { runs: site.runs.map(run => ({ name: run.name, waiting: say(run.waiting) })) }
  });
  expect(heard[1]).toEqual({ type: 'site_delta', now_ns: 1, status: { ...site.status, notes: ['«a note»'] } });
});
