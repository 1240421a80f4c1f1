import { type Client, isTreekeeperError } from '@treekeeper/client';
import { startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Barrier, DoubleBarrier, TwoPhaseCommit } from '../src/index.ts';

let server: TestServer;
let clients: readonly Client[];

beforeAll(async () => {
  server = await startServer();
  clients = [await server.client(), await server.client(), await server.client()];
});

afterAll(() => server[Symbol.asyncDispose]());

test('everybody waits at a barrier, over lost connections, until it is removed', async () => {
  const [a, b, c] = clients.map((client) => new Barrier(client, '/barrier'));
  expect([await a!.set(), await b!.set()]).toEqual([true, false]);
  let passed = 0;
  const waiting = [b!, c!].map((barrier) =>
    barrier.wait().then(() => {
      passed += 1;
    }),
  );
  const impatient = c!.wait({ signal: AbortSignal.timeout(10) });
  await expect(impatient).rejects.toSatisfy((error) => isTreekeeperError(error, 'ABORTED'));
  server.cutConnections();
  await clients[1]!.sync('/');
  expect(passed).toBe(0);
  expect(await a!.remove()).toBe(true);
  await Promise.all(waiting);
  expect(await a!.remove()).toBe(false);
});

test('nobody begins before all have come, nobody goes on before all have left; again and again', async () => {
  for (let round = 0; round < 5; round++) {
    let within = 0;
    let left = 0;
    const visit = async (client: Client, i: number): Promise<void> => {
      const barrier = new DoubleBarrier(client, '/double', 3);
      within += 1;
      const pass = await barrier.enter();
      expect(within).toBe(3);
      for (let n = 0; n < i; n++) {
        await client.sync('/');
      }
      left += 1;
      await pass.leave();
      expect(left).toBe(3);
    };
    await Promise.all(clients.map(visit));
    expect(await clients[0]!.children('/double')).toEqual([]);
  }
});

test('who crashes has left', async () => {
  const doomed = await server.client();
  const passes = await Promise.all(
    [doomed, clients[0]!].map((client) => new DoubleBarrier(client, '/crashed', 2).enter()),
  );
  const left = passes[1]!.leave();
  await server.expireSession(doomed.sessionId);
  await left;
  expect(await clients[0]!.children('/crashed')).toEqual([]);
});

test('who has a new session while it waits is told: nobody would count it any more', async () => {
  const renewing = await server.client({ onExpired: 'new-session' });
  const waiting = new DoubleBarrier(renewing, '/renewed', 2).enter();
  while ((await clients[0]!.children('/renewed').catch(() => [])).length === 0) {
    // until it waits
  }
  const refused = expect(waiting).rejects.toSatisfy((error) => isTreekeeperError(error, 'SESSION_EXPIRED'));
  await server.expireSession(renewing.sessionId);
  await refused;
  const entering = [renewing, clients[0]!].map((client) => new DoubleBarrier(client, '/renewed', 2).enter());
  await Promise.all((await Promise.all(entering)).map((pass) => pass.leave()));
});

test('who has lost its session within does not wait for those who come for the next time', async () => {
  const renewing = await server.client({ onExpired: 'new-session' });
  const enter = (client: Client) => new DoubleBarrier(client, '/next', 2).enter();
  const [stale, other] = await Promise.all([enter(renewing), enter(clients[0]!)]);
  await server.expireSession(renewing.sessionId);
  await other.leave();
  const waiting = enter(clients[1]!);
  while ((await clients[0]!.children('/next').catch(() => [])).length === 0) {
    // until it waits
  }
  await expect(stale.leave()).rejects.toSatisfy((error) => isTreekeeperError(error, 'SESSION_EXPIRED'));
  const passes = await Promise.all([waiting, enter(renewing)]);
  await Promise.all(passes.map((pass) => pass.leave()));
});

test('who opened it and gives up leaving does not leave it open', async () => {
  const enter = (client: Client) => new DoubleBarrier(client, '/left-open', 2).enter();
  const [one, two] = await Promise.all([enter(clients[0]!), enter(clients[1]!)]);
  const leaving = [one, two].map((pass) => pass.leave({ signal: AbortSignal.abort() }));
  for (const outcome of await Promise.allSettled(leaving)) {
    expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ABORTED' } });
  }
  await clients[2]!.sync('/');
  expect(await clients[2]!.children('/left-open').catch(() => [])).toEqual([]);
});

test('who gives up waiting leaves no node behind', async () => {
  const waiting = new DoubleBarrier(clients[0]!, '/alone', 2).enter({ signal: AbortSignal.timeout(20) });
  await expect(waiting).rejects.toSatisfy((error) => isTreekeeperError(error, 'ABORTED'));
  while ((await clients[0]!.children('/alone').catch(() => [])).length > 0) {
    // until it is removed
  }
});

test('two phases: all, or none, and everybody learns the same', async () => {
  const parts = clients.map((client) => new TwoPhaseCommit(client, '/decision'));
  await parts[0]!.begin(['a', 'b', 'c']);
  const [first, second] = [parts[0]!.vote('a', 'commit'), parts[1]!.vote('b', 'commit')];
  while ((await clients[0]!.children('/decision')).length < 2) {
    // until both have voted
  }
  expect(await parts[2]!.vote('c', 'commit')).toBe('commit');
  expect(await Promise.all([first, second])).toEqual(['commit', 'commit']);
  expect(await parts[0]!.abort()).toBe('commit'); // too late
  expect(await parts[0]!.vote('a', 'abort')).toBe('commit');
  await expect(parts[0]!.vote('d', 'abort')).rejects.toThrow('d takes no part: a, b, c do');
});

test('two phases: one is enough against it, and one who never votes can be given up', async () => {
  const [one, two] = clients.map((client) => new TwoPhaseCommit(client, '/refused'));
  await one!.begin(['a', 'b']);
  const waiting = one!.vote('a', 'commit');
  expect(await two!.vote('b', 'abort')).toBe('abort');
  expect(await waiting).toBe('abort');
  const open = new TwoPhaseCommit(clients[0]!, '/open');
  await open.begin(['a', 'b']);
  const voted = open.vote('a', 'commit');
  expect(await open.abort()).toBe('abort');
  expect(await voted).toBe('abort');
});
