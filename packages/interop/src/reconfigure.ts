/**
 * Members that change in ensembles of Treekeeper and Apache ZooKeeper, under leaders of both: servers of both kinds
 * join, change roles, lead on when the leader leaves, and find each other again from the files that were written.
 */
import { join } from 'node:path';
import { GetDataResponse, JuteReader, OpCode } from '@treekeeper/protocol';
import * as bodies from './bodies.ts';
import { Ensemble, type EnsembleMember, type MemberOptions, until } from './ensemble.ts';
import { superUser } from './servers.ts';
import { ConnectionLost, type Session } from './session.ts';
import type { Checks, Options, Suite } from './suite.ts';
import { compareDumps, dumpTree } from './tree-dump.ts';

const A: MemberOptions = { flavour: 'apache' };
const T: MemberOptions = { flavour: 'treekeeper' };
const CONFIG = '/zookeeper/config';

/** The last one leads at first. */
const combinations: readonly (readonly MemberOptions[])[] = [
  [A, A, T],
  [T, T, A],
];

export const reconfigure: Suite = {
  name: 'reconfigure',
  summary: 'Members that change in ensembles of Treekeeper and Apache ZooKeeper, under leaders of both',
  async run(options, checks) {
    for (const wanted of combinations) {
      const name = wanted.map(({ flavour }) => flavour).join(', ');
      await checks.part(name, () => new Run(name, wanted, options, checks).run());
    }
  },
};

interface Shown {
  readonly members: string;
  readonly version: string;
}

class Run {
  readonly #name: string;
  readonly #wanted: readonly MemberOptions[];
  readonly #options: Options;
  readonly #checks: Checks;
  #writes = 0;

  constructor(name: string, wanted: readonly MemberOptions[], options: Options, checks: Checks) {
    this.#name = name;
    this.#wanted = wanted;
    this.#options = options;
    this.#checks = checks;
  }

  async run(): Promise<void> {
    const directory = join(this.#options.directory, `reconfigure ${this.#name}`.replaceAll(/[^a-z]+/g, '-'));
    const ensemble = await Ensemble.start(directory, this.#wanted, { reconfigEnabled: 'true' });
    try {
      await this.#errors(ensemble);
      await this.#grow(ensemble);
      await this.#roles(ensemble);
      await this.#leaderLeaves(ensemble);
      await this.#shrink(ensemble);
      await this.#startAgain(ensemble);
    } finally {
      await ensemble.stop();
    }
  }

  #that(what: string, holds: boolean, detail?: () => string): void {
    this.#checks.that(`${this.#name}: ${what}`, holds, detail);
  }

  async #superuser(member: EnsembleMember): Promise<Session> {
    const session = await member.open();
    await session.auth(superUser);
    return session;
  }

  /** What each answers, in the same words whoever leads. */
  async #errors(ensemble: Ensemble): Promise<void> {
    const expected: readonly [asked: Parameters<typeof bodies.reconfigBody>, err: number][] = [
      [['server.9=127.0.0.1:1:2', null, null, -1n], -8],
      [['nonsense', null, null, -1n], -8],
      [[null, 'x', null, -1n], -5],
      [[null, '2,3', null, -1n], -8],
      [[null, '3', null, 7n], -103],
      [[null, null, 'server.8=127.0.0.1:1:2;3,server.9=127.0.0.1:4:5;6', -1n], -13],
    ];
    for (const member of ensemble.members) {
      const session = await this.#superuser(member);
      for (const [asked, err] of expected) {
        const reply = await session.call(OpCode.reconfig, bodies.reconfigBody(...asked));
        const what = JSON.stringify(asked.slice(0, 3));
        this.#that(`${member.name} refuses ${what} with ${err}`, reply.err === err, () => `error ${reply.err}`);
      }
      await session.close();
      const anyone = await member.open();
      const { err } = await anyone.call(OpCode.reconfig, bodies.reconfigBody(null, '1', null, -1n));
      this.#that(`${member.name} refuses anyone`, err === -102, () => `error ${err}`);
      await anyone.close();
    }
  }

  /** Asks at this member. Null: the connection was lost over it, as it may be when the leader leaves. */
  async #change(member: EnsembleMember, joining: string | null, leaving: string | null): Promise<string | null> {
    const session = await this.#superuser(member);
    try {
      const reply = await session.call(OpCode.reconfig, bodies.reconfigBody(joining, leaving, null, -1n));
      this.#that(`${member.name} takes +${joining} -${leaving}`, reply.err === 0, () => `error ${reply.err}`);
      return reply.err === 0 ? textOf(GetDataResponse.decode(new JuteReader(reply.body)).data) : null;
    } catch (error) {
      if (error instanceof ConnectionLost) {
        return null;
      }
      throw error;
    } finally {
      session.abandon();
    }
  }

  /** Every member shows these members, takes a write, and has the same tree. */
  async #expectMembers(ensemble: Ensemble, what: string, ids: readonly number[]): Promise<void> {
    const wanted = ids.join(' ');
    const { running } = ensemble;
    const versions = new Set<string>();
    for (const member of running) {
      const { members, version } = await until(
        `${what}: ${member.name} shows ${wanted}`,
        () => this.#shown(member, wanted),
        () => member.server.log.slice(-2000),
      );
      versions.add(version);
      this.#that(`${what}: ${member.name} shows the members`, members === wanted, () => members);
    }
    this.#that(`${what}: all show one version`, versions.size === 1, () => [...versions].join(' '));
    for (const member of running) {
      await this.#write(member);
    }
    for (const member of running) {
      const session = await member.open();
      await session.call(OpCode.sync, bodies.pathBody('/'));
      await session.close();
    }
    const expected = await dumpTree(running[0].port);
    for (const member of running) {
      const difference = compareDumps(expected, await dumpTree(member.port));
      this.#that(`${what}: ${member.name} has the same tree`, difference === '', () => difference);
    }
  }

  /** Again where the connection is lost: members that have changed look for their leader. */
  async #write(member: EnsembleMember): Promise<void> {
    await until(`${member.name} writes`, async () => {
      const session = await member.open();
      try {
        await session.create(`/${this.#writes++}`, null);
        await session.close();
        return true;
      } catch (error) {
        if (error instanceof ConnectionLost) {
          return null;
        }
        throw error;
      }
    });
  }

  async #shown(member: EnsembleMember, wanted: string): Promise<Shown | null> {
    const session = await member.open();
    try {
      await session.call(OpCode.sync, bodies.pathBody('/'));
      const shown = shownIn(textOf((await session.getData(CONFIG)).data));
      return shown.members === wanted ? shown : null;
    } catch (error) {
      if (error instanceof ConnectionLost) {
        return null;
      }
      throw error;
    } finally {
      session.abandon();
    }
  }

  async #grow(ensemble: Ensemble): Promise<void> {
    const watcher = await ensemble.members[0].open({ timeoutMs: 20_000 });
    await watcher.getData(CONFIG, true);
    const joiners = [await ensemble.add(T), await ensemble.add(A)];
    const joining = joiners.map(({ id }) => `server.${id}=${ensemble.lines[id - 1]}`).join(',');
    const answer = await this.#change(ensemble.members[1], joining, null);
    this.#that('who asked is told the members', answer !== null && shownIn(answer).members === '1 2 3 4 5');
    await this.#expectMembers(ensemble, 'five', [1, 2, 3, 4, 5]);
    const told = watcher.events.filter(({ path }) => path === CONFIG).length;
    this.#that('a watch of the configuration fires once', told === 1, () => `${told} events`);
    watcher.abandon();
  }

  /** Both newcomers observe, and vote again. */
  async #roles(ensemble: Ensemble): Promise<void> {
    for (const id of [4, 5]) {
      const member = ensemble.member(id);
      const line = `server.${id}=${ensemble.lines[id - 1]}`;
      for (const role of ['observer', 'participant']) {
        await this.#change(ensemble.member(1), line.replace(':participant', `:${role}`), null);
        const mode = role === 'observer' ? 'observer' : 'follower';
        await until(
          `${member.name} is ${mode}`,
          async () => ((await member.mode()) === mode ? true : null),
          () => member.server.log.slice(-2000),
        );
        await this.#expectMembers(ensemble, `${member.name} as ${role}`, [1, 2, 3, 4, 5]);
      }
    }
  }

  /** The leader is asked to leave while it leads: somebody else leads, and everybody goes on. */
  async #leaderLeaves(ensemble: Ensemble): Promise<void> {
    const before = await ensemble.leader();
    const rest = ensemble.members.filter((member) => member !== before);
    const beganMs = Date.now();
    const answer = await this.#change(rest[0], null, `${before.id}`);
    await this.#write(rest[1]);
    const told = answer === null ? 'not answered' : 'answered';
    this.#checks.note(
      `${this.#name}: ${before.flavour} leader removed (${told}), next write after ${Date.now() - beganMs} ms`,
    );
    await this.#expectMembers(
      ensemble,
      `without ${before.name}`,
      rest.map(({ id }) => id),
    );
    const after = await ensemble.leader();
    this.#that('another leads', after !== before, () => after.name);
    await before.server.kill();
  }

  async #shrink(ensemble: Ensemble): Promise<void> {
    const leader = await ensemble.leader();
    const doomed = ensemble.running.find((member) => member !== leader && member.flavour === 'treekeeper');
    const gone = doomed ?? ensemble.running.filter((member) => member !== leader)[0];
    await this.#change(leader, null, `${gone.id}`);
    const rest = ensemble.running.filter((member) => member !== gone).map(({ id }) => id);
    await this.#expectMembers(ensemble, `without ${gone.name}`, rest);
    await gone.server.kill();
  }

  /** All of them, from their files. */
  async #startAgain(ensemble: Ensemble): Promise<void> {
    const members = ensemble.running;
    for (const { server } of members) {
      await server.kill();
    }
    for (const { server } of members) {
      server.launch();
    }
    await ensemble.untilServing();
    await this.#expectMembers(
      ensemble,
      'started again',
      members.map(({ id }) => id),
    );
  }
}

function textOf(data: Uint8Array | null): string {
  return Buffer.from(data ?? []).toString();
}

/** Servers write the lines in any order. */
function shownIn(text: string): Shown {
  const ids = [...text.matchAll(/^server\.(\d+)=/gm)].map(([, id]) => Number(id));
  return { members: ids.sort((a, b) => a - b).join(' '), version: /^version=(.*)$/m.exec(text)?.[1] ?? '' };
}
