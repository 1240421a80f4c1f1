/** Tasks that do nothing, from submission to result: submitter, master and workers are processes of their own. */
import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect } from '../../packages/client/dist/index.js';
import { Master, Submitter, TaskQueue, Worker } from '../../packages/recipes/dist/master-worker/index.js';
import { report, spread } from './figures.js';

const TASKS = Number(process.env.TASKS ?? 20_000);
const OPEN = Number(process.env.OPEN ?? 1000);
const WARM_UP = 2000;
const WORKERS = 2;
/** Of Linux's clock of processor time. */
const MS_PER_TICK = 10;

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
    process.send('warm');
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

/** User and system time of a process, from Linux. */
function cpuMs(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
}

if (process.argv[1] === import.meta.filename) {
  const [address, role] = process.argv.slice(2);
  await roles[role](await connect(address));
}
