/** Three servers as operators run them: processes of their own, that can be killed and started again. */
import { randomInt } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Client, exchange, type SessionToResume } from './client.ts';
import { newDirectory, ServerProcess, type Settings } from './server-process.ts';

const PATIENCE_MS = 40_000;
const POLL_MS = 20;

/** Below those that the system gives to outgoing connections: one of these could take a port before its server does. */
const PORT_MIN = 10_000;
const PORT_END = 32_000;
const given = new Set<number>();

/** Ports that nobody listens on now. None is given twice: its server may start much later. */
export async function freePorts(count: number): Promise<number[]> {
  const found: number[] = [];
  while (found.length < count) {
    const port = randomInt(PORT_MIN, PORT_END);
    if (!given.has(port) && (await isFree(port))) {
      given.add(port);
      found.push(port);
    }
  }
  return found;
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((found) => {
    server.once('error', () => found(false));
    server.listen(port, '127.0.0.1', () => server.close(() => found(true)));
  });
}

/** Asks until there is an answer. */
export async function until<T>(what: string, find: () => Promise<T | null>): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await find();
    if (found !== null) {
      return found;
    }
    if (Date.now() > deadline) {
      throw new Error(`${what}: not within ${PATIENCE_MS} ms`);
    }
    await new Promise((later) => setTimeout(later, POLL_MS));
  }
}

export class MemberProcess {
  readonly id: number;
  readonly port: number;
  readonly directory: string = newDirectory();
  readonly #settings: Settings;
  #process: ServerProcess | null = null;

  constructor(id: number, port: number, settings: Settings) {
    this.id = id;
    this.port = port;
    this.#settings = settings;
    mkdirSync(join(this.directory, 'data'));
    writeFileSync(join(this.directory, 'data', 'myid'), `${id}\n`);
  }

  /** Starts it and waits until its ports are open; it may have no leader then. */
  async start(): Promise<void> {
    this.#process = await ServerProcess.start(this.#settings, {
      directory: this.directory,
      isReady: / open, and looking for a leader: /,
      keepsConfig: true,
    });
  }

  get output(): string {
    return this.#process?.output ?? '';
  }

  get isRunning(): boolean {
    return this.#process !== null;
  }

  async stop(signal: NodeJS.Signals): Promise<void> {
    await this.#process?.stop(signal);
    this.#process = null;
  }

  /** `leader`, `follower`; null while it does not serve. */
  async mode(): Promise<string | null> {
    const text = await exchange(this.port, ['srvr']).catch(() => '');
    return /^Mode: (.*)$/m.exec(text)?.[1] ?? null;
  }

  /** The value of a line of `mntr`. */
  async monitor(key: string): Promise<string | undefined> {
    const text = await exchange(this.port, ['mntr']);
    return new RegExp(`^zk_${key}\t(.*)$`, 'm').exec(text)?.[1];
  }

  /** Null: no clients are served at this port. */
  async isAt(port: number): Promise<true | null> {
    const text = await exchange(port, ['srvr']).catch(() => '');
    return text.includes('Mode: ') ? true : null;
  }

  /** Opens a session, or goes on with one, as soon as the server serves. */
  async client(resume: SessionToResume | null = null): Promise<Client> {
    return await until(`server ${this.id} opens a session`, () => Client.open(this.port, resume).catch(() => null));
  }
}

const SETTINGS: Settings = { tickTime: 1000, initLimit: 20, syncLimit: 10, 'admin.enableServer': 'false' };

/** A line for a server on free ports. */
export async function newLine(): Promise<{ readonly line: string; readonly port: number }> {
  const [port, quorum, election] = await freePorts(3);
  return { line: `127.0.0.1:${quorum}:${election}:participant;127.0.0.1:${port}`, port };
}

export class EnsembleProcesses {
  readonly members: MemberProcess[] = [];
  /** Behind `server.N=`. */
  readonly lines: string[] = [];
  readonly #settings: (id: number) => Settings;

  private constructor(settings: (id: number) => Settings) {
    this.#settings = settings;
  }

  /**
   * Starts `size` servers and waits until all serve.
   *
   * @param own what each has for itself
   */
  static async start(
    size: number,
    settings: Settings = {},
    own: (id: number) => Settings = () => ({}),
  ): Promise<EnsembleProcesses> {
    const ensemble = new EnsembleProcesses((id) => ({ ...SETTINGS, ...settings, ...own(id) }));
    const places = await Promise.all(Array.from({ length: size }, newLine));
    ensemble.lines.push(...places.map(({ line }) => line));
    ensemble.members.push(...places.map(({ port }, i) => ensemble.#newMember(i + 1, port)));
    await Promise.all(ensemble.members.map((member) => member.start()));
    await ensemble.untilServing();
    return ensemble;
  }

  #newMember(id: number, port: number): MemberProcess {
    const lines = Object.fromEntries(this.lines.map((line, i) => [`server.${i + 1}`, line]));
    return new MemberProcess(id, port, { clientPort: port, ...this.#settings(id), ...lines });
  }

  /** Starts another server, which knows the others; no member until a reconfiguration makes it one. */
  async add(): Promise<MemberProcess> {
    const { line, port } = await newLine();
    this.lines.push(line);
    const member = this.#newMember(this.lines.length, port);
    this.members.push(member);
    await member.start();
    await this.untilServing();
    return member;
  }

  /** Every server that runs serves, and one of them leads. */
  async untilServing(): Promise<void> {
    const running = this.members.filter(({ isRunning }) => isRunning);
    await until('all servers serve', async () => {
      const modes = await Promise.all(running.map((member) => member.mode()));
      return modes.includes('leader') && modes.every((mode) => mode !== null) ? true : null;
    });
  }

  async leader(): Promise<MemberProcess> {
    return await until('somebody leads', async () => {
      const running = this.members.filter(({ isRunning }) => isRunning);
      const modes = await Promise.all(running.map((member) => member.mode()));
      return running[modes.indexOf('leader')] ?? null;
    });
  }

  async stop(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop('SIGKILL')));
  }
}
