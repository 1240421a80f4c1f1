import { getEventListeners } from 'node:events';
import { type Client, connect, isTreekeeperError } from '@treekeeper/client';
import { startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isRecipeError, Lock, MultiLock, Semaphore } from '../src/index.ts';
import { abortable } from '../src/seat.ts';
import { compareSequences, inSequence, sequenceOf } from '../src/sequence.ts';
import { Gate } from './gate.ts';

let server: TestServer;
let a: Client;
let b: Client;

beforeAll(async () => {
  server = await startServer();
  a = await connect(server.connectString);
  b = await connect(server.connectString);
});

afterAll(async () => {
  await a.close();
  await b.close();
  await server[Symbol.asyncDispose]();
});

test('the second waits for the first, and tokens rise', async () => {
  const first = await new Lock(a, '/locks/one').acquire();
  let got = false;
  const waiting = new Lock(b, '/locks/one').acquire().then((hold) => {
    got = true;
    return hold;
  });
  while ((await a.children('/locks/one')).length < 2) {
    // until the second has taken its seat
  }
  expect(got).toBe(false);
  await first.release();
  const second = await waiting;
  expect(second.token > first.token).toBe(true);
  expect(first.signal.aborted).toBe(true);
  await second.release();
  expect(await a.children('/locks/one')).toEqual([]);
});

test('who gives up waiting leaves no node behind', async () => {
  const first = await new Lock(a, '/locks/two').acquire();
  const controller = new AbortController();
  const waiting = new Lock(b, '/locks/two').acquire({ signal: controller.signal });
  while ((await a.children('/locks/two')).length < 2) {
    // until it waits
  }
  controller.abort();
  await expect(waiting).rejects.toSatisfy((error) => isTreekeeperError(error, 'ABORTED'));
  await first.release();
  await using third = await new Lock(b, '/locks/two').acquire();
  expect(await a.children('/locks/two')).toEqual([third.node.slice('/locks/two/'.length)]);
});

test('an aborted acquire whose node comes late is cleaned up', async () => {
  const controller = new AbortController();
  const acquiring = new Lock(a, '/locks/three').acquire({ signal: controller.signal });
  controller.abort();
  await expect(acquiring).rejects.toSatisfy((error) => isTreekeeperError(error, 'ABORTED'));
  await using hold = await new Lock(b, '/locks/three').acquire();
  expect(hold.state).toBe('held');
});

test('a holder whose node was taken away is fenced, and told', async () => {
  const hold = await new Lock(a, '/locks/four').acquire();
  await hold.guarded.create('/guarded', 'by the holder');
  const told = new Promise((resolve) => hold.signal.addEventListener('abort', resolve, { once: true }));
  await b.delete(hold.node);
  await expect(hold.guarded.set('/guarded', 'too late')).rejects.toSatisfy((error) => isRecipeError(error, 'FENCED'));
  await told;
  expect(hold.state).toBe('lost');
  expect(Buffer.from((await b.get('/guarded')).value).toString()).toBe('by the holder');
});

test('a refusal that is not the guard’s counts its operations without the guard', async () => {
  await using hold = await new Lock(a, '/locks/five').acquire();
  const refused = await hold.guarded
    .transaction()
    .create('/five', '')
    .set('/missing', '')
    .commit()
    .catch((error: unknown) => error);
  expect(isTreekeeperError(refused, 'NO_NODE') && refused.failedIndex).toBe(1);
  expect(hold.state).toBe('held');
});

test('a lost connection ends the hold at once, or not, as asked', async () => {
  const strict = await new Lock(a, '/locks/six').acquire();
  const patient = await new Lock(a, '/locks/seven').acquire({ onDisconnect: 'wait' });
  const told = new Promise((resolve) => strict.signal.addEventListener('abort', resolve, { once: true }));
  server.cutConnections();
  await told;
  expect(strict.state).toBe('lost');
  await a.sync('/');
  expect(patient.signal.aborted).toBe(false);
  await patient.guarded.create('/still-mine');
  await patient.release();
  await new Lock(b, '/locks/six').run(async (hold) => expect(hold.state).toBe('held'));
});

test('an expired session loses the lock, and the next one gets it', async () => {
  const doomed = await connect(server.connectString);
  const hold = await new Lock(doomed, '/locks/eight').acquire({ onDisconnect: 'wait' });
  const next = new Lock(b, '/locks/eight').acquire();
  server.expireSession(doomed.sessionId);
  await using held = await next;
  expect(held.token > hold.token).toBe(true);
  if (!hold.signal.aborted) {
    await new Promise((resolve) => hold.signal.addEventListener('abort', resolve, { once: true }));
  }
  expect(hold.state).toBe('lost');
  await doomed.close();
});

test('sequence numbers go round', () => {
  expect(sequenceOf('_c_1234-lock-0000000007')).toBe(7);
  expect(sequenceOf('lock--000000005')).toBe(-5);
  expect(sequenceOf('lock--2147483648')).toBe(-2147483648);
  expect(sequenceOf('abc__lock__0000000012')).toBe(12);
  expect(sequenceOf('none')).toBe(null);
  expect(compareSequences(2147483647, -2147483648)).toBeLessThan(0);
  expect(inSequence(['x--2147483648', 'y-2147483647', 'other', 'z-2147483646'])).toEqual([
    'z-2147483646',
    'y-2147483647',
    'x--2147483648',
  ]);
});

test('a signal that has fired already ends a wait', async () => {
  const never = abortable(new Promise<never>(() => undefined), AbortSignal.abort(), '/never', () => undefined);
  await expect(never).rejects.toSatisfy((error) => isTreekeeperError(error, 'ABORTED'));
});

test('who sees a call fail finds the hold lost', async () => {
  const hold = await new Lock(a, '/locks/nine').acquire();
  const reading = a.get('/locks', { retry: false });
  server.cutConnections(a.sessionId);
  const outcome = await reading.catch((error: unknown) => error);
  expect(isTreekeeperError(outcome, 'CONNECTION_LOSS') ? hold.state : 'lost').toBe('lost');
  if (!hold.signal.aborted) {
    await new Promise((resolve) => hold.signal.addEventListener('abort', resolve, { once: true }));
  }
  await hold.release();
});

test('who sees a call fail finds several locks lost, too', async () => {
  await using hold = await new MultiLock(a, ['/locks/m-1', '/locks/m-2']).acquire();
  const writing = a.create('/never', '', { retry: false });
  server.cutConnections();
  await writing.catch(() => expect(hold.signal.aborted).toBe(true));
  await a.sync('/');
});

test.each([
  ['lock', '/locks/ten', (client: Client) => new Lock(client, '/locks/ten').acquire()],
  [
    'semaphore',
    '/locks/eleven/locks',
    (client: Client) => new Semaphore(client, '/locks/eleven', { leases: 1 }).acquire(),
  ],
] as const)(
  '%s: who waits and has a new session is told at once, not when its turn comes',
  async (_, path, acquire) => {
    const renewing = await connect(server.connectString, { onExpired: 'new-session' });
    await using hold = await acquire(a);
    const waiting = acquire(renewing);
    const isSeated = async (): Promise<boolean> => {
      const seats = await b.children(path).catch(() => []);
      const stats = await Promise.all(seats.map((name) => b.exists(`${path}/${name}`)));
      return stats.some((stat) => stat?.ephemeralOwner === renewing.sessionId);
    };
    while (!(await isSeated())) {
      // until it waits
    }
    server.expireSession(renewing.sessionId);
    await expect(waiting).rejects.toSatisfy((error) => isTreekeeperError(error, 'SESSION_EXPIRED'));
    expect(hold.state).toBe('held');
    await renewing.close();
  },
);

test('a run within a run asks the servers nothing, leaves nothing behind, and ends with the outer one', async () => {
  const gate = new Gate();
  const client = await server.client({ transport: gate.transport });
  const lock = new Lock(client, '/locks/within', { reentrant: true });
  const outer = await lock.run(async (hold) => {
    await client.exists('/'); // behind the look at the node
    const listeners = (): number[] => [hold.signal, hold.revocation].map((on) => getEventListeners(on, 'abort').length);
    const before = listeners();
    let requests = 0;
    gate.onRequest = () => {
      requests += 1;
    };
    for (let i = 0; i < 20; i++) {
      await lock.run(async (inner) => expect([inner.node, inner.state]).toEqual([hold.node, 'held']));
    }
    await client.exists('/'); // behind what they have asked
    expect(requests).toBe(1);
    expect(listeners()).toEqual(before);
    gate.onRequest = () => undefined;
    await lock.run(async (inner) => {
      const asked = new Promise((resolve) => inner.revocation.addEventListener('abort', resolve, { once: true }));
      await new Lock(b, '/locks/within').revoke();
      await asked;
      await inner.guarded.create('/locks/within-guarded', '');
      const ended = new Promise((resolve) => inner.signal.addEventListener('abort', resolve, { once: true }));
      await b.delete(hold.node);
      await ended;
      expect(isRecipeError(inner.signal.reason, 'LOST')).toBe(true);
    });
    return hold;
  });
  expect(outer.state).toBe('lost');
  await client.close();
});
