/** Locks of all kinds, as they behave on every server. */
import assert from 'node:assert/strict';
import { connect } from '@treekeeper/client';
import { isRecipeError, Lock, MultiLock, ReadWriteLock, Semaphore, TryLock } from '@treekeeper/recipes';
import type { BehaviourCase } from '../client/case.ts';
import { fired, rejects, until } from './waiting.ts';

export const lockCases: readonly BehaviourCase[] = [
  {
    name: 'lock: contenders are listed in order, and asked to give up',
    async run({ client }) {
      const lock = new Lock(client, '/lock');
      assert.deepEqual(await lock.contenders(), []);
      assert.equal(await lock.revoke(), false);
      const first = await lock.acquire({ data: 'first' });
      const second = lock.acquire({ data: 'second' });
      await until(async () => (await lock.contenders()).length === 2);
      assert.deepEqual(
        (await lock.contenders()).map(({ data, sessionId }) => ({ data, sessionId })),
        ['first', 'second'].map((data) => ({ data, sessionId: client.sessionId })),
      );
      assert.equal(first.revocation.aborted, false);
      assert.equal(await lock.revoke(), true);
      await fired(first.revocation);
      assert(isRecipeError(first.revocation.reason, 'REVOKED'));
      assert.equal(first.state, 'held');
      assert.equal((await lock.contenders())[0]?.isRevoked, true);
      await first.release();
      const hold = await second;
      assert.equal(hold.revocation.aborted, false);
      assert(hold.token > first.token);
      await hold.release();
    },
  },
  {
    name: 'lock: an impatient one asks all before it',
    async run({ client }) {
      const lock = new Lock(client, '/lock');
      const order: string[] = [];
      const yielding = async (name: string): Promise<void> => {
        await using hold = await lock.acquire({ data: name });
        await fired(hold.revocation);
        order.push(name);
      };
      const first = yielding('first');
      await until(async () => (await lock.contenders()).length === 1);
      const second = yielding('second');
      await until(async () => (await lock.contenders()).length === 2);
      await using last = await lock.acquire({ revoke: true });
      await Promise.all([first, second]);
      assert.deepEqual(order, ['first', 'second']);
      assert.equal(last.state, 'held');
    },
  },
  {
    name: 'lock: reentrant inside its own task, and for nobody else',
    async run({ client }) {
      const lock = new Lock(client, '/lock', { reentrant: true });
      const other = new Lock(client, '/lock', { reentrant: true });
      let waiting: Promise<unknown> = Promise.resolve();
      await lock.run(async (outer) => {
        await lock.run(async (hold) => {
          assert.equal(hold.node, outer.node);
          await (await lock.acquire()).release();
        });
        assert.equal(outer.state, 'held');
        await outer.guarded.create('/inside');
        waiting = other.run(async () => client.create('/other'));
        await until(async () => (await lock.contenders()).length === 2);
        assert.equal(await client.exists('/other'), null);
      });
      await waiting;
      assert.equal((await lock.contenders()).length, 0);
    },
  },
  {
    name: 'lock: what a session leaves behind when it ends goes to the next',
    async run({ client, server, root }) {
      const holder = await connect(`${server}${root}`);
      await new Lock(holder, '/lock', { names: 'kazoo' }).acquire();
      const next = new Lock(client, '/lock').acquire();
      await until(async () => (await client.children('/lock')).length === 2);
      await holder.close();
      await (await next).release();
    },
  },
  {
    name: 'try-lock: free or taken; tokens rise; the guard knows earlier holders',
    async run({ client, server, root }) {
      const lock = new TryLock(client, '/a/lock');
      assert.equal(await lock.holder(), null);
      const first = await lock.tryAcquire({ data: 'first' });
      assert(first !== null);
      assert.equal(await lock.tryAcquire(), null);
      assert.equal((await lock.holder())?.data, 'first');
      assert.equal((await lock.holder())?.token, first.token);
      await first.guarded.create('/written', 'by the first');
      await using stranger = await connect(`${server}${root}`);
      const waiting = new TryLock(stranger, '/a/lock').acquire();
      await client.delete(first.node); // somebody takes it for a stale one
      await using second = await waiting;
      assert(second.token > first.token);
      await rejects(first.guarded.set('/written', 'too late'), 'FENCED');
      await fired(first.signal);
      await first.release();
      await second.guarded.set('/written', 'by the second');
      assert.equal(second.state, 'held');
    },
  },
  {
    name: 'try-lock: a holder whose node is gone is fenced before anybody else comes',
    async run({ client }) {
      const hold = await new TryLock(client, '/lock').acquire();
      await client.delete(hold.node);
      await rejects(hold.guarded.create('/written'), 'FENCED');
      const next = await new TryLock(client, '/lock').tryAcquire();
      assert(next !== null && next.token > hold.token);
      await next.release();
    },
  },
  ...readWriteCases(),
  ...semaphoreCases(),
  ...multiCases(),
];

function readWriteCases(): BehaviourCase[] {
  return [
    {
      name: 'read-write lock: readers together, writers alone, in order',
      async run({ client }) {
        const lock = new ReadWriteLock(client, '/rw');
        const readers = [await lock.read({ data: 'r1' }), await lock.read({ data: 'r2' })];
        let written = false;
        const write = lock.write({ data: 'w' }).then((hold) => {
          written = true;
          return hold;
        });
        await until(async () => (await lock.contenders()).length === 3);
        let late = false;
        const read = lock.read({ data: 'r3' }).then((hold) => {
          late = true;
          return hold;
        });
        await until(async () => (await lock.contenders()).length === 4);
        const seen = (await lock.contenders()).map(({ data, wants }) => `${data} ${wants}`);
        assert.deepEqual(seen, ['r1 read', 'r2 read', 'w write', 'r3 read']);
        await readers[0]?.release();
        await client.sync('/');
        assert.equal(written, false);
        await readers[1]?.release();
        const writer = await write;
        await client.sync('/');
        assert.equal(late, false);
        await writer.release();
        const last = await read;
        assert(last.token > writer.token);
        await last.release();
      },
    },
    {
      name: 'read-write lock: downgrade lets no writer in between',
      async run({ client }) {
        const lock = new ReadWriteLock(client, '/rw');
        const write = await lock.write({ data: 'me' });
        let isWriting = false;
        const next = lock.write().then((hold) => {
          isWriting = true;
          return hold;
        });
        await until(async () => (await lock.contenders()).length === 2);
        const read = await write.downgrade();
        assert.equal(write.state, 'released');
        assert.equal(read.token, write.token);
        assert.deepEqual(
          (await lock.contenders()).map(({ wants }) => wants),
          ['read', 'write'],
        );
        await read.guarded.create('/seen');
        assert.equal(isWriting, false);
        await rejects(write.guarded.create('/not'), 'FENCED');
        await rejects(write.downgrade(), 'RELEASED');
        await read.release();
        await (await next).release();
      },
    },
    {
      name: 'read-write lock: a lock that was lost cannot be downgraded',
      async run({ client }) {
        const write = await new ReadWriteLock(client, '/rw').write();
        const deleted = client.delete(write.node);
        await rejects(write.downgrade(), 'LOST');
        await deleted;
        assert.deepEqual(await client.children('/rw'), []);
      },
    },
  ];
}

function semaphoreCases(): BehaviourCase[] {
  const layouts = (['curator', 'kazoo'] as const).map(
    (names): BehaviourCase => ({
      name: `semaphore: so many and no more, in order (${names})`,
      async run({ client }) {
        const semaphore = new Semaphore(client, '/s/sem', { leases: 2, names });
        const first = await semaphore.acquire({ data: 'first' });
        const second = await semaphore.acquire({ data: 'second' });
        assert(second.token > first.token);
        const third = semaphore.acquire({ data: 'third' });
        const controller = new AbortController();
        const fourth = semaphore.acquire({ data: 'fourth', signal: controller.signal });
        const queue = names === 'kazoo' ? '/s/sem-__lock__' : '/s/sem/locks';
        await until(async () => (await client.children(queue)).length === 2);
        assert.deepEqual(
          (await semaphore.holders()).map(({ data }) => data),
          ['first', 'second'],
        );
        controller.abort();
        await rejects(fourth, 'ABORTED');
        await second.release();
        const hold = await third;
        assert(hold.token > second.token);
        await hold.guarded.create('/written');
        await Promise.all([first.release(), hold.release()]);
        await until(async () => (await client.children(queue)).length === 0);
        assert.deepEqual(await semaphore.holders(), []);
      },
    }),
  );
  return [
    ...layouts,
    {
      name: 'semaphore: a waiter at the head that gives up leaves nothing behind',
      async run({ client }) {
        const semaphore = new Semaphore(client, '/sem', { leases: 1 });
        const first = await semaphore.acquire();
        const controller = new AbortController();
        const waiting = semaphore.acquire({ signal: controller.signal });
        await until(async () => (await client.children('/sem/locks')).length === 1);
        controller.abort();
        await rejects(waiting, 'ABORTED');
        await first.release();
        await using next = await semaphore.acquire();
        assert.equal((await semaphore.holders())[0]?.node, next.node);
      },
    },
    {
      name: 'semaphore: all have to say the same number',
      async run({ client }) {
        await using _lease = await new Semaphore(client, '/sem', { leases: 3 }).acquire();
        await rejects(new Semaphore(client, '/sem', { leases: 4 }).acquire(), 'INVALID_OPTION');
        await client.create('/other', 'for another purpose');
        await (await new Semaphore(client, '/other', { leases: 4 }).acquire()).release();
        assert.throws(() => new Semaphore(client, '/sem', { leases: 0 }), { code: 'INVALID_OPTION' });
      },
    },
  ];
}

function multiCases(): BehaviourCase[] {
  return [
    {
      name: 'multi-lock: all or none, without deadlock',
      async run({ client }) {
        await Promise.all(
          [...Array(10).keys()].map((i) =>
            new MultiLock(client, i % 2 === 0 ? ['/m/a', '/m/b'] : ['/m/b', '/m/a']).run(async (hold) => {
              assert.equal((await client.children('/m/a')).length > 0, true);
              await hold.guarded.create(`/done-${i}`);
            }),
          ),
        );
        await using _blocked = await new Lock(client, '/m/b').acquire();
        const controller = new AbortController();
        const waiting = new MultiLock(client, ['/m/b', '/m/a']).acquire({ signal: controller.signal });
        await until(async () => (await client.children('/m/b')).length === 2);
        controller.abort();
        await rejects(waiting, 'ABORTED');
        await (await new Lock(client, '/m/a').acquire()).release();
      },
    },
    {
      name: 'multi-lock: losing one is losing all',
      async run({ client }) {
        const hold = await new MultiLock(client, ['/m/a', '/m/b']).acquire();
        assert(hold.tokenOf('/m/b') > hold.tokenOf('/m/a'));
        const [name] = await client.children('/m/b');
        await client.delete(`/m/b/${name}`);
        await rejects(hold.guarded.create('/written'), 'FENCED');
        await fired(hold.signal);
        assert(isRecipeError(hold.signal.reason, 'LOST'));
        await (await new Lock(client, '/m/a').acquire()).release();
        assert.throws(() => hold.tokenOf('/m/c'), { code: 'INVALID_OPTION' });
        assert.throws(() => new MultiLock(client, []), { code: 'INVALID_OPTION' });
      },
    },
    {
      name: 'multi-lock: losing the first while waiting for the second ends the wait',
      async run({ client }) {
        await using _blocked = await new Lock(client, '/m/b').acquire();
        const waiting = new MultiLock(client, ['/m/a', '/m/b']).acquire();
        await until(async () => (await client.children('/m/b')).length === 2);
        const [name] = await client.children('/m/a');
        await client.delete(`/m/a/${name}`);
        await rejects(waiting, 'LOST');
      },
    },
  ];
}
