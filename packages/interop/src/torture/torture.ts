/** One run: an ensemble, clients that write, faults, and after each episode the question what is left. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '@treekeeper/client';
import { Random } from '../random.ts';
import type { Flavour } from '../servers.ts';
import type { Checks } from '../suite.ts';
import { Aftermath } from './aftermath.ts';
import { Cluster, within } from './cluster.ts';
import { type Fault, faults, type Scene } from './faults.ts';
import { History } from './history.ts';
import { judge } from './judge.ts';
import type { Role } from './network.ts';
import { type Ground, prepareGround, readFinal, Workload } from './workload.ts';

/** From the end of a fault until all serve and a write is acknowledged. */
const RECOVERY_MS_MAX = 90_000;
const EPISODE_MS = 30_000;
const PAUSE_MS_MAX = 2500;
const OVERLAP_MS_MAX = 2000;
/** Trees of episodes are kept so long, to see that they do not change any more. */
const EPISODES_KEPT = 2;
const VIOLATIONS_SHOWN = 10;

export interface TortureOptions {
  readonly product: Flavour;
  readonly servers: number;
  readonly clients: number;
  readonly minutes: number;
  readonly seed: number;
  readonly network: 'namespaces' | 'proxies';
  /** Names of faults; empty for all. */
  readonly faults: readonly string[];
  readonly directory: string;
  readonly tell: (text: string) => void;
}

/** What was done and how long it took. */
export interface Tally {
  readonly faults: Map<string, number>;
  /** From the end of each fault until all served and a write was acknowledged, ms. */
  readonly recoveriesMs: number[];
  episodes: number;
  calls: number;
  acknowledged: number;
  sessions: number;
}

export async function torture(options: TortureOptions, checks: Checks): Promise<void> {
  const random = new Random(options.seed);
  const tickTime = random.pick([200, 500, 500, 1000]);
  const roles: Role[] = Array.from({ length: options.servers }, () => 'participant');
  if (random.chance(0.3)) {
    roles.push('observer');
  }
  const cluster = await Cluster.create({
    flavour: options.product,
    roles,
    directory: join(options.directory, `${options.product}-${options.servers}-${options.seed}`),
    settings: {
      tickTime,
      initLimit: Math.ceil(15_000 / tickTime),
      syncLimit: Math.ceil(2500 / tickTime),
      snapCount: random.pick([100, 1000, 10_000]),
      snapshotSizeFactor: random.pick([0.33, -1, 1]),
      preAllocSize: 64,
      maxSessionTimeout: 60_000,
    },
    network: options.network,
    ownClocks: random.chance(0.5),
  });
  const run = new Run(options, cluster, checks, Math.max(3000, 2 * tickTime));
  options.tell(`${options.product}, ${roles.join(', ')}, seed ${options.seed}: ${cluster.description}`);
  try {
    await run.all();
  } finally {
    await cluster.end();
    run.report();
  }
}

class Run {
  readonly #options: TortureOptions;
  readonly #cluster: Cluster;
  readonly #checks: Checks;
  readonly #sessionTimeoutMs: number;
  readonly #aftermath: Aftermath;
  readonly #beganMs = performance.now();
  readonly #tally: Tally = {
    faults: new Map(),
    recoveriesMs: [],
    episodes: 0,
    calls: 0,
    acknowledged: 0,
    sessions: 0,
  };

  constructor(options: TortureOptions, cluster: Cluster, checks: Checks, sessionTimeoutMs: number) {
    this.#options = options;
    this.#cluster = cluster;
    this.#checks = checks;
    this.#sessionTimeoutMs = sessionTimeoutMs;
    this.#aftermath = new Aftermath(cluster, checks);
  }

  #tell(text: string): void {
    const seconds = ((performance.now() - this.#beganMs) / 1000).toFixed(1);
    this.#options.tell(`${seconds.padStart(7)} s  ${text}`);
  }

  async all(): Promise<void> {
    this.#cluster.launchAll();
    const isUp = await this.#cluster.untilServing(RECOVERY_MS_MAX);
    this.#checks.that('the ensemble starts', isUp, () => this.#logs());
    const endMs = this.#beganMs + this.#options.minutes * 60_000;
    for (let episode = 1; isUp && performance.now() < endMs; episode++) {
      if (!(await this.#episode(episode, endMs))) {
        return;
      }
    }
  }

  /** False when there is no use in going on. */
  async #episode(episode: number, endMs: number): Promise<boolean> {
    const cluster = this.#cluster;
    const random = new Random(this.#options.seed * 10_000 + episode);
    const history = new History();
    const ground: Ground = {
      history,
      root: `/torture-${episode}`,
      servers: cluster.servers,
      sessionTimeoutMs: this.#sessionTimeoutMs,
    };
    await prepareGround(ground);
    // Choices of the clients depend on time, those of the faults must not: they have a generator of their own.
    const workload = new Workload(ground, this.#options.clients, new Random(random.between(1, 1_000_000)));
    const scene: Scene = {
      cluster,
      random,
      sessionTimeoutMs: this.#sessionTimeoutMs,
      tell: (text) => this.#tell(text),
    };
    const episodeEndMs = Math.min(endMs, performance.now() + EPISODE_MS);
    let isAlive = true;
    do {
      await sleep(random.below(PAUSE_MS_MAX));
      await this.#harm(scene);
      isAlive = await this.#recovers(workload);
    } while (isAlive && performance.now() < episodeEndMs);
    await workload.end();
    this.#tally.episodes++;
    this.#tally.calls += history.calls.length;
    this.#tally.sessions += history.sessions.length;
    this.#tally.acknowledged += workload.acknowledged;
    return isAlive && (await this.#judge(episode, ground));
  }

  /** One fault, or several at once. */
  async #harm(scene: Scene): Promise<void> {
    const { random } = scene;
    const chosen = this.#options.faults;
    const choices = faults
      .filter(({ name }) => chosen.length === 0 || chosen.includes(name))
      .map((fault): [number, Fault] => [fault.weight, fault]);
    const drawn = Array.from({ length: random.pick([1, 1, 1, 2, 3]) }, () => random.weighted(choices));
    const together = drawn.some(({ needsOthers }) => needsOthers) ? drawn.slice(0, 1) : drawn;
    const at = random.below(OVERLAP_MS_MAX);
    await Promise.all(
      together.map(async (fault, i) => {
        await sleep(i * at);
        this.#tally.faults.set(fault.name, (this.#tally.faults.get(fault.name) ?? 0) + 1);
        await fault.run(scene);
      }),
    );
    await this.#cluster.calm();
    for (const member of this.#cluster.members) {
      member.purge();
    }
  }

  async #recovers(workload: Workload): Promise<boolean> {
    const beganMs = performance.now();
    const isServing = await this.#cluster.untilServing(RECOVERY_MS_MAX);
    const isWriting = isServing && (await within(RECOVERY_MS_MAX, async () => workload.lastWriteMs > beganMs));
    const what = isServing ? 'nobody can write' : 'not all serve';
    const modes = isWriting ? '' : await this.#cluster.modes();
    this.#checks.that('the ensemble recovers', isWriting, () => `${what}: ${modes}\n${this.#logs()}`);
    this.#tally.recoveriesMs.push(performance.now() - beganMs);
    this.#reportSelfEnds();
    return isWriting;
  }

  #reportSelfEnds(): void {
    for (const { member, exitCode, lastWords, excuse } of this.#cluster.selfEnds.splice(0)) {
      const what = `server ${member.id} ended by itself (${exitCode})`;
      if (excuse === null) {
        this.#checks.fail(what, lastWords);
      } else {
        this.#tell(`${what}: ${excuse.reason}`);
      }
    }
  }

  async #judge(episode: number, ground: Ground): Promise<boolean> {
    const cluster = this.#cluster;
    await within(2 * this.#sessionTimeoutMs + 15_000, () => nobodyLeft(ground));
    const isSettled = await this.#aftermath.settle();
    if (isSettled) {
      const violations = judge(ground.history, await readFinal(ground, cluster.servers));
      const shown = violations.slice(0, VIOLATIONS_SHOWN).join('\n');
      const more = violations.length > VIOLATIONS_SHOWN ? `\nand ${violations.length - VIOLATIONS_SHOWN} more` : '';
      this.#checks.that(`history of episode ${episode}`, violations.length === 0, () => shown + more);
      await this.#aftermath.compare(ground.root);
      if (episode > EPISODES_KEPT) {
        await this.#aftermath.remove(`/torture-${episode - EPISODES_KEPT}`);
      }
    }
    this.#reportSelfEnds();
    const { calls, sessions } = ground.history;
    this.#tell(`episode ${episode}: ${calls.length} calls, ${sessions.length} sessions, judged`);
    return isSettled;
  }

  #logs(): string {
    return this.#cluster.members.map(({ id, server }) => `server ${id}:\n${server.log.slice(-1500)}`).join('\n');
  }

  report(): void {
    const { episodes, calls, acknowledged, sessions, recoveriesMs } = this.#tally;
    const { product, servers, seed } = this.#options;
    const sorted = recoveriesMs.map(Math.round).sort((a, b) => a - b);
    const count = [...this.#tally.faults.values()].reduce((sum, number) => sum + number, 0);
    this.#checks.note(
      `${product}, ${servers} servers, seed ${seed}: ${episodes} episodes, ${count} faults, ${calls} calls, ` +
        `${acknowledged} writes acknowledged, ${sessions} sessions; all serve and write again after ` +
        `${sorted[sorted.length >> 1] ?? 0} ms (median), ${sorted[sorted.length - 1] ?? 0} ms (longest)`,
    );
    const names = [...this.#tally.faults].sort().map(([name, number]) => `${name} ${number}`);
    this.#checks.note(names.join(', '));
  }
}

async function nobodyLeft({ root, servers }: Ground): Promise<boolean> {
  try {
    await using client = await connect(servers);
    await client.sync('/');
    return (await client.children(`${root}/owned`)).length === 0;
  } catch {
    return false;
  }
}
