/** Servers that refuse writes for a while, with sessions going on, and answers that come late or not at all. */
import { type Client, isTreekeeperError } from '@treekeeper/client';
import { OpCode } from '@treekeeper/protocol';
import { startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fired, until } from '../../interop/src/recipes/waiting.ts';
import { orNull } from '../src/contenders.ts';
import {
  type BarrierPass,
  DoubleBarrier,
  Election,
  Lock,
  Membership,
  Queue,
  ReadWriteLock,
  Semaphore,
  TryLock,
} from '../src/index.ts';
import { Gate } from './gate.ts';

let server: TestServer;
let admin: Client;

beforeAll(async () => {
  server = await startServer();
  admin = await server.client();
});

afterAll(() => server[Symbol.asyncDispose]());

async function childrenOf(path: string): Promise<string[]> {
  return (await orNull(admin.children(path))) ?? [];
}

interface Case {
  readonly name: string;
  /** Where its nodes are. */
  readonly directory: string;
  /** Answers what gives it back. */
  take(client: Client): Promise<() => Promise<unknown>>;
}

const cases: readonly Case[] = [
  {
    name: 'lock',
    directory: '/lock',
    async take(client) {
      const hold = await new Lock(client, '/lock').acquire();
      return () => hold.release();
    },
  },
  {
    name: 'try-lock',
    directory: '/try-lock',
    async take(client) {
      const hold = await new TryLock(client, '/try-lock').acquire();
      return () => hold.release();
    },
  },
  {
    name: 'write lock',
    directory: '/write',
    async take(client) {
      const hold = await new ReadWriteLock(client, '/write').write();
      return () => hold.release();
    },
  },
  {
    name: 'lease of a semaphore',
    directory: '/semaphore/leases',
    async take(client) {
      const hold = await new Semaphore(client, '/semaphore', { leases: 1 }).acquire();
      return () => hold.release();
    },
  },
  {
    name: 'leadership',
    directory: '/election',
    async take(client) {
      const leadership = await new Election(client, '/election').campaign({ data: '' });
      return () => leadership.release();
    },
  },
  {
    name: 'item of a queue',
    directory: '/queue/leases',
    async take(client) {
      await new Queue(admin, '/queue').offer('x');
      const lease = await new Queue(client, '/queue').take();
      return () => lease.release();
    },
  },
  {
    name: 'membership',
    directory: '/group',
    async take(client) {
      const self = await new Membership(client, '/group').join('self', '');
      return () => self.leave();
    },
  },
  {
    name: 'double barrier',
    directory: '/double',
    async take(client) {
      const pass = await new DoubleBarrier(client, '/double', 1).enter();
      return () => pass.leave();
    },
  },
];

test.each(cases)('$name: taken and given back while writes are refused, once they are not', async (each) => {
  const { directory, take } = each;
  const gate = new Gate();
  const client = await server.client({ transport: gate.transport });
  gate.fill();
  const taking = take(client);
  await gate.refusals(2);
  expect(await childrenOf(directory)).toEqual([]);
  gate.empty();
  const giveBack = await taking;
  expect(await childrenOf(directory)).not.toEqual([]);
  gate.fill();
  const back = giveBack();
  await gate.refusals(2);
  expect(await childrenOf(directory)).not.toEqual([]);
  gate.empty();
  await back;
  expect(await childrenOf(directory)).toEqual([]);
  await client.close();
});

test('who gives up waiting for a lock while writes are refused leaves no node behind', async () => {
  const gate = new Gate();
  const client = await server.client({ transport: gate.transport });
  const hold = await new Lock(admin, '/given-up').acquire();
  const stop = new AbortController();
  const waiting = new Lock(client, '/given-up').acquire({ signal: stop.signal });
  await until(async () => (await childrenOf('/given-up')).length === 2);
  gate.fill();
  stop.abort();
  await expect(waiting).rejects.toSatisfy((error) => isTreekeeperError(error, 'ABORTED'));
  await gate.refusals(2);
  gate.empty();
  await until(async () => (await childrenOf('/given-up')).length === 1);
  await hold.release();
  await client.close();
});

const waits: Record<string, (client: Client, path: string, signal: AbortSignal) => Promise<unknown>> = {
  lock: (client, path, signal) => new Lock(client, path).acquire({ signal }),
  'try-lock': (client, path, signal) => new TryLock(client, path).acquire({ signal }),
  'write lock': (client, path, signal) => new ReadWriteLock(client, path).write({ signal }),
  semaphore: (client, path, signal) => new Semaphore(client, path, { leases: 1 }).acquire({ signal }),
  election: (client, path, signal) => new Election(client, path).campaign({ data: '', signal }),
  queue: (client, path, signal) => new Queue(client, path).take({ signal }),
  membership: (client, path, signal) => new Membership(client, path).join('self', '', { signal }),
  'double barrier': (client, path, signal) => new DoubleBarrier(client, path, 2).enter({ signal }),
};

test.each(Object.entries(waits))('%s: who gives up while no server answers is let go at once', async (name, wait) => {
  const gate = new Gate();
  const client = await server.client({ transport: gate.transport });
  const stop = new AbortController();
  gate.hold();
  const path = `/silence-${name.replace(' ', '-')}`;
  const asked = gate.sent(path);
  const waiting = wait(client, path, stop.signal).catch((error: unknown) => error);
  await asked;
  stop.abort();
  const later = admin.sync('/').then(() => 'still waiting');
  expect(await Promise.race([waiting, later])).toMatchObject({ code: 'ABORTED' });
  gate.release();
  await client.close();
});

test('a member whose new session begins while writes are refused is there again afterwards', async () => {
  const gate = new Gate();
  const client = await server.client({ transport: gate.transport, onExpired: 'new-session' });
  const self = await new Membership(client, '/renewed').join('self', '');
  gate.fill();
  await server.expireSession(client.sessionId);
  await gate.refusals(2);
  expect(self.state).toBe('away');
  gate.empty();
  await until(async () => (await childrenOf('/renewed')).length === 1);
  await self.update('again');
  expect(self.state).toBe('joined');
  await self.leave();
  await client.close();
});

test('a member that leaves while writes are refused does not remove who has taken its name meanwhile', async () => {
  const gate = new Gate();
  const client = await server.client({ transport: gate.transport });
  const self = await new Membership(client, '/taken-over').join('name', 'old');
  gate.fill();
  const left = self.leave();
  await gate.refusals(1);
  const successor = await new Membership(admin, '/taken-over').join('name', 'new');
  gate.empty();
  await left;
  expect(await childrenOf('/taken-over')).toEqual(['name']);
  expect(successor.state).toBe('joined');
  await successor.leave();
  await client.close();
});

/** Enters a double barrier for two; fulfils when it has looked who else is there, and waits. */
async function waitAt(path: string): Promise<{ readonly passing: Promise<BarrierPass> }> {
  const passing = new DoubleBarrier(admin, path, 2).enter();
  await until(async () => (await childrenOf(path)).length === 1);
  for (let calls = 0; calls < 3; calls++) {
    await admin.sync('/'); // behind its own look at whether it is open, and at who is there
  }
  return { passing };
}

/** Later calls with the default deadline time out: by then, an earlier one has too. */
async function deadlinesPass(client: Client): Promise<void> {
  await expect(client.exists('/')).rejects.toSatisfy((error) => isTreekeeperError(error, 'TIMEOUT'));
}

test('a double barrier whose opening is answered late is open, and closed by who has opened it', async () => {
  const gate = new Gate();
  const late = await server.client({ transport: gate.transport, requestTimeoutMs: 50 });
  const enter = (client: Client) => new DoubleBarrier(client, '/late', 2).enter();
  const { passing } = await waitAt('/late');
  gate.onRequest = (_, frame) => {
    if (frame.includes('/late/ready') && frame.includes('member-')) {
      gate.hold();
    }
  };
  const opening = enter(late);
  const pass = await passing; // it is open
  await deadlinesPass(late);
  gate.onRequest = () => undefined;
  gate.release();
  const opener = await opening;
  await Promise.all([pass.leave(), opener.leave()]);
  const next = [enter(admin), enter(late)];
  await Promise.all((await Promise.all(next)).map((each) => each.leave()));
  await late.close();
});

test('who gives up a double barrier before the servers have taken its opening does not open it', async () => {
  const gate = new Gate();
  const client = await server.client({ transport: gate.transport });
  const { passing } = await waitAt('/unopened');
  const stop = new AbortController();
  const isOpening = (frame: Buffer): boolean => frame.includes('/unopened/ready') && frame.includes('member-');
  gate.refuses = (_, frame) => isOpening(frame);
  const opening = new DoubleBarrier(client, '/unopened', 2).enter({ signal: stop.signal });
  await gate.refusals(1);
  stop.abort();
  await expect(opening).rejects.toSatisfy((error) => isTreekeeperError(error, 'ABORTED'));
  await until(async () => (await childrenOf('/unopened')).length === 1);
  const tried = gate.sent('/unopened/ready');
  gate.empty();
  await tried;
  await client.sync('/'); // behind it
  expect(await childrenOf('/unopened')).toHaveLength(1);
  const other = await new DoubleBarrier(client, '/unopened', 2).enter();
  await Promise.all([other.leave(), passing.then((pass) => pass.leave())]);
  await client.close();
});

test('a lease whose answer is lost, and which nobody waits for any more, is given back', async () => {
  const gate = new Gate();
  const client = await server.client({ transport: gate.transport });
  const semaphore = (by: Client) => new Semaphore(by, '/lost-lease', { leases: 1 });
  const stop = new AbortController();
  await (await semaphore(client).acquire()).release(); // the directories are there
  gate.onRequest = (opcode, frame) => {
    if (opcode === OpCode.multi && frame.includes('lease')) {
      gate.hold();
    }
  };
  const acquiring = semaphore(client).acquire({ signal: stop.signal });
  await until(async () => (await childrenOf('/lost-lease/leases')).length === 1);
  stop.abort();
  await expect(acquiring).rejects.toSatisfy((error) => isTreekeeperError(error, 'ABORTED'));
  await until(async () => (await childrenOf('/lost-lease/locks')).length === 0);
  gate.onRequest = () => undefined;
  gate.cut();
  const lease = await semaphore(admin).acquire();
  expect(lease.signal.aborted).toBe(false);
  const released = fired(lease.signal);
  await lease.release();
  await released;
  await client.close();
});

test('a lock that is given back is free, though the answer is lost again and again', async () => {
  const gate = new Gate();
  const client = await server.client({ transport: gate.transport });
  const hold = await new TryLock(client, '/lost-twice').acquire();
  let losses = 0;
  gate.refuses = (opcode) => {
    if (opcode !== OpCode.multi || losses === 3) {
      return false;
    }
    losses += 1;
    setImmediate(() => gate.cut());
    return true; // it does not come to the server either
  };
  gate.hold();
  await hold.release();
  expect(losses).toBe(3);
  expect(await childrenOf('/lost-twice')).toEqual([]);
  await client.close();
});
