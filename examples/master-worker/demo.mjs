// `npm run demo:master-worker`: a server, two masters, four workers and a submitter, each a process of its own. On the way
// the leading master is killed, a worker is killed, and another is paused for longer than its session lives. In the end
// the tree itself says whether every task was done, and none of them twice. Exit code 0: it was so; 1: it was not.
import { fork, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, utf8 } from '@treekeeper/client';
import { Submitter } from '@treekeeper/recipes/master-worker';
import { ledger, sums } from './queue.mjs';
import { draw, tell } from './screen.mjs';

const here = import.meta.dirname;
const tasks = Number(process.argv[2] ?? 3000);
const PAUSE_MS = 4000; // twice a session's timeout
const GIVE_UP_MS = 120_000;

const directory = mkdtempSync(join(tmpdir(), 'treekeeper-demo-'));
const port = await freePort();
const connectString = `127.0.0.1:${port}`;
const processes = new Map();
const server = startServer();
let submitted = { submitted: 0, done: 0, wrong: 0 };

/** The end, whichever way it comes: nothing is left running. */
function cleanUp() {
  for (const { child } of processes.values()) {
    child.kill('SIGKILL');
  }
  server.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
}
process.on('exit', cleanUp);
process.on('SIGINT', () => process.exit(1));
process.on('SIGTERM', () => process.exit(1));
setTimeout(() => fail('it took too long'), GIVE_UP_MS).unref();

const client = await connect(connectString, { connectTimeoutMs: 30_000 });
await client.create(ledger, null, { createParents: true });
for (const name of ['master-1', 'master-2']) {
  start('master.mjs', name);
}
for (const name of ['worker-1', 'worker-2', 'worker-3', 'worker-4']) {
  start('worker.mjs', name);
}
const submitter = start('submitter.mjs', 'submitter', String(tasks));
submitter.child.on('message', (counts) => {
  submitted = counts;
});
const picture = setInterval(show, 100);

await doneReaches(0.2);
const leader = await leadingMaster();
kill(leader, 'it leads: the other master takes over');
await doneReaches(0.4);
kill('worker-1', 'its tasks are given to others');
await doneReaches(0.6);
const wakes = pause('worker-2');
await Promise.all([submitter.over, wakes]);
clearInterval(picture);
show();
await prove();
process.exit();

function startServer() {
  const command = join(here, '../../packages/cli/bin/treekeeper.js');
  const settings = { clientPort: port, clientPortAddress: '127.0.0.1', dataDir: directory, tickTime: 500 };
  const defines = Object.entries({ ...settings, 'admin.enableServer': false }).map(
    ([key, value]) => `-D${key}=${value}`,
  );
  const child = spawn(process.execPath, [command, 'server', ...defines], { stdio: ['ignore', 'ignore', 'inherit'] });
  child.on('exit', (code, signal) => fail(`the server has ended (${signal ?? code})`));
  return child;
}

function start(program, name, argument = name) {
  const stdio = ['ignore', 'ignore', 'inherit', 'ipc'];
  const child = fork(join(here, program), [connectString, argument], { stdio });
  const entry = { child, state: 'starts', last: {}, over: null };
  entry.over = new Promise((resolve) => child.on('exit', resolve));
  child.on('message', (message) => {
    entry.last = message;
    if (entry.state !== 'killed' && entry.state !== 'paused') {
      entry.state = message.state;
    }
  });
  child.on('exit', (code) => {
    if (entry.state !== 'killed' && code !== 0) {
      fail(`${name} has ended with ${code}`);
    }
  });
  processes.set(name, entry);
  return entry;
}

function kill(name, why) {
  const entry = processes.get(name);
  entry.state = 'killed';
  entry.child.kill('SIGKILL');
  tell(`kill -9 ${name}: ${why}`);
}

async function pause(name) {
  const entry = processes.get(name);
  entry.state = 'paused';
  entry.child.kill('SIGSTOP');
  tell(`kill -STOP ${name}: for longer than its session lives, and it does not know`);
  await sleep(PAUSE_MS);
  entry.child.kill('SIGCONT');
  entry.state = 'works';
  tell(`kill -CONT ${name}: what it had in hand is no longer its own; it joins again`);
}

function show() {
  const rows = [];
  for (const [name, { state, last }] of processes) {
    if (name.startsWith('master')) {
      const { waiting, running } = last.status ?? {};
      rows.push([
        name,
        state,
        state === 'leads' ? `${waiting} waiting` : '',
        state === 'leads' ? `${running} assigned` : '',
      ]);
    } else if (name.startsWith('worker')) {
      rows.push([
        name,
        state,
        `${last.running ?? 0} running`,
        `${last.done ?? 0} done`,
        `${last.again ?? 0} taken over`,
      ]);
    }
  }
  draw(submitted.done, tasks, rows);
}

async function doneReaches(share) {
  while (submitted.done < share * tasks) {
    await sleep(20);
  }
}

/** Who says that it leads. */
async function leadingMaster() {
  for (;;) {
    for (const [name, { state }] of processes) {
      if (state === 'leads') {
        return name;
      }
    }
    await sleep(20);
  }
}

/** Asks nobody but the tree. */
async function prove() {
  const all = Array.from({ length: tasks }, (_, n) => `sum-${n}`);
  const lookUp = new Submitter(client, sums);
  const states = await Promise.all(all.map(async (id) => (await (await lookUp.task(id)).status()).state));
  const entries = await client.children(ledger);
  const ids = await Promise.all(
    entries.map(async (name) => (await client.get(`${ledger}/${name}`, { codec: utf8 })).value),
  );
  const effects = new Map(all.map((id) => [id, 0]));
  for (const id of ids) {
    effects.set(id, (effects.get(id) ?? 0) + 1);
  }
  const done = states.filter((state) => state === 'done').length;
  const once = all.filter((id) => effects.get(id) === 1).length;
  const twice = [...effects.values()].filter((times) => times > 1).length;
  const lost = all.filter((id) => effects.get(id) === 0).length;
  console.log(`\n${tasks} tasks: ${done} done, ${once} with exactly one effect, ${twice} with more, ${lost} with none`);
  console.log(`${submitted.done} results came back, ${submitted.wrong} of them wrong`);
  const holds = done === tasks && once === tasks && ids.length === tasks && submitted.done === tasks;
  console.log(holds && submitted.wrong === 0 ? 'Proved: every task done, none twice, none lost.' : 'NOT proved.');
  process.exitCode = holds && submitted.wrong === 0 ? 0 : 1;
}

function fail(why) {
  console.error(`The demo has failed: ${why}`);
  process.exit(1);
}

function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const found = probe.address().port;
      probe.close(() => resolve(found));
    });
  });
}
