/** One replica in a simulated world: its clock, its disk and its clients. The same code runs in the real server. */
import {
  AccessControl,
  AUTH_DEFAULTS,
  type AuthOptions,
  AuthRegistry,
  Credentials,
  createMetrics,
  type Input,
  type Log,
  Replica,
  type ReplicaOptions,
  SeededRandom,
  storageDefaults,
} from '@treekeeper/server/internal';
import { SimulatedClient } from './client.ts';
import { SimulatedClock } from './clock.ts';
import { SimulatedConnection } from './connection.ts';
import { SimulatedDisk } from './disk.ts';

/** ZooKeeper's defaults, small where a simulation wants things to happen often. */
export const simulatedOptions: ReplicaOptions = {
  serverId: 1,
  tickTimeMs: 2000,
  minSessionTimeoutMs: 4000,
  maxSessionTimeoutMs: 40_000,
  localSessionsEnabled: false,
  frameBytesMax: 0xfffff,
  requests: {
    outstandingRequestsMax: 1000,
    throttledAfterMs: 0,
    dropsStale: false,
    fieldLengthBytesMax: 2 * 0xfffff,
    largeRequestThresholdBytes: -1,
    largeRequestBytesMax: 104_857_600,
  },
  rules: {
    extendedTypesEnabled: true,
    enforceQuota: false,
    reconfigEnabled: false,
    localSessionsUpgradingEnabled: false,
    closeSessionTxnEnabled: true,
  },
  ownerRules: { extendedTypesEnabled: true, emulate353TtlNodes: false },
  digestEnabled: true,
  storage: { ...storageDefaults, preallocBytes: 4096 },
  reaper: { checkIntervalMs: 60_000, maxPerMinute: 10_000, maxNeverUsedIntervalMs: 300_000 },
  sessionlessTimeoutMs: 10_000,
  unsentBytesPause: 1 << 20,
  unsentBytesMax: 64 << 20,
  connectionThrottle: {
    tokens: 0,
    fillTimeMs: 1,
    fillCount: 1,
    freezeTimeMs: -1,
    dropIncrease: 0.02,
    dropDecrease: 0.002,
    decreaseRatio: 0,
    weightEnabled: false,
    globalSessionWeight: 3,
    renewSessionWeight: 2,
    localSessionWeight: 1,
  },
  namespaceMetrics: true,
  pathStatistics: null,
  purgeRetainCount: 3,
  purgeIntervalMs: 0,
};

const QUIET: Log = { info: () => {}, warn: () => {}, error: () => {} };

export interface StandaloneWorldOptions {
  readonly seed?: number;
  readonly replica?: Partial<ReplicaOptions>;
  readonly auth?: Partial<AuthOptions>;
  readonly log?: Log;
  /** Told of every write. */
  readonly audit?: ConstructorParameters<typeof Replica>[1]['audit'];
  /** Answers four-letter words; without it there are none. */
  readonly probe?: ConstructorParameters<typeof Replica>[1]['probe'];
  /** Begins SASL exchanges; without it the server has no SASL. */
  readonly sasl?: ConstructorParameters<typeof Credentials>[1];
}

export class StandaloneWorld {
  readonly clock = new SimulatedClock();
  readonly options: ReplicaOptions;
  readonly random: SeededRandom;
  /** Of all replicas, one after the other. */
  readonly metrics = createMetrics();
  disk: SimulatedDisk;
  replica: Replica;
  readonly #auth: AuthRegistry;
  readonly #log: Log;
  readonly #audit: NonNullable<StandaloneWorldOptions['audit']> | null;
  readonly #probe: NonNullable<StandaloneWorldOptions['probe']>;
  readonly #sasl: NonNullable<StandaloneWorldOptions['sasl']> | null;
  #inbox: Input[] = [];
  #nextPort = 40_000;

  constructor(options: StandaloneWorldOptions = {}) {
    const { seed = 1, replica = {}, auth = {}, log = QUIET, audit = null, probe = () => null, sasl = null } = options;
    this.options = { ...simulatedOptions, ...replica };
    this.random = new SeededRandom(seed);
    this.disk = new SimulatedDisk();
    this.#auth = new AuthRegistry({ ...AUTH_DEFAULTS, ...auth });
    this.#log = log;
    this.#audit = audit;
    this.#probe = probe;
    this.#sasl = sasl;
    this.replica = this.#start();
  }

  #start(): Replica {
    return new Replica(this.options, {
      clock: this.clock,
      random: this.random,
      disk: this.disk,
      log: this.#log,
      access: new AccessControl(this.#auth),
      credentials: new Credentials(this.#auth, this.#sasl),
      metrics: this.metrics,
      audit: this.#audit,
      elapsedMs: () => this.clock.nowMs,
      probe: this.#probe,
    });
  }

  push(input: Input): void {
    this.#inbox.push(input);
  }

  /** A new connection; the handshake is the caller's to send. */
  connect(remoteAddress?: string): SimulatedClient {
    return new SimulatedClient(this, new SimulatedConnection(this.#nextPort++, remoteAddress));
  }

  /** A client with a session. */
  newClient(timeOut = 10_000): SimulatedClient {
    const client = this.connect();
    client.sendHandshake({ timeOut });
    this.settle();
    client.receive();
    return client;
  }

  /** One turn over what has come in. */
  turn(): void {
    const inputs = this.#inbox;
    this.#inbox = [];
    this.replica.turn(inputs);
  }

  /** Turns, and lets the disk work, until nothing is left to do. */
  settle(): void {
    do {
      this.turn();
      for (const completion of this.disk.drain()) {
        this.push(completion);
      }
    } while (this.#inbox.length > 0);
  }

  /** Time passes, in steps as the host's timer would make them. */
  advance(ms: number, stepMs = 100): void {
    for (let left = ms; left > 0; left -= stepMs) {
      this.clock.advance(Math.min(stepMs, left));
      this.settle();
    }
  }

  /** The machine loses its power: all connections are gone, and what the disk had not synced may be. */
  crash(): void {
    this.disk.crash(this.random);
    this.#inbox = [];
    this.replica = this.#start();
  }

  /** The process is killed: the disk keeps what was written. */
  kill(): void {
    this.disk.kill();
    this.#inbox = [];
    this.replica = this.#start();
  }
}
