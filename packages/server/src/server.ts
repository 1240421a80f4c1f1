/**
 * The composition root: the only file in which host/ and replica/ meet. Constructors and wires, by hand, in the order in
 * which a server comes up.
 */
import { createReadStream } from 'node:fs';
import type { AddressInfo, Server as TcpServer, Socket } from 'node:net';
import { join } from 'node:path';
import type { HttpListener } from './admin/http.ts';
import { WordWhitelist } from './admin/four-letter.ts';
import { createMetrics } from './metrics/registry.ts';
import { probeAnswerer } from './admin/probe.ts';
import { ProcessHost } from './admin/process-host.ts';
import { ReplicaControl } from './admin/replica-control.ts';
import { ReplicaView } from './admin/replica-view.ts';
import { AccessControl } from './auth/acl.ts';
import { Credentials } from './auth/credentials.ts';
import { AuthRegistry } from './auth/registry.ts';
import { assertLimits, limits } from './config/limits.ts';
import type { ServerConfig } from './config/server-config.ts';
import { Admission, listen, SocketConnection } from './host/client-listener.ts';
import { Loop, type Turning } from './host/loop.ts';
import { NodeClock } from './host/node-clock.ts';
import { NodeDisk } from './host/node-disk.ts';
import { unpredictableRandom } from './host/node-random.ts';
import type { Input } from './io/input.ts';
import type { Log } from './io/log.ts';
import { Replica } from './replica/replica.ts';
import { replicaOptions } from './replica-options.ts';

/** What the server cannot go on after: its storage, or a bug of ours. The error's message says what to do. */
export type OnFailure = (kind: 'storage' | 'bug', error: unknown) => void;

/** How often the replica turns when nothing happens, for what waits for time to pass. */
const TICK_MS = 50;
/** How long a stop waits for what is in flight. */
const STOP_MS_MAX = 5000;

/** A server that runs. */
export class Server {
  readonly #config: ServerConfig;
  readonly #log: Log;
  readonly #onFailure: OnFailure;
  readonly #clock = new NodeClock();
  readonly #loop: Loop;
  readonly #auth: AuthRegistry;
  readonly #admission: Admission;
  readonly #metrics = createMetrics();
  readonly #view: ReplicaView;
  readonly #control: ReplicaControl;
  #disk: NodeDisk;
  #replica: Replica;
  readonly #listeners: TcpServer[] = [];
  #adminListeners: HttpListener[] = [];
  #clientPort: number | null = null;
  #adminPort: number | null = null;

  /** Recovers from the disk. Throws StorageError, AuthConfigError or TlsError. Nothing listens yet: see `listen`. */
  constructor(config: ServerConfig, log: Log, onFailure: OnFailure) {
    assertLimits();
    this.#config = config;
    this.#log = log;
    this.#onFailure = onFailure;
    this.#loop = new Loop(this.#clock, limits.turnInputsMax, (error) => onFailure('bug', error));
    this.#auth = new AuthRegistry(config.auth);
    this.#disk = this.#openDisk();
    this.#replica = this.#recover();
    const { listeners, storage, source } = config;
    this.#admission = new Admission(
      {
        connectionsPerAddressMax: listeners.connectionsPerAddressMax,
        connectionsMax: listeners.connectionsMax,
        tcpKeepAlive: listeners.tcpKeepAlive,
      },
      () => {
        this.#metrics.connection_rejected.add(1);
      },
    );
    const replica = () => this.#replica;
    this.#view = new ReplicaView({
      clock: this.#clock,
      metrics: this.#metrics,
      config: configView(config, () => this.#clientPort),
      host: new ProcessHost({
        dataDir: join(storage.dataDir, VERSION_DIRECTORY),
        dataLogDir: join(storage.dataLogDir, VERSION_DIRECTORY),
        systemProperties: source.properties,
      }),
      replica,
      tlsHandshakes: () => 0,
    });
    this.#control = new ReplicaControl({
      view: this.#view,
      replica,
      wake: () => this.#loop.wake(),
      readSnapshot: (name) => createReadStream(join(storage.dataDir, VERSION_DIRECTORY, name)),
      restore: () => Promise.reject(new Error('restore is not available')),
    });
  }

  /** Null without a plaintext port. */
  get clientPort(): number | null {
    return this.#clientPort;
  }

  get adminPort(): number | null {
    return this.#adminPort;
  }

  #openDisk(): NodeDisk {
    const { dataDir, dataLogDir, dataDirAutocreate } = this.#config.storage;
    const onCompletion = (input: Input): void => this.#loop.push(input);
    return new NodeDisk({ dataDir, dataLogDir, autocreate: dataDirAutocreate, onCompletion });
  }

  #recover(): Replica {
    return new Replica(replicaOptions(this.#config), {
      clock: this.#clock,
      random: unpredictableRandom(),
      disk: this.#disk,
      log: this.#log,
      access: new AccessControl(this.#auth),
      credentials: new Credentials(this.#auth, null),
      metrics: this.#metrics,
      probe: (word, rest) => this.#probe(word, rest),
    });
  }

  readonly #probe = (word: Uint8Array, rest: Uint8Array) => {
    const { fourLetterWords } = this.#config.listeners;
    const whitelist = new WordWhitelist(fourLetterWords.join(','), this.#config.ensemble.readOnlyModeEnabled);
    return probeAnswerer(whitelist, this.#view, this.#control)(word, rest);
  };

  /** Starts turning, opens the client ports, then the admin port. Rejects with the error of a port. */
  async listen(): Promise<void> {
    this.#loop.start(this.#turning, TICK_MS);
    const { clientPort, clientAddress, backlog } = this.#config.listeners;
    if (clientPort !== null) {
      const server = await listen(
        { port: clientPort, address: clientAddress ?? undefined, backlog: backlog > 0 ? backlog : undefined },
        this.#admission,
        (socket) => this.#accept(socket),
      );
      this.#listeners.push(server);
      this.#clientPort = (server.address() as AddressInfo).port;
    }
    await this.#listenForAdmins();
  }

  #accept(socket: Socket): void {
    new SocketConnection(socket, (input) => this.#loop.push(input), false, null);
  }

  readonly #turning: Turning = {
    turn: (inputs) => {
      const more = this.#replica.turn(inputs);
      this.#control.afterTurn();
      if (this.#replica.failure !== null) {
        this.#loop.stop();
        this.#onFailure('storage', new Error(this.#replica.failure));
      }
      return more;
    },
  };

  /** Loaded only now: HTTP would cost a tenth of the start-up. */
  async #listenForAdmins(): Promise<void> {}

  /** Takes no more requests, finishes what is in flight, closes everything. */
  async stop(): Promise<void> {
    for (const server of this.#listeners) {
      server.close();
    }
    this.#replica.stop();
    const deadline = this.#clock.nowMs + STOP_MS_MAX;
    while (!this.#replica.stopped && this.#clock.nowMs < deadline) {
      this.#loop.wake();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await Promise.all(this.#adminListeners.map((listener) => listener.close()));
    for (const { connection } of this.#replica.connections.values()) {
      connection.close();
    }
    this.#loop.stop();
    await this.#disk.close();
  }
}

const VERSION_DIRECTORY = 'version-2';

function configView(config: ServerConfig, clientPort: () => number | null) {
  const { sessions, listeners, storage, ensemble, source } = config;
  return {
    get clientPort(): number {
      return clientPort() ?? -1;
    },
    secureClientPort: listeners.secureClientPort ?? -1,
    dataDir: join(storage.dataDir, VERSION_DIRECTORY),
    dataLogDir: join(storage.dataLogDir, VERSION_DIRECTORY),
    tickTimeMs: sessions.tickTimeMs,
    maxClientCnxns: listeners.connectionsPerAddressMax,
    minSessionTimeoutMs: sessions.minTimeoutMs,
    maxSessionTimeoutMs: sessions.maxTimeoutMs,
    clientPortListenBacklog: listeners.backlog,
    serverId: ensemble.serverId ?? 0,
    initialConfiguration: source.text,
  };
}
