/** Workers that leave while they are given tasks, and results that servers refuse. */
import { type Client, READ_ACL } from '@treekeeper/client';
import { startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Attempt, type Delivery, Submitter, TaskQueue } from '../../src/master-worker/index.ts';
import { Layout } from '../../src/master-worker/queue.ts';
import { operationsOf } from '../../src/master-worker/steps.ts';
import { Gate } from '../gate.ts';
import { aborted, expectTidy, Steered, startMaster, startWorker, until } from './helpers.ts';

const deliveries: readonly Delivery[] = ['at-least-once', 'at-most-once', 'effectively-once'];

let server: TestServer;
let observer: Client;

beforeAll(async () => {
  server = await startServer({ settings: { enforceQuota: true } });
  observer = await server.client();
});

afterAll(() => server[Symbol.asyncDispose]());

test.each(deliveries)('%s: who leaves begins nothing more, and gives back what comes', async (delivery) => {
  const queue = new TaskQueue<string, string>({ path: `/leaving-${delivery}`, delivery, triesMax: 1 });
  const gate = new Gate();
  const client = await server.client({ transport: gate.transport });
  const steered = new Steered<string, string>();
  const master = startMaster(observer, queue);
  const leaving = startWorker(client, queue, steered.handler, { concurrency: 3 });
  const submitter = new Submitter(observer, queue);
  const [begun] = await Promise.all([submitter.submit('begun'), steered.begun(1)]);
  gate.fill(); // it cannot say yet that it leaves, nor give anything back
  const left = leaving.stop();
  await gate.refusals(1);
  const tasks = [await submitter.submit('b'), await submitter.submit('c')];
  await until(async () => master.master.status?.running === 3);
  const other = startWorker(observer, queue, async ({ payload, attempt }) => `${payload} ${attempt}`);
  await until(async () => (await observer.children(`/leaving-${delivery}/workers`)).length === 2);
  gate.empty();
  expect(await Promise.all(tasks.map((task) => task.result()))).toEqual(['b 1', 'c 1']);
  steered.finish(0, 'well');
  expect(await begun.result()).toBe('well');
  await left;
  expect(steered.attempts).toHaveLength(1);
  await other.stop();
  await expectTidy(observer, queue);
  await master.stop();
  await client.close();
});

test('a task is given to a worker as it was seen', () => {
  const layout = new Layout(new TaskQueue({ path: '/q', shards: 1 }));
  const step = { kind: 'assign', id: 't', life: 26n, version: 4, worker: 'w', workerVersion: 3, attempt: 2 } as const;
  const isAsSeen = { op: 'check', path: '/q/workers/w', version: 3 };
  expect(operationsOf({ ...step, replaces: null }, layout)).toMatchObject([
    isAsSeen,
    { op: 'create', path: '/q/assigned/w/t~1a' },
  ]);
  expect(operationsOf({ ...step, replaces: { worker: 'v', life: 26n, version: 7 } }, layout)).toMatchObject([
    isAsSeen,
    { op: 'check', path: '/q/tasks/000/t', version: 4 },
    { op: 'delete', path: '/q/assigned/v/t~1a', version: 7 },
    { op: 'create', path: '/q/assigned/w/t~1a' },
  ]);
});

/** Bytes of a queue's nodes are limited to those that there are, and so many more. */
async function limit(path: string, moreBytes: number): Promise<void> {
  let bytes = moreBytes;
  const add = async (node: string): Promise<void> => {
    bytes += (await observer.get(node)).value.length;
    for (const child of await observer.children(node)) {
      await add(`${node}/${child}`);
    }
  };
  await add(path);
  const quota = `/zookeeper/quota${path}`;
  await observer.create(`${quota}/zookeeper_limits`, `count=-1,bytes=-1=;byteHardLimit=${bytes};countHardLimit=-1`, {
    createParents: true,
  });
  await observer.create(`${quota}/zookeeper_stats`, null);
}

test.each(deliveries)('%s: a result for which there is no room is a failed try', async (delivery) => {
  const queue = new TaskQueue<string, string>({ path: `/quota-${delivery}`, delivery, triesMax: 3, shards: 1 });
  const task = await new Submitter(observer, queue).submit('A');
  await limit(`/quota-${delivery}`, 1500);
  const attempts: number[] = [];
  const handler = async ({ attempt }: Attempt<string>): Promise<string> => {
    attempts.push(attempt);
    return 'r'.repeat(5000);
  };
  const working = startWorker(observer, queue, handler);
  const master = startMaster(observer, queue);
  await expect(task.result()).rejects.toThrow('QUOTA_EXCEEDED');
  expect(attempts).toEqual(delivery === 'at-most-once' ? [1] : [1, 2, 3]);
  await working.stop();
  await expectTidy(observer, queue);
  await master.stop();
});

test('a failure whose text has no room is told without it', async () => {
  const queue = new TaskQueue<string, null>({ path: '/no-text', shards: 1 });
  const task = await new Submitter(observer, queue).submit('a payload that is longer than the result');
  const working = startWorker(observer, queue, async ({ attempt }) => {
    if (attempt === 1) {
      await limit('/no-text', 20);
      throw new Error('x'.repeat(500));
    }
    return null;
  });
  const master = startMaster(observer, queue);
  expect(await task.result()).toBe(null);
  await working.stop();
  await expectTidy(observer, queue);
  await master.stop();
});

test('a worker that may not say what has become of a task ends, and the task is not stuck with it', async () => {
  const queue = new TaskQueue<string, string>({ path: '/mute', shards: 1 });
  const task = await new Submitter(observer, queue).submit('A');
  const master = startMaster(observer, queue);
  const working = startWorker(observer, queue, async () => {
    const [worker] = await observer.children('/mute/assigned');
    const [name] = await observer.children(`/mute/assigned/${worker}`);
    await observer.setAcl(`/mute/assigned/${worker}/${name}`, READ_ACL);
    throw new Error('in vain');
  });
  await expect(working.ended).rejects.toMatchObject({ code: 'NO_AUTH' });
  const other = startWorker(observer, queue, async ({ attempt }) => `try ${attempt}`);
  expect(await task.result()).toBe('try 2');
  await other.stop();
  await expectTidy(observer, queue);
  await master.stop();
});

test('a worker has left when none of its handlers runs any more, not even one that was told to stop', async () => {
  const queue = new TaskQueue<string, string>({ path: '/deaf' });
  const steered = new Steered<string, string>();
  const master = startMaster(observer, queue);
  const working = startWorker(observer, queue, steered.handler);
  const task = await new Submitter(observer, queue).submit('A');
  const [attempt] = await steered.begun(1);
  await task.cancel();
  await aborted(attempt!.signal);
  let isRunning = true;
  const left = working.stop().then(() => isRunning);
  for (let roundTrips = 0; roundTrips < 20; roundTrips++) {
    await observer.sync('/'); // behind what the worker has sent by then
  }
  isRunning = false;
  steered.finish(0, 'too late');
  expect(await left).toBe(false);
  await expectTidy(observer, queue);
  await master.stop();
});
