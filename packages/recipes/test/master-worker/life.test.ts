/** Tasks from their submission to their end, when nothing breaks. */
import { type Client, isTreekeeperError, json, utf8 } from '@treekeeper/client';
import { startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isRecipeError } from '../../src/index.ts';
import { leastLoaded, Submitter, TaskQueue, TaskRejected } from '../../src/master-worker/index.ts';
import { aborted, expectTidy, Steered, startMaster, startWorker, until } from './helpers.ts';

let server: TestServer;
let a: Client;
let b: Client;
let c: Client;

beforeAll(async () => {
  server = await startServer();
  [a, b, c] = [await server.client(), await server.client(), await server.client()];
});

afterAll(() => server[Symbol.asyncDispose]());

describe.each(['at-least-once', 'at-most-once', 'effectively-once'] as const)('%s', (delivery) => {
  test('what is submitted is done, by several workers, and nothing is left but the results', async () => {
    const queue = new TaskQueue<number, number>({ path: `/all/${delivery}`, delivery, shards: 4 });
    const submitter = new Submitter(a, queue);
    const before = await Promise.all(Array.from({ length: 150 }, (_, n) => submitter.submit(n)));
    const master = startMaster(b, queue);
    const did = [0, 0];
    const workers = did.map((_, i) =>
      startWorker(i === 0 ? a : c, queue, async ({ payload }) => {
        did[i]! += 1;
        return payload * payload;
      }),
    );
    const after = await Promise.all(Array.from({ length: 150 }, (_, n) => submitter.submit(150 + n)));
    const results = await Promise.all([...before, ...after].map((task) => task.result()));
    expect(results).toEqual(Array.from({ length: 300 }, (_, n) => n * n));
    expect(did[0]! + did[1]!).toBe(300);
    expect(Math.min(...did)).toBeGreaterThan(0);
    await Promise.all(workers.map((worker) => worker.stop()));
    await expectTidy(c, queue);
    await master.stop();
    expect(await c.children(`/all/${delivery}/masters`)).toEqual([]);
  });
});

test('higher priorities first, then in the order of submission', async () => {
  const queue = new TaskQueue<string, void>({ path: '/order' });
  const submitter = new Submitter(a, queue);
  for (const [payload, priority] of [
    ['c', 0],
    ['d', 0],
    ['e', -1],
    ['a', 7],
    ['b', 7],
  ] as const) {
    await submitter.submit(payload, { priority });
  }
  const last = await submitter.submit('f', { priority: -2 });
  const seen: string[] = [];
  const worker = startWorker(c, queue, async ({ payload }) => void seen.push(payload), { concurrency: 1 });
  const master = startMaster(b, queue);
  expect(await last.result()).toBe(undefined);
  expect(seen).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
  await worker.stop();
  await master.stop();
});

test('what fails is tried again, and parked in the end; retry begins anew', async () => {
  const queue = new TaskQueue<string, string>({ path: '/poison', triesMax: 3 });
  const task = await new Submitter(a, queue).submit('poison');
  let isCured = false;
  const attempts: number[] = [];
  const worker = startWorker(c, queue, async ({ payload, attempt }) => {
    attempts.push(attempt);
    if (!isCured) {
      throw new Error(`not on try ${attempt}`);
    }
    return payload;
  });
  const master = startMaster(b, queue);
  const error = await task.result().catch((reason: unknown) => reason);
  expect(isRecipeError(error, 'TASK_PARKED')).toBe(true);
  expect(String(error)).toContain('failed after 3 tries: Error: not on try 3');
  expect(attempts).toEqual([1, 2, 3]);
  const [parked] = await new Submitter(a, queue).parked();
  expect(parked).toMatchObject({ reason: 'failed', error: 'Error: not on try 3', attempts: 3 });
  expect(parked?.task.id).toBe(task.id);
  isCured = true;
  expect(await parked?.task.retry()).toBe(true);
  expect(await task.result()).toBe('poison');
  expect(attempts).toEqual([1, 2, 3, 1]);
  expect(await task.retry()).toBe(false);
  await worker.stop();
  await master.stop();
});

test('a handler that knows better is not asked again; nor one whose payload cannot be read', async () => {
  const queue = new TaskQueue<{ n: number }, string>({ path: '/rejected', payload: json(numbers) });
  const worker = startWorker(c, queue, async () => {
    throw new TaskRejected('never');
  });
  const master = startMaster(b, queue);
  const submitter = new Submitter(a, queue);
  const loose = new Submitter(a, new TaskQueue<unknown, string>({ path: '/rejected' }));
  const rejected = await submitter.submit({ n: 1 });
  const unreadable = await loose.submit({ n: 'one' });
  await expect(rejected.result()).rejects.toThrow('rejected after 1 tries: TaskRejected: never');
  await expect(unreadable.result()).rejects.toThrow('n: not a number');
  await worker.stop();
  await master.stop();
});

const numbers = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value: unknown) =>
      typeof (value as { n: unknown }).n === 'number'
        ? { value: value as { n: number } }
        : { issues: [{ message: 'not a number', path: ['n'] }] },
  },
} as const;

test('cancelling stops who works on it, and nothing comes of it', async () => {
  const queue = new TaskQueue<string, string>({ path: '/cancel' });
  const submitter = new Submitter(a, queue);
  const task = await submitter.submit('one');
  const steered = new Steered<string, string>();
  const worker = startWorker(c, queue, steered.handler);
  const master = startMaster(b, queue);
  const [attempt] = await steered.begun(1);
  expect(await task.cancel()).toBe(true);
  await aborted(attempt!.signal);
  steered.finish(0, 'too late');
  await expect(task.result()).rejects.toSatisfy((error) => isRecipeError(error, 'TASK_CANCELLED'));
  expect(await task.cancel()).toBe(false);
  expect(await task.retry()).toBe(true);
  await steered.begun(2);
  steered.finish(1, 'this time');
  expect(await task.result()).toBe('this time');
  expect(await task.cancel()).toBe(false);
  await worker.stop();
  await expectTidy(a, queue);
  await master.stop();
});

test('a task that waits can be cancelled without any master, and is not begun later', async () => {
  const queue = new TaskQueue<string, string>({ path: '/cancel-waiting' });
  const submitter = new Submitter(a, queue);
  const cancelled = await submitter.submit('one');
  await cancelled.cancel();
  const task = await submitter.submit('two');
  const seen: string[] = [];
  const worker = startWorker(c, queue, async ({ payload }) => seen.push(payload).toString());
  const master = startMaster(b, queue);
  await task.result();
  expect(seen).toEqual(['two']);
  await worker.stop();
  await master.stop();
});

test('progress is told while it lasts', async () => {
  const queue = new TaskQueue<number, string>({ path: '/progress' });
  const task = await new Submitter(a, queue).submit(3);
  const steered = new Steered<number, string>();
  const worker = startWorker(c, queue, steered.handler);
  const master = startMaster(b, queue);
  const [attempt] = await steered.begun(1);
  const told: unknown[] = [];
  attempt!.progress({ done: 1 });
  for await (const progress of task.progress()) {
    told.push(progress);
    if (told.length === 1) {
      attempt!.progress({ done: 2 });
    } else {
      steered.finish(0, 'done');
    }
  }
  expect(told).toEqual([{ done: 1 }, { done: 2 }]);
  await worker.stop();
  await expectTidy(a, queue);
  await master.stop();
});

test('effects happen with the result; one that is refused fails the try', async () => {
  const queue = new TaskQueue<string, string>({ path: '/effects', result: utf8, triesMax: 2 });
  const submitter = new Submitter(a, queue);
  const worker = startWorker(c, queue, async ({ payload, transaction }) => {
    transaction.create(`/effect-${payload}`, 'once');
    return payload;
  });
  const master = startMaster(b, queue);
  const good = await submitter.submit('good');
  expect(await good.result()).toBe('good');
  expect((await a.get('/effect-good', { codec: utf8 })).value).toBe('once');
  await a.create('/effect-bad', 'was here before');
  const bad = await submitter.submit('bad');
  await expect(bad.result()).rejects.toThrow('NODE_EXISTS');
  expect((await a.get('/effect-bad', { codec: utf8 })).value).toBe('was here before');
  await worker.stop();
  await master.stop();
});

test('only what is committed once has a transaction', async () => {
  const queue = new TaskQueue<null, void>({ path: '/no-effects', delivery: 'at-least-once', triesMax: 1 });
  const worker = startWorker(c, queue, async ({ transaction }) => void transaction.create('/no-effect'));
  const master = startMaster(b, queue);
  const task = await new Submitter(a, queue).submit(null);
  await expect(task.result()).rejects.toThrow("only 'effectively-once' has a transaction");
  await worker.stop();
  await master.stop();
});

test('results are kept as long as the queue says, and forgotten when asked', async () => {
  const now = { ms: Date.now() };
  const timers: { readonly dueMs: number; readonly call: () => void }[] = [];
  const clock = {
    now: () => now.ms,
    after(delayMs: number, call: () => void) {
      timers.push({ dueMs: now.ms + delayMs, call });
      return { cancel: () => undefined };
    },
  };
  const queue = new TaskQueue<number, number>({ path: '/kept', keepMs: 600_000 });
  const submitter = new Submitter(a, queue);
  const worker = startWorker(c, queue, async ({ payload }) => payload);
  const master = startMaster(b, queue, { clock });
  const [first, second] = [await submitter.submit(1), await submitter.submit(2)];
  expect([await first.result(), await second.result()]).toEqual([1, 2]);
  expect(await first.forget()).toBe(true);
  expect(await first.status()).toEqual({ state: 'gone' });
  await expect(first.result()).rejects.toSatisfy((error) => isRecipeError(error, 'TASK_GONE'));
  await until(async () => timers.length > 0);
  expect(await second.status()).toEqual({ state: 'done' });
  now.ms += 700_000;
  await until(async () => {
    for (const { call } of timers.splice(0)) {
      call();
    }
    return (await second.status()).state === 'gone';
  });
  await worker.stop();
  await master.stop();
});

test('a task with a delay waits for its time, the others do not wait for it', async () => {
  const now = { ms: Date.now() };
  let wake: () => void = () => undefined;
  const clock = {
    now: () => now.ms,
    after(_delayMs: number, call: () => void) {
      wake = call;
      return { cancel: () => undefined };
    },
  };
  const queue = new TaskQueue<string, void>({ path: '/later' });
  const submitter = new Submitter(a, queue);
  const later = await submitter.submit('later', { delayMs: 3_600_000 });
  const soon = await submitter.submit('soon');
  const seen: string[] = [];
  const worker = startWorker(c, queue, async ({ payload }) => void seen.push(payload));
  const { master, stop } = startMaster(b, queue, { clock });
  await soon.result();
  await until(async () => master.status?.over === 1);
  expect(master.status).toMatchObject({ waiting: 0, delayed: 1, running: 0, over: 1 });
  expect(seen).toEqual(['soon']);
  now.ms += 3_700_000;
  wake();
  await later.result();
  expect(seen).toEqual(['soon', 'later']);
  await worker.stop();
  await stop();
});

test('a policy decides who gets what', async () => {
  const queue = new TaskQueue<string, string>({ path: '/policy' });
  const submitter = new Submitter(a, queue);
  const makeWorker = (client: Client, gpu: boolean) =>
    startWorker(client, queue, async () => (gpu ? 'gpu' : 'cpu'), { data: { gpu } });
  const workers = [makeWorker(a, false), makeWorker(c, true)];
  const master = startMaster(b, queue, {
    policy: (task, free) =>
      leastLoaded(
        task,
        free.filter(({ data }) => data['gpu'] === task.id.startsWith('render')),
      ),
  });
  const tasks = await Promise.all(['render-1', 'count-1', 'render-2'].map((id) => submitter.submit('', { id })));
  expect(await Promise.all(tasks.map((task) => task.result()))).toEqual(['gpu', 'cpu', 'gpu']);
  await Promise.all(workers.map((worker) => worker.stop()));
  await master.stop();
});

test('an id is one task, however often it is submitted', async () => {
  const queue = new TaskQueue<string, string>({ path: '/ids' });
  const submitter = new Submitter(a, queue);
  const [first, again] = await Promise.all(['one', 'two'].map((payload) => submitter.submit(payload, { id: 'same' })));
  expect([first!.isNew, again!.isNew]).toEqual([true, false]);
  const worker = startWorker(c, queue, async ({ payload }) => payload);
  const master = startMaster(b, queue);
  expect(await again!.result()).toBe('one');
  await worker.stop();
  await master.stop();
});

test('who does not agree on the queue is told so', async () => {
  const master = startMaster(b, new TaskQueue({ path: '/agreed', shards: 8 }));
  await new Submitter(a, new TaskQueue({ path: '/agreed', shards: 8 })).submit(1);
  const other = new Submitter(a, new TaskQueue({ path: '/agreed', shards: 9 }));
  await expect(other.submit(1)).rejects.toThrow('the queue was made with shards 8, not 9');
  await a.create('/no-queue', '{"hello":"world"}');
  await expect(new Submitter(a, new TaskQueue({ path: '/no-queue' })).submit(1)).rejects.toThrow('no task queue');
  expect(() => new TaskQueue({ path: 'relative' })).toThrow('path must be absolute');
  expect(() => new TaskQueue({ path: '/a', triesMax: 0 })).toThrow('triesMax is 0');
  await expect(other.submit(1, { priority: 0.5 })).rejects.toThrow('priority is 0.5');
  await master.stop();
});

test('a payload that is too large is refused when it is submitted', async () => {
  const submitter = new Submitter(a, new TaskQueue<string, void>({ path: '/large' }));
  const error = await submitter.submit('x'.repeat(2_000_000)).catch((reason: unknown) => reason);
  expect(isTreekeeperError(error, 'REQUEST_TOO_LARGE')).toBe(true);
});

test('a result that is too large fails the task, and no other', async () => {
  const queue = new TaskQueue<number, string>({ path: '/large-result', triesMax: 1 });
  const submitter = new Submitter(a, queue);
  const worker = startWorker(c, queue, async ({ payload }) => 'x'.repeat(payload));
  const master = startMaster(b, queue);
  const tasks = await Promise.all([10, 2_000_000, 20].map((length) => submitter.submit(length)));
  const outcomes = await Promise.allSettled(tasks.map((task) => task.result()));
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(String((outcomes[1] as PromiseRejectedResult).reason)).toContain('REQUEST_TOO_LARGE');
  await worker.stop();
  await master.stop();
});
