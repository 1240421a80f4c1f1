/** Locks and elections, ours and kazoo's: how long it takes from one holder to the next. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '../../packages/client/dist/index.js';
import { Election, Lock } from '../../packages/recipes/dist/index.js';
import { report, spread } from './figures.js';

const HAND_OVERS = Number(process.env.HAND_OVERS ?? 1000);
const CYCLES = Number(process.env.CYCLES ?? 1000);
const FAIL_OVERS = Number(process.env.FAIL_OVERS ?? 5);
const CONTENDERS = [2, 20];
/** Eight of the server's ticks: a session ends at the first tick behind its timeout. */
const SESSION_TIMEOUT_MS = 4000;
const KAZOO = ['/usr/bin/python3', '-B', `${import.meta.dirname}/kazoo_side.py`];

export async function lock(address) {
  const client = await connect(address);
  const free = new Lock(client, '/bench-free');
  await (await free.acquire()).release();
  const began = performance.now();
  for (let i = 0; i < CYCLES; i++) {
    await (await free.acquire()).release();
  }
  report('lock: acquired and released, nobody else wants it', 'ours', cycles(performance.now() - began, CYCLES));
  await client.close();
  const [, theirs] = await kazoo(address, 'free', CYCLES);
  report('', 'kazoo', cycles(Number(theirs) * 1000, CYCLES));
  for (const contenders of CONTENDERS) {
    report(`lock: handed over among ${contenders}`, 'ours', spread(await handOvers(address, contenders)));
    const [, ...times] = await kazoo(address, 'lock', HAND_OVERS, contenders);
    report('', 'kazoo', spread(times.map((seconds) => Number(seconds) * 1000)));
  }
}

function cycles(tookMs, count) {
  return `${(tookMs / count).toFixed(2)} each, ${Math.round((count * 1000) / tookMs)}/s`;
}

/** From the call of `release` to the next one's `acquire`, each contender with a session of its own. */
async function handOvers(address, contenders) {
  const clients = await Promise.all(Array.from({ length: contenders }, () => connect(address)));
  const times = [];
  let releasedMs = 0;
  await Promise.all(
    clients.map(async (client) => {
      const contended = new Lock(client, `/bench-lock-${contenders}`);
      while (times.length < HAND_OVERS) {
        const hold = await contended.acquire();
        if (releasedMs > 0) {
          times.push(performance.now() - releasedMs);
        }
        await sleep(1); // by then all others wait
        releasedMs = performance.now();
        await hold.release();
      }
    }),
  );
  await Promise.all(clients.map((client) => client.close()));
  return times;
}

/** From the kill of the leader's process to the next one's word that it leads. */
export async function election(address) {
  const ours = await failOvers((path) => [process.execPath, import.meta.filename, address, path]);
  report(`election: leader killed, sessions of ${SESSION_TIMEOUT_MS} ms`, 'ours', spread(ours));
  const theirs = await failOvers((path) => [...KAZOO, address, 'candidate', path, String(SESSION_TIMEOUT_MS / 1000)]);
  report('', 'kazoo', spread(theirs));
}

const candidates = new Set();
process.once('exit', () => candidates.forEach((child) => child.kill('SIGKILL')));

async function failOvers(commandOf) {
  const times = [];
  const path = `/bench-election-${Math.random().toString(36).slice(2)}`;
  let leader = await candidate(commandOf(path));
  for (let i = 0; i < FAIL_OVERS; i++) {
    await leader.leads;
    const next = await candidate(commandOf(path));
    await sleep(200 + 50 * i); // not always at the same moment of the server's tick
    const killedMs = performance.now();
    leader.child.kill('SIGKILL');
    await next.leads;
    times.push(performance.now() - killedMs);
    leader = next;
  }
  leader.child.kill('SIGKILL');
  return times;
}

async function candidate([program, ...parameters]) {
  const child = spawn(program, parameters, { stdio: ['ignore', 'pipe', 'inherit'] });
  candidates.add(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const says = async (word) => {
    const { value } = await lines.next();
    if (value !== word) {
      throw new Error(`a candidate says ${value}, and not that it ${word}`);
    }
  };
  await says('stands');
  const leads = says('leads');
  leads.catch(() => undefined); // told to whoever waits for it
  return { child, leads };
}

async function kazoo(address, ...parameters) {
  const [program, ...script] = KAZOO;
  const child = spawn(program, [...script, address, ...parameters.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
  }
  return lines;
}

/** A candidate's own process. */
if (process.argv[1] === import.meta.filename) {
  const [address, path] = process.argv.slice(2);
  const client = await connect(address, { sessionTimeoutMs: SESSION_TIMEOUT_MS });
  const campaign = new Election(client, path).campaign({ data: String(process.pid) });
  await client.sync('/');
  console.log('stands');
  await campaign;
  console.log('leads');
  await new Promise(() => setInterval(() => undefined, 1000));
}
