// Submits tasks and awaits their results. `node examples/master-worker/submitter.mjs 127.0.0.1:2181 100`
import { connect } from '@treekeeper/client';
import { Submitter } from '@treekeeper/recipes/master-worker';
import { connectOptions, sums } from './queue.mjs';

const [connectString = '127.0.0.1:2181', count = '100'] = process.argv.slice(2);
const client = await connect(connectString, connectOptions);
const submitter = new Submitter(client, sums);
const counts = { submitted: 0, done: 0, wrong: 0 };
const timer = setInterval(() => process.send?.(counts), 100);

async function one(n) {
  const task = await submitter.submit({ from: n, to: 2 * n }, { id: `sum-${n}` });
  counts.submitted += 1;
  const result = await task.result();
  counts.done += 1;
  counts.wrong += result === (3 * n * (n + 1)) / 2 ? 0 : 1;
}

await Promise.all(Array.from({ length: Number(count) }, (_, n) => one(n)));
clearInterval(timer);
process.send?.(counts);
console.log(`${counts.done} results, ${counts.wrong} of them wrong`);
await client.close();
process.disconnect?.();
process.exitCode = counts.wrong === 0 ? 0 : 1;
