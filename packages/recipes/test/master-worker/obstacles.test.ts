/** What one node, a quota, an operator or a slow server does to a queue: it goes on, or goes on again. */
import { type Client, nullableBytes, TreekeeperError, utf8 } from '@treekeeper/client';
import { OpCode } from '@treekeeper/protocol';
import { startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { Election, isRecipeError, type RecipeError } from '../../src/index.ts';
import { Submitter, TaskQueue } from '../../src/master-worker/index.ts';
import { inTerms } from '../../src/master-worker/passing.ts';
import { inWindow } from '../../src/window.ts';
import { Gate } from '../gate.ts';
import { expectTidy, Steered, startMaster, startWorker, until } from './helpers.ts';

let server: TestServer;
let observer: Client;

beforeAll(async () => {
  server = await startServer({ settings: { enforceQuota: true } });
  observer = await server.client();
});

afterAll(() => server[Symbol.asyncDispose]());

const lasting = (): Promise<Client> => server.client({ onExpired: 'new-session' });

test('who could submit a task can park it: the largest one goes with its payload, without the error', async () => {
  const queue = new TaskQueue<Uint8Array | null, string>({ path: '/large', payload: nullableBytes, triesMax: 1 });
  const client = await server.client({ requestBytesMax: 20_000 });
  const submitter = new Submitter(client, queue);
  const submit = (sizeBytes: number) => submitter.submit(Buffer.alloc(sizeBytes, 7)).catch(() => null);
  let sizeBytes = 20_000;
  let task = await submit(sizeBytes);
  while (task === null) {
    sizeBytes -= 9;
    task = await submit(sizeBytes);
  }
  const steered = new Steered<Uint8Array | null, string>();
  const [master, working] = [startMaster(client, queue), startWorker(client, queue, steered.handler)];
  await steered.begun(1);
  steered.fail(0, new Error('\u0001'.repeat(1000)));
  const outcome = task.result().catch((error: unknown) => error);
  const parked = await Promise.race([outcome, master.ended]);
  expect(isRecipeError(parked, 'TASK_PARKED')).toBe(true);
  expect(await task.retry()).toBe(true);
  const attempts = await steered.begun(2);
  expect(attempts[1]!.payload).toEqual(new Uint8Array(sizeBytes).fill(7));
  steered.finish(1, 'done');
  expect(await task.result()).toBe('done');
  await Promise.all([master.stop(), working.stop()]);
});

test('a name is no longer than many of them may be in one request', async () => {
  const submitter = new Submitter(observer, new TaskQueue<number, number>({ path: '/long-names' }));
  await submitter.submit(1, { id: 'ä'.repeat(500) });
  await expect(submitter.submit(1, { id: 'ä'.repeat(501) })).rejects.toSatisfy((error) =>
    isRecipeError(error, 'INVALID_OPTION'),
  );
});

test('nodes that are not ours are passed over, and told of', async () => {
  const queue = new TaskQueue<string, string>({ path: '/foreign', shards: 1 });
  const submitter = new Submitter(observer, queue);
  expect(await submitter.parked()).toEqual([]);
  await observer.create('/foreign/tasks/000/note', 'not a task');
  await observer.create('/foreign/workers/note', '{}');
  const invalid: RecipeError[] = [];
  const master = startMaster(observer, queue, { onInvalid: (error) => invalid.push(error) });
  const steered = new Steered<string, string>();
  const working = startWorker(observer, queue, steered.handler);
  const task = await submitter.submit('x', { id: 'a' });
  await Promise.race([steered.begun(1), master.ended]);
  expect(new Set(invalid.map(({ path }) => path))).toEqual(
    new Set(['/foreign/tasks/000/note', '/foreign/workers/note']),
  );
  expect(invalid.every((error) => isRecipeError(error, 'INVALID_DATA'))).toBe(true);
  const workers = await observer.children('/foreign/assigned');
  const folders = await Promise.all(workers.map((worker) => observer.children(`/foreign/assigned/${worker}`)));
  const at = folders.findIndex((names) => names.length === 1);
  await observer.set(`/foreign/assigned/${workers[at]}/${folders[at]![0]}`, 'not a try');
  const attempts = await Promise.race([steered.begun(2), master.ended, working.ended]);
  expect(attempts?.[1]?.attempt).toBe(2);
  steered.finish(0, 'of the one that was overwritten');
  steered.finish(1, 'done');
  expect(await task.result()).toBe('done');
  expect(await submitter.parked()).toEqual([]);
  expect((await observer.get('/foreign/tasks/000/note', { codec: utf8 })).value).toBe('not a task');
  await Promise.all([master.stop(), working.stop()]);
});

async function limit(path: string, count: number): Promise<void> {
  const node = `/zookeeper/quota${path}`;
  const text = `count=-1,bytes=-1;byteHardLimit=-1;countHardLimit=${count}`;
  if ((await observer.exists(node)) === null) {
    await observer.create(node, null, { createParents: true });
    await observer.create(`${node}/zookeeper_limits`, text);
    await observer.create(`${node}/zookeeper_stats`, 'count=0,bytes=0');
  } else {
    await observer.set(`${node}/zookeeper_limits`, text);
  }
}

/** The node itself counts. */
const countOf = async (path: string): Promise<number> => (await observer.childrenCountAll(path)) + 1;

test('a quota that is used up is waited for by masters and workers that begin', async () => {
  const queue = new TaskQueue<number, number>({ path: '/full-begin', shards: 1 });
  const task = await new Submitter(observer, queue).submit(1);
  await limit(queue.path, await countOf(queue.path));
  await expect(new Submitter(observer, queue).submit(2)).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
  const gates = [new Gate(), new Gate()] as const;
  const [a, b] = await Promise.all(gates.map((gate) => server.client({ transport: gate.transport })));
  const asked = [gates[0].sent('/full-begin/masters'), gates[1].sent('/full-begin/workers')];
  const master = startMaster(a!, queue);
  const working = startWorker(b!, queue, async ({ payload }) => payload * 10);
  await Promise.all(asked);
  await Promise.all([a!.sync('/'), b!.sync('/')]); // they have been refused
  await limit(queue.path, 1000);
  expect(await Promise.race([task.result(), master.ended, working.ended])).toBe(10);
  await Promise.all([master.stop(), working.stop()]);
  await Promise.all([a!.close(), b!.close()]);
});

test('a master goes on leading while a quota is used up, and gives out tasks when there is room', async () => {
  const queue = new TaskQueue<number, number>({ path: '/full-lead', shards: 1 });
  const gate = new Gate();
  const client = await server.client({ transport: gate.transport });
  const master = startMaster(client, queue);
  const steered = new Steered<number, number>();
  const working = startWorker(observer, queue, steered.handler, { concurrency: 1 });
  const submitter = new Submitter(observer, queue);
  const tasks = [await submitter.submit(1), await submitter.submit(2)];
  await steered.begun(1);
  const leaders = await observer.children('/full-lead/masters');
  await limit(queue.path, (await countOf(queue.path)) - 3);
  const asked = gate.sent('"assigned"');
  steered.finish(0, 10);
  await asked;
  await client.sync('/');
  expect(await tasks[0]!.result()).toBe(10);
  expect(await submitter.parked()).toEqual([]);
  expect(await observer.children('/full-lead/masters')).toEqual(leaders);
  await limit(queue.path, 1000);
  await Promise.race([steered.begun(2), master.ended]);
  steered.finish(1, 20);
  expect(await tasks[1]!.result()).toBe(20);
  expect(await observer.children('/full-lead/masters')).toEqual(leaders);
  await Promise.all([master.stop(), working.stop()]);
  await client.close();
});

test('nodes of a queue that were removed are made again', async () => {
  const queue = new TaskQueue<number, number>({ path: '/ruin', shards: 2 });
  await new Submitter(observer, queue).parked();
  for (const node of ['assigned', 'workers', 'masters', 'progress', 'tasks/000', 'tasks/001', 'tasks']) {
    await observer.delete(`/ruin/${node}`);
  }
  const [master, working] = [
    startMaster(observer, queue),
    startWorker(observer, queue, async ({ payload }) => payload * 10),
  ];
  await until(async () => (await observer.exists('/ruin/tasks/001')) !== null);
  const task = await new Submitter(observer, queue).submit(1);
  expect(await Promise.race([task.result(), master.ended, working.ended])).toBe(10);
  await working.stop();
  await expectTidy(observer, queue);
  await master.stop();
});

test('what cannot go on is begun anew behind a pause, longer each time; what ended with its hold at once', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const stop = new AbortController();
    let terms = 0;
    const running = inTerms(observer, stop.signal, async () => {
      terms += 1;
      throw new TreekeeperError(terms <= 5 ? 'ABORTED' : 'NO_NODE', {});
    });
    await vi.advanceTimersByTimeAsync(0);
    expect(terms).toBe(6);
    await vi.advanceTimersByTimeAsync(10_000); // 20 ms, 40, 80, ... and then a second each
    expect(terms).toBe(6 + 6 + 8);
    stop.abort();
    await running;
    expect(terms).toBe(20);
  } finally {
    vi.useRealTimers();
  }
});

test('a master that takes over much is not given up because answers take their time', async () => {
  const queue = new TaskQueue<number, number>({ path: '/slow', shards: 2 });
  const gate = new Gate();
  const client = await server.client({ transport: gate.transport, requestTimeoutMs: 50 });
  const submitter = new Submitter(observer, queue);
  await Promise.all(Array.from({ length: 70 }, (_, i) => submitter.submit(i)));
  const held = new Promise<void>((resolve) => {
    gate.onRequest = (opcode) => {
      if (opcode === OpCode.multiRead) {
        gate.hold();
        resolve();
      }
    };
  });
  const master = startMaster(client, queue);
  await held;
  const leaders = await observer.children('/slow/masters');
  await expect(client.exists('/')).rejects.toMatchObject({ code: 'TIMEOUT' }); // by then, earlier calls have, too
  gate.onRequest = () => undefined;
  gate.release();
  await until(async () => master.master.status?.waiting === 70);
  expect(await observer.children('/slow/masters')).toEqual(leaders);
  await master.stop();
  await client.close();
});

test('so many at a time, answers in order, and nothing more begun behind a failure', async () => {
  let now = 0;
  let max = 0;
  const items = Array.from({ length: 100 }, (_, i) => i);
  const act = async (item: number): Promise<number> => {
    now += 1;
    max = Math.max(max, now);
    await new Promise((resolve) => setImmediate(resolve));
    now -= 1;
    return item * 2;
  };
  expect(await inWindow(items, 7, act)).toEqual(items.map((item) => item * 2));
  expect(max).toBe(7);
  expect(await inWindow([], 7, act)).toEqual([]);
  const begun: number[] = [];
  const failing = inWindow(items, 7, async (item) => {
    begun.push(item);
    await act(item);
    throw new Error(`item ${item}`);
  });
  await expect(failing).rejects.toThrow('item 0');
  await act(0);
  expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6]);
});

test('a submission whose answer was lost finds its task, though nothing is to be kept', async () => {
  const queue = new TaskQueue<string, string>({ path: '/brief', delivery: 'at-most-once', keepMs: 0 });
  const gate = new Gate();
  const client = await server.client({ transport: gate.transport });
  const runs: string[] = [];
  const master = startMaster(observer, queue);
  const working = startWorker(observer, queue, async ({ id }) => {
    runs.push(id);
    return 'done';
  });
  const submitter = new Submitter(client, queue);
  await submitter.parked(); // the queue is there
  gate.onRequest = (_, frame) => {
    if (frame.includes('/brief/tasks/')) {
      gate.hold();
    }
  };
  const submitting = submitter.submit('once');
  await until(async () => runs.length === 1);
  const task = await new Submitter(observer, queue).task(runs[0]!);
  await until(async () => (await task.status()).state !== 'queued');
  for (let trip = 0; trip < 20; trip++) {
    await observer.sync('/'); // time enough to expire it
  }
  gate.onRequest = () => undefined;
  gate.cut();
  const submitted = await submitting;
  expect([submitted.id, submitted.isNew]).toEqual([task.id, true]);
  expect(await submitted.result()).toBe('done');
  expect(runs).toEqual([task.id]);
  await Promise.all([master.stop(), working.stop()]);
  await client.close();
});

test('a master that was killed leads as soon as it is back', async () => {
  const queue = new TaskQueue<number, number>({ path: '/own-master' });
  await new Submitter(observer, queue).parked();
  const left = await new Election(await lasting(), '/own-master/masters', { identity: 'host-7' }).campaign({
    data: '',
  });
  const master = startMaster(observer, queue, { identity: 'host-7' });
  await until(async () => master.master.isLeading);
  expect(await observer.exists(left.node)).toBeNull();
  await master.stop();
});
