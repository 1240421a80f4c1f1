/**
 * Ensembles in which Treekeeper and Apache ZooKeeper sit together, in every combination of leader and followers:
 * writes, sessions and watches through each, fail-over, members that come back while clients write (DIFF, TRUNC, SNAP
 * both ways: the servers' own counts say which it was), and the same tree everywhere in the end.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateMode, OpCode } from '@treekeeper/protocol';
import * as bodies from './bodies.ts';
import { Ensemble, type EnsembleMember, type MemberOptions, until } from './ensemble.ts';
import { fourLetterWord } from './raw-client.ts';
import { freePort } from './servers.ts';
import { ConnectionLost, type Session } from './session.ts';
import type { Checks, Options, Suite } from './suite.ts';
import { compareDumps, dumpTree } from './tree-dump.ts';

const A: MemberOptions = { flavour: 'apache' };
const T: MemberOptions = { flavour: 'treekeeper' };

/** The last one leads at first. */
const combinations: readonly (readonly MemberOptions[])[] = [
  [T, A, A],
  [A, A, T],
  [A, T, T],
  [T, T, A],
];
/** Beyond what a leader remembers (commitLogCount). */
const MANY = 700;
/** Between two writes while a member comes back: so few that the leader remembers all that the member misses. */
const WRITE_PAUSE_MS = 50;
/** No session is to end by itself: that is a transaction, and who comes back may be told another way because of it. */
const SESSION_MS = 120_000;

/** DIFF and TRUNC are counted as one. */
interface Syncs {
  readonly diffs: number;
  readonly snaps: number;
}

type Way = 'a difference' | 'a snapshot';

export const mixed: Suite = {
  name: 'mixed',
  summary:
    'Treekeeper and Apache ZooKeeper in one ensemble: writes, sessions, fail-over, every kind of synchronisation',
  async run(options, checks) {
    for (const wanted of combinations) {
      const names = wanted.map(({ flavour }) => flavour).join(', ');
      await checks.part(names, () => new Run(names, wanted, options, checks).run());
    }
    const observing = [A, A, { ...T, role: 'observer' }, { ...A, role: 'observer' }] as const;
    await checks.part('observers', () => new Run('observers of Apache', observing, options, checks).serve());
    const observed = [T, T, { ...A, role: 'observer' }, { ...T, role: 'observer' }] as const;
    await checks.part('observers', () => new Run('observers of Treekeeper', observed, options, checks).serve());
    for (const voters of [
      [T, A],
      [A, T],
      [T, T],
    ]) {
      const fed = [...voters, { ...A, role: 'observer' }, { ...T, role: 'observer' }] as const;
      const names = voters.map(({ flavour }) => flavour).join(' that follows ');
      await checks.part(`observers fed by ${names}`, () => new Run(`fed by ${names}`, fed, options, checks).feed());
    }
  },
};

class Run {
  readonly #name: string;
  readonly #wanted: readonly MemberOptions[];
  readonly #options: Options;
  readonly #checks: Checks;
  /** What servers of Apache ZooKeeper have taken for wrong digests when they were started, by id. */
  readonly #wrongAtStart = new Map<number, number>();

  constructor(name: string, wanted: readonly MemberOptions[], options: Options, checks: Checks) {
    this.#name = name;
    this.#wanted = wanted;
    this.#options = options;
    this.#checks = checks;
  }

  async #withEnsemble(
    use: (ensemble: Ensemble) => Promise<void>,
    settings: Readonly<Record<string, number>> = {},
  ): Promise<void> {
    const directory = join(this.#options.directory, `mixed ${this.#name}`.replaceAll(/[^a-z]+/g, '-'));
    const ensemble = await Ensemble.start(directory, this.#wanted, { maxSessionTimeout: SESSION_MS, ...settings });
    try {
      await use(ensemble);
    } finally {
      await ensemble.stop();
    }
  }

  /** What must hold while nobody fails. */
  async serve(): Promise<void> {
    await this.#withEnsemble(async (ensemble) => {
      await this.#service(ensemble);
      await this.#sameTrees(ensemble, 'after service');
    });
  }

  /** The follower feeds the observers, in the leader's place. */
  async feed(): Promise<void> {
    await this.#withEnsemble(
      async (ensemble) => {
        await this.#fedByFollower(ensemble);
        await this.#service(ensemble);
        await this.#sameTrees(ensemble, 'after service');
        for (const member of ensemble.members.slice(2)) {
          await this.#away(ensemble, member, 5, false);
          await this.#away(ensemble, member, MANY, true);
        }
        await this.#fedByFollower(ensemble);
      },
      { observerMasterPort: await freePort() },
    );
  }

  async #fedByFollower(ensemble: Ensemble): Promise<void> {
    const leader = await ensemble.leader();
    const text = await fourLetterWord(leader.port, 'mntr');
    const observers = /^zk_synced_observers\t(\d+)/m.exec(text)?.[1];
    this.#that('the leader feeds no observers', observers === '0', () => `${observers} observers`);
    const modes = await Promise.all(ensemble.members.slice(2).map((member) => member.mode()));
    this.#that('and they are there', modes.join() === 'observer,observer', () => modes.join());
  }

  async run(): Promise<void> {
    await this.#withEnsemble(async (ensemble) => {
      await this.#service(ensemble);
      await this.#sameTrees(ensemble, 'after service');
      for (const member of ensemble.members) {
        await this.#away(ensemble, member, 5, false);
      }
      for (const member of ensemble.members) {
        await this.#away(ensemble, member, MANY, true);
      }
      for (const round of ensemble.members.keys()) {
        await this.#failOver(ensemble, round);
        await this.#parted(ensemble, `${round}-cut`, 0);
        await this.#parted(ensemble, `${round}-anew`, 10);
      }
    });
  }

  #that(what: string, holds: boolean, detail?: () => string): void {
    this.#checks.that(`${this.#name}: ${what}`, holds, detail);
  }

  // While all is well

  async #service(ensemble: Ensemble): Promise<void> {
    const sessions = await Promise.all(ensemble.members.map((member) => member.open({ timeoutMs: 10_000 })));
    for (const [i, session] of sessions.entries()) {
      await this.#writes(ensemble.members[i], session, sessions);
    }
    for (const [i, session] of sessions.entries()) {
      await this.#moves(ensemble, ensemble.members[i], session);
    }
  }

  async #writes(member: EnsembleMember, session: Session, all: readonly Session[]): Promise<void> {
    const base = `/through-${member.id}`;
    await session.create(base, Buffer.from('1'));
    for (const other of all) {
      await other.call(OpCode.sync, bodies.pathBody(base));
      await other.exists(`${base}/n`, true);
    }
    await session.setData(base, Buffer.from('2'), 0);
    const refused = await session.call(OpCode.setData, bodies.setDataBody(base, Buffer.from('3'), 7));
    this.#that(`${member.name} tells of a wrong version`, refused.err === -103, () => `error ${refused.err}`);
    await session.create(`${base}/n`, null, CreateMode.ephemeral);
    await session.create(`${base}/s-`, null, CreateMode.persistentSequential);
    const multi = await session.multi([
      { type: OpCode.create, body: bodies.createBody(`${base}/m`, null) },
      { type: OpCode.check, body: bodies.versionBody(base, 1) },
      { type: OpCode.setData, body: bodies.setDataBody(`${base}/m`, Buffer.from('m')) },
    ]);
    this.#that(`${member.name} does a multi`, multi.err === 0, () => `error ${multi.err}`);
    const failed = await session.multi([
      { type: OpCode.create, body: bodies.createBody(`${base}/never`, null) },
      { type: OpCode.check, body: bodies.versionBody(base, 9) },
    ]);
    this.#that(`${member.name} refuses a multi as a whole`, failed.body.length > 0);
    for (const [i, other] of all.entries()) {
      await other.call(OpCode.sync, bodies.pathBody(base));
      const { data } = await other.getData(base);
      const text = Buffer.from(data ?? []).toString();
      this.#that(`session ${i + 1} reads what ${member.name} wrote`, text === '2', () => text);
      const { children } = await other.getChildren(base);
      const names = children.sort().join(' ');
      this.#that(`session ${i + 1} sees the children of ${base}`, names === 'm n s-0000000001', () => names);
      const events = other.events.filter(({ path }) => path === `${base}/n`).length;
      this.#that(`session ${i + 1} was told of ${base}/n`, events === 1, () => `${events} events`);
    }
  }

  /** The session goes to every other member, and back. */
  async #moves(ensemble: Ensemble, home: EnsembleMember, session: Session): Promise<void> {
    const { id: sessionId, password } = session;
    let current = session;
    for (const member of [...ensemble.members.filter((other) => other !== home), home]) {
      const { lastZxid } = current;
      current.abandon();
      current = await member.open({ sessionId, password, lastZxidSeen: lastZxid, timeoutMs: 10_000 });
      const isSame = current.id === sessionId;
      this.#that(`a session of ${home.name} goes on at ${member.name}`, isSame);
      await current.setData(`/through-${home.id}/n`, Buffer.from(member.name));
    }
    await current.close();
    const reader = await ensemble.members[0].open();
    await reader.call(OpCode.sync, bodies.pathBody('/'));
    const left = await reader.exists(`/through-${home.id}/n`);
    this.#that(`the ephemeral node of a session of ${home.name} goes with it`, left === null);
    await reader.close();
  }

  // When servers fail

  async #write(member: EnsembleMember, prefix: string, count: number): Promise<void> {
    const session = await member.open();
    const written = Array.from({ length: count }, (_, i) => session.create(`/${prefix}-${i}`, Buffer.from(`${i}`)));
    await Promise.all(written);
    await session.close();
  }

  /**
   * Starts members, and waits until all serve. A server of Apache ZooKeeper 3.8.0 that was given a snapshot while
   * others wrote, be it by a leader of its own kind, may find wrong digests in its own log when it is started again:
   * its tree is right, and no more are found from then on.
   */
  async #start(ensemble: Ensemble, members: readonly EnsembleMember[]): Promise<void> {
    for (const { server } of members) {
      server.launch();
    }
    await ensemble.untilServing();
    for (const member of members) {
      this.#wrongAtStart.set(member.id, member.flavour === 'apache' ? await wrongDigests(member) : 0);
    }
  }

  /** A member is away, and comes back while others write: by DIFF, or with nothing on its disk. */
  async #away(ensemble: Ensemble, member: EnsembleMember, count: number, wiped: boolean): Promise<void> {
    const what = `${member.name} ${wiped ? 'with an empty disk' : 'after a while'}`;
    await member.server.kill();
    if (wiped) {
      member.wipe();
    }
    const leader = await ensemble.leader();
    const name = `${member.id}-${wiped}`;
    await this.#write(leader, `missed-by-${name}`, count);
    const writer = await this.#beginWriting(leader, `meanwhile-${name}`);
    await until('a first write', () => (writer.acknowledged.length > 0 ? true : null));
    await this.#comesBack(ensemble, member, what, wiped ? 'a snapshot' : 'a difference');
    const written = await writer.stop();
    this.#that(`${what}: clients write while it comes back`, written > 1, () => `${written} writes`);
    await this.#sameTrees(ensemble, what);
  }

  /**
   * It is started, and gets what it misses in this way and no other. What Apache ZooKeeper 3.8.0 was given it may lose
   * while others write, and come for the rest (ZOOKEEPER-4394).
   */
  async #comesBack(ensemble: Ensemble, member: EnsembleMember, what: string, way: Way): Promise<void> {
    const givers = ensemble.running;
    const before = await this.#syncs(givers);
    await this.#start(ensemble, [member]);
    const after = await this.#syncs(givers);
    const diffs = after.diffs - before.diffs;
    const snaps = after.snaps - before.snaps;
    const isOnce = diffs + snaps === 1 || member.flavour === 'apache';
    const isRight = way === 'a snapshot' ? snaps > 0 && isOnce : diffs > 0 && snaps === 0;
    this.#that(`${what}: gets ${way}`, isRight, () => `${diffs} differences and ${snaps} snapshots were given`);
  }

  /** How often these servers have brought others up to date, by their own count. */
  async #syncs(members: readonly EnsembleMember[]): Promise<Syncs> {
    const texts = await Promise.all(members.map(({ port }) => fourLetterWord(port, 'mntr')));
    const sum = (name: string): number =>
      texts.reduce((total, text) => total + Number(new RegExp(`^zk_${name}\\t(\\d+)`, 'm').exec(text)?.[1]), 0);
    return { diffs: sum('diff_count'), snaps: sum('snap_count') };
  }

  /** Somebody writes on, one node after the other. */
  async #beginWriting(member: EnsembleMember, prefix: string) {
    const session = await member.open({ timeoutMs: SESSION_MS });
    const acknowledged: string[] = [];
    let isOver = false;
    const writing = (async () => {
      while (!isOver) {
        const path = `/${prefix}-${acknowledged.length}`;
        await session.create(path, null);
        acknowledged.push(path);
        await sleep(WRITE_PAUSE_MS);
      }
      await session.close();
      return acknowledged.length;
    })();
    writing.catch(() => null); // `stop` tells of it
    const stop = (): Promise<number> => {
      isOver = true;
      return writing;
    };
    return { acknowledged, stop };
  }

  /** The leader dies while clients write; whatever was acknowledged is there. */
  async #failOver(ensemble: Ensemble, round: number): Promise<void> {
    const leader = await ensemble.leader();
    const owner = await leader.open({ timeoutMs: 10_000 });
    await owner.create('/owned', null, CreateMode.ephemeral);
    const others = ensemble.members.filter((member) => member !== leader);
    const writers = await Promise.all(others.map((member) => member.open({ timeoutMs: SESSION_MS })));
    const acknowledged: string[] = [];
    const writing = writers.map(async (session, i) => {
      for (let n = 0; ; n++) {
        const path = `/fail-over-${round}-${i}-${n}`;
        await session.create(path, null);
        acknowledged.push(path);
      }
    });
    const outcomes = Promise.allSettled(writing);
    await until('a hundred writes', () => (acknowledged.length > 100 ? true : null));
    const beganMs = Date.now();
    await leader.server.kill();
    for (const outcome of await outcomes) {
      const isLost = outcome.status === 'rejected' && outcome.reason instanceof ConnectionLost;
      this.#that('writers lose their connection and nothing else', isLost, () => JSON.stringify(outcome));
    }
    const again = await others[0].open({ sessionId: owner.id, password: owner.password, timeoutMs: 10_000 });
    this.#checks.note(`${this.#name}: ${leader.flavour} leader gone, next session after ${Date.now() - beganMs} ms`);
    await again.setData('/owned', Buffer.from('still'));
    await again.delete('/owned');
    for (const path of acknowledged) {
      if ((await again.exists(path)) === null) {
        this.#that(`${path} was acknowledged and is there`, false);
      }
    }
    await again.close();
    for (const { id: sessionId, password } of writers) {
      await (await others[0].open({ sessionId, password, timeoutMs: SESSION_MS })).close();
    }
    await this.#start(ensemble, [leader]);
    await this.#sameTrees(ensemble, `${leader.name} died as leader`);
  }

  /**
   * The leader logs what nobody else has, and must give it up. Where nothing has been written since, it is cut off
   * (TRUNC: counted as a difference, and DIFF takes nothing away); across an epoch of others nobody cuts.
   */
  async #parted(ensemble: Ensemble, name: string, insteadCount: number): Promise<void> {
    const leader = await ensemble.leader();
    const others = ensemble.members.filter((member) => member !== leader);
    const session = await leader.open({ timeoutMs: SESSION_MS });
    await session.create(`/common-${name}`, null);
    const killed = others.map(({ server }) => server.kill());
    const lost = Array.from({ length: 20 }, (_, i) => session.create(`/lost-${name}-${i}`, null).catch(() => null));
    await Promise.all(killed); // later the leader knows that it is alone, and takes nothing
    await Promise.all(lost);
    await leader.server.kill();
    this.#that(`${leader.name} has logged what nobody else has`, hasLogged(leader, `/lost-${name}-0`));
    await this.#start(ensemble, others);
    if (insteadCount > 0) {
      await this.#write(others[0], `instead-${name}`, insteadCount);
    }
    const what = `${leader.name} had a history of its own, before ${insteadCount} writes of others`;
    await this.#comesBack(ensemble, leader, what, insteadCount > 0 ? 'a snapshot' : 'a difference');
    const { id: sessionId, password } = session;
    const reader = await leader.open({ sessionId, password, timeoutMs: SESSION_MS });
    await reader.call(OpCode.sync, bodies.pathBody('/'));
    const found = await reader.exists(`/lost-${name}-0`);
    this.#that(`${leader.name} gives up what it alone had`, found === null);
    await reader.close();
    await this.#sameTrees(ensemble, what);
  }

  // Afterwards

  /** Read by clients at every member, after a sync; and no member has found a digest that is not the leader's. */
  async #sameTrees(ensemble: Ensemble, what: string): Promise<void> {
    const [first, ...others] = ensemble.members;
    for (const member of ensemble.members) {
      const session = await member.open();
      await session.call(OpCode.sync, bodies.pathBody('/'));
      await session.close();
    }
    const expected = await dumpTree(first.port);
    for (const other of others) {
      const difference = compareDumps(expected, await dumpTree(other.port));
      this.#that(`${what}: ${other.name} has the tree of ${first.name}`, difference === '', () => difference);
    }
    for (const member of ensemble.members) {
      const mismatches = (await wrongDigests(member)) - (this.#wrongAtStart.get(member.id) ?? 0);
      this.#that(`${what}: ${member.name} finds no wrong digest`, mismatches === 0, () => `${mismatches} are wrong`);
    }
  }
}

async function wrongDigests({ port }: EnsembleMember): Promise<number> {
  const text = await fourLetterWord(port, 'mntr');
  return Number(/digest_mismatches_count\t(\d+)/.exec(text)?.[1] ?? 0);
}

/** Whether a text is in the logs on a member's disk. */
function hasLogged({ server }: EnsembleMember, text: string): boolean {
  const directory = join(server.dataDirectory, 'version-2');
  const logs = readdirSync(directory).filter((name) => name.startsWith('log.'));
  return logs.some((name) => readFileSync(join(directory, name)).includes(text));
}
