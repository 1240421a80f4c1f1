/**
 * Tasks that do nothing, from submission to the end of the time for which their results are kept: submitter, master and
 * workers are processes of their own.
 */
import { fork } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '../../packages/client/dist/index.js';
import { Master, Submitter, TaskQueue, Worker } from '../../packages/recipes/dist/master-worker/index.js';
import { cpuMs, report, spread } from './figures.js';

const TASKS = Number(process.env.TASKS ?? 20_000);
const OPEN = Number(process.env.OPEN ?? 1000);
const WARM_UP = 2000;
const WORKERS = 2;
const KEEP_MS = 1000;

const queue = new TaskQueue({ path: '/bench-tasks', triesMax: 10, keepMs: KEEP_MS });

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
    process.send('warm');
    const began = performance.now();
    const times = await submitAll(submitter, TASKS);
    const tookMs = performance.now() - began;
    await untilForgotten(client);
    process.send({ tookMs, times });
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

/** Until the master has removed them all. */
async function untilForgotten(client) {
  const shards = (await client.children(`${queue.path}/tasks`)).map((name) => `${queue.path}/tasks/${name}`);
  for (const shard of shards) {
    while ((await client.children(shard)).length > 0) {
      await sleep(KEEP_MS / 10);
    }
  }
}

export async function tasks(address, serverPid) {
  const start = (role) => ({ role, child: fork(import.meta.filename, [address, role]) });
  const all = ['master', ...Array.from({ length: WORKERS }, () => 'worker'), 'submitter'].map(start);
  process.once('exit', () => all.forEach(({ child }) => child.kill('SIGKILL')));
  const failed = new Promise((_, reject) => {
    for (const { child, role } of all) {
      child.once('exit', (code, signal) => reject(new Error(`a ${role} has ended: ${signal ?? code}`)));
    }
  });
  const submitter = all.at(-1).child;
  const message = () => Promise.race([new Promise((resolve) => submitter.once('message', resolve)), failed]);
  const pids = [['server', serverPid], ...all.map(({ role, child }) => [role, child.pid])];
  await message();
  const before = pids.map(([, pid]) => cpuMs(pid));
  const { tookMs, times } = await message();
  const costs = pids.map(([role, pid], i) => `${role} ${(((cpuMs(pid) - before[i]) * 1000) / TASKS).toFixed(0)}`);
  for (const { child } of all) {
    child.removeAllListeners('exit');
    child.kill('SIGKILL');
  }
  const rate = Math.round((TASKS * 1000) / tookMs);
  report(`tasks: submitted, done once, result seen; ${OPEN} open`, 'ours', `${rate}/s, each ${spread(times)}`);
  report('tasks: processor time, µs a task', '', costs.join(', '));
}

if (process.argv[1] === import.meta.filename) {
  const [address, role] = process.argv.slice(2);
  await roles[role](await connect(address));
}
