/**
 * One replica: the tree, the watches, the sessions, the leader of an ensemble of one, the log and the connections, as a
 * single deterministic machine. It is fed with inputs and turned (docs/internals/architecture.md); no promise, timer,
 * socket or file is in here. turn() is the only place that knows the order of things.
 */
import { OpCode } from '@treekeeper/protocol';
import type { Credentials } from '../auth/credentials.ts';
import type { Clock } from '../io/clock.ts';
import type { Connection } from '../io/connection.ts';
import type { Disk, DiskCompletion } from '../io/disk.ts';
import type { Input } from '../io/input.ts';
import type { Log } from '../io/log.ts';
import type { Random } from '../io/random.ts';
import type { Metrics } from '../metrics/registry.ts';
import { Statistics } from '../metrics/statistics.ts';
import { deleteContainer } from '../operations/delete.ts';
import type { AccessControl, World } from '../operations/operation.ts';
import type { ExpiryBucket } from '../sessions/expiry.ts';
import type { Session, SessionTable } from '../sessions/session-table.ts';
import { TxnLog } from '../storage/log.ts';
import { purge } from '../storage/purge.ts';
import { Leader } from '../zab/leader.ts';
import { MajorityQuorum } from '../zab/quorum.ts';
import type { WriteAudit } from './audit.ts';
import { ClientConnection, PauseReason } from './client-connection.ts';
import type { ConnectionThrottle } from './connection-throttle.ts';
import { Handshake } from './handshake.ts';
import { Inbound, type ProbeAnswer } from './inbound.ts';
import { Instruments } from './instruments.ts';
import type { ReplicaOptions } from './options.ts';
import { Outputs } from './output.ts';
import { PendingChanges } from './pending-changes.ts';
import { Reaper } from './reaper.ts';
import { recoverWorld } from './recover-world.ts';
import { Requests } from './requests.ts';
import { SessionLife } from './session-life.ts';
import { Snapshots } from './snapshots.ts';
import { WatchEvents } from './watch-events.ts';
import { type InFlight, Writes } from './writes.ts';

/** The tables, with connections as the owners of sessions. */
export interface ReplicaWorld extends World {
  readonly sessions: SessionTable<ClientConnection>;
}

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
}

/** The log is tried again this long after it found no space. */
const FULL_DISK_RETRY_MS = 1000;
const QUOTA_WARNING_INTERVAL_MS = 10_000;
const DIGEST_HISTORY_INTERVAL = 128;
const DIGEST_HISTORY_MAX = 1024;

export class Replica {
  readonly options: ReplicaOptions;
  readonly statistics = new Statistics();
  readonly world: ReplicaWorld;
  readonly connections = new Map<Connection, ClientConnection>();
  readonly #seams: ReplicaSeams;
  readonly #leader: Leader;
  readonly #txnLog: TxnLog;
  readonly #pending: PendingChanges;
  readonly #writes: Writes;
  readonly #requests: Requests;
  readonly #handshake: Handshake;
  readonly #inbound: Inbound;
  readonly #outputs = new Outputs();
  readonly #events: WatchEvents;
  readonly #sessions: SessionLife;
  readonly #instruments: Instruments;
  readonly #reaper: Reaper;
  readonly snapshots: Snapshots;
  #nextPurgeMs: number;
  #mismatchReported = false;
  #retryAtMs = 0;
  #nextQuotaWarningMs = 0;
  #stopping = false;

  /** Recovers from the disk, synchronously; throws RecoveryError with what to do. */
  constructor(options: ReplicaOptions, seams: ReplicaSeams) {
    this.options = options;
    this.#seams = seams;
    const { clock, disk, log, random, metrics } = seams;
    const instruments = new Instruments(options, metrics, this.statistics, random, clock.nowMs);
    this.#instruments = instruments;
    const recovered = recoverWorld(options, seams);
    const { world } = recovered;
    this.world = world;
    this.#events = new WatchEvents(world, this.#outputs, instruments);
    this.#txnLog = new TxnLog(disk, options.storage, random, log, world.tree.lastZxid, (txns, _bytes, durationMs) => {
      instruments.synced(txns, durationMs, this.#writes.inFlightCount - txns);
    });
    this.#leader = new Leader(options.serverId, new MajorityQuorum([options.serverId]), world.tree.lastZxid, {
      append: (zxid, payload) => this.#txnLog.append(zxid, payload),
    });
    this.#pending = new PendingChanges(world, options.digestEnabled, options.storage.fieldBytesMax, {
      queued: metrics.outstanding_changes_queued,
      removed: metrics.outstanding_changes_removed,
    });
    this.#writes = new Writes(world, this.#pending, this.#leader, clock, options.digestEnabled, instruments);
    this.snapshots = new Snapshots(world, disk, options.storage, log, recovered.isNew, clock, metrics.snapshottime);
    this.#nextPurgeMs = options.purgeIntervalMs > 0 ? clock.nowMs : Number.POSITIVE_INFINITY;
    this.#reaper = new Reaper(world.tree, options.reaper, clock.nowMs, (path, isTtl) => {
      instruments.reaped(isTtl);
      this.#writes.submit(deleteContainer, { path }, 0n, [], null, 0);
    });
    this.#sessions = new SessionLife(options, {
      sessions: world.sessions,
      writes: this.#writes,
      clock,
      random,
      log,
      instruments,
      opened: (client, sessionId, timeoutMs) => this.#handshake.opened(client, sessionId, timeoutMs),
      close: (client) => this.#close(client),
      pause: (client, reason) => this.#pause(client, reason),
      resume: (client, reason) => this.#resume(client, reason),
      writesRefused: () => this.#txnLog.full,
    });
    this.#requests = new Requests(
      {
        world,
        writes: this.#writes,
        outputs: this.#outputs,
        clock,
        instruments,
        credentials: seams.credentials,
        log,
        touch: (client) => this.#sessions.touch(client),
        upgradeSession: (session) => this.#sessions.upgrade(session),
        closeLocalSession: (session) => this.#sessions.closeLocal(session),
        close: (client) => this.#close(client),
        pause: (client, reason) => this.#pause(client, reason),
        resume: (client, reason) => this.#resume(client, reason),
        writesRefused: () => this.#txnLog.full,
        replyBytesPause: options.unsentBytesPause,
      },
      options.requests,
    );
    this.#handshake = new Handshake({
      sessions: world.sessions,
      outputs: this.#outputs,
      timeouts: options,
      lastZxid: () => world.tree.lastZxid,
      admit: (sessionId) => this.#sessions.admit(sessionId),
      begin: (client, timeoutMs) => this.#sessions.begin(client, timeoutMs),
      attach: (client, session, timeoutMs) => this.#sessions.attach(client, session, timeoutMs),
      close: (client) => this.#close(client),
    });
    this.#inbound = new Inbound({
      requests: this.#requests,
      handshake: this.#handshake,
      outputs: this.#outputs,
      instruments,
      probe: (word, argument) => seams.probe(word, argument),
      close: (client) => this.#close(client),
    });
    if (recovered.snapshotWanted) {
      this.snapshots.start();
    }
  }

  /** True when the first snapshot of a new database is on disk: only then may the log begin (disk-format.md §3.5). */
  get ready(): boolean {
    return !this.snapshots.firstPending;
  }

  /** Why the process must stop, with what to do; null while all is well. */
  get failure(): string | null {
    return this.#txnLog.failure;
  }

  /** Digests of the tree at zxids that are multiples of 128, the latest last (`hash`). */
  readonly digestHistory: { readonly zxid: number; readonly digest: bigint }[] = [];

  /** Sessions by the time at which they expire, soonest first. */
  expiryBuckets(): readonly ExpiryBucket<Session<ClientConnection>>[] {
    return this.#sessions.buckets();
  }

  get throttle(): ConnectionThrottle {
    return this.#sessions.throttle;
  }

  get outstandingRequests(): number {
    return this.#requests.outstanding;
  }

  /** When the log wants a turn although nothing happened (flushDelay); null: no need. */
  get flushDueMs(): number | null {
    return this.#txnLog.flushDueMs;
  }

  get writesRefused(): boolean {
    return this.#txnLog.full;
  }

  /**
   * One turn over everything that has happened. The order is what makes answers durable, events come before the data
   * they announce, and one write leave for each connection. True: there is more to do at once.
   */
  turn(inputs: readonly Input[]): boolean {
    for (const input of inputs) {
      this.#receive(input);
    }
    this.#tick();
    this.#flushLog();
    this.#applyCommitted();
    this.#flushLog(); // connections that could go on may have brought new transactions
    this.snapshots.step();
    this.#flushOutputs();
    return this.#txnLog.idle && this.#stopping;
  }

  /** Connections whose requests waited for their answers to leave, and they have: they go on in the same turn. */
  readonly #relieved: ClientConnection[] = [];

  #flushOutputs(): void {
    this.#outputs.flush(this.#onWritten);
    if (this.#relieved.length > 0) {
      for (let client = this.#relieved.pop(); client !== undefined; client = this.#relieved.pop()) {
        this.#resume(client, PauseReason.output);
        this.#outputs.flush(this.#onWritten);
      }
      this.#flushLog();
    }
  }

  #flushLog(): void {
    if (this.ready) {
      this.#txnLog.flush(this.#seams.clock.nowMs);
    }
  }

  #receive(input: Input): void {
    switch (input.kind) {
      case 'client-data': {
        const client = this.connections.get(input.connection);
        if (client !== undefined) {
          this.#inbound.receive(client, input.bytes);
        }
        return;
      }
      case 'client-open':
        return this.#open(input.connection);
      case 'client-gone':
        return this.#gone(input.connection);
      case 'client-drained': {
        const client = this.connections.get(input.connection);
        if (client !== undefined) {
          this.#resume(client, PauseReason.output);
        }
        return;
      }
      case 'disk':
        return this.#diskDone(input);
    }
  }

  #diskDone(completion: DiskCompletion): void {
    if (this.#txnLog.onCompletion(completion)) {
      if (this.#txnLog.full) {
        this.#retryAtMs = this.#seams.clock.nowMs + FULL_DISK_RETRY_MS;
      } else {
        this.#leader.synced(this.#txnLog.syncedThrough);
      }
      if (this.#txnLog.takeRolled()) {
        this.snapshots.start();
      }
      return;
    }
    this.snapshots.onCompletion(completion); // or that of a purge, which says nothing that matters
  }

  /** What waits for time to pass. */
  #tick(): void {
    const { nowMs, wallMs } = this.#seams.clock;
    if (this.#txnLog.full) {
      // Sessions do not expire while nothing can be logged: closing one is a write.
      if (nowMs >= this.#retryAtMs) {
        this.#retryAtMs = nowMs + FULL_DISK_RETRY_MS;
        this.#txnLog.retry();
      }
    } else if (!this.#stopping) {
      this.#sessions.expireSessions(nowMs);
      this.#reaper.tick(nowMs, wallMs);
    }
    if (this.snapshots.firstPending && !this.snapshots.writing && nowMs >= this.#retryAtMs) {
      this.#retryAtMs = nowMs + FULL_DISK_RETRY_MS; // it failed, and nothing can be logged without it
      this.snapshots.start();
    }
    this.#sessions.expireConnections(nowMs);
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

  // Connections

  #open(connection: Connection): void {
    const { credentials, clock } = this.#seams;
    const identities = credentials.initialIdentities(connection);
    const { frameBytesMax } = this.options;
    const client = new ClientConnection(connection, frameBytesMax, identities, clock.wallMs, this.#events.send);
    this.connections.set(connection, client);
    this.#instruments.connected(connection.remoteAddress, connection.certificateSubject !== null);
    this.#sessions.connected(client);
  }

  #gone(connection: Connection): void {
    const client = this.connections.get(connection);
    if (client === undefined) {
      return;
    }
    this.connections.delete(connection);
    client.gone = true;
    this.#requests.forget(client);
    this.world.watches.removeWatcher(client);
    this.#seams.credentials.forget(client);
    this.#sessions.disconnected(client);
  }

  /** Nothing more is read; what is in the output leaves first. */
  #close(client: ClientConnection): void {
    client.phase = 'closing';
    client.closeAfterFlush = true;
    this.#outputs.of(client);
  }

  readonly #onWritten = (client: ClientConnection): void => {
    if (client.closeAfterFlush) {
      client.connection.close();
      return;
    }
    const { unsentBytes } = client.connection;
    if (unsentBytes > this.options.unsentBytesMax) {
      this.#seams.log.warn(
        `${client.connection.remoteAddress}:${client.connection.remotePort} does not read: ${unsentBytes} bytes are ` +
          'waiting for it. The connection is closed; its session lives on until its timeout',
      );
      client.connection.close();
    } else if (unsentBytes > this.options.unsentBytesPause) {
      this.#pause(client, PauseReason.output);
    } else if ((client.pauses & PauseReason.output) !== 0) {
      this.#relieved.push(client);
    }
  };

  #pause(client: ClientConnection, reason: number): void {
    if (client.pauses === 0) {
      client.connection.pauseReading();
    }
    client.pauses |= reason;
  }

  /** Goes on with the frames that were left, then with the socket. */
  #resume(client: ClientConnection, reason: number): void {
    if ((client.pauses & reason) === 0 || client.gone) {
      return;
    }
    client.pauses &= ~reason;
    if (client.pauses === 0) {
      this.#inbound.goOn(client);
    }
    if (client.pauses === 0) {
      client.heldSinceMs = -1; // what was held has been taken in
    }
    if (client.pauses === 0 && client.phase !== 'closing') {
      client.connection.resumeReading();
    }
  }

  // Transactions

  #applyCommitted(): void {
    let applied = false;
    for (let entry = this.#writes.nextCommitted(); entry !== null; entry = this.#writes.nextCommitted()) {
      this.#requests.answerSyncs(); // in the state that they asked for, and before anything later
      applied = true;
      const session = this.world.sessions.get(entry.sessionId);
      if (!this.#writes.apply(entry)) {
        this.#digestMismatch(entry);
      }
      if (this.options.digestEnabled && entry.zxid % DIGEST_HISTORY_INTERVAL === 0) {
        this.#rememberDigest(entry.zxid);
      }
      if (this.#seams.audit !== null) {
        this.#audit(this.#seams.audit, entry);
      }
      this.#events.fire(entry.zxid); // before the answer, and before any later one
      if (entry.txn.kind.type === OpCode.createSession) {
        this.#sessions.applied(entry);
        continue;
      }
      if (entry.txn.kind.type === OpCode.closeSession && session !== undefined) {
        this.#sessions.closed(session, entry.client);
      }
      if (entry.client !== null) {
        this.#requests.applied(entry, entry.client);
      }
    }
    if (applied) {
      this.#requests.settle();
      this.#reportQuotas();
    }
  }

  #audit(audit: WriteAudit, entry: InFlight): void {
    if (entry.txn.kind.type !== OpCode.closeSession) {
      audit.written(entry);
      return;
    }
    for (const change of this.world.tree.changes) {
      audit.ephemeralDeleted(entry.sessionId, change.path);
    }
  }

  /** Soft limits only warn, and once in a while: a writer beyond its quota would fill the log. */
  #reportQuotas(): void {
    const { violations } = this.world.tree.quota;
    const first = violations[0];
    if (first === undefined) {
      return;
    }
    if (this.#seams.clock.nowMs >= this.#nextQuotaWarningMs) {
      this.#nextQuotaWarningMs = this.#seams.clock.nowMs + QUOTA_WARNING_INTERVAL_MS;
      const { prefix, kind, limit, total } = first;
      this.#seams.log.warn(`quota exceeded: ${prefix} would have a ${kind} of ${total}, its limit is ${limit}`);
    }
    violations.length = 0;
  }

  #rememberDigest(zxid: number): void {
    this.digestHistory.push({ zxid, digest: this.world.tree.digest });
    if (this.digestHistory.length > DIGEST_HISTORY_MAX) {
      this.digestHistory.shift();
    }
  }

  #digestMismatch(entry: InFlight): void {
    this.#seams.metrics.digest_mismatches_count.add(1);
    if (!this.#mismatchReported) {
      this.#mismatchReported = true;
      const zxid = entry.zxid.toString(16);
      this.#seams.log.error(
        `the tree's digest after zxid 0x${zxid} is not the one predicted for it: please report this`,
      );
    }
  }

  /** Ends a session as if its client had been silent for too long; false when there is none of this id. */
  readonly expireSession = (id: bigint): boolean => this.#sessions.expireNow(id);

  /** Whether everything that was proposed has been applied. */
  get settled(): boolean {
    return this.#writes.inFlightCount === 0;
  }

  // Stopping

  /** No more requests are taken; what is in flight is finished. The host stops turning when `stopped`. */
  stop(): void {
    this.#stopping = true;
    for (const client of this.connections.values()) {
      client.ending = true;
    }
  }

  get stopped(): boolean {
    return this.#stopping && (this.#txnLog.idle || this.#txnLog.full || this.#txnLog.failure !== null);
  }
}
