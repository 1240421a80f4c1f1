/**
 * The composition root: the only file in which host/ and replica/ meet. Constructors and wires, by hand, in the order
 * in which a server comes up.
 */
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextRound, setTimeout as sleep } from 'node:timers/promises';
import { zxidHex } from '@treekeeper/protocol';
import { WordWhitelist } from './admin/four-letter.ts';
import { PauseMonitor } from './admin/pause-monitor.ts';
import { probeAnswerer } from './admin/probe.ts';
import { ProcessHost } from './admin/process-host.ts';
import { ReplicaControl } from './admin/replica-control.ts';
import { ReplicaView } from './admin/replica-view.ts';
import type { ConfigView, ServerMode } from './admin/view.ts';
import { AccessControl } from './auth/acl.ts';
import { Credentials } from './auth/credentials.ts';
import { AuthRegistry } from './auth/registry.ts';
import { assertLimits, limits } from './config/limits.ts';
import type { ServerConfig } from './config/server-config.ts';
import { SocketConnection } from './host/client-listener.ts';
import { ClientPorts } from './host/client-ports.ts';
import { Loop, type Turning } from './host/loop.ts';
import { type HostClock, NodeClock } from './host/node-clock.ts';
import { NodeDisk } from './host/node-disk.ts';
import type { NodePeers } from './host/node-peers.ts';
import { unpredictableRandom } from './host/node-random.ts';
import type { Input } from './io/input.ts';
import type { Log } from './io/log.ts';
import { StorageError } from './io/storage-error.ts';
import { createMetrics, rotateMetrics } from './metrics/registry.ts';
import type { ProbeAnswer } from './replica/inbound.ts';
import { Replica } from './replica/replica.ts';
import { adminAuthorizer } from './wiring/admin-authorizer.ts';
import { openAudit, type ReplicaAudit } from './wiring/audit.ts';
import { HttpPortError } from './wiring/http-port-error.ts';
import type { HttpPorts } from './wiring/http-ports.ts';
import { replicaOptions } from './wiring/replica-options.ts';
import { saslConversations } from './wiring/sasl.ts';
import { StagedSnapshot } from './wiring/staged-snapshot.ts';
import type { Configuration } from './zab/configuration.ts';

/** Told what the server cannot go on after: a StorageError, or a bug of ours. */
export type OnFailure = (error: unknown) => void;

/** How often the replica turns when nothing happens, for what waits for time to pass. */
const TICK_MS = 50;
/** How long a stop waits for what is in flight. */
const STOP_MS_MAX = 5000;
const VERSION_DIRECTORY = 'version-2';

/** A server: one replica on the real world. */
export class Server {
  readonly #config: ServerConfig;
  readonly #log: Log;
  readonly #onFailure: OnFailure;
  readonly #clock: HostClock;
  readonly #metrics = createMetrics();
  readonly #loop: Loop;
  readonly #access: AccessControl;
  readonly #credentials: Credentials;
  readonly #ports: ClientPorts;
  readonly #view: ReplicaView;
  readonly #control: ReplicaControl;
  readonly #answerProbe: (word: Uint8Array, rest: Uint8Array) => ProbeAnswer | null;
  readonly #authorize: ReturnType<typeof adminAuthorizer>;
  /** Null: audit.enable is not set. */
  readonly #audit: ReplicaAudit | null;
  readonly #timers: NodeJS.Timeout[] = [];
  #wakeTimer: NodeJS.Timeout | null = null;
  #wakeAtMs = Number.POSITIVE_INFINITY;
  #http: HttpPorts = { listeners: [], urls: [] };
  #disk: NodeDisk;
  #replica: Replica;
  /** Null: a standalone server, or not open. */
  #peers: NodePeers | null = null;
  #restoring = false;

  /** Recovers from the disk. Throws StorageError, AuthConfigError, TlsError, JaasError. Nothing listens: see `open`. */
  constructor(config: ServerConfig, log: Log, onFailure: OnFailure, clock: HostClock = new NodeClock()) {
    assertLimits();
    this.#clock = clock;
    this.#config = config;
    this.#log = log;
    this.#onFailure = onFailure;
    this.#loop = new Loop(this.#clock, limits.turnInputsMax, onFailure);
    const metrics = this.#metrics;
    const registry = new AuthRegistry(config.auth, {
      success: metrics.ensemble_auth_success,
      fail: metrics.ensemble_auth_fail,
      skip: metrics.ensemble_auth_skip,
    });
    this.#access = new AccessControl(registry);
    this.#credentials = new Credentials(registry, saslConversations(config));
    this.#ports = new ClientPorts({
      listeners: config.listeners,
      tls: config.clientTls,
      handshakesMax: config.limits.outstandingHandshakeLimit,
      log,
      push: (input) => this.#loop.push(input),
      onReject: () => metrics.connection_rejected.add(1),
      onHandshakesExceeded: () => metrics.tls_handshake_exceeded.add(1),
      onHandshakeFailed: () => metrics.unsuccessful_handshake.add(1),
    });
    this.#audit = config.audit.enabled ? openAudit(config, log) : null;
    this.#disk = this.#openDisk();
    this.#replica = this.#recover();
    this.#view = this.#makeView();
    this.#control = new ReplicaControl({
      view: this.#view,
      replica: () => this.#replica,
      wake: () => this.#loop.wake(),
      readSnapshot: (name) => createReadStream(join(config.storage.dataDir, VERSION_DIRECTORY, name)),
      restore: (snapshot) => this.#restore(snapshot),
    });
    const whitelist = new WordWhitelist(config.listeners.fourLetterWords.join(','), false);
    this.#answerProbe = probeAnswerer(whitelist, this.#view, this.#control);
    this.#authorize = adminAuthorizer(registry, this.#access, () => this.#replica.world.tree);
  }

  /** Null without a plaintext port. */
  get clientPort(): number | null {
    return this.#ports.plainPort;
  }

  /** Null without a TLS port. */
  get secureClientPort(): number | null {
    return this.#ports.securePort;
  }

  /** Of the admin server, then of metrics. */
  get httpPorts(): number[] {
    return this.#http.listeners.map(({ port }) => port);
  }

  /** `admin http://127.0.0.1:8080/commands` and the like. */
  get httpUrls(): readonly string[] {
    return this.#http.urls;
  }

  /** What there is to serve. */
  get summary(): { readonly lastZxid: number; readonly nodeCount: number; readonly sessionCount: number } {
    const { tree, sessions } = this.#replica.world;
    return { lastZxid: tree.lastZxid, nodeCount: tree.nodeCount, sessionCount: sessions.size };
  }

  /** As `srvr` has it; null: this server does not serve now. */
  get mode(): ServerMode | null {
    return this.#view.serving ? this.#view.mode : null;
  }

  /** Whether a session has its connection here. */
  hasConnection(sessionId: bigint): boolean {
    return [...this.#replica.connections.values()].some(({ session }) => session?.id === sessionId);
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
      access: this.#access,
      credentials: this.#credentials,
      metrics: this.#metrics,
      audit: this.#audit,
      elapsedMs: () => performance.now(),
      probe: (word, rest) => this.#answerProbe(word, rest),
      isMember: this.#config.ensemble !== null,
    });
  }

  #makeView(): ReplicaView {
    const { storage, source } = this.#config;
    return new ReplicaView({
      clock: this.#clock,
      metrics: this.#metrics,
      config: configView(this.#config, this.#ports),
      host: new ProcessHost({
        dataDir: join(storage.dataDir, VERSION_DIRECTORY),
        dataLogDir: join(storage.dataLogDir, VERSION_DIRECTORY),
        systemProperties: source.properties,
      }),
      replica: () => this.#replica,
      tlsHandshakes: () => this.#ports.tlsHandshakes,
    });
  }

  /** Starts turning and opens the ports: clients first, since HTTP takes a while to load. Rejects as a port does. */
  async open(): Promise<void> {
    this.#loop.start(this.#turning, TICK_MS);
    await this.#untilReady();
    await this.#ports.open();
    await this.#join();
    this.#watchTheLoop();
    this.#audit?.started();
    await this.#openHttp();
  }

  readonly #turning: Turning = {
    turn: (inputs) => {
      const more = this.#replica.turn(inputs);
      this.#control.afterTurn();
      this.#audit?.flush();
      this.#wakeInTime();
      if (this.#replica.failure !== null) {
        this.#loop.stop();
        this.#onFailure(new StorageError('disk', this.#replica.failure));
      }
      return more;
    },
  };

  /** What is due before the next tick must not wait for it: a log that collects (flushDelay), an election. */
  #wakeInTime(): void {
    const dueMs = this.#replica.deadlineMs;
    const { nowMs } = this.#clock;
    if (dueMs >= this.#wakeAtMs || dueMs - nowMs >= TICK_MS) {
      return;
    }
    if (this.#wakeTimer !== null) {
      clearTimeout(this.#wakeTimer);
    }
    this.#wakeAtMs = dueMs;
    this.#wakeTimer = setTimeout(
      () => {
        this.#wakeTimer = null;
        this.#wakeAtMs = Number.POSITIVE_INFINITY;
        this.#loop.wake();
      },
      Math.max(1, dueMs - nowMs),
    ).unref();
  }

  /** A member meets the others. Who is asked for a leader may be asked at once, so the client ports are open. */
  async #join(): Promise<void> {
    const { ensemble } = this.#config;
    if (ensemble === null) {
      return;
    }
    const { openPeers, ensembleSeams } = await import('./wiring/ensemble.ts');
    this.#peers = await openPeers(this.#config, ensemble, this.#log, {
      push: (input) => this.#loop.push(input),
      onFailure: this.#onFailure,
    });
    const onConfigured = (configuration: Configuration): void => this.#moveClients(configuration, ensemble.serverId);
    this.#replica.join(ensembleSeams(this.#config, ensemble, this.#peers, this.#log, onConfigured));
    await this.#peers.opened();
    this.#loop.wake();
  }

  /** The configuration says where clients find this server; where it does not, zoo.cfg did, and still does. */
  #moveClients(configuration: Configuration, serverId: number): void {
    const { client = null, secureClient = null } = configuration.member(serverId) ?? {};
    const moves = [
      client === null ? null : this.#ports.move('plain', client),
      secureClient === null ? null : this.#ports.move('secure', secureClient),
    ];
    Promise.all(moves).catch(this.#onFailure); // neither there nor where it was
  }

  /** The first snapshot of a new database is on disk. */
  async #untilReady(): Promise<void> {
    while (!this.#replica.ready) {
      this.#loop.wake();
      await sleep(1);
    }
  }

  /** ZooKeeper's pause monitor, and the time slots of the quantiles. */
  #watchTheLoop(): void {
    const { loopLag, metrics } = this.#config;
    this.#every(metrics.summaryRotateIntervalMs, () => rotateMetrics(this.#metrics));
    if (loopLag.enabled) {
      const { probeMs: sleepMs, infoThresholdMs, warnThresholdMs } = loopLag;
      const options = { sleepMs, infoThresholdMs, warnThresholdMs };
      const monitor = new PauseMonitor(options, this.#metrics.jvm_pause_time_ms, this.#log);
      let lastMs = performance.now();
      this.#every(sleepMs, () => {
        const nowMs = performance.now();
        monitor.sample(nowMs - lastMs);
        lastMs = nowMs;
      });
    }
  }

  #every(intervalMs: number, run: () => void): void {
    this.#timers.push(setInterval(run, intervalMs).unref());
  }

  async #openHttp(): Promise<void> {
    const { admin, metrics } = this.#config;
    if (!admin.enabled && !metrics.prometheusEnabled) {
      return;
    }
    const { openHttpPorts } = await import('./wiring/http-ports.ts');
    const dependencies = {
      view: this.#view,
      control: this.#control,
      authorize: this.#authorize,
      log: this.#log,
      nowMs: () => performance.now(),
    };
    try {
      this.#http = await openHttpPorts(this.#config, dependencies);
    } catch (error) {
      if (!(error instanceof HttpPortError) || this.#config.source.file !== null) {
        throw error;
      }
      this.#log.warn(error.message); // nobody has asked for it: the embedded default has
    }
  }

  /**
   * Restoring is a restart on other data: the snapshot is put on disk behind all logs there are, and a new replica
   * recovers from it. All connections are closed; the snapshot's sessions can be resumed.
   */
  async #restore(snapshot: AsyncIterable<Uint8Array>): Promise<number> {
    if (this.#restoring) {
      throw new Error('another restore is running');
    }
    if (this.#config.ensemble !== null) {
      throw new Error(
        'a member of an ensemble has its data from the others: restore them all, each while it is stopped',
      );
    }
    this.#restoring = true;
    try {
      const { storage, dataModel } = this.#config;
      const directory = join(storage.dataDir, VERSION_DIRECTORY);
      const { fieldBytesMax } = storage;
      const staged = await StagedSnapshot.receive(directory, this.#disk, fieldBytesMax, dataModel, snapshot);
      await this.#quiesce();
      let zxid: number;
      try {
        zxid = await staged.commit(this.#replica.lastLoggedZxid);
      } finally {
        this.#recoverAgain(); // what there was before, should that have failed
      }
      this.#log.info(`restored a snapshot as zxid 0x${zxidHex(zxid)}; all connections were closed`);
      return staged.lastZxid;
    } finally {
      this.#restoring = false;
    }
  }

  #recoverAgain(): void {
    try {
      this.#disk = this.#openDisk();
      this.#replica = this.#recover();
      this.#loop.start(this.#turning, TICK_MS);
    } catch (error) {
      this.#onFailure(error);
    }
  }

  /** Finishes what is in flight, closes all connections, stops turning and lets the disk go. */
  async #quiesce(): Promise<void> {
    this.#replica.stop();
    const deadlineMs = performance.now() + STOP_MS_MAX;
    while (!this.#replica.stopped && performance.now() < deadlineMs) {
      this.#loop.wake();
      await sleep(1);
    }
    for (const { connection } of this.#replica.connections.values()) {
      connection.close();
    }
    this.#loop.stop();
    this.#peers?.close();
    await this.#disk.close();
  }

  /** Takes no more requests, finishes what is in flight, closes everything. */
  async stop(): Promise<void> {
    this.#audit?.stopping();
    await this.#closePorts();
    await this.#quiesce();
    this.#audit?.close();
  }

  async #closePorts(): Promise<void> {
    this.#ports.close();
    for (const timer of this.#timers) {
      clearInterval(timer);
    }
    await Promise.all(this.#http.listeners.map((listener) => listener.close()));
  }

  // What happens to servers, for tests (@treekeeper/testing)

  /**
   * Ends it as `kill -9` ends a process: nothing is finished or answered, every connection is cut, and the files are as
   * far as the disk has come.
   */
  async kill(): Promise<void> {
    this.#loop.stop();
    this.#ports.cutAll();
    this.#peers?.close();
    await this.#closePorts();
    await this.#disk.close();
    this.#audit?.close();
  }

  /** Does nothing until `resume`, as a stopped process: connections stay, nothing is answered, no session expires. */
  pause(): void {
    this.#loop.pause();
  }

  resume(): void {
    this.#loop.resume();
  }

  /** Ends a session as if its client had been silent for too long, and settles; false when there is none of this id. */
  async expireSession(id: bigint): Promise<boolean> {
    const known = this.#replica.expireSession(id);
    await this.settle();
    return known;
  }

  /** Cuts the connection of one session, or (null) of all; what is not sent yet is lost. Answers how many were cut. */
  cutConnections(sessionId: bigint | null): number {
    let cut = 0;
    for (const { connection, session } of this.#replica.connections.values()) {
      if (connection instanceof SocketConnection && (sessionId === null || session?.id === sessionId)) {
        connection.cut();
        cut++;
      }
    }
    return cut;
  }

  /** Resolves when it has turned once more and everything that it has proposed is applied. */
  async settle(): Promise<void> {
    this.#loop.wake();
    await nextRound(); // the turn goes before
    while (!this.#replica.settled) {
      await sleep(1);
    }
  }
}

function configView(config: ServerConfig, ports: ClientPorts): ConfigView {
  const { sessions, listeners, storage, source, ensemble } = config;
  return {
    get clientPort(): number {
      return ports.plainPort ?? -1;
    },
    get secureClientPort(): number {
      return ports.securePort ?? -1;
    },
    dataDir: join(storage.dataDir, VERSION_DIRECTORY),
    dataLogDir: join(storage.dataLogDir, VERSION_DIRECTORY),
    tickTimeMs: sessions.tickTimeMs,
    maxClientCnxns: listeners.connectionsPerAddressMax,
    minSessionTimeoutMs: sessions.minTimeoutMs,
    maxSessionTimeoutMs: sessions.maxTimeoutMs,
    clientPortListenBacklog: listeners.backlog,
    serverId: config.membership.serverId ?? 0,
    ensembleLimits: ensemble,
    initialConfiguration: source.text,
  };
}
