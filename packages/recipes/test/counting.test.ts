import { type Client, json } from '@treekeeper/client';
import { startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AtomicValue, Counter, IdGenerator, isRecipeError } from '../src/index.ts';

let server: TestServer;
let clients: readonly Client[];

beforeAll(async () => {
  server = await startServer();
  clients = [await server.client(), await server.client(), await server.client()];
});

afterAll(() => server[Symbol.asyncDispose]());

test('no change is lost among many', async () => {
  const add = async (client: Client, n: number): Promise<void> => {
    const list = new AtomicValue(client, '/list', { codec: json<number[]>(), initial: [] });
    await list.update((numbers) => [...numbers, n]);
  };
  await Promise.all(Array.from({ length: 30 }, (_, n) => add(clients[n % 3]!, n)));
  const list = new AtomicValue(clients[0]!, '/list', { codec: json<number[]>(), initial: [] });
  expect((await list.get()).value.sort((x, y) => x - y)).toEqual(Array.from({ length: 30 }, (_, n) => n));
});

test('a change on an old version is none; too many of them are a conflict', async () => {
  const value = new AtomicValue(clients[0]!, '/value', { codec: json<number>(), initial: 0, attemptsMax: 3 });
  expect(await value.compareAndSet(-1, 1)).toBe(true);
  expect(await value.compareAndSet(-1, 2)).toBe(false);
  expect(await value.compareAndSet(0, 3)).toBe(true);
  expect(await value.get()).toEqual({ value: 3, version: 1 });
  let tries = 0;
  const interfered = value.update((number) => {
    tries += 1;
    void clients[0]!.set('/value', '7'); // sent before the change, so it is always the first
    return number + 1;
  });
  await expect(interfered).rejects.toSatisfy((error) => isRecipeError(error, 'CONFLICT'));
  expect(tries).toBe(3);
});

test('counters count, beyond what a double holds', async () => {
  await Promise.all(clients.map((client) => new Counter(client, '/counter').add(3n)));
  const counter = new Counter(clients[0]!, '/counter');
  expect(await counter.get()).toBe(9n);
  expect(await counter.add(10n ** 30n)).toBe(10n ** 30n + 9n);
});

test('ids are given once', async () => {
  const makers = clients.map((client) => new IdGenerator(client, '/ids', { blockSize: 7 }));
  const ids = await Promise.all(Array.from({ length: 100 }, (_, n) => makers[n % 3]!.next()));
  expect(new Set(ids).size).toBe(100);
  const [first, second] = [await makers[0]!.next(), await makers[0]!.next()];
  expect(second > first).toBe(true);
  expect(() => new IdGenerator(clients[0]!, '/ids', { blockSize: 0 })).toThrow('blockSize is 0');
});
