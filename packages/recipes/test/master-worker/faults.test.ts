/** Masters, workers and servers that go in the middle of it. */
import { type Client, connect, utf8 } from '@treekeeper/client';
import { startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Submitter, TaskQueue } from '../../src/master-worker/index.ts';
import { aborted, expectTidy, Steered, startMaster, startWorker, until } from './helpers.ts';

let server: TestServer;
let observer: Client;

beforeAll(async () => {
  server = await startServer();
  observer = await server.client();
});

afterAll(() => server[Symbol.asyncDispose]());

/** Begins a new session when the old one is gone, as services do. */
const lasting = (): Promise<Client> => server.client({ onExpired: 'new-session' });

test('another master goes on where the first one was lost', async () => {
  const queue = new TaskQueue<number, number>({ path: '/masters', shards: 2 });
  const [first, second, worker] = [await lasting(), await lasting(), await lasting()];
  const steered = new Steered<number, number>();
  const masters = [startMaster(first, queue, { name: 'first' })];
  await until(async () => masters[0]!.master.isLeading);
  masters.push(startMaster(second, queue, { name: 'second' }));
  const working = startWorker(worker, queue, steered.handler, { concurrency: 2 });
  const submitter = new Submitter(observer, queue);
  const tasks = await Promise.all([1, 2, 3].map((n) => submitter.submit(n)));
  await steered.begun(2);
  await server.expireSession(first.sessionId);
  await until(async () => masters[1]!.master.isLeading);
  for (const [i] of tasks.entries()) {
    const attempts = await steered.begun(i + 1);
    expect(attempts[i]!.attempt).toBe(1); // what runs goes on undisturbed
    steered.finish(i, attempts[i]!.payload * 10);
  }
  expect(await Promise.all(tasks.map((task) => task.result()))).toEqual([10, 20, 30]);
  expect(steered.attempts).toHaveLength(3);
  await until(async () => (await observer.children('/masters/masters')).length === 2); // the first stands by again
  await working.stop();
  await Promise.all(masters.map(({ stop }) => stop()));
});

test('effectively once: a worker that was taken for dead commits nothing', async () => {
  const queue = new TaskQueue<string, string>({ path: '/effectively', result: utf8 });
  const [a, b, m] = [await lasting(), await lasting(), await lasting()];
  const [first, second] = [new Steered<string, string>(), new Steered<string, string>()];
  const master = startMaster(m, queue);
  const one = startWorker(a, queue, first.handler);
  const task = await new Submitter(observer, queue).submit('x');
  const [zombie] = await first.begun(1);
  zombie!.transaction.create('/effectively-effect', 'of the zombie');
  const two = startWorker(b, queue, second.handler);
  await until(async () => (await observer.children('/effectively/workers')).length === 2);
  await server.expireSession(a.sessionId);
  await aborted(zombie!.signal);
  first.finish(0, 'by the zombie');
  await until(async () => first.attempts.length + second.attempts.length === 2);
  const steered = second.attempts.length === 1 ? second : first; // it may have joined again before
  const successor = steered.attempts.at(-1)!;
  expect(successor.attempt).toBe(2);
  expect(successor.token > zombie!.token).toBe(true);
  successor.transaction.create('/effectively-effect', 'of the successor');
  steered.finish(steered.attempts.length - 1, 'by the successor');
  expect(await task.result()).toBe('by the successor');
  expect((await observer.get('/effectively-effect', { codec: utf8 })).value).toBe('of the successor');
  await Promise.all([one.stop(), two.stop()]);
  await expectTidy(observer, queue);
  await master.stop();
});

test('at least once: the first result counts, whoever has it', async () => {
  const queue = new TaskQueue<string, string>({ path: '/at-least', delivery: 'at-least-once' });
  const [a, m] = [await lasting(), await lasting()];
  const steered = new Steered<string, string>();
  const master = startMaster(m, queue);
  const working = startWorker(a, queue, steered.handler);
  const task = await new Submitter(observer, queue).submit('x');
  await steered.begun(1);
  await server.expireSession(a.sessionId);
  const [, second] = await steered.begun(2); // given to it again, in its new session
  expect(second!.attempt).toBe(2);
  steered.finish(0, 'by the first');
  expect(await task.result()).toBe('by the first');
  await aborted(second!.signal);
  steered.finish(1, 'by the second');
  await working.stop();
  await expectTidy(observer, queue);
  await master.stop();
  expect(await task.result()).toBe('by the first');
});

test('at most once: what was begun by a worker that has gone is not begun again', async () => {
  const queue = new TaskQueue<string, string>({ path: '/at-most', delivery: 'at-most-once' });
  const [a, m] = [await lasting(), await lasting()];
  const steered = new Steered<string, string>();
  const master = startMaster(m, queue);
  const working = startWorker(a, queue, steered.handler, { capacity: 2, concurrency: 1 });
  const submitter = new Submitter(observer, queue);
  const [begun, waiting] = [await submitter.submit('begun'), await submitter.submit('waiting')];
  await steered.begun(1);
  await until(async () => (await observer.childrenCountAll('/at-most/assigned')) === 3);
  await server.expireSession(a.sessionId);
  await expect(begun.result()).rejects.toThrow('lost after 1 tries');
  steered.finish(0, 'too late');
  const attempts = await steered.begun(2);
  expect(attempts[1]!.payload).toBe('waiting'); // for the second time, if it could not be given back
  steered.finish(1, 'well');
  expect(await waiting.result()).toBe('well');
  expect(await begun.status()).toMatchObject({ state: 'parked', reason: 'lost' });
  await working.stop();
  await master.stop();
});

test('a worker that leaves finishes what it has begun, and gives back the rest', async () => {
  const queue = new TaskQueue<number, number>({ path: '/leaving', triesMax: 1 });
  const [a, b, m] = [await lasting(), await lasting(), await lasting()];
  const steered = new Steered<number, number>();
  const master = startMaster(m, queue);
  const leaving = startWorker(a, queue, steered.handler, { concurrency: 1, capacity: 3 });
  const submitter = new Submitter(observer, queue);
  const tasks = await Promise.all([1, 2, 3].map((n) => submitter.submit(n, { priority: -n })));
  await until(async () => (await observer.childrenCountAll('/leaving/assigned')) === 4);
  await steered.begun(1);
  const left = leaving.stop();
  const other = startWorker(b, queue, async ({ payload }) => payload * 10);
  expect(await Promise.all(tasks.slice(1).map((task) => task.result()))).toEqual([20, 30]);
  steered.finish(0, 1);
  expect(await tasks[0]!.result()).toBe(1);
  await left;
  expect(steered.attempts).toHaveLength(1);
  await other.stop();
  await expectTidy(observer, queue);
  await master.stop();
});

test('connections that break, again and again, lose nothing and do nothing twice', async () => {
  const queue = new TaskQueue<number, number>({ path: '/cuts', shards: 4, triesMax: 1000 });
  const clients = await Promise.all(Array.from({ length: 4 }, lasting));
  const masters = clients.slice(0, 2).map((client) => startMaster(client, queue));
  let runs = 0;
  const workers = clients.slice(2).map((client) =>
    startWorker(client, queue, async ({ id, payload, transaction }) => {
      runs += 1;
      if (runs % 20 === 0) {
        server.cutConnections();
      }
      transaction.create(`/cuts-effects/${id}`);
      return payload;
    }),
  );
  await observer.create('/cuts-effects');
  const submitter = new Submitter(observer, queue);
  const tasks = await Promise.all(Array.from({ length: 200 }, (_, n) => submitter.submit(n)));
  expect(await Promise.all(tasks.map((task) => task.result()))).toEqual(Array.from({ length: 200 }, (_, n) => n));
  expect((await observer.children('/cuts-effects')).sort()).toEqual(tasks.map(({ id }) => id).sort());
  await Promise.all(workers.map(({ stop }) => stop()));
  await expectTidy(observer, queue);
  await Promise.all(masters.map(({ stop }) => stop()));
}, 60_000);

test('a server that is killed in the middle of it', async () => {
  await using other = await startServer();
  const queue = new TaskQueue<number, number>({ path: '/killed', shards: 4, triesMax: 1000 });
  const clients = await Promise.all(Array.from({ length: 3 }, () => connect(other.connectString)));
  const master = startMaster(clients[0]!, queue);
  let isDown = false;
  const worker = startWorker(clients[1]!, queue, async ({ payload }) => {
    if (payload === 50 && !isDown) {
      isDown = true;
      await other.kill();
      await other.restart();
    }
    return payload;
  });
  const submitter = new Submitter(clients[2]!, queue);
  const tasks = await Promise.all(Array.from({ length: 100 }, (_, n) => submitter.submit(n)));
  expect(await Promise.all(tasks.map((task) => task.result()))).toEqual(Array.from({ length: 100 }, (_, n) => n));
  await worker.stop();
  await master.stop();
  await Promise.all(clients.map((client) => client.close()));
}, 60_000);

test('a client that is at its end ends its master and its worker with the reason', async () => {
  const queue = new TaskQueue<number, number>({ path: '/ended' });
  const [a, b] = [await server.client(), await server.client()];
  const master = startMaster(a, queue);
  const worker = startWorker(b, queue, async () => 1);
  await until(async () => (await observer.exists('/ended/workers'))?.numChildren === 1);
  await server.expireSession(a.sessionId);
  await server.expireSession(b.sessionId);
  await until(async () => a.state === 'expired' && b.state === 'expired');
  await until(async () => (await observer.children('/ended/masters')).length === 0);
  await expect(master.ended).rejects.toMatchObject({ code: 'SESSION_EXPIRED' });
  await expect(worker.ended).rejects.toMatchObject({ code: 'SESSION_EXPIRED' });
});
