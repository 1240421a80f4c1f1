/** Servers that refuse writes for a while, tasks that are changed while no master leads, and answers that come late. */
import { type Client, isTreekeeperError } from '@treekeeper/client';
import { startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Delivery, Submitter, TaskQueue } from '../../src/master-worker/index.ts';
import { Gate } from '../gate.ts';
import { expectTidy, Steered, startMaster, startWorker, until } from './helpers.ts';

const deliveries: readonly Delivery[] = ['at-least-once', 'at-most-once', 'effectively-once'];

let server: TestServer;
let observer: Client;

beforeAll(async () => {
  server = await startServer();
  observer = await server.client();
});

afterAll(() => server[Symbol.asyncDispose]());

async function gated(): Promise<{ readonly gate: Gate; readonly client: Client }> {
  const gate = new Gate();
  return { gate, client: await server.client({ transport: gate.transport }) };
}

test.each(deliveries)('%s: a task that ends while writes are refused is done when they are not', async (delivery) => {
  const queue = new TaskQueue<string, string>({ path: `/full-${delivery}`, delivery });
  const { gate, client } = await gated();
  const steered = new Steered<string, string>();
  const master = startMaster(observer, queue);
  const working = startWorker(client, queue, steered.handler, { concurrency: 1 });
  const submitter = new Submitter(observer, queue);
  const [done, failed] = [await submitter.submit('first'), await submitter.submit('second')];
  await steered.begun(1);
  gate.fill();
  steered.finish(0, 'result');
  await gate.refusals(2);
  expect((await done.status()).state).toBe('queued');
  gate.empty();
  expect(await done.result()).toBe('result');
  await steered.begun(2);
  gate.fill();
  steered.fail(1, new Error('in vain'));
  await gate.refusals(2);
  gate.empty();
  if (delivery === 'at-most-once') {
    await expect(failed.result()).rejects.toThrow('in vain');
  } else {
    await steered.begun(3);
    steered.finish(2, 'better');
    expect(await failed.result()).toBe('better');
  }
  await working.stop();
  await expectTidy(observer, queue);
  await master.stop();
  await client.close();
});

test('a master goes on leading while writes are refused, and gives tasks out when they are not', async () => {
  const queue = new TaskQueue<number, number>({ path: '/full-master' });
  const { gate, client } = await gated();
  const { master, stop } = startMaster(client, queue);
  const working = startWorker(observer, queue, async ({ payload }) => payload + 1);
  await until(async () => master.isLeading);
  const [seat] = await observer.children('/full-master/masters');
  gate.fill();
  const task = await new Submitter(observer, queue).submit(1);
  await gate.refusals(3);
  expect(master.isLeading).toBe(true);
  gate.empty();
  expect(await task.result()).toBe(2);
  expect(await observer.children('/full-master/masters')).toEqual([seat]);
  await working.stop();
  await stop();
  await client.close();
});

test('masters and workers of a queue that cannot be made yet wait until it can', async () => {
  const queue = new TaskQueue<number, number>({ path: '/unmade/queue' });
  const { gate, client } = await gated();
  let requests = 0;
  gate.onRequest = () => {
    requests += 1;
  };
  gate.fill();
  const master = startMaster(client, queue);
  const working = startWorker(client, queue, async ({ payload }) => payload + 1);
  await gate.refusals(8);
  expect(requests).toBeLessThan(16); // each looks, and tries to make it; what is repeated is one call
  gate.empty();
  expect(await (await new Submitter(observer, queue).submit(1)).result()).toBe(2);
  await working.stop();
  await master.stop();
  await client.close();
});

test.each(deliveries)('%s: what is taken back and tried anew while no master leads is done', async (delivery) => {
  const queue = new TaskQueue<string, string>({ path: `/anew-${delivery}`, delivery, triesMax: 1 });
  const workers = await server.client();
  const steered = new Steered<string, string>();
  const first = startMaster(observer, queue);
  const working = startWorker(workers, queue, steered.handler, { concurrency: 2 });
  const submitter = new Submitter(observer, queue);
  const tasks = [await submitter.submit('finishes'), await submitter.submit('fails')];
  await steered.begun(2);
  await first.stop();
  for (const task of tasks) {
    expect([await task.cancel(), await task.retry()]).toEqual([true, true]);
  }
  const second = startMaster(observer, queue);
  await until(async () => second.master.status?.running === 2); // for all it knows
  steered.finish(0, 'of the life before');
  steered.fail(1, new Error('of the life before'));
  const attempts = await steered.begun(4);
  for (const index of [2, 3]) {
    expect(attempts[index]!.attempt).toBe(1);
    steered.finish(index, 'of this one');
  }
  expect(await Promise.all(tasks.map((task) => task.result()))).toEqual(['of this one', 'of this one']);
  await until(async () => second.master.status?.workers[0]?.load === 0);
  await working.stop();
  await expectTidy(observer, queue);
  await second.stop();
  await workers.close();
});

test('what a handler says of a task that was called off is not taken for news of its next life', async () => {
  const queue = new TaskQueue<string, string>({ path: '/next-life', triesMax: 1 });
  const { gate, client } = await gated();
  const steered = new Steered<string, string>();
  const master = startMaster(observer, queue);
  const working = startWorker(client, queue, steered.handler, { concurrency: 2 });
  const task = await new Submitter(observer, queue).submit('x');
  await steered.begun(1);
  gate.fill();
  steered.fail(0, new Error('of the life before'));
  await gate.refusals(1);
  await task.cancel();
  await until(async () => (await observer.childrenCountAll('/next-life/assigned')) === 1);
  await task.retry();
  const attempts = await steered.begun(2);
  const sent = gate.sent('of the life before');
  gate.empty();
  await sent;
  await client.sync('/');
  steered.finish(1, 'of this one');
  expect(attempts[1]!.attempt).toBe(1);
  expect(await task.result()).toBe('of this one');
  await working.stop();
  await expectTidy(observer, queue);
  await master.stop();
  await client.close();
});

test('a worker whose joining is answered late joins once', async () => {
  const queue = new TaskQueue<number, number>({ path: '/late' });
  const gate = new Gate();
  const client = await server.client({ transport: gate.transport, requestTimeoutMs: 50 });
  const master = startMaster(observer, queue);
  await until(async () => master.master.isLeading);
  gate.onRequest = (_, frame) => {
    if (frame.includes('/late/workers/')) {
      gate.hold();
    }
  };
  const working = startWorker(client, queue, async ({ payload }) => payload + 1);
  await until(async () => (await observer.children('/late/workers')).length === 1);
  gate.onRequest = () => undefined;
  gate.release(); // it has joined, and looks at its node
  gate.hold();
  for (let calls = 0; calls < 2; calls++) {
    await expect(client.exists('/')).rejects.toSatisfy((error) => isTreekeeperError(error, 'TIMEOUT'));
  }
  gate.release();
  expect(await (await new Submitter(observer, queue).submit(1)).result()).toBe(2);
  expect(await observer.children('/late/workers')).toHaveLength(1);
  await working.stop();
  await expectTidy(observer, queue);
  await master.stop();
  await client.close();
});
