/**
 * One replica as a single deterministic machine: the connections, the log, the snapshots, and, while this server
 * serves, a service over the world (tree, watches, sessions). It is fed with inputs and turned
 * (docs/internals/architecture.md); no promise, timer, socket or file is in here. turn() is the only place that knows
 * the order of things.
 */
import { assert } from '../assert.ts';
import type { Credentials } from '../auth/credentials.ts';
import type { Clock } from '../io/clock.ts';
import type { Connection } from '../io/connection.ts';
import type { Disk, DiskCompletion } from '../io/disk.ts';
import type { Input } from '../io/input.ts';
import type { Log } from '../io/log.ts';
import type { Random } from '../io/random.ts';
import { type DamageError, NoDataError, StorageError } from '../io/storage-error.ts';
import type { Metrics } from '../metrics/registry.ts';
import { Statistics } from '../metrics/statistics.ts';
import type { AccessControl } from '../operations/operation.ts';
import type { ExpiryBucket } from '../sessions/expiry.ts';
import { type Session, SessionIds } from '../sessions/session-table.ts';
import { EpochFiles, type LoadedEpochs, loadEpochs } from '../storage/epochs.ts';
import { TxnLog } from '../storage/log.ts';
import { purge } from '../storage/purge.ts';
import type { Recovered } from '../storage/recovery.ts';
import type { Configuration } from '../zab/configuration.ts';
import { Leader } from '../zab/leader.ts';
import { MajorityQuorum } from '../zab/quorum.ts';
import type { WriteAudit } from './audit.ts';
import type { ClientConnection } from './client-connection.ts';
import { ConnectionThrottle } from './connection-throttle.ts';
import { Connections } from './connections.ts';
import { Digests, type RememberedDigest } from './digests.ts';
import { leadElsewhere } from './full-disk.ts';
import type { ProbeAnswer } from './inbound.ts';
import { Instruments } from './instruments.ts';
import { type EnsembleSeams, Member } from './member.ts';
import type { ReplicaOptions } from './options.ts';
import { Outputs } from './output.ts';
import { PendingChanges } from './pending-changes.ts';
import { recoverWorld, WorldSink } from './recover-world.ts';
import { type ReplicaWorld, Service, type ServiceParts } from './service.ts';
import type { Closing } from './session-life.ts';
import { Snapshots } from './snapshots.ts';
import { WatchEvents } from './watch-events.ts';
import { Writes } from './writes.ts';

/** The world around a replica. */
export interface ReplicaSeams {
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  readonly log: Log;
  readonly access: AccessControl;
  readonly credentials: Credentials;
  readonly metrics: Metrics;
  /** Null: no audit log. */
  readonly audit: WriteAudit | null;
  /** Monotonic milliseconds that pass within a turn as well: to measure recovery, and for nothing else. */
  elapsedMs(): number;
  /** Answers a four-letter word; null: these four bytes are none. */
  probe(word: Uint8Array, argument: Uint8Array): ProbeAnswer | null;
  /** It belongs to an ensemble, and serves only after `join`. */
  readonly isMember?: boolean;
}

/** A standalone server is an ensemble of one, that serves from its start to its end. */
interface Standalone {
  readonly leader: Leader;
  readonly service: Service;
}

/** The log is tried again this long after it found no space. */
const FULL_DISK_RETRY_MS = 1000;

export class Replica {
  readonly options: ReplicaOptions;
  readonly statistics = new Statistics();
  readonly snapshots: Snapshots;
  readonly throttle: ConnectionThrottle;
  readonly #seams: ReplicaSeams;
  readonly #instruments: Instruments;
  readonly #connections: Connections;
  readonly #digests: Digests;
  readonly #parts: ServiceParts;
  readonly #txnLog: TxnLog;
  /** Null: a member of an ensemble. */
  readonly #standalone: Standalone | null;
  readonly #history: Recovered;
  readonly #damage: DamageError | null;
  #member: Member | null = null;
  #world: ReplicaWorld;
  #nextPurgeMs: number;
  #retryAtMs = 0;
  #stopping = false;

  /** Recovers from the disk, synchronously; throws RecoveryError with what to do. */
  constructor(options: ReplicaOptions, seams: ReplicaSeams) {
    this.options = options;
    this.#seams = seams;
    const { clock, disk, log, random, metrics } = seams;
    const instruments = new Instruments(options, metrics, this.statistics, random, clock.nowMs);
    this.#instruments = instruments;
    const isMember = seams.isMember === true;
    const recovered = recoverWorld(options, seams, isMember);
    const { world, history } = recovered;
    this.#history = history;
    this.#damage = recovered.damage;
    this.#world = world;
    this.#txnLog = new TxnLog(disk, options.storage, random, log, world.tree.lastZxid, (txns, _bytes, durationMs) => {
      instruments.synced(txns, durationMs, (this.#service?.inFlightCount ?? 0) - txns);
    });
    if (isMember) {
      this.#txnLog.restart(world.tree.lastZxid, history.contiguousFrom); // it is asked for its past
    }
    this.snapshots = new Snapshots(world, disk, options.storage, log, recovered.isNew, clock, metrics.snapshottime);
    this.snapshots.isAhead = recovered.isAhead;
    this.snapshots.found(history.snapshot);
    this.#nextPurgeMs = options.purgeIntervalMs > 0 ? clock.nowMs : Number.POSITIVE_INFINITY;
    this.throttle = new ConnectionThrottle(options.connectionThrottle, random, clock.nowMs);
    this.#digests = new Digests(options.digestEnabled, metrics, log);
    const outputs = new Outputs();
    const events = new WatchEvents(seams.access, outputs, instruments);
    this.#connections = new Connections(options, {
      clock,
      credentials: seams.credentials,
      log,
      instruments,
      outputs,
      sendEvent: events.send,
      probe: (word, argument) => seams.probe(word, argument),
    });
    this.#parts = {
      options,
      clock,
      log,
      credentials: seams.credentials,
      audit: seams.audit,
      instruments,
      outputs,
      connections: this.#connections,
      events,
      digests: this.#digests,
      throttle: this.throttle,
      sessionIds: new SessionIds(options.serverId, clock.wallMs),
      writesRefused: () => this.#txnLog.full,
    };
    this.#standalone = isMember ? null : this.#newStandalone();
    if (recovered.snapshotWanted) {
      this.snapshots.start();
    }
  }

  #newStandalone(): Standalone {
    const { options } = this;
    const { clock, metrics } = this.#seams;
    const world = this.#world;
    const leader = new Leader(options.serverId, new MajorityQuorum([options.serverId]), world.tree.lastZxid, {
      append: (zxid, payload) => this.#txnLog.append(zxid, payload),
    });
    const tallies = { queued: metrics.outstanding_changes_queued, removed: metrics.outstanding_changes_removed };
    const { fieldBytesMax } = options.storage;
    const pending = new PendingChanges(world, options.digestEnabled, fieldBytesMax, tallies, null);
    const writes = new Writes(world, pending, leader, clock, options.digestEnabled, this.#instruments);
    const service = new Service(this.#parts, world, { kind: 'standalone', order: writes });
    this.#connections.serve(service);
    return { leader, service };
  }

  /**
   * A member begins to look for a leader. Throws StorageError when the epoch files contradict the history, and when the
   * history is damaged and nobody else can have it.
   */
  join(ensemble: EnsembleSeams): void {
    assert(this.#standalone === null && this.#member === null, 'a member joins once');
    const { options } = this;
    const { disk, log, random, access, elapsedMs } = this.#seams;
    const epochs = loadEpochs(disk, this.#history);
    this.#requireOthers(ensemble.configuration, epochs);
    this.#member = new Member(ensemble, {
      service: this.#parts,
      connections: this.#connections,
      random,
      world: () => this.#world,
      database: {
        options: options.storage,
        disk,
        log,
        txnLog: this.#txnLog,
        snapshots: this.snapshots,
        epochs: new EpochFiles(disk, epochs),
        epochsMissing: epochs.toWrite,
        damage: this.#damage?.damage ?? null,
        onDamage: () => this.#seams.metrics.data_damaged_count.add(1),
        world: () => this.#world,
        replaceWorld: (world) => {
          this.#world = world;
        },
        recover: () => recoverWorld(options, this.#seams, true),
        newSink: () => new WorldSink(options, access, log, elapsedMs),
      },
    });
    this.#member.start();
  }

  /** A damaged member waits for a leader that was elected without it: only then can nothing be lost. */
  #requireOthers(configuration: Configuration, { toWrite }: LoadedEpochs): void {
    const damage = this.#damage;
    if (damage === null) {
      return;
    }
    const others = configuration.voters.filter((voter) => voter !== this.options.serverId);
    if (!configuration.hasQuorum(new Set(others))) {
      throw damage;
    }
    // Who has lost everything has lost this, too. What it had promised matters only if it was emptied, and came back,
    // within one election, while the leader before went on: as with Apache ZooKeeper (quorum-protocol.md §12).
    if (toWrite.includes('acceptedEpoch') && !(damage instanceof NoDataError)) {
      throw new StorageError(
        'data',
        `${damage.damage}. The file acceptedEpoch is missing, too, so that this server does not know what it has promised ` +
          'to whom. See that a majority of the others runs and is healthy, then let this one copy their data by starting ' +
          'it with an empty data directory',
      );
    }
  }

  /** Null: a standalone server, or one that has not joined its ensemble yet. */
  get member(): Member | null {
    return this.#member;
  }

  /** The tables. A member may get others, from its leader. */
  get world(): ReplicaWorld {
    return this.#world;
  }

  /** The last transaction that may be in the log, applied or not. */
  get lastLoggedZxid(): number {
    return this.#txnLog.lastAppended;
  }

  /** Null: this server does not serve. */
  get #service(): Service | null {
    return this.#standalone !== null ? this.#standalone.service : (this.#member?.service ?? null);
  }

  /** Clients are taken, and the tree is what it should be. */
  get serving(): boolean {
    return this.ready && this.failure === null && this.#service !== null;
  }

  /** True when the first snapshot of a new database is on disk: only then may the log begin (disk-format.md §3.5). */
  get ready(): boolean {
    return !this.snapshots.firstPending;
  }

  /** Why the process must stop, with what to do; null while all is well. */
  get failure(): string | null {
    return this.#txnLog.failure ?? this.snapshots.failure ?? this.#member?.failure ?? null;
  }

  get connections(): ReadonlyMap<Connection, ClientConnection> {
    return this.#connections.byConnection;
  }

  /** Digests of the tree at zxids that are multiples of 128, the latest last (`hash`). */
  get digestHistory(): readonly RememberedDigest[] {
    return this.#digests.history;
  }

  /** Sessions by the time at which they expire, soonest first. */
  expiryBuckets(): readonly ExpiryBucket<Session<ClientConnection>>[] {
    return this.#service?.expiryBuckets() ?? [];
  }

  get outstandingRequests(): number {
    return this.#service?.requests.outstanding ?? 0;
  }

  /** When it wants a turn although nothing happened (flushDelay, an ensemble's deadlines); infinite: no need. */
  get deadlineMs(): number {
    return Math.min(
      this.#txnLog.flushDueMs ?? Number.POSITIVE_INFINITY,
      this.#member?.peer.deadlineMs ?? Number.POSITIVE_INFINITY,
    );
  }

  get writesRefused(): boolean {
    return this.#txnLog.full;
  }

  /**
   * One turn over everything that has happened. The order is what makes answers durable, events come before the data
   * they announce, and one write leave for each connection. True: there is more to do at once.
   */
  turn(inputs: readonly Input[]): boolean {
    this.#member?.tick();
    for (const input of inputs) {
      this.#receive(input);
    }
    this.#tick();
    this.#member?.step();
    this.#flushLog();
    this.#member?.send();
    this.#service?.applyCommitted();
    this.#flushLog(); // connections that could go on may have brought new transactions
    this.snapshots.step();
    if (this.#connections.flush()) {
      this.#flushLog();
    }
    const isMore = this.#member?.flush() ?? false;
    return isMore || (this.#txnLog.idle && this.#stopping);
  }

  #flushLog(): void {
    if (this.ready) {
      this.#txnLog.flush(this.#seams.clock.nowMs);
    }
  }

  #receive(input: Input): void {
    switch (input.kind) {
      case 'client-data':
        return this.#connections.received(input.connection, input.bytes);
      case 'client-open':
        return this.#connections.open(input.connection);
      case 'client-gone':
        return this.#connections.gone(input.connection);
      case 'client-drained':
        return this.#connections.drained(input.connection);
      case 'disk':
        return this.#diskDone(input);
      default:
        this.#member?.receive(input);
    }
  }

  #diskDone(completion: DiskCompletion): void {
    if (this.#txnLog.onCompletion(completion)) {
      if (this.#txnLog.full) {
        this.#retryAtMs = this.#seams.clock.nowMs + FULL_DISK_RETRY_MS;
        if (this.#member !== null) {
          leadElsewhere(this.#member.peer, this.#seams.log);
        }
      } else {
        this.#standalone?.leader.synced(this.#txnLog.syncedThrough);
        this.#member?.logSynced(this.#txnLog.syncedThrough);
      }
      if (this.#txnLog.takeRolled()) {
        this.snapshots.start();
      }
      return;
    }
    if (this.#member?.onCompletion(completion) === true) {
      return;
    }
    this.snapshots.onCompletion(completion); // or that of a purge, which says nothing that matters
  }

  /** What waits for time to pass. */
  #tick(): void {
    const { nowMs } = this.#seams.clock;
    if (this.#txnLog.full) {
      // Sessions do not expire while nothing can be logged: closing one is a write.
      if (nowMs >= this.#retryAtMs) {
        this.#retryAtMs = nowMs + FULL_DISK_RETRY_MS;
        this.#txnLog.retry();
      }
      if (this.#txnLog.isOverfull) {
        this.#member?.peer.leaveRole('its disk is full, and more waits for space than is kept in memory');
      }
    } else if (!this.#stopping) {
      this.#service?.tick();
    }
    if (this.snapshots.retryWanted && nowMs >= this.#retryAtMs) {
      this.#retryAtMs = nowMs + FULL_DISK_RETRY_MS; // nothing can be logged without it
      this.snapshots.retry();
    }
    this.#connections.expire(nowMs);
    const report = this.#instruments.tick(nowMs);
    if (report !== null) {
      this.#seams.log.info(report);
    }
    if (nowMs >= this.#nextPurgeMs && !this.snapshots.writing) {
      this.#nextPurgeMs = nowMs + this.options.purgeIntervalMs;
      this.#purge();
    }
  }

  #purge(): void {
    const purged = purge(this.#seams.disk, this.options.purgeRetainCount);
    if (purged !== null) {
      this.#seams.log.info(`purged ${purged.names.length} old files: ${purged.names.join(', ')}`);
    }
  }

  /** Ends a session as if its client had been silent for too long; false when there is none of this id. */
  readonly expireSession = (id: bigint): boolean => this.#service?.sessions.expireNow(id) ?? false;

  /** Ends a session by command, for all servers; it is gone from the world when that is done. */
  readonly closeSession = (id: bigint): Closing => this.#service?.sessions.closeNow(id) ?? 'unknown';

  /** Whether everything that was proposed has been applied. */
  get settled(): boolean {
    return (this.#service?.inFlightCount ?? 0) === 0;
  }

  // Stopping

  /** No more requests are taken; what is in flight is finished. The host stops turning when `stopped`. */
  stop(): void {
    this.#stopping = true;
    this.#connections.stop();
    this.#member?.handOver(null, true);
  }

  get stopped(): boolean {
    const isLeading = this.#member?.isHandingOver ?? false;
    return this.#stopping && !isLeading && (this.#txnLog.idle || this.#txnLog.full || this.#txnLog.failure !== null);
  }
}
