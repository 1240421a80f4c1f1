/** Master-worker, as it behaves on every server. */
import assert from 'node:assert/strict';
import { connect, utf8 } from '@treekeeper/client';
import { type Delivery, Master, Submitter, TaskQueue, Worker } from '@treekeeper/recipes/master-worker';
import type { BehaviourCase } from '../client/case.ts';
import { rejects, until } from './waiting.ts';

const deliveries: readonly Delivery[] = ['at-least-once', 'at-most-once', 'effectively-once'];

export const taskCases: readonly BehaviourCase[] = deliveries.map((delivery) => ({
  name: `master-worker: ${delivery}, from submission to results, with what is refused on the way`,
  async run({ client, server, root }) {
    await using standby = await connect(`${server}${root}`);
    await using laborer = await connect(`${server}${root}`);
    const queue = new TaskQueue<number, string>({ path: '/tasks', delivery, result: utf8, shards: 4, triesMax: 2 });
    const stop = new AbortController();
    const { signal } = stop;
    const masters = [client, standby].map((each) => new Master(each, queue));
    const handler = async ({ payload }: { readonly payload: number }): Promise<string> => {
      if (payload === 13) {
        throw new Error('not this one');
      }
      return `<${payload}>`;
    };
    const running = [
      ...masters.map((master) => master.run({ signal })),
      new Worker(laborer, queue, handler).run({ signal }),
    ];
    const submitter = new Submitter(client, queue);
    const tasks = await Promise.all(Array.from({ length: 40 }, (_, n) => submitter.submit(n, { id: `n-${n}` })));
    for (const [n, task] of tasks.entries()) {
      await (n === 13 ? rejects(task.result(), 'TASK_PARKED') : task.result());
    }
    assert.equal(await tasks[7]?.result(), '<7>');
    assert.equal((await submitter.submit(7, { id: 'n-7' })).isNew, false);
    assert.deepEqual(
      (await submitter.parked()).map(({ task, attempts }) => [task.id, attempts]),
      [['n-13', delivery === 'at-most-once' ? 1 : 2]],
    );
    assert.equal(masters.filter((master) => master.isLeading).length, 1);
    const late = await submitter.submit(50, { delayMs: 3_600_000 });
    assert(await late.cancel());
    await rejects(late.result(), 'TASK_CANCELLED');
    stop.abort();
    await Promise.all(running);
    await until(async () => (await client.children('/tasks/masters')).length === 0);
    assert.deepEqual(await client.children('/tasks/workers'), []);
  },
}));
