/** Ensembles of real servers, of one flavour or mixed, on loopback. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fourLetterWord } from './raw-client.ts';
import { type Flavour, freePort, Server } from './servers.ts';
import { ConnectionLost, Session } from './session.ts';

const WAIT_MS_MAX = 60_000;

type Settings = Readonly<Record<string, string | number>>;

export interface MemberOptions {
  readonly flavour: Flavour;
  readonly role?: 'participant' | 'observer';
}

/** One server of an ensemble. */
export class EnsembleMember {
  readonly id: number;
  readonly server: Server;
  readonly flavour: Flavour;

  constructor(id: number, server: Server) {
    this.id = id;
    this.server = server;
    this.flavour = server.flavour;
  }

  get port(): number {
    return this.server.port;
  }

  get name(): string {
    return `server ${this.id} (${this.flavour})`;
  }

  /** `leader`, `follower`, `observer`; null while it does not serve, or is not there. */
  async mode(): Promise<string | null> {
    const text = await fourLetterWord(this.port, 'srvr').catch(() => '');
    return /^Mode: (.*)$/m.exec(text)?.[1] ?? null;
  }

  /** A session that is opened when the server serves. */
  async open(options: Parameters<typeof Session.open>[1] = {}): Promise<Session> {
    return await until(`${this.name} opens a session`, async () => {
      try {
        return await Session.open(this.port, options);
      } catch (error) {
        const isRefusal = error instanceof ConnectionLost || (error as NodeJS.ErrnoException).code !== undefined;
        if (isRefusal) {
          return null;
        }
        throw error;
      }
    });
  }

  /** Its history is gone, as with a new disk. The process must not run. */
  wipe(): void {
    rmSync(join(this.server.dataDirectory, 'version-2'), { recursive: true, force: true });
  }
}

const TIMING: Settings = { tickTime: 500, initLimit: 20, syncLimit: 10 };

/** Servers 1, 2, 3, … in this order. Of equal histories the highest id is elected. */
export class Ensemble {
  readonly members: EnsembleMember[] = [];
  /** Behind `server.N=`, by rising N. */
  readonly lines: string[] = [];
  readonly #directory: string;
  readonly #settings: Settings;

  private constructor(directory: string, settings: Settings) {
    this.#directory = directory;
    this.#settings = settings;
  }

  /** Writes the configurations; nothing is started. */
  static async create(directory: string, wanted: readonly MemberOptions[], settings: Settings = {}): Promise<Ensemble> {
    const ensemble = new Ensemble(directory, { ...TIMING, ...settings });
    const clientPorts: number[] = [];
    for (const { role } of wanted) {
      clientPorts.push(await ensemble.#newLine(role));
    }
    for (const [i, options] of wanted.entries()) {
      ensemble.members.push(await ensemble.#newMember(i + 1, clientPorts[i], options));
    }
    return ensemble;
  }

  /** A line for a server on ports that are free. Answers its client port. */
  async #newLine(role: MemberOptions['role'] = 'participant'): Promise<number> {
    const clientPort = await freePort();
    this.lines.push(`127.0.0.1:${await freePort()}:${await freePort()}:${role};127.0.0.1:${clientPort}`);
    return clientPort;
  }

  async #newMember(
    id: number,
    port: number,
    { flavour, role }: MemberOptions,
    dataDirectory?: string,
  ): Promise<EnsembleMember> {
    const lines = Object.fromEntries(this.lines.map((line, i) => [`server.${i + 1}`, line]));
    const own = role === 'observer' ? { peerType: 'observer' } : {};
    const server = await Server.create({
      flavour,
      directory: join(this.#directory, `${id}-${flavour}`),
      ...(dataDirectory !== undefined && { dataDirectory }),
      port,
      settings: { ...this.#settings, ...lines, ...own },
      heapMb: 256,
    });
    writeFileSync(join(server.dataDirectory, 'myid'), `${id}\n`);
    return new EnsembleMember(id, server);
  }

  /** Starts another server, which knows the others; no member until a reconfiguration makes it one. */
  async add(options: MemberOptions): Promise<EnsembleMember> {
    const port = await this.#newLine(options.role);
    const member = await this.#newMember(this.lines.length, port, options);
    this.members.push(member);
    member.server.launch();
    await this.untilServing();
    return member;
  }

  /** A server that has been stopped gets a successor of another kind, at the same place, with the same data or none. */
  async replace(id: number, flavour: Flavour, keepsData: boolean): Promise<EnsembleMember> {
    const { server } = this.member(id);
    const dataDirectory = keepsData ? server.dataDirectory : undefined;
    const member = await this.#newMember(id, server.port, { flavour }, dataDirectory);
    this.members[id - 1] = member;
    return member;
  }

  /** Starts all, and waits until all serve. The last of the voters leads, however long the others take to start. */
  static async start(...given: Parameters<typeof Ensemble.create>): Promise<Ensemble> {
    const ensemble = await Ensemble.create(...given);
    const voters = ensemble.members.filter((_, i) => given[1][i].role !== 'observer');
    const first = voters.slice(-Math.floor(voters.length / 2) - 1);
    for (const wave of [first, ensemble.members.filter((member) => !first.includes(member))]) {
      for (const { server } of wave) {
        server.launch();
      }
      await ensemble.untilServing();
    }
    return ensemble;
  }

  member(id: number): EnsembleMember {
    return this.members[id - 1];
  }

  get running(): readonly EnsembleMember[] {
    return this.members.filter(({ server }) => server.alive);
  }

  async untilServing(): Promise<void> {
    for (const member of this.running) {
      await until(
        `${member.name} serves`,
        () => member.mode(),
        () => member.server.log.slice(-2000),
      );
    }
  }

  async leader(): Promise<EnsembleMember> {
    return await until('somebody leads', async () => {
      const modes = await Promise.all(this.running.map((member) => member.mode()));
      return this.running[modes.indexOf('leader')] ?? null;
    });
  }

  async stop(): Promise<void> {
    await Promise.all(this.running.map(({ server }) => server.kill()));
  }
}

/** Asks until there is an answer. */
export async function until<T>(
  what: string,
  find: () => T | null | Promise<T | null>,
  detail: () => string = () => '',
): Promise<T> {
  const deadline = Date.now() + WAIT_MS_MAX;
  for (;;) {
    const found = await find();
    if (found !== null) {
      return found;
    }
    if (Date.now() > deadline) {
      throw new Error(`${what}: not within ${WAIT_MS_MAX} ms\n${detail()}`);
    }
    await sleep(20);
  }
}
