// A worker. `node examples/master-worker/worker.mjs 127.0.0.1:2181 worker-1`
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '@treekeeper/client';
import { Worker } from '@treekeeper/recipes/master-worker';
import { connectOptions, ledger, sums } from './queue.mjs';

const [connectString = '127.0.0.1:2181', name = 'worker'] = process.argv.slice(2);
const client = await connect(connectString, connectOptions);
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());

const counts = { running: 0, done: 0, again: 0 };

async function sum({ id, payload, attempt, transaction }) {
  counts.running += 1;
  counts.again += attempt > 1 ? 1 : 0;
  await sleep(20 + Math.random() * 60); // as if it were hard
  // Sequential on purpose: if a task took effect twice, there would be two entries.
  transaction.create(`${ledger}/entry-`, id, { mode: 'persistent-sequential' });
  counts.running -= 1;
  counts.done += 1;
  return ((payload.from + payload.to) * (payload.to - payload.from + 1)) / 2;
}

const running = new Worker(client, sums, sum, { name, concurrency: 10, capacity: 20 }).run({ signal: stop.signal });
const timer = setInterval(() => process.send?.({ state: 'works', ...counts }), 100);

await running;
clearInterval(timer);
await client.close();
process.disconnect?.();
