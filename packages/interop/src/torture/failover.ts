/** The leader ends: how long nobody can write, for both products, with the same tick and limits. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '@treekeeper/client';
import { Ensemble, type EnsembleMember } from '../ensemble.ts';
import type { Flavour } from '../servers.ts';
import { Session } from '../session.ts';
import { median } from './report.ts';

/** As in the manuals of both. */
const SETTINGS = { tickTime: 2000, initLimit: 10, syncLimit: 5 };
const PROBE_PAUSE_MS = 2;
const PROBE_MS_MAX = 500;
const LOAD_BEFORE_MS = 1000;
const CLIENTS = 4;
const ROUNDS = 4;
const flavours = ['apache', 'treekeeper'] as const;
const WAIT_MS_MAX = 60_000;

/** How the leader ends: killed, or asked to, as for a restart. */
const endings = ['kill -9', 'SIGTERM'] as const;
type Ending = (typeof endings)[number];

export interface FailoverOptions {
  readonly servers: number;
  /** Of each product, in each way. */
  readonly times: number;
  readonly directory: string;
  readonly tell: (text: string) => void;
}

/** From the signal, ms. */
interface Pause {
  /** Until the first write by a session that was opened anew at one of the others; 0 where nobody was killed. */
  readonly firstMs: number;
  /** Until all of the others take writes. */
  readonly allMs: number;
  /** The longest time in which none of the clients, which write all the time, had an answer. */
  readonly nobodyMs: number;
  /** The longest that one of them went without an answer. */
  readonly clientMs: number;
}

type Line = readonly [string, keyof Pause];
const ofClients: readonly Line[] = [
  ['no client had a write acknowledged for', 'nobodyMs'],
  ['the client that waited longest, for', 'clientMs'],
];
const lines: Readonly<Record<Ending, readonly Line[]>> = {
  'kill -9': [
    ...ofClients,
    ['until a new session wrote at one of the others', 'firstMs'],
    ['until a new session wrote at each of the others', 'allMs'],
  ],
  SIGTERM: ofClients,
};

export async function measureFailover({ servers, times, directory, tell }: FailoverOptions): Promise<void> {
  const limits = Object.entries(SETTINGS).map(([name, value]) => `${name} ${value}`);
  tell(`${servers} servers, ${CLIENTS} clients that write all the time, ${limits.join(', ')}; ms`);
  const pauses = new Map<string, Pause[]>();
  // In turns: what else the machine does meets both.
  for (let round = 0; round < ROUNDS; round++) {
    for (const flavour of flavours) {
      const own = join(directory, `${flavour}-${round}`);
      const share = Math.ceil((times - round) / ROUNDS);
      tell(`round ${round + 1} of ${ROUNDS}: ${flavour}, ${share} times each way`);
      for (const [ending, measured] of await measure(flavour, servers, share, own)) {
        const name = `${flavour} ${ending}`;
        pauses.set(name, [...(pauses.get(name) ?? []), ...measured]);
      }
    }
  }
  for (const ending of endings) {
    tell('');
    tell(`${`${ending} of the leader`.padEnd(64)}times  median   least    most`);
    for (const [what, key] of lines[ending]) {
      for (const flavour of flavours) {
        const ms = (pauses.get(`${flavour} ${ending}`) ?? []).map((pause) => pause[key]);
        const figures = [median(ms), Math.min(...ms), Math.max(...ms)].map((figure) => figure.toFixed(0).padStart(8));
        tell(`${what.padEnd(50)}${flavour.padEnd(14)}${String(ms.length).padStart(5)}${figures.join('')}`);
      }
    }
  }
}

async function measure(
  flavour: Flavour,
  servers: number,
  times: number,
  directory: string,
): Promise<Map<Ending, Pause[]>> {
  const wanted = Array.from({ length: servers }, () => ({ flavour }));
  const ensemble = await Ensemble.start(directory, wanted, SETTINGS);
  const addresses = ensemble.members.map(({ port }) => `127.0.0.1:${port}`).join(',');
  const clients = await Promise.all(Array.from({ length: CLIENTS }, (_, i) => Writer.start(addresses, i)));
  const pauses = new Map<Ending, Pause[]>();
  for (const ending of endings) {
    const measured: Pause[] = [];
    for (let i = 0; i < times; i++) {
      await sleep(LOAD_BEFORE_MS);
      measured.push(await endLeader(ensemble, clients, ending));
    }
    pauses.set(ending, measured);
  }
  await Promise.all(clients.map((client) => client.stop()));
  await ensemble.stop();
  return pauses;
}

async function endLeader(ensemble: Ensemble, clients: readonly Writer[], ending: Ending): Promise<Pause> {
  const leader = await ensemble.leader();
  const others = ensemble.members.filter((member) => member !== leader);
  for (const client of clients) {
    client.answersMs = [];
  }
  const beganMs = performance.now();
  let times = [0];
  if (ending === 'kill -9') {
    const killed = leader.server.kill();
    times = await Promise.all(others.map((member) => firstWrite(member, beganMs)));
    await killed;
  } else {
    await leader.server.stop();
  }
  // Until each client has had an answer again.
  const afterMs = performance.now();
  while (clients.some(({ answersMs }) => (answersMs.at(-1) ?? 0) < afterMs)) {
    await sleep(PROBE_PAUSE_MS);
  }
  leader.server.launch();
  const pause = {
    firstMs: Math.min(...times),
    allMs: Math.max(...times),
    nobodyMs: longestGap(
      beganMs,
      clients.flatMap(({ answersMs }) => answersMs).sort((a, b) => a - b),
    ),
    clientMs: Math.max(...clients.map(({ answersMs }) => longestGap(beganMs, answersMs))),
  };
  await ensemble.untilServing();
  return pause;
}

/** The longest time between two of them, which rise, or until the first. */
function longestGap(beganMs: number, timesMs: readonly number[]): number {
  return Math.max(...timesMs.map((ms, i) => ms - (timesMs[i - 1] ?? beganMs)));
}

/** Tries to open a session and to write at one server, again and again. */
async function firstWrite(member: EnsembleMember, beganMs: number): Promise<number> {
  while (performance.now() < beganMs + WAIT_MS_MAX) {
    const isWritten = await Promise.race([tryToWrite(member).catch(() => false), sleep(PROBE_MS_MAX, false)]);
    if (isWritten) {
      return performance.now() - beganMs;
    }
    await sleep(PROBE_PAUSE_MS);
  }
  throw new Error(`${member.name} takes no write ${WAIT_MS_MAX} ms after the leader was killed`);
}

async function tryToWrite(member: EnsembleMember): Promise<boolean> {
  const session = await Session.open(member.port, { timeoutMs: 10_000 });
  try {
    await session.setData('/probe', null);
    return true;
  } finally {
    session.abandon();
  }
}

/** A client that writes all the time, one write after the other. */
class Writer {
  /** When writes were acknowledged. */
  answersMs: number[] = [];
  #isStopping = false;
  readonly #run: Promise<void>;

  private constructor(run: (writer: Writer) => Promise<void>) {
    this.#run = run(this);
  }

  static async start(addresses: string, number: number): Promise<Writer> {
    const client = await connect(addresses, { sessionTimeoutMs: 20_000 });
    const path = `/writer-${number}`;
    await client.create(path);
    await client.create('/probe').catch(() => {});
    return new Writer(async (writer) => {
      while (!writer.#isStopping) {
        await client.set(path, 'x', { retry: false }).then(
          () => writer.#answered(),
          () => sleep(PROBE_PAUSE_MS),
        );
      }
      await client.close();
    });
  }

  #answered(): void {
    this.answersMs.push(performance.now());
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#run;
  }
}
