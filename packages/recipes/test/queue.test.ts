import { type Client, isTreekeeperError, json } from '@treekeeper/client';
import { startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isRecipeError, type Lease, Queue } from '../src/index.ts';

let server: TestServer;
let a: Client;
let b: Client;

beforeAll(async () => {
  server = await startServer();
  [a, b] = [await server.client(), await server.client()];
});

afterAll(() => server[Symbol.asyncDispose]());

test('by priority, then in the order of offering; each to one taker', async () => {
  const queue = new Queue(a, '/order');
  for (const [value, priority] of [
    ['c', 0],
    ['a', 5],
    ['d', 0],
    ['e', -3],
    ['b', 5],
  ] as const) {
    await queue.offer(value, { priority });
  }
  const taken: Lease<string>[] = [];
  for (const client of [a, b, a, b, a]) {
    taken.push(await new Queue(client, '/order').take());
  }
  expect(taken.map(({ value }) => value)).toEqual(['a', 'b', 'c', 'd', 'e']);
  await Promise.all(taken.map((lease) => lease.done()));
  expect(await queue.size()).toBe(0);
  expect(await a.children('/order/leases')).toEqual([]);
});

test('many takers at a time: every item once', async () => {
  const queue = new Queue<number>(a, '/many', { codec: json<number>() });
  await Promise.all(Array.from({ length: 60 }, (_, n) => queue.offer(n)));
  const seen: number[] = [];
  const work = async (client: Client): Promise<void> => {
    const own = new Queue<number>(client, '/many', { codec: json<number>() });
    while ((await own.size()) > 0) {
      const lease = await own.take({ signal: AbortSignal.timeout(60_000) });
      seen.push(lease.value);
      await lease.done();
      if (seen.length === 60) {
        return;
      }
    }
  };
  await Promise.race([a, b, a, b].map(work));
  expect(seen.sort((x, y) => x - y)).toEqual(Array.from({ length: 60 }, (_, n) => n));
});

test('what is given back, or lost, is taken again; the loser cannot say that it is done', async () => {
  const queue = new Queue(a, '/again');
  await queue.offer('item');
  const first = await queue.take();
  await first.release();
  const doomed = await server.client();
  const second = await new Queue(doomed, '/again').take();
  expect(second.attempt).toBe(2);
  const third = queue.take();
  await server.expireSession(doomed.sessionId);
  const lease = await third;
  expect(lease).toMatchObject({ value: 'item', attempt: 3 });
  expect(lease.hold.token > second.hold.token).toBe(true);
  await expect(second.done()).rejects.toSatisfy((error) => isRecipeError(error, 'FENCED'));
  expect(await queue.size()).toBe(1);
  await lease.done();
  expect(await queue.size()).toBe(0);
});

test('a lease that another has by now is not this one, though its node has the same name', async () => {
  const queue = new Queue(a, '/renamed');
  await queue.offer('item');
  const first = await queue.take();
  await b.delete(first.hold.node);
  const second = await new Queue(b, '/renamed').take();
  expect(second.hold.node).toBe(first.hold.node);
  await expect(first.done()).rejects.toSatisfy((error) => isRecipeError(error, 'FENCED'));
  await second.done();
});

test('waits for an item, and for its time', async () => {
  const now = { ms: 1_000_000 };
  const due: (() => void)[] = [];
  const clock = {
    now: () => now.ms,
    after(_delayMs: number, call: () => void) {
      due.push(call);
      return { cancel: () => undefined };
    },
  };
  const queue = new Queue(a, '/later', { clock });
  const waiting = queue.take();
  await new Queue(b, '/later', { clock }).offer('late', { delayMs: 5000 });
  while (due.length === 0) {
    await a.sync('/');
  }
  now.ms += 6000;
  due.splice(0).forEach((call) => call());
  expect((await waiting).value).toBe('late');
});

test('who gives up waiting takes nothing', async () => {
  const controller = new AbortController();
  const queue = new Queue(a, '/given-up');
  const waiting = queue.take({ signal: controller.signal });
  controller.abort();
  await expect(waiting).rejects.toSatisfy((error) => isTreekeeperError(error, 'ABORTED'));
  await queue.offer('item');
  await using lease = await new Queue(b, '/given-up').take();
  expect(lease.attempt).toBe(1);
  await expect(queue.offer('x', { priority: 0.5 })).rejects.toThrow('priority is 0.5');
});

test('a connection that breaks while an item is held or taken off costs nothing', async () => {
  const queue = new Queue(a, '/cuts');
  for (let n = 0; n < 20; n++) {
    await queue.offer(`item-${n}`);
  }
  const own = new Queue(b, '/cuts');
  for (let n = 0; n < 20; n++) {
    const lease = await own.take();
    expect(lease.value).toBe(`item-${n}`);
    const done = lease.done();
    server.cutConnections(b.sessionId);
    await done;
  }
  expect(await queue.size()).toBe(0);
});
