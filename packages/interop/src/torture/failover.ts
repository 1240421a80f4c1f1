/** The leader is killed: how long nobody can write, for both products, with the same tick and limits. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '@treekeeper/client';
import { Ensemble, type EnsembleMember } from '../ensemble.ts';
import type { Flavour } from '../servers.ts';
import { Session } from '../session.ts';

/** As in the manuals of both. */
const SETTINGS = { tickTime: 2000, initLimit: 10, syncLimit: 5 };
const PROBE_PAUSE_MS = 2;
const PROBE_MS_MAX = 500;
const LOAD_BEFORE_MS = 1000;
const CLIENTS = 4;
const ROUNDS = 4;
const flavours = ['apache', 'treekeeper'] as const;
const WAIT_MS_MAX = 60_000;

export interface FailoverOptions {
  readonly servers: number;
  /** Of each product. */
  readonly kills: number;
  readonly directory: string;
  readonly tell: (text: string) => void;
}

/** From the kill, ms. */
interface Pause {
  /** Until the first write by a session that was opened anew at one of the others. */
  readonly firstMs: number;
  /** Until all of the others take writes. */
  readonly allMs: number;
  /** The longest that one of the clients, which write all the time, went without an answer. */
  readonly clientMs: number;
}

export async function measureFailover(options: FailoverOptions): Promise<void> {
  const { servers, kills, directory, tell } = options;
  tell(
    `${servers} servers, tickTime ${SETTINGS.tickTime}, initLimit ${SETTINGS.initLimit}, syncLimit ${SETTINGS.syncLimit}`,
  );
  tell(`${'from kill -9 of the leader, ms'.padEnd(72)}median   least    most`);
  const pauses = { apache: [] as Pause[], treekeeper: [] as Pause[] };
  // In turns: what else the machine does meets both.
  for (let round = 0; round < ROUNDS; round++) {
    for (const flavour of flavours) {
      const own = join(directory, `${flavour}-${round}`);
      pauses[flavour].push(...(await measure(flavour, servers, Math.ceil(kills / ROUNDS), own)));
    }
  }
  for (const flavour of flavours) {
    const lines: readonly (readonly [string, keyof Pause])[] = [
      ['the first write at one of the others', 'firstMs'],
      ['writes at all of the others', 'allMs'],
      ['the longest pause of a client that goes on with its session', 'clientMs'],
    ];
    for (const [what, key] of lines) {
      const sorted = pauses[flavour].map((pause) => pause[key]).sort((a, b) => a - b);
      const shown = [sorted[sorted.length >> 1], sorted[0], sorted[sorted.length - 1]];
      const figures = shown.map((ms) => ms.toFixed(0).padStart(8)).join('');
      tell(`${`${flavour}: ${what}`.padEnd(70)}${figures}`);
    }
  }
}

async function measure(flavour: Flavour, servers: number, kills: number, directory: string): Promise<Pause[]> {
  const wanted = Array.from({ length: servers }, () => ({ flavour }));
  const ensemble = await Ensemble.start(directory, wanted, SETTINGS);
  const addresses = ensemble.members.map(({ port }) => `127.0.0.1:${port}`).join(',');
  const clients = await Promise.all(Array.from({ length: CLIENTS }, (_, i) => Writer.start(addresses, i)));
  const pauses: Pause[] = [];
  for (let i = 0; i < kills; i++) {
    await sleep(LOAD_BEFORE_MS);
    pauses.push(await killLeader(ensemble, clients));
  }
  await Promise.all(clients.map((client) => client.stop()));
  await ensemble.stop();
  return pauses;
}

async function killLeader(ensemble: Ensemble, clients: readonly Writer[]): Promise<Pause> {
  const leader = await ensemble.leader();
  const others = ensemble.members.filter((member) => member !== leader);
  for (const client of clients) {
    client.longestMs = 0;
  }
  const killed = leader.server.kill();
  const beganMs = performance.now();
  const times = await Promise.all(others.map((member) => firstWrite(member, beganMs)));
  await killed;
  // Until each client has had an answer again.
  const afterMs = performance.now();
  while (clients.some(({ lastMs }) => lastMs < afterMs)) {
    await sleep(PROBE_PAUSE_MS);
  }
  leader.server.launch();
  const pause = {
    firstMs: Math.min(...times),
    allMs: Math.max(...times),
    clientMs: Math.max(...clients.map(({ longestMs }) => longestMs)),
  };
  await ensemble.untilServing();
  return pause;
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
  lastMs = performance.now();
  longestMs = 0;
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
    const now = performance.now();
    this.longestMs = Math.max(this.longestMs, now - this.lastMs);
    this.lastMs = now;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#run;
  }
}
