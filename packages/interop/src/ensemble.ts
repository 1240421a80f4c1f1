/** Ensembles of real servers, of one flavour or mixed, on loopback. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fourLetterWord } from './raw-client.ts';
import { type Flavour, freePort, Server } from './servers.ts';
import { ConnectionLost, Session } from './session.ts';

const WAIT_MS_MAX = 60_000;

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

/** Servers 1, 2, 3, … in this order. Of equal histories the highest id is elected. */
export class Ensemble {
  readonly members: readonly EnsembleMember[];

  private constructor(members: readonly EnsembleMember[]) {
    this.members = members;
  }

  /** Writes the configurations; nothing is started. */
  static async create(
    directory: string,
    wanted: readonly MemberOptions[],
    settings: Readonly<Record<string, string | number>> = {},
  ): Promise<Ensemble> {
    const lines: Record<string, string> = {};
    const clientPorts: number[] = [];
    for (const [i, { role = 'participant' }] of wanted.entries()) {
      const clientPort = await freePort();
      clientPorts.push(clientPort);
      lines[`server.${i + 1}`] = `127.0.0.1:${await freePort()}:${await freePort()}:${role};127.0.0.1:${clientPort}`;
    }
    const members: EnsembleMember[] = [];
    for (const [i, { flavour, role }] of wanted.entries()) {
      const own = role === 'observer' ? { peerType: 'observer' } : {};
      const server = await Server.create({
        flavour,
        directory: join(directory, `${i + 1}-${flavour}`),
        port: clientPorts[i],
        settings: { tickTime: 500, initLimit: 20, syncLimit: 10, ...settings, ...lines, ...own },
        heapMb: 256,
      });
      writeFileSync(join(server.dataDirectory, 'myid'), `${i + 1}\n`);
      members.push(new EnsembleMember(i + 1, server));
    }
    return new Ensemble(members);
  }

  /** Starts all, and waits until all serve. */
  static async start(...given: Parameters<typeof Ensemble.create>): Promise<Ensemble> {
    const ensemble = await Ensemble.create(...given);
    for (const { server } of ensemble.members) {
      server.launch();
    }
    await ensemble.untilServing();
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
