/** Locks and elections, ours and kazoo's: how long it takes from one holder to the next. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '../../packages/client/dist/index.js';
import { Election, Lock } from '../../packages/recipes/dist/index.js';
import { cpuMs, report, spread } from './figures.js';

const HAND_OVERS = Number(process.env.HAND_OVERS ?? 1000);
const ROUNDS = 5;
const WARM_UP = 100;
const FAIL_OVERS = Number(process.env.FAIL_OVERS ?? 5);
const CONTENDERS = [1, 2, 20];
/** Eight of the server's ticks: a session ends at the first tick behind its timeout. */
const SESSION_TIMEOUT_MS = 4000;
const KAZOO = ['/usr/bin/python3', '-B', `${import.meta.dirname}/kazoo_side.py`];

export async function lock(address, serverPid) {
  const ours = (path, count, contenders) => handOvers(address, path, count, contenders);
  const theirs = async (path, count, contenders) => {
    const [cpuUs, ...times] = await kazoo(address, 'lock', path, count, WARM_UP, contenders);
    return { cpuUs: Number(cpuUs), times: times.map(Number) };
  };
  for (const contenders of CONTENDERS) {
    const sides = [
      { who: 'ours', of: ours, times: [], cpuUs: 0, serverUs: 0 },
      { who: 'kazoo', of: theirs, times: [], cpuUs: 0, serverUs: 0 },
    ];
    // By turns, so that both meet the same machine.
    for (let round = 0; round < ROUNDS; round++) {
      for (const side of sides) {
        const serverMs = cpuMs(serverPid);
        const { times, cpuUs } = await side.of(
          `/bench-lock-${side.who}-${contenders}`,
          HAND_OVERS / ROUNDS,
          contenders,
        );
        side.times.push(...times);
        side.cpuUs += cpuUs;
        side.serverUs += (cpuMs(serverPid) - serverMs) * 1000;
      }
    }
    const what =
      contenders === 1 ? 'lock: given back and taken, nobody else wants it' : `lock: handed over among ${contenders}`;
    for (const [i, { who, times, cpuUs, serverUs }] of sides.entries()) {
      const count = times.length + ROUNDS * WARM_UP;
      const cost = `µs of processor ${(cpuUs / count).toFixed(0)}, server ${(serverUs / count).toFixed(0)}`;
      report(i === 0 ? what : '', who, `${spread(times)}  ${cost}`);
    }
  }
}

/**
 * From the call of `release` to the next one's `acquire`, each contender with a session of its own, all in one process,
 * as kazoo's threads are. The first hand-overs, before all is compiled and all contenders wait, do not count.
 */
async function handOvers(address, path, count, contenders) {
  const clients = await Promise.all(Array.from({ length: contenders }, () => connect(address)));
  const times = [];
  let releasedMs = 0;
  let begun = process.cpuUsage();
  await Promise.all(
    clients.map(async (client) => {
      const contended = new Lock(client, path);
      while (times.length < WARM_UP + count) {
        const hold = await contended.acquire();
        if (releasedMs > 0) {
          times.push(performance.now() - releasedMs);
        } else {
          begun = process.cpuUsage();
        }
        await sleep(1); // by then all others wait
        releasedMs = performance.now();
        await hold.release();
      }
    }),
  );
  const { user, system } = process.cpuUsage(begun);
  await Promise.all(clients.map((client) => client.close()));
  return { times: times.slice(WARM_UP, WARM_UP + count), cpuUs: user + system };
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
