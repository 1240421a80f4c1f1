/** A program that was killed and is back does not wait for itself. */
import { type Client, connect } from '@treekeeper/client';
import { startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isOfIdentity } from '../src/identity.ts';
import {
  Election,
  type Hold,
  isRecipeError,
  Lock,
  MultiLock,
  type NodeNames,
  Partitioner,
  ReadWriteLock,
  ScheduledJob,
  Semaphore,
  TryLock,
} from '../src/index.ts';

let server: TestServer;
let earlier: Client;
let later: Client;

beforeAll(async () => {
  server = await startServer();
  earlier = await connect(server.connectString);
  later = await connect(server.connectString);
});

afterAll(async () => {
  await earlier.close();
  await later.close();
  await server[Symbol.asyncDispose]();
});

type Acquire = (client: Client, path: string, identity: string, names: NodeNames) => Promise<Hold>;

const recipes: readonly (readonly [
  name: string,
  acquire: Acquire,
  seats: (path: string, names: NodeNames) => string,
])[] = [
  ['lock', (client, path, identity, names) => new Lock(client, path, { identity, names }).acquire(), (path) => path],
  [
    'election',
    (client, path, identity, names) => new Election(client, path, { identity, names }).campaign({ data: 'me' }),
    (path) => path,
  ],
  [
    'write lock',
    (client, path, identity, names) => new ReadWriteLock(client, path, { identity, names }).write(),
    (path) => path,
  ],
  [
    'semaphore',
    (client, path, identity, names) => new Semaphore(client, path, { identity, names, leases: 1 }).acquire(),
    (path, names) => (names === 'kazoo' ? path : `${path}/leases`),
  ],
];

describe.each(recipes)('%s', (recipe, acquire, seats) => {
  describe.each(['curator', 'kazoo'] as const)('names of %s', (names) => {
    const path = `/own-${recipe}-${names}`;

    test('the next run of the same program ends what the earlier one has left', async () => {
      const old = await acquire(earlier, path, 'host-7', names);
      const ended = new Promise((resolve) => old.signal.addEventListener('abort', resolve, { once: true }));
      const now = await acquire(later, path, 'host-7', names);
      await ended;
      expect(isRecipeError(old.signal.reason, 'LOST')).toBe(true);
      expect(now.token > old.token).toBe(true);
      expect(now.state).toBe('held');
      await expect(old.guarded.create('/too-late', '')).rejects.toSatisfy((error) => isRecipeError(error, 'FENCED'));
      await now.release();
      expect(await later.children(seats(path, names))).toEqual([]);
    });

    test('another program is waited for, also one whose identity ends with the same', async () => {
      const other = await acquire(earlier, path, 'x-host-7', names);
      const order: string[] = [];
      const waiting = acquire(later, path, 'host-7', names).then((hold) => {
        order.push('entered');
        return hold;
      });
      // Its seat is there, and what it would have ended would be gone behind a few more answers.
      const queue = recipe !== 'semaphore' ? path : names === 'kazoo' ? `${path}-__lock__` : `${path}/locks`;
      const seated = async () => (await earlier.children(queue)).some((name) => isOurs(name));
      let isOver = false;
      waiting
        .catch(() => undefined)
        .finally(() => {
          isOver = true;
        });
      while (!isOver && !(await seated())) {
        // until it sits there
      }
      await later.exists('/');
      await later.exists('/');
      expect(other.state).toBe('held');
      order.push('released');
      await other.release();
      await (await waiting).release();
      expect(order).toEqual(['released', 'entered']);
    });
  });
});

function isOurs(name: string): boolean {
  return ['lock-', 'latch-', '__lock__', '__WRIT__'].some((kind) => isOfIdentity(name, 'host-7', kind));
}

test('two holders of one session do not end each other', async () => {
  const limits = new Semaphore(later, '/own-two', { leases: 2, identity: 'host-7' });
  await using first = await limits.acquire();
  await using second = await limits.acquire();
  expect([first.state, second.state]).toEqual(['held', 'held']);
  expect((await limits.holders()).length).toBe(2);
});

test('whoever reads, or has gone over to reading, is ended by the next run, which wants to write', async () => {
  const identity = 'host-7';
  const lock = (client: Client) => new ReadWriteLock(client, '/own-readers', { identity });
  const reader = await lock(earlier).read();
  const writer = await lock(later).write();
  expect(await later.children('/own-readers')).toEqual([writer.node.split('/').at(-1)]);
  expect(await later.exists(reader.node)).toBeNull();
  const downgraded = await writer.downgrade();
  await using again = await lock(earlier).write();
  expect(await later.exists(downgraded.node)).toBeNull();
  expect([again.state, again.token > downgraded.token]).toEqual(['held', true]);
});

test('several locks: those that the earlier run holds are ended, those of others are waited for', async () => {
  const paths = ['/own-many-a', '/own-many-b'];
  const old = await new MultiLock(earlier, paths, { identity: 'host-7' }).acquire();
  const ended = new Promise((resolve) => old.signal.addEventListener('abort', resolve, { once: true }));
  const now = await new MultiLock(later, paths, { identity: 'host-7' }).acquire();
  await ended;
  await expect(old.guarded.create('/too-late', '')).rejects.toSatisfy((error) => isRecipeError(error, 'FENCED'));
  await now.guarded.create('/own-many-in-time', '');
  await now.release();
});

test('a lock without a queue: the next run takes the place of the earlier one, and of nobody else', async () => {
  const lock = (client: Client, identity?: string) => new TryLock(client, '/own-try', { identity });
  const old = await lock(earlier, 'host-7').tryAcquire();
  for (const identity of ['host-8', 'host', 'ost-7', undefined]) {
    expect(await lock(later, identity).tryAcquire()).toBeNull();
  }
  expect(await lock(earlier, 'host-7').tryAcquire()).toBeNull(); // another holder of the same run
  const ended = new Promise((resolve) => old!.signal.addEventListener('abort', resolve, { once: true }));
  const now = await lock(later, 'host-7').tryAcquire();
  await ended;
  expect(isRecipeError(old!.signal.reason, 'LOST')).toBe(true);
  expect([now!.state, now!.token > old!.token]).toEqual(['held', true]);
  await expect(old!.guarded.create('/too-late', '')).rejects.toSatisfy((error) => isRecipeError(error, 'FENCED'));
  await old!.release();
  await now!.guarded.create('/own-try-in-time', '');
  await now!.release();
  await using free = await lock(earlier, 'host-7').tryAcquire();
  expect(free!.state).toBe('held');
});

test('a member of a partition that was killed owns its items as soon as it is back', async () => {
  const left = await new Lock(earlier, '/own-parts/items/item', { identity: 'host-7' }).acquire();
  const stop = new AbortController();
  const owned: string[] = [];
  await new Partitioner(later, '/own-parts', { id: 'host-7', items: ['item'] }).run(
    async ({ item }) => {
      owned.push(item);
      stop.abort();
    },
    { signal: stop.signal },
  );
  expect(owned).toEqual(['item']);
  expect(await later.exists(left.node)).toBeNull();
});

test('a job whose process was killed is run as soon as it is back', async () => {
  const left = await new Election(earlier, '/own-job/leader', { identity: 'host-7' }).campaign({ data: '' });
  const stop = new AbortController();
  const runs: number[] = [];
  const clock = { now: () => 5_500, after: () => ({ cancel: () => undefined }) };
  await new ScheduledJob(later, '/own-job', { intervalMs: 1000, clock, identity: 'host-7' }).run(
    async ({ dueMs }) => {
      runs.push(dueMs);
      stop.abort();
    },
    { signal: stop.signal },
  );
  expect(runs).toEqual([5_000]);
  expect(await later.exists(left.node)).toBeNull();
});

test('an identity that cannot be part of a name is refused', () => {
  for (const identity of ['', 'a/b']) {
    const refused = (error: unknown) => isRecipeError(error, 'INVALID_OPTION');
    expect(() => new Lock(later, '/own', { identity })).toThrow(/identity/);
    expect(() => new Election(later, '/own', { identity })).toThrow(/identity/);
    expect(() => new ReadWriteLock(later, '/own', { identity })).toThrow(/identity/);
    expect(() => new MultiLock(later, ['/own'], { identity })).toThrow(/identity/);
    expect(() => new TryLock(later, '/own', { identity })).toThrow(/identity/);
    expect(() => new ScheduledJob(later, '/own', { intervalMs: 1, identity })).toThrow(/identity/);
    try {
      new Semaphore(later, '/own', { identity, leases: 1 });
      expect.unreachable();
    } catch (error) {
      expect(refused(error)).toBe(true);
    }
  }
});

test('names of an identity are told from those that only look like them', () => {
  const uuid = '_c_3f1d7a0e-4b7c-4f0e-9d0a-0123456789ab-';
  expect(isOfIdentity(`${uuid}a-lock-0000000001`, 'a', 'lock-')).toBe(true);
  expect(isOfIdentity(`${uuid}a-lock--2147483648`, 'a', 'lock-')).toBe(true);
  expect(isOfIdentity(`${uuid}a-lease`, 'a', 'lease')).toBe(true);
  expect(isOfIdentity(`${uuid}b-a-lock-0000000001`, 'a', 'lock-')).toBe(false);
  expect(isOfIdentity(`${uuid}a-lock-lock-0000000001`, 'a', 'lock-')).toBe(false);
  expect(isOfIdentity(`${uuid}lock-0000000001`, 'a', 'lock-')).toBe(false);
  expect(isOfIdentity('a-lock-0000000001', 'a', 'lock-')).toBe(false);
});
