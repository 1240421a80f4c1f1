// A master: start several, one leads. `node examples/master-worker/master.mjs 127.0.0.1:2181 master-1`
import { connect } from '@treekeeper/client';
import { Master } from '@treekeeper/recipes/master-worker';
import { connectOptions, sums } from './queue.mjs';

const [connectString = '127.0.0.1:2181', name = 'master'] = process.argv.slice(2);
const client = await connect(connectString, connectOptions);
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());

const master = new Master(client, sums, { name });
const running = master.run({ signal: stop.signal });

// Whoever started this process is told how things stand.
const report = () => process.send?.({ state: master.isLeading ? 'leads' : 'stands by', status: master.status });
const timer = setInterval(report, 100);

await running;
clearInterval(timer);
await client.close();
process.disconnect?.();
