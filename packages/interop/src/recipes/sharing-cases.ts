/** Queues, barriers, counters, and work that is divided, as they behave on every server. */
import assert from 'node:assert/strict';
import { connect, json } from '@treekeeper/client';
import {
  AtomicValue,
  Barrier,
  Counter,
  DoubleBarrier,
  IdGenerator,
  Partitioner,
  Queue,
  ScheduledJob,
  TwoPhaseCommit,
} from '@treekeeper/recipes';
import type { BehaviourCase } from '../client/case.ts';
import { rejects, until } from './waiting.ts';

export const sharingCases: readonly BehaviourCase[] = [
  {
    name: 'queue: priority, order, leases that are given back or lost',
    async run({ client, server, root }) {
      const other = await connect(`${server}${root}`);
      const queue = new Queue(client, '/queue');
      for (const [value, priority] of [
        ['b', 0],
        ['c', 0],
        ['a', 9],
      ] as const) {
        await queue.offer(value, { priority });
      }
      const first = await queue.take();
      const second = await new Queue(other, '/queue').take();
      assert.deepEqual([first.value, second.value], ['a', 'b']);
      await first.release();
      const again = await queue.take();
      assert.deepEqual([again.value, again.attempt], ['a', 2]);
      await rejects(first.done(), 'FENCED');
      await again.done();
      await other.close(); // and what it had is free
      assert.deepEqual([(await queue.take()).value, (await queue.take()).value], ['b', 'c']);
      await rejects(queue.take({ signal: AbortSignal.timeout(20) }), 'ABORTED');
    },
  },
  {
    name: 'barriers: waiting, coming and leaving together',
    async run({ client, server, root }) {
      await using other = await connect(`${server}${root}`);
      const barrier = new Barrier(client, '/barrier');
      assert(await barrier.set());
      const waiting = new Barrier(other, '/barrier').wait();
      assert(await barrier.remove());
      await waiting;
      let within = 0;
      const visits = [client, other].map(async (each) => {
        within += 1;
        const pass = await new DoubleBarrier(each, '/double', 2).enter();
        assert.equal(within, 2);
        await pass.leave();
      });
      await Promise.all(visits);
      assert.deepEqual(await client.children('/double'), []);
    },
  },
  {
    name: 'values: no change is lost, no id is given twice',
    async run({ client, server, root }) {
      await using other = await connect(`${server}${root}`);
      await Promise.all([client, other, client].map((each) => new Counter(each, '/counter').add(2n)));
      assert.equal(await new Counter(other, '/counter').get(), 6n);
      const makers = [client, other].map((each) => new IdGenerator(each, '/ids', { blockSize: 3 }));
      const ids = await Promise.all(makers.flatMap((maker) => Array.from({ length: 10 }, () => maker.next())));
      assert.equal(new Set(ids).size, 20);
      const list = new AtomicValue(client, '/list', { codec: json<number[]>(), initial: [] });
      await Promise.all([1, 2, 3].map((n) => list.update((numbers) => [...numbers, n])));
      assert.equal((await list.get()).value.length, 3);
    },
  },
  {
    name: 'two-phase commit: all or none',
    async run({ client, server, root }) {
      await using other = await connect(`${server}${root}`);
      const [mine, theirs] = [new TwoPhaseCommit(client, '/decision'), new TwoPhaseCommit(other, '/decision')];
      await mine.begin(['a', 'b']);
      const votes = [mine.vote('a', 'commit'), theirs.vote('b', 'commit')];
      assert.deepEqual(await Promise.all(votes), ['commit', 'commit']);
      assert.equal(await theirs.abort(), 'commit');
    },
  },
  {
    name: 'partitioner and scheduled job: one owner an item, one run a time',
    async run({ client, server, root }) {
      await using other = await connect(`${server}${root}`);
      const stop = new AbortController();
      const { signal } = stop;
      const items = ['a', 'b', 'c', 'd', 'e', 'f'];
      const owned = new Map<string, bigint>();
      const parts = [client, other].map((each, i) =>
        new Partitioner(each, '/parts', { id: `member-${i}`, items }).run(
          async ({ item, hold }) => void owned.set(item, hold.token),
          { signal },
        ),
      );
      const times: number[] = [];
      const jobs = [client, other].map((each) =>
        new ScheduledJob(each, '/job', { intervalMs: 3_600_000 }).run(async ({ dueMs }) => void times.push(dueMs), {
          signal,
        }),
      );
      await until(async () => {
        await client.sync('/');
        return owned.size === items.length && times.length > 0;
      });
      stop.abort();
      await Promise.all([...parts, ...jobs]);
      assert.equal(new Set(times).size, times.length);
    },
  },
];
