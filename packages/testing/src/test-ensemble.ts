import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server as PortHolder } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, type ConnectOptions, connect } from '@treekeeper/client';
import {
  type MemberPlace,
  PORT_ATTEMPTS_MAX,
  randomPort,
  SETTINGS,
  type StartServerOptions,
  TestServer,
} from './test-server.ts';

/**
 * How an ensemble for tests is started.
 *
 * @example
 * ```ts
 * const options: StartEnsembleOptions = { observers: 1, settings: { syncLimit: 100 } };
 * await using ensemble = await startEnsemble(3, options);
 * console.assert(ensemble.members[3]?.mode === 'observer');
 * ```
 */
export interface StartEnsembleOptions extends Pick<StartServerOptions, 'settings' | 'log'> {
  /** Servers that have no vote, behind those that have. @default 0 */
  readonly observers?: number | undefined;
}

/** Of members: what a busy machine does to them must not cost them their leader. */
const MEMBER_SETTINGS: NonNullable<StartServerOptions['settings']> = {
  initLimit: 50,
  syncLimit: 30,
  standaloneEnabled: false,
  reconfigEnabled: true,
};
const SERVERS_MAX = 255;
const PORTS_EACH = 3;
const POLL_MS = 5;
/** Elections take far less; nobody should wait for ever for a leader that there cannot be. */
const PATIENCE_MS = 60_000;

/**
 * An ensemble inside the test's process. Made by `startEnsemble`.
 *
 * @example
 * ```ts
 * await using ensemble: TestEnsemble = await startEnsemble(3);
 * const client = await ensemble.client();
 * await client.create('/kept');
 * const leader = await ensemble.leader();
 * await leader.kill();
 * console.assert((await client.exists('/kept')) !== null); // from one of the others
 * await leader.restart();
 * await ensemble.untilServing();
 * ```
 */
export class TestEnsemble implements AsyncDisposable {
  /** By their ids, from 1; observers behind the voters. Each can be killed, restarted, paused, ... by itself. */
  readonly members: readonly TestServer[];
  readonly #directory: string;
  readonly #clients: Client[] = [];

  private constructor(directory: string, members: readonly TestServer[]) {
    this.#directory = directory;
    this.members = members;
  }

  /** See `startEnsemble`. */
  static async start(size: number, options: StartEnsembleOptions): Promise<TestEnsemble> {
    const { observers = 0 } = options;
    const count = size + observers;
    if (
      !(Number.isInteger(size) && size >= 1 && Number.isInteger(observers) && observers >= 0 && count <= SERVERS_MAX)
    ) {
      throw new RangeError(`an ensemble has 1 to ${SERVERS_MAX} servers, not ${size} and ${observers} observers`);
    }
    const directory = await mkdtemp(join(tmpdir(), 'treekeeper-test-'));
    const places = await makePlaces(directory, size, options);
    const outcomes = await Promise.allSettled(places.map((place) => TestServer.startMember(place)));
    const ensemble = new TestEnsemble(
      directory,
      outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : [])),
    );
    const failure = outcomes.find(({ status }) => status === 'rejected');
    try {
      if (failure?.status === 'rejected') {
        throw failure.reason;
      }
      await ensemble.untilServing();
      return ensemble;
    } catch (error) {
      await ensemble[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** All members, as every ZooKeeper client takes them: also those that are down. */
  get connectString(): string {
    return this.members.map(({ connectString }) => connectString).join(',');
  }

  /** A client that knows all members. It is closed with the ensemble, if the test does not do it. */
  async client(options: ConnectOptions = {}): Promise<Client> {
    const client = await connect(this.connectString, options);
    this.#clients.push(client);
    return client;
  }

  /** The member that leads; waits for an election to end. Rejects when there is none for a minute. */
  async leader(): Promise<TestServer> {
    return await until('nobody leads', () => this.members.find(({ mode }) => mode === 'leader'));
  }

  /** Waits until every member that is running serves clients. */
  async untilServing(): Promise<void> {
    const isServing = ({ running, mode }: TestServer): boolean => !running || mode !== null;
    await until('not all members serve', () => (this.members.every(isServing) ? true : undefined));
  }

  /** The member to which a client is connected; waits while it is connected to none. */
  async memberOf(client: Pick<Client, 'sessionId'>): Promise<TestServer> {
    return await until('no member has the connection', () => this.members.find((member) => member.serves(client)));
  }

  /**
   * Ends a session as if its client had been silent for too long: its ephemeral nodes go. When this resolves, the
   * leader shows it, and the others as soon as they are told (`client.sync()` waits for that).
   *
   * @returns false when there is no such session
   */
  async expireSession(sessionId: bigint): Promise<boolean> {
    const leader = await this.leader();
    return await leader.expireSession(sessionId);
  }

  /** Closes the clients, stops the members and removes their data. Rejects when one of them had failed. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    const outcomes = await Promise.allSettled(this.members.map((member) => member[Symbol.asyncDispose]()));
    await rm(this.#directory, { recursive: true, force: true });
    const failure = outcomes.find(({ status }) => status === 'rejected');
    if (failure?.status === 'rejected') {
      throw failure.reason;
    }
  }
}

/** Writes what each member needs. */
async function makePlaces(directory: string, size: number, options: StartEnsembleOptions): Promise<MemberPlace[]> {
  const { observers = 0, settings = {}, log } = options;
  const count = size + observers;
  const ports = await freePorts(PORTS_EACH * count);
  const ids = Array.from({ length: count }, (_, i) => i + 1);
  const portsOf = (id: number): number[] => ports.slice(PORTS_EACH * (id - 1), PORTS_EACH * id);
  const lines = ids.map((id) => {
    const [client, quorum, election] = portsOf(id);
    const role = id > size ? 'observer' : 'participant';
    return `server.${id}=127.0.0.1:${quorum}:${election}:${role};127.0.0.1:${client}`;
  });
  return await Promise.all(
    ids.map(async (id) => {
      const dataDirectory = join(directory, `${id}`, 'data');
      const configFile = join(directory, `${id}`, 'zoo.cfg');
      await mkdir(dataDirectory, { recursive: true });
      await writeFile(join(dataDirectory, 'myid'), `${id}\n`);
      const role = id > size ? { peerType: 'observer' } : {};
      const all = { dataDir: dataDirectory, ...SETTINGS, ...MEMBER_SETTINGS, ...role, ...settings };
      const own = Object.entries(all).map(([key, value]) => `${key}=${value}`);
      await writeFile(configFile, `${[...own, ...lines].join('\n')}\n`);
      return { id, port: portsOf(id)[0] as number, dataDirectory, configFile, log };
    }),
  );
}

/** Ports below those of outgoing connections (see test-server.ts), all held until the last is found. */
async function freePorts(count: number): Promise<number[]> {
  const holders = new Map<number, PortHolder>();
  for (let attempt = 0; holders.size < count; attempt++) {
    const port = randomPort();
    const holder = createServer();
    const isFree = await new Promise<boolean>((found) => {
      holder.once('error', () => found(false));
      holder.listen(port, '127.0.0.1', () => found(true));
    });
    if (isFree) {
      holders.set(port, holder);
    } else if (attempt > PORT_ATTEMPTS_MAX + count) {
      throw new Error(`no ${count} free ports were found on 127.0.0.1`);
    }
  }
  await Promise.all([...holders.values()].map((holder) => new Promise((closed) => holder.close(closed))));
  return [...holders.keys()];
}

/** Asks until there is an answer. */
async function until<T>(fault: string, find: () => T | undefined): Promise<T> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = find();
    if (found !== undefined) {
      return found;
    }
    if (performance.now() > deadlineMs) {
      throw new Error(`${fault}, for ${PATIENCE_MS} ms`);
    }
    await sleep(POLL_MS);
  }
}
