import { aDelta, aView } from '../testing';
import type { Message } from '../protocol';
import { ApiError } from '../runs/model';
import { KernelApi } from './api';
import type { FromKernel, IKernelModel } from './model';
import { plainWords } from './words';

interface ISent {
  readonly call?: string;
  readonly id?: string;
  readonly args?: object;
  readonly follow?: string;
  readonly leave?: string;
}

/** A kernel that answers what the test says. */
class PlayedModel implements IKernelModel {
  readonly sent: ISent[] = [];
  say: (content: FromKernel, buffers: readonly DataView[]) => void = () => undefined;
  lose: () => void = () => undefined;

  get(): unknown {
    return '';
  }

  send(content: ISent): void {
    this.sent.push(content);
  }

  on(event: string, heard: ((content: FromKernel, buffers: readonly DataView[]) => void) & (() => void)): void {
    if (event === 'msg:custom') {
      this.say = heard;
    } else {
      this.lose = heard;
    }
  }

  off(): void {
    // a test that needs it says so
  }

  answer(data: unknown): void {
    const bytes = new TextEncoder().encode(JSON.stringify(data));
    this.say({ id: this.sent.at(-1)?.id ?? '' }, [new DataView(bytes.buffer)]);
  }
}

const { signal } = new AbortController();
let model: PlayedModel;
let api: KernelApi;

beforeEach(() => {
  jest.useFakeTimers();
  model = new PlayedModel();
  api = new KernelApi(model, { silent: 'The kernel does not answer.', hint: 'Run the cell again.' });
});

afterEach(() => {
  api.dispose();
  jest.useRealTimers();
});

function followed(): { got: Message[]; ended: Promise<void>; leave: AbortController } {
  const got: Message[] = [];
  const leave = new AbortController();
  return { got, leave, ended: api.stream('r1', null, message => got.push(message), leave.signal) };
}

const push = (message: Message): void => model.say({ push: JSON.stringify(message) }, []);

test('a call is answered by its id, whatever comes between', async () => {
  const view = api.window('r1', 1, 2, 300, signal);
  const [{ id = '' } = {}] = model.sent;
  model.say({ id: 'of another page' }, []);
  void api.summary('r1', signal);
  model.answer({});
  const bytes = new TextEncoder().encode('{"end_s": 7}');
  model.say({ id }, [new DataView(bytes.buffer)]);

  expect(model.sent[0]).toMatchObject({ call: 'view', args: { from_s: 1, to_s: 2, width_px: 300 } });
  await expect(view).resolves.toEqual({ end_s: 7 });
});

test('a refusal has the words of the service', async () => {
  const stopped = api.stop();
  const error = { status: 409, code: 'run_ended', message: 'it has ended', hint: 'see it' };
  model.say({ id: model.sent[0]?.id ?? '', error }, []);

  await expect(stopped).rejects.toEqual(new ApiError(409, 'run_ended', 'it has ended', 'see it'));
});

test('a call whose asker has gone is forgotten, and one of a busy kernel waits', async () => {
  const asker = new AbortController();
  const gone = api.figure('r1', 800, 'dark', null, asker.signal);
  const waits = api.summary('r1', signal);
  asker.abort();
  await expect(gone).rejects.toThrow('Nobody waits any more.');
  jest.advanceTimersByTime(3_600_000);
  model.answer({ id: 'r1' });

  await expect(waits).resolves.toEqual({ id: 'r1' });
});

test('a stream gives each message, and its end', async () => {
  const { got, ended } = followed();
  push({ type: 'view', view: aView() });
  push(aDelta());
  model.say({ closed: true }, []);
  await ended;

  expect(got.map(message => message.type)).toEqual(['view', 'delta']);
  expect(model.sent).toEqual([{ follow: expect.any(String) as string }]);
});

test('a kernel that says nothing for ten seconds is gone; one that says something is not', async () => {
  const { ended } = followed();
  const said = expect(ended).rejects.toThrow('The kernel does not answer.');
  jest.advanceTimersByTime(9_000);
  push(aDelta());
  jest.advanceTimersByTime(9_000);
  push(aDelta());
  jest.advanceTimersByTime(10_000);

  await said;
});

test('a connection that the page knows to be lost ends the stream at once', async () => {
  const { ended } = followed();
  model.lose();

  await expect(ended).rejects.toThrow('The kernel does not answer.');
});

test('a page that looks no more says so', async () => {
  const { ended, leave } = followed();
  leave.abort();
  await ended;

  expect(model.sent.map(Object.keys)).toEqual([['follow'], ['leave']]);
});

test('texts have their numbers put in', () => {
  expect(plainWords.__('%2 of %1, %3', 5, 'four')).toBe('four of 5, %3');
  expect(plainWords._n('%1 node of %2', '%1 nodes of %2', 2, 3)).toBe('2 nodes of 3');
});
