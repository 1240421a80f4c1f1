import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fourLetterWord } from './raw-client.ts';

/** Which server: the peer, or ours. */
export type Flavour = 'apache' | 'treekeeper';

export interface ServerOptions {
  readonly flavour: Flavour;
  /** An empty or old directory; it gets zoo.cfg, server.log and data/. */
  readonly directory: string;
  /** Where the data live; default `<directory>/data`. */
  readonly dataDirectory?: string;
  /** zoo.cfg keys added to the common ones. */
  readonly settings?: Readonly<Record<string, string | number>>;
  readonly port?: number;
  /** Where the client port is; default 127.0.0.1. */
  readonly host?: string;
  /** Stands before the command, as `nsenter` does; it must become the server, not start it. */
  readonly prefix?: readonly string[];
  /** Joins the environment of the process. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly heapMb?: number;
  /** Further options of Apache's Java. */
  readonly javaOptions?: readonly string[];
  /** For the Node.js that runs Treekeeper. */
  readonly nodeOptions?: readonly string[];
}

/** Sees and may do everything, on every server started here. */
export const superUser = 'super:test';
export const superDigest = 'super:D/InIHSb7yEEbrWz8b9l71RjZJU=';

export const repositoryRoot = resolve(import.meta.dirname, '../../..');
let treekeeperCommand = join(repositoryRoot, 'packages/cli/bin/treekeeper.js');

/** Tests the build at another place than this repository's. */
export function useTreekeeper(command: string): void {
  treekeeperCommand = resolve(command);
}

/** The treekeeper.js that is tested. */
export function treekeeperCommandFile(): string {
  return treekeeperCommand;
}

/** Netty's codec is missing from the class path that zookeeper.jar names for itself; TLS between servers needs it. */
const jars = ['zookeeper', 'commons-cli', 'slf4j-simple', 'netty-codec'].map((name) => `/usr/share/java/${name}.jar`);
export const javaClassPath = ['/etc/zookeeper/conf', ...jars.filter((jar) => existsSync(jar))].join(':');

/** Keys that Apache ZooKeeper reads as bare Java properties only; Treekeeper takes them from zoo.cfg. */
const bareProperties = /^(jute\.maxbuffer|readonlymode\.enabled|znode\.container\.)/;
const START_MS_MAX = 60_000;
const STOP_MS_MAX = 20_000;
/** The unit of times in /proc/PID/stat: Linux tells programs a hundred ticks a second on every machine. */
const CLOCK_TICK_MS = 10;

const running = new Set<ChildProcess>();
process.on('exit', killAllServers);

/** Ends every server that a test left behind. */
export function killAllServers(): void {
  for (const child of running) {
    child.kill('SIGKILL');
  }
}

/** Below those that the system gives to outgoing connections: one of these could take a port before its server does. */
const PORT_MIN = 10_000;
const PORT_END = 32_000;
const given = new Set<number>();

/** A loopback port that nobody listens on at the moment. None is given twice: its server may start much later. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(PORT_MIN, PORT_END);
    if (!given.has(port) && (await isFree(port))) {
      given.add(port);
      return port;
    }
  }
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((found) => {
    server.once('error', () => found(false));
    server.listen(port, '127.0.0.1', () => server.close(() => found(true)));
  });
}

/** A standalone server process of either flavour, on its own port and directory, from the same zoo.cfg. */
export class Server {
  readonly flavour: Flavour;
  readonly port: number;
  readonly host: string;
  readonly dataDirectory: string;
  readonly directory: string;
  readonly #configFile: string;
  readonly #javaOptions: string[];
  readonly #nodeOptions: readonly string[];
  readonly #prefix: readonly string[];
  readonly #environment: Readonly<Record<string, string>>;
  #process: ChildProcess | null = null;
  #exit: Promise<number | null> = Promise.resolve(0);

  private constructor(options: ServerOptions, port: number) {
    this.flavour = options.flavour;
    this.port = port;
    this.host = options.host ?? '127.0.0.1';
    this.#prefix = options.prefix ?? [];
    this.#environment = options.environment ?? {};
    this.directory = options.directory;
    this.dataDirectory = options.dataDirectory ?? join(options.directory, 'data');
    this.#configFile = join(options.directory, 'zoo.cfg');
    const settings: Record<string, string | number> = {
      tickTime: 2000,
      dataDir: this.dataDirectory,
      clientPort: port,
      clientPortAddress: this.host,
      'admin.enableServer': 'false',
      '4lw.commands.whitelist': '*',
      maxClientCnxns: 0,
      extendedTypesEnabled: 'true',
      preAllocSize: 1024,
      'DigestAuthenticationProvider.superDigest': superDigest,
      ...options.settings,
    };
    mkdirSync(options.directory, { recursive: true });
    mkdirSync(this.dataDirectory, { recursive: true });
    const lines = Object.entries(settings).map(([key, value]) => `${key}=${value}\n`);
    writeFileSync(this.#configFile, lines.join(''));
    this.#nodeOptions = options.nodeOptions ?? [];
    this.#javaOptions = [
      `-Xmx${options.heapMb ?? 512}m`,
      '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
      // In a C locale Java would compute the digests of names that are not ASCII from question marks.
      '-Dfile.encoding=UTF-8',
      ...(options.javaOptions ?? []),
      ...Object.entries(settings)
        .filter(([key]) => bareProperties.test(key))
        .map(([key, value]) => `-D${key}=${value}`),
    ];
  }

  /** Writes the configuration; the process starts with `start`. */
  static async create(options: ServerOptions): Promise<Server> {
    return new Server(options, options.port ?? (await freePort()));
  }

  /** Creates and starts. */
  static async start(options: ServerOptions): Promise<Server> {
    const server = await Server.create(options);
    await server.start();
    return server;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  get alive(): boolean {
    return this.#process !== null && this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Everything the server has printed, over all its starts. */
  get log(): string {
    const file = join(this.directory, 'server.log');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  /** Starts the process without waiting until it serves. */
  launch(): void {
    const log = openSync(join(this.directory, 'server.log'), 'a');
    const [command, ...args] = [...this.#prefix, ...this.#command()];
    const env = { ...process.env, ...this.#environment };
    const child = spawn(command, args, { cwd: this.directory, stdio: ['ignore', log, log], env });
    closeSync(log);
    running.add(child);
    this.#process = child;
    this.#exit = new Promise((done) => {
      child.once('exit', (code) => {
        running.delete(child);
        done(code);
      });
      child.once('error', () => done(null));
    });
  }

  #command(): readonly string[] {
    const main = 'org.apache.zookeeper.server.quorum.QuorumPeerMain';
    return this.flavour === 'apache'
      ? ['java', ...this.#javaOptions, '-cp', javaClassPath, main, this.#configFile]
      : [process.execPath, ...this.#nodeOptions, treekeeperCommand, 'server', this.#configFile];
  }

  /** The answer to a four-letter word. */
  word(word: string, timeoutMs?: number): Promise<string> {
    return fourLetterWord(this.port, word, timeoutMs, this.host);
  }

  /** Starts the process and waits until it serves clients. */
  async start(): Promise<void> {
    this.launch();
    await this.waitUntilServing();
  }

  async waitUntilServing(): Promise<void> {
    const deadline = Date.now() + START_MS_MAX;
    while (!(await this.word('srvr').catch(() => '')).includes('Mode: ')) {
      if (!this.alive) {
        throw new Error(`the ${this.flavour} server ended while starting:\n${this.log.slice(-2000)}`);
      }
      if (Date.now() > deadline) {
        throw new Error(
          `the ${this.flavour} server does not serve after ${START_MS_MAX} ms:\n${this.log.slice(-2000)}`,
        );
      }
      await sleep(20);
    }
  }

  /** Waits for the process to end by itself; null when it was killed by a signal. */
  async exited(): Promise<number | null> {
    return this.#exit;
  }

  /** SIGTERM; throws when the process is still there after 20 s. Answers how long it took, ms. */
  async stop(): Promise<number> {
    const began = Date.now();
    if (this.alive) {
      this.#process?.kill('SIGTERM');
      const ended = await Promise.race([this.#exit.then(() => true), sleep(STOP_MS_MAX, false, { ref: false })]);
      if (!ended) {
        await this.kill();
        throw new Error(`the ${this.flavour} server ignored SIGTERM for ${STOP_MS_MAX} ms`);
      }
    }
    return Date.now() - began;
  }

  /** SIGKILL, and waits until the process is gone. */
  async kill(): Promise<void> {
    this.#process?.kill('SIGKILL');
    await this.#exit;
  }

  signal(name: NodeJS.Signals): void {
    this.#process?.kill(name);
  }

  /** Processor time of all its threads so far, ms. */
  cpuMs(): number {
    const stat = readFileSync(`/proc/${this.pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK_MS;
  }

  /** Resident memory, bytes: now, or the most there ever was ("VmHWM"). */
  memoryBytes(line: 'VmRSS' | 'VmHWM' = 'VmRSS'): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return Number(new RegExp(`${line}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) * 1024;
  }
}
