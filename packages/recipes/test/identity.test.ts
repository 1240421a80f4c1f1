/** A program that was killed and is back does not wait for itself. */
import { type Client, connect } from '@treekeeper/client';
import { startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isOfIdentity } from '../src/identity.ts';
import { Election, type Hold, isRecipeError, Lock, type NodeNames, Semaphore } from '../src/index.ts';

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
  return ['lock-', 'latch-', '__lock__'].some((kind) => isOfIdentity(name, 'host-7', kind));
}

test('two holders of one session do not end each other', async () => {
  const limits = new Semaphore(later, '/own-two', { leases: 2, identity: 'host-7' });
  await using first = await limits.acquire();
  await using second = await limits.acquire();
  expect([first.state, second.state]).toEqual(['held', 'held']);
  expect((await limits.holders()).length).toBe(2);
});

test('an identity that cannot be part of a name is refused', () => {
  for (const identity of ['', 'a/b']) {
    const refused = (error: unknown) => isRecipeError(error, 'INVALID_OPTION');
    expect(() => new Lock(later, '/own', { identity })).toThrow(/identity/);
    expect(() => new Election(later, '/own', { identity })).toThrow(/identity/);
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
