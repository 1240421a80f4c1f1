import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, type ConnectOptions, connect } from '@treekeeper/client';
import { type Log, Server, type ServerMode } from '@treekeeper/server';
import { formatNotice, loadConfig } from '@treekeeper/server/config';
import { HeldClock } from './held-clock.ts';

/**
 * How a server for tests is started.
 *
 * @example
 * ```ts
 * const options: StartServerOptions = { settings: { maxClientCnxns: 10 } };
 * await using server = await startServer(options);
 * ```
 */
export interface StartServerOptions {
  /**
   * Settings by their `zoo.cfg` keys, over the defaults for tests: `{ tickTime: 50, enforceQuota: true }`. A wrong one
   * is a ConfigError.
   */
  readonly settings?: Readonly<Record<string, string | number | boolean>> | undefined;
  /** Where the data are kept. Without one: a temporary directory, which is removed at the end. */
  readonly dataDirectory?: string | undefined;
  /** Told what the server logs. Without one it is silent. */
  readonly log?: Log | undefined;
}

/**
 * Quick to start, and nothing but what a test asks for. Session timeouts are granted as they are asked for, from 100 ms
 * to an hour. The disk is not waited for: nothing here can take the power away, and what a killed process has written
 * stays written.
 */
export const SETTINGS: NonNullable<StartServerOptions['settings']> = {
  tickTime: 100,
  minSessionTimeout: 100,
  maxSessionTimeout: 3_600_000,
  maxClientCnxns: 0,
  extendedTypesEnabled: true,
  preAllocSize: 64,
  forceSync: 'no',
  'admin.enableServer': false,
  '4lw.commands.whitelist': '*',
};

/**
 * Systems take the ports of outgoing connections from 32768 (Linux) or 49152 upwards. Below them a server that was
 * killed finds its port free when it comes back: no connection has taken it, least of all one of its own clients that
 * was trying to reach it.
 */
const PORT_MIN = 10_000;
const PORT_MAX = 32_767;
const NAMES = 1000;
export const PORT_ATTEMPTS_MAX = 200;

export function randomPort(): number {
  return PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN + 1));
}

/** What a member of an ensemble is started with: its zoo.cfg is there, and its data directory with `myid`. */
export interface MemberPlace {
  readonly id: number;
  readonly port: number;
  readonly dataDirectory: string;
  readonly configFile: string;
  readonly log: Log | undefined;
}

const SILENCE: Log = { info: () => {}, warn: () => {}, error: () => {} };

/**
 * A server inside the test's process, on a port and with data of its own. Made by `startServer`, or one of the
 * `members` of an ensemble.
 *
 * @example
 * ```ts
 * await using server: TestServer = await startServer();
 * const client = await server.client();
 * await server.kill();
 * const write = client.create('/late', null, { idempotent: true }); // waits for a server
 * await server.restart();
 * console.assert((await write).path === '/late');
 * ```
 */
export class TestServer implements AsyncDisposable {
  readonly dataDirectory: string;
  /** In an ensemble: as in `server.<id>`; 0 for a server by itself. */
  readonly id: number;
  readonly #isTemporary: boolean;
  readonly #settings: NonNullable<StartServerOptions['settings']>;
  /** Of a member. */
  readonly #configFile: string | null;
  readonly #log: Log;
  readonly #clock = new HeldClock();
  readonly #clients: Client[] = [];
  #server: Server | null = null;
  #port = 0;
  #securePort: number | null = null;
  #paused = false;
  #failure: unknown = null;

  private constructor(dataDirectory: string, options: StartServerOptions, member: MemberPlace | null) {
    this.dataDirectory = dataDirectory;
    this.id = member?.id ?? 0;
    this.#configFile = member?.configFile ?? null;
    this.#isTemporary = member === null && options.dataDirectory === undefined;
    this.#settings = { ...SETTINGS, ...options.settings };
    this.#log = options.log ?? SILENCE;
  }

  /** See `startServer`. */
  static async start(options: StartServerOptions = {}): Promise<TestServer> {
    const dataDirectory = options.dataDirectory ?? (await mkdtemp(join(tmpdir(), 'treekeeper-test-')));
    const server = new TestServer(dataDirectory, options, null);
    try {
      await server.#startOnFreePort();
      return server;
    } catch (error) {
      await server.#removeData();
      throw error;
    }
  }

  /** Starts a member of an ensemble. It may have no leader yet, and does not serve then. */
  static async startMember(place: MemberPlace): Promise<TestServer> {
    const server = new TestServer(place.dataDirectory, { log: place.log }, place);
    await server.#startOn(place.port);
    return server;
  }

  /** The client port on 127.0.0.1; the same after a restart. */
  get port(): number {
    return this.#port;
  }

  /** The TLS port, where `secureClientPort` is set; else null. */
  get securePort(): number | null {
    return this.#securePort;
  }

  /** `host:port`, as every ZooKeeper client takes it. */
  get connectString(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** A client of this server, as `connect` makes them. It is closed with the server, if the test does not do it. */
  async client(options: ConnectOptions = {}): Promise<Client> {
    // Named often: after a round of all servers whose connections do not last a client pauses, and tests cut a lot.
    const client = await connect(Array(NAMES).fill(this.connectString).join(), options);
    this.#clients.push(client);
    return client;
  }

  /** False between `kill` or `stop` and `restart`. */
  get running(): boolean {
    return this.#server !== null;
  }

  /** As `srvr` says it: `standalone`, `leader`, `follower`, ...; null while it does not serve. */
  get mode(): ServerMode | null {
    return this.#server?.mode ?? null;
  }

  /** Whether this client has its connection here. */
  serves({ sessionId }: Pick<Client, 'sessionId'>): boolean {
    return this.#server?.hasConnection(sessionId) ?? false;
  }

  /** The nodes that there are, `/` and `/zookeeper` with its children among them; sessions; the last zxid applied. */
  get summary(): { readonly nodeCount: number; readonly sessionCount: number; readonly lastZxid: bigint } {
    const { nodeCount, sessionCount, lastZxid } = this.#demandRunning().summary;
    return { nodeCount, sessionCount, lastZxid: BigInt(lastZxid) };
  }

  /**
   * As `kill -9`: nothing is finished, nothing is answered any more, and all connections are cut. What the server had
   * written to its files is there at the restart. Sessions live on if the server is back within their timeouts. Nothing
   * happens if it is down already.
   */
  async kill(): Promise<void> {
    const server = this.#takeDown();
    await server?.kill();
  }

  /** A clean end, as SIGTERM. Nothing happens if it is down already. */
  async stop(): Promise<void> {
    const server = this.#takeDown();
    await server?.stop();
  }

  /** Starts it again on the same port and data, after `kill` or `stop`; if it is running, it is stopped first. */
  async restart(): Promise<void> {
    await this.stop();
    if (this.#clock.held) {
      this.#clock.skip(1); // the ids of sessions begin with the time of the start
    }
    await this.#startOn(this.#port);
  }

  /**
   * Ends a session as if its client had been silent for too long: its ephemeral nodes go and its connection is closed.
   * When this resolves, everybody else can see it.
   *
   * @returns false when there is no such session
   */
  async expireSession(sessionId: bigint): Promise<boolean> {
    return this.#demandAwake().expireSession(sessionId);
  }

  /**
   * Cuts the connection of a session, or all connections. What has not been sent is lost; sessions live on, and clients
   * may connect again at once.
   *
   * @returns how many connections were cut
   */
  cutConnections(sessionId?: bigint): number {
    return this.#demandRunning().cutConnections(sessionId ?? null);
  }

  /** Stops the server's clock: no session expires and no TTL runs out by itself until `releaseClock`. */
  holdClock(): void {
    this.#clock.hold();
  }

  /** Lets the clock go on from where it stands. */
  releaseClock(): void {
    this.#clock.release();
  }

  /**
   * Moves the server's clock forward, held or not. All at once: a session whose timeout is shorter has not been heard
   * of for so long, and expires. Resolves when what was due has been done.
   */
  async advance(ms: number): Promise<void> {
    if (!(ms >= 0 && Number.isSafeInteger(ms))) {
      throw new RangeError(`advance(${ms}): time goes forward, by whole milliseconds`);
    }
    const server = this.#demandAwake();
    this.#clock.skip(ms);
    await server.settle();
  }

  /** As SIGSTOP: connections stay and new ones are taken, but nothing is answered and nothing expires until `resume`. */
  pause(): void {
    this.#demandRunning().pause();
    this.#paused = true;
  }

  /** As SIGCONT: takes in what has come meanwhile. Sessions that were silent for too long expire. */
  resume(): void {
    this.#demandRunning().resume();
    this.#paused = false;
  }

  /**
   * Closes the clients, stops the server and removes its temporary data: the end of `await using`. Rejects when the
   * server had failed, which the test would otherwise not notice.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#paused) {
      this.resume(); // so that it can say goodbye to the clients
    }
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.stop();
    await this.#removeData();
    if (this.#failure !== null) {
      throw this.#failure;
    }
  }

  async #removeData(): Promise<void> {
    if (this.#isTemporary) {
      await rm(this.dataDirectory, { recursive: true, force: true });
    }
  }

  async #startOnFreePort(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#startOn(randomPort());
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || attempt === PORT_ATTEMPTS_MAX) {
          throw error;
        }
      }
    }
  }

  async #startOn(port: number): Promise<void> {
    const onFailure = (error: unknown): void => {
      this.#failure ??= error;
    };
    const { config, warnings } = loadConfig(
      this.#configFile === null ? { defines: this.#defines(port) } : { file: this.#configFile },
    );
    for (const warning of warnings) {
      this.#log.warn(formatNotice(warning));
    }
    const server = new Server(config, this.#log, onFailure, this.#clock);
    try {
      await server.open();
    } catch (error) {
      await server.kill();
      throw error;
    }
    this.#server = server;
    this.#port = port;
    this.#securePort = server.secureClientPort;
  }

  #defines(port: number): string[] {
    const settings = {
      ...this.#settings,
      clientPort: port,
      clientPortAddress: '127.0.0.1',
      dataDir: this.dataDirectory,
      ...(this.#securePort !== null && { secureClientPort: this.#securePort }),
    };
    return Object.entries(settings).map(([key, value]) => `${key}=${value}`);
  }

  #takeDown(): Server | null {
    const server = this.#server;
    this.#server = null;
    if (this.#paused) {
      this.#paused = false;
      server?.resume();
    }
    return server;
  }

  #demandRunning(): Server {
    if (this.#server === null) {
      throw new Error('the test server is down: call restart() first');
    }
    return this.#server;
  }

  /** For what needs the server to do something. */
  #demandAwake(): Server {
    if (this.#paused) {
      throw new Error('the test server is paused: call resume() first');
    }
    return this.#demandRunning();
  }
}
