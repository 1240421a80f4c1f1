/** Tasks that do nothing, from submission to result: submitter, master and workers are processes of their own. */
import { fork } from 'node:child_process';
import { connect } from '../../packages/client/dist/index.js';
import { Master, Submitter, TaskQueue, Worker } from '../../packages/recipes/dist/master-worker/index.js';
import { report, spread } from './figures.js';

const TASKS = Number(process.env.TASKS ?? 20_000);
const OPEN = Number(process.env.OPEN ?? 1000);
const WARM_UP = 2000;
const WORKERS = 2;

const queue = new TaskQueue({ path: '/bench-tasks', triesMax: 10 });

const roles = {
  async master(client) {
    await new Master(client, queue).run();
  },
  async worker(client) {
    await new Worker(client, queue, async ({ payload }) => payload + 1, { concurrency: 100, capacity: 400 }).run();
  },
  async submitter(client) {
    const submitter = new Submitter(client, queue);
    await submitAll(submitter, WARM_UP);
    const began = performance.now();
    const times = await submitAll(submitter, TASKS);
    process.send({ tookMs: performance.now() - began, times });
  },
};

/** So many open at a time; how long each took. */
async function submitAll(submitter, count) {
  const times = [];
  let begun = 0;
  const one = async () => {
    while (begun < count) {
      const n = begun++;
      const began = performance.now();
      const result = await (await submitter.submit(n)).result();
      if (result !== n + 1) {
        throw new Error(`the result of ${n} is ${result}`);
      }
      times.push(performance.now() - began);
    }
  };
  await Promise.all(Array.from({ length: OPEN }, one));
  return times;
}

export async function tasks(address) {
  const start = (role) => fork(import.meta.filename, [address, role]);
  const helpers = ['master', ...Array.from({ length: WORKERS }, () => 'worker')].map(start);
  const submitter = start('submitter');
  const end = () => [...helpers, submitter].forEach((child) => child.kill('SIGKILL'));
  process.once('exit', end);
  const { tookMs, times } = await new Promise((resolve, reject) => {
    submitter.once('message', resolve);
    for (const child of [...helpers, submitter]) {
      child.once('exit', (code) => reject(new Error(`a process has ended with ${code}`)));
    }
  });
  for (const child of [...helpers, submitter]) {
    child.removeAllListeners('exit');
  }
  end();
  const rate = Math.round((TASKS * 1000) / tookMs);
  report(`tasks: submitted, done once, result seen; ${OPEN} open`, 'ours', `${rate}/s, each ${spread(times)}`);
}

if (process.argv[1] === import.meta.filename) {
  const [address, role] = process.argv.slice(2);
  await roles[role](await connect(address));
}
