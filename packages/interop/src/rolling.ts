/**
 * A live ensemble of Apache ZooKeeper moves over to Treekeeper and back, one server after the other, as
 * docs/operating/moving.md tells it: while clients of one session each write through every server, and lose neither the
 * session nor anything that was acknowledged.
 */
import { join } from 'node:path';
import { type Client, connect } from '@treekeeper/client';
import { Ensemble, type EnsembleMember, type MemberOptions, until } from './ensemble.ts';
import { fourLetterWord } from './raw-client.ts';
import type { Flavour } from './servers.ts';
import type { Checks, Options, Suite } from './suite.ts';
import { compareDumps, dumpTree } from './tree-dump.ts';

const A: MemberOptions = { flavour: 'apache' };
const SESSION_TIMEOUT_MS = 15_000;
/** Between two replacements. */
const WRITES = 50;

export const rolling: Suite = {
  name: 'rolling',
  summary: 'A live ensemble of Apache ZooKeeper is replaced by Treekeeper one by one, and back, while clients write',
  async run(options, checks) {
    await checks.part('with their data', () => new Run('with its data', true, options, checks).run());
    await checks.part('with empty disks', () => new Run('with an empty disk', false, options, checks).run());
    await checks.part('rolling restart', () => restarts(options, checks));
  },
};

/** Writes one node after the other, in one session, and remembers what was acknowledged. */
class Writer {
  readonly acknowledged: string[] = [];
  /** Between one acknowledgement and the next, since `mark`. */
  pauseMs = 0;
  readonly #client: Client;
  readonly #name: string;
  #lastMs = performance.now();
  #isEnding = false;
  #running: Promise<void> = Promise.resolve();

  private constructor(client: Client, name: string) {
    this.#client = client;
    this.#name = name;
  }

  /** Prefers this server, and knows the others. */
  static async start(ensemble: Ensemble, home: EnsembleMember): Promise<Writer> {
    const servers = [home, ...ensemble.members.filter((member) => member !== home)];
    const hosts = servers.map(({ port }) => `127.0.0.1:${port}`).join(',');
    const client = await connect(hosts, { sessionTimeoutMs: SESSION_TIMEOUT_MS });
    const writer = new Writer(client, `writer-${home.id}`);
    await client.create(`/${writer.#name}`);
    await client.create(`/${writer.#name}/owned`, null, { mode: 'ephemeral' });
    writer.#running = writer.#run();
    return writer;
  }

  async #run(): Promise<void> {
    for (let i = 0; !this.#isEnding; i++) {
      const path = `/${this.#name}/${i}`;
      await this.#client.create(path, `${i}`, { idempotent: true, timeoutMs: 60_000 });
      const nowMs = performance.now();
      this.pauseMs = Math.max(this.pauseMs, nowMs - this.#lastMs);
      this.#lastMs = nowMs;
      this.acknowledged.push(path);
    }
  }

  mark(): void {
    this.pauseMs = 0;
  }

  async untilMore(): Promise<void> {
    const wanted = this.acknowledged.length + WRITES;
    await Promise.race([
      this.#running,
      until(`${this.#name} goes on`, () => (this.acknowledged.length >= wanted ? true : null)),
    ]);
  }

  /** What was acknowledged and is not there; and whether the session was lost. */
  async end(): Promise<readonly string[]> {
    this.#isEnding = true;
    await this.#running;
    await this.#client.sync('/');
    const wanted = [`/${this.#name}/owned`, ...this.acknowledged];
    const found = await Promise.all(wanted.map((path) => this.#client.exists(path)));
    const own = found[0]?.ephemeralOwner === this.#client.sessionId;
    await this.#client.close();
    return [...wanted.filter((_, i) => found[i] === null), ...(own ? [] : ['the session'])];
  }
}

class Run {
  readonly #name: string;
  readonly #keepsData: boolean;
  readonly #options: Options;
  readonly #checks: Checks;

  constructor(name: string, keepsData: boolean, options: Options, checks: Checks) {
    this.#name = name;
    this.#keepsData = keepsData;
    this.#options = options;
    this.#checks = checks;
  }

  async run(): Promise<void> {
    const directory = join(this.#options.directory, `rolling ${this.#name}`.replaceAll(/[^a-z]+/g, '-'));
    const ensemble = await Ensemble.start(directory, [A, A, A]);
    try {
      const writers = await Promise.all(ensemble.members.map((member) => Writer.start(ensemble, member)));
      for (const flavour of ['treekeeper', 'apache'] as const) {
        // Followers first, the leader last: leadership moves once.
        const leader = await ensemble.leader();
        const ids = ensemble.members.filter((member) => member !== leader).map(({ id }) => id);
        for (const id of [...ids, leader.id]) {
          await this.#replace(ensemble, id, flavour, writers);
        }
      }
      for (const writer of writers) {
        const lost = await writer.end();
        this.#that('nothing acknowledged is lost', lost.length === 0, () => lost.slice(0, 20).join(' '));
        this.#checks.note(`${this.#name}: ${writer.acknowledged.length} writes of one session`);
      }
      await this.#sameTrees(ensemble, 'in the end');
    } finally {
      await ensemble.stop();
    }
  }

  #that(what: string, holds: boolean, detail?: () => string): void {
    this.#checks.that(`${this.#name}: ${what}`, holds, detail);
  }

  async #replace(ensemble: Ensemble, id: number, flavour: Flavour, writers: readonly Writer[]): Promise<void> {
    const before = ensemble.member(id);
    const mode = await before.mode();
    for (const writer of writers) {
      await writer.untilMore();
      writer.mark();
    }
    await before.server.stop();
    const member = await ensemble.replace(id, flavour, this.#keepsData);
    member.server.launch();
    await ensemble.untilServing();
    for (const writer of writers) {
      await writer.untilMore();
    }
    const pauseMs = Math.max(...writers.map((writer) => writer.pauseMs));
    this.#checks.note(
      `${this.#name}: ${before.name}, ${mode}, replaced by ${flavour}: a write took up to ${pauseMs.toFixed(0)} ms`,
    );
    const size = await fourLetterWord(member.port, 'srvr');
    this.#that(`${member.name} serves in its place`, /^Mode: (leader|follower)$/m.test(size), () => size);
  }

  async #sameTrees(ensemble: Ensemble, what: string): Promise<void> {
    await expectSameTrees(ensemble, `${this.#name}: ${what}`, this.#checks);
  }
}

async function expectSameTrees(ensemble: Ensemble, what: string, checks: Checks): Promise<void> {
  for (const member of ensemble.members) {
    const client = await connect(`127.0.0.1:${member.port}`);
    await client.sync('/');
    await client.close();
  }
  const expected = await dumpTree(ensemble.members[0].port);
  for (const member of ensemble.members) {
    const difference = compareDumps(expected, await dumpTree(member.port));
    checks.that(`${what}: ${member.name} has the same tree`, difference === '', () => difference);
  }
}

/** Every server of an ensemble of Treekeeper is stopped and started, the leader too: how long nobody could write. */
async function restarts(options: Options, checks: Checks): Promise<void> {
  const T: MemberOptions = { flavour: 'treekeeper' };
  const ensemble = await Ensemble.start(join(options.directory, 'rolling-restart'), [T, T, T]);
  try {
    const writers = await Promise.all(ensemble.members.map((member) => Writer.start(ensemble, member)));
    for (let round = 0; round < 2 * ensemble.members.length; round++) {
      const leader = await ensemble.leader();
      for (const writer of writers) {
        await writer.untilMore();
        writer.mark();
      }
      await leader.server.stop();
      for (const writer of writers) {
        await writer.untilMore();
      }
      const pauses = writers.map(({ pauseMs }) => pauseMs.toFixed(0)).join(', ');
      checks.note(`leader ${leader.id} ended by SIGTERM: writes of the three clients paused for ${pauses} ms`);
      leader.server.launch();
      await ensemble.untilServing();
    }
    for (const writer of writers) {
      const lost = await writer.end();
      checks.that('rolling restart: nothing is lost', lost.length === 0, () => lost.slice(0, 20).join(' '));
    }
    await expectSameTrees(ensemble, 'rolling restart', checks);
  } finally {
    await ensemble.stop();
  }
}
