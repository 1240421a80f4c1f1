/** One run: an ensemble, clients that write, faults, and after each episode the question what is left. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '@treekeeper/client';
import { Random } from '../random.ts';
import type { Flavour } from '../servers.ts';
import type { Checks } from '../suite.ts';
import { Aftermath } from './aftermath.ts';
import { Cluster, within } from './cluster.ts';
import { type Fault, possibleFaults, type Scene } from './faults.ts';
import { type Figures, Findings } from './figures.ts';
import { type Ground, prepareGround, readFinal } from './ground.ts';
import { type FinalState, History } from './history.ts';
import type { Violation } from './judge.ts';
import { judgeAll } from './judges.ts';
import { keepHistory } from './keep.ts';
import type { Role } from './network.ts';
import { median } from './report.ts';
import { Watchers } from './watchers.ts';
import { Workload } from './workload.ts';

/** From the end of a fault until all serve and a write is acknowledged. */
const RECOVERY_MS_MAX = 240_000;
/** Longer ones are told when they happen, so that the servers' logs can be held beside them. */
const LONG_RECOVERY_MS = 5000;
const EPISODE_MS = 30_000;
const PAUSE_MS_MAX = 2500;
const OVERLAP_MS_MAX = 2000;
/** Trees of episodes are kept so long, to see that they do not change any more. */
const EPISODES_KEPT = 2;
const VIOLATIONS_SHOWN = 10;
/** Of `any`, and the only one in which packets are late on every machine. */
const PROXIES_SHARE = 0.3;

export interface TortureOptions {
  readonly product: Flavour;
  readonly servers: number;
  readonly clients: number;
  readonly minutes: number;
  readonly seed: number;
  readonly network: 'any' | 'namespaces' | 'proxies';
  readonly disk: 'small' | 'limited';
  /** Names of faults; empty for all. */
  readonly faults: readonly string[];
  readonly directory: string;
  readonly tell: (text: string) => void;
}

/** Adds what it comes to to the figures. */
export async function torture(options: TortureOptions, checks: Checks, figures: Figures): Promise<void> {
  const random = new Random(options.seed);
  const tickTime = random.pick([200, 500, 500, 1000]);
  const roles: Role[] = Array.from({ length: options.servers }, () => 'participant');
  if (random.chance(0.3)) {
    roles.push('observer');
  }
  const directory = join(options.directory, `${options.product}-${options.servers}-${options.seed}`);
  const cluster = await Cluster.create({
    flavour: options.product,
    roles,
    directory,
    settings: {
      tickTime,
      initLimit: Math.ceil(15_000 / tickTime),
      syncLimit: Math.ceil(2500 / tickTime),
      snapCount: random.pick([100, 1000, 10_000]),
      snapshotSizeFactor: random.pick([0.33, -1, 1]),
      preAllocSize: 64,
      maxSessionTimeout: 60_000,
      enforceQuota: 'true',
    },
    ownClocks: random.chance(0.5),
    network: networkOf(options, random),
    disk: options.disk,
  });
  figures.seeds.push(options.seed);
  figures.means.add(cluster.description);
  options.tell(`${options.product}, ${roles.join(', ')}, seed ${options.seed}: ${cluster.description}`);
  const failuresBefore = checks.failures.length;
  const run = new Run({ options, cluster, directory, checks, figures }, Math.max(3000, 2 * tickTime));
  try {
    await run.all();
  } finally {
    await cluster.end(checks.failures.length > failuresBefore);
    run.report();
  }
}

function networkOf({ network }: TortureOptions, random: Random): 'namespaces' | 'proxies' {
  const drawn = random.chance(PROXIES_SHARE) ? 'proxies' : 'namespaces';
  return network === 'any' ? drawn : network;
}

interface Setting {
  readonly options: TortureOptions;
  readonly cluster: Cluster;
  /** Of this run's own. */
  readonly directory: string;
  readonly checks: Checks;
  readonly figures: Figures;
}

class Run {
  readonly #options: TortureOptions;
  readonly #cluster: Cluster;
  readonly #directory: string;
  readonly #checks: Checks;
  readonly #figures: Figures;
  readonly #findings: Findings;
  readonly #sessionTimeoutMs: number;
  readonly #aftermath: Aftermath;
  readonly #beganMs = performance.now();
  readonly #recoveriesMs: number[] = [];
  #acknowledged = 0;

  constructor({ options, cluster, directory, checks, figures }: Setting, sessionTimeoutMs: number) {
    this.#options = options;
    this.#cluster = cluster;
    this.#directory = directory;
    this.#checks = checks;
    this.#figures = figures;
    this.#findings = new Findings(checks, figures);
    this.#sessionTimeoutMs = sessionTimeoutMs;
    this.#aftermath = new Aftermath(cluster, this.#findings);
  }

  #tell(text: string): void {
    const seconds = ((performance.now() - this.#beganMs) / 1000).toFixed(1);
    this.#options.tell(`${seconds.padStart(7)} s  ${text}`);
  }

  async all(): Promise<void> {
    this.#cluster.launchAll();
    const isUp = await this.#cluster.untilServing(RECOVERY_MS_MAX);
    this.#findings.that('stuck', 'the ensemble starts', isUp, () => this.#logs());
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
    const clientRandom = new Random(random.between(1, 1_000_000));
    const workload = new Workload(ground, this.#options.clients, clientRandom);
    const watchers = new Watchers(ground, clientRandom);
    const scene: Scene = {
      cluster,
      random,
      sessionTimeoutMs: this.#sessionTimeoutMs,
      tell: (text) => this.#tell(text),
    };
    const episodeEndMs = Math.min(endMs, performance.now() + EPISODE_MS);
    let isAlive = false;
    try {
      do {
        await sleep(random.below(PAUSE_MS_MAX));
        workload.takeLongestPause();
        const fault = await this.#harm(scene);
        isAlive = await this.#recovers(workload, fault);
      } while (isAlive && performance.now() < episodeEndMs);
    } finally {
      // Even if a fault cannot be done: the next run may have servers at the same addresses.
      await workload.end();
      if (isAlive) {
        await within(2 * this.#sessionTimeoutMs + 15_000, () => nobodyLeft(ground));
      }
      await watchers.end(isAlive);
    }
    this.#count(history, workload);
    return isAlive && (await this.#judge(episode, ground));
  }

  #count(history: History, { acknowledged }: Workload): void {
    const figures = this.#figures;
    figures.episodes++;
    figures.calls += history.calls.length;
    figures.sessions += history.sessions.length;
    figures.acknowledged += acknowledged;
    this.#acknowledged += acknowledged;
    for (const call of history.calls) {
      figures.addCall(call);
    }
    figures.events += history.pursuits.reduce((sum, { notices }) => sum + notices.length, 0);
  }

  /** One fault, or several at once. Answers what it was. */
  async #harm(scene: Scene): Promise<string> {
    const { random } = scene;
    const choices = possibleFaults(this.#cluster, this.#options.faults).map((fault): [number, Fault] => {
      return [fault.weight, fault];
    });
    const drawn = Array.from({ length: random.pick([1, 1, 1, 2, 3]) }, () => random.weighted(choices));
    const together = drawn.some(({ needsOthers }) => needsOthers) ? drawn.slice(0, 1) : drawn;
    const at = random.below(OVERLAP_MS_MAX);
    await Promise.all(
      together.map(async (fault, i) => {
        await sleep(i * at);
        await fault.run(scene);
      }),
    );
    await this.#cluster.calm();
    for (const member of this.#cluster.members) {
      // Who is starting has listed its files already, and counts on them.
      if ((await member.mode()) !== null) {
        member.purge();
      }
    }
    return together.length === 1 ? together[0].name : 'several at once';
  }

  async #recovers(workload: Workload, fault: string): Promise<boolean> {
    const beganMs = performance.now();
    const isServing = await this.#cluster.untilServing(RECOVERY_MS_MAX);
    const isWriting = isServing && (await within(RECOVERY_MS_MAX, async () => workload.lastWriteMs > beganMs));
    const what = isServing ? 'nobody can write' : 'not all serve';
    const modes = isWriting ? '' : await this.#cluster.modes();
    this.#findings.that(
      'stuck',
      `the ensemble recovers from ${fault}`,
      isWriting,
      () => `${what}: ${modes}\n${this.#logs()}`,
    );
    const recoveryMs = performance.now() - beganMs;
    if (recoveryMs > LONG_RECOVERY_MS) {
      this.#tell(`all serve and write again ${recoveryMs.toFixed(0)} ms after ${fault}`);
    }
    this.#recoveriesMs.push(recoveryMs);
    // Nobody has written since: what has not ended counts, too.
    const openMs = isWriting ? 0 : performance.now() - workload.lastWriteMs;
    this.#figures.addFault(fault, Math.max(workload.takeLongestPause(), openMs), recoveryMs);
    this.#reportSelfEnds();
    return isWriting;
  }

  #reportSelfEnds(): void {
    for (const { member, exitCode, lastWords, excuse } of this.#cluster.selfEnds.splice(0)) {
      const what = `server ${member.id} ended by itself (${exitCode})`;
      if (excuse === null) {
        this.#findings.that('ended', what, false, () => lastWords);
      } else {
        this.#figures.addExcused(excuse.reason);
        this.#tell(`${what}: ${excuse.reason}`);
      }
    }
  }

  async #judge(episode: number, ground: Ground): Promise<boolean> {
    const isSettled = await this.#aftermath.settle();
    if (isSettled) {
      await this.#judgeHistory(episode, ground);
      await this.#aftermath.compare(ground.root);
      if (episode > EPISODES_KEPT) {
        await this.#aftermath.remove(`/torture-${episode - EPISODES_KEPT}`);
      }
    } else {
      this.#keep(episode, [], ground.history, null);
    }
    this.#reportSelfEnds();
    const { calls, sessions } = ground.history;
    this.#tell(`episode ${episode}: ${calls.length} calls, ${sessions.length} sessions, judged`);
    return isSettled;
  }

  async #judgeHistory(episode: number, { history, root }: Ground): Promise<void> {
    const final = await readFinal(root, this.#cluster.servers);
    const violations = judgeAll(history, final);
    for (const { kind } of violations) {
      this.#findings.count(kind, 1);
    }
    const shown = violations.slice(0, VIOLATIONS_SHOWN).map(({ kind, text }) => `${kind}: ${text}`);
    const more = violations.length > VIOLATIONS_SHOWN ? [`and ${violations.length - VIOLATIONS_SHOWN} more`] : [];
    const isRight = violations.length === 0;
    this.#checks.that(`history of episode ${episode}`, isRight, () => [...shown, ...more].join('\n'));
    if (!isRight) {
      this.#keep(episode, violations, history, final);
    }
  }

  #keep(episode: number, violations: readonly Violation[], history: History, final: FinalState | null): void {
    const file = join(this.#directory, `history-${episode}.jsonl`);
    keepHistory(file, violations, history, final);
    this.#tell(`the history of episode ${episode} is in ${file}`);
  }

  #logs(): string {
    return this.#cluster.members.map(({ id, server }) => `server ${id}:\n${server.log.slice(-1500)}`).join('\n');
  }

  report(): void {
    const { product, servers, seed } = this.#options;
    const minutes = (performance.now() - this.#beganMs) / 60_000;
    this.#figures.minutes += minutes;
    const recoveriesMs = this.#recoveriesMs.length === 0 ? [0] : this.#recoveriesMs;
    this.#checks.note(
      `${product}, ${servers} servers, seed ${seed}: ${minutes.toFixed(1)} minutes, ${this.#recoveriesMs.length} faults, ` +
        `${this.#acknowledged} writes acknowledged; all serve and write again after ` +
        `${median(recoveriesMs).toFixed(0)} ms (median), ${Math.max(...recoveriesMs).toFixed(0)} ms (longest)`,
    );
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
