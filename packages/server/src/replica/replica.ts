/**
 * One replica: the tree, the watches, the sessions, the leader of an ensemble of one, the log and the connections, as a
 * single deterministic machine. It is fed with inputs and turned (docs/internals/architecture.md); no promise, timer,
 * socket or file is in here. turn() is the only place that knows the order of things.
 */
import { ErrorNumber, type JuteWriter, OpCode, Perms } from '@treekeeper/protocol';
import { assert } from '../assert.ts';
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
import { closeSession } from '../operations/session.ts';
import { type ExpiryBucket, ExpiryQueue } from '../sessions/expiry.ts';
import { type Session, SessionIds, type SessionTable } from '../sessions/session-table.ts';
import { TxnLog } from '../storage/log.ts';
import { purge } from '../storage/purge.ts';
import type { Change } from '../tree/data-tree.ts';
import { Leader } from '../zab/leader.ts';
import { MajorityQuorum } from '../zab/quorum.ts';
import { ClientConnection, PauseReason } from './client-connection.ts';
import { ConnectionThrottle } from './connection-throttle.ts';
import { EventEncoder } from './event-encoder.ts';
import { Handshake } from './handshake.ts';
import type { ReplicaOptions } from './options.ts';
import { Outputs } from './output.ts';
import { PendingChanges } from './pending-changes.ts';
import { Reaper } from './reaper.ts';
import { recoverWorld } from './recover-world.ts';
import { Requests } from './requests.ts';
import { Snapshots } from './snapshots.ts';
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
  /** Answers a four-letter word; null: these four bytes are none. */
  probe(word: Uint8Array, argument: Uint8Array): ProbeAnswer | null;
}

/** `needs`: bytes that must follow the word before it can be answered. */
export type ProbeAnswer = { readonly text: string } | { readonly needs: number };

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
  readonly #outputs = new Outputs();
  readonly #events = new EventEncoder();
  readonly #expiry: ExpiryQueue<Session<ClientConnection>>;
  readonly #sessionless: ExpiryQueue<ClientConnection>;
  readonly #reaper: Reaper;
  readonly snapshots: Snapshots;
  readonly throttle: ConnectionThrottle;
  #nextPurgeMs: number;
  readonly #sessionIds: SessionIds;
  /** Local sessions whose createSession is on its way. */
  readonly #upgrading = new Set<Session>();
  /** Zxid of the transaction whose changes are being told to watchers. */
  #eventZxid = 0;
  #retryAtMs = 0;
  #nextQuotaWarningMs = 0;
  #stopping = false;

  /** Recovers from the disk, synchronously; throws RecoveryError with what to do. */
  constructor(options: ReplicaOptions, seams: ReplicaSeams) {
    this.options = options;
    this.#seams = seams;
    const { clock, disk, log, random } = seams;
    const recovered = recoverWorld(options, seams);
    const { world } = recovered;
    this.world = world;
    this.#txnLog = new TxnLog(disk, options.storage, random, log, world.tree.lastZxid);
    this.#leader = new Leader(options.serverId, new MajorityQuorum([options.serverId]), world.tree.lastZxid, {
      append: (zxid, payload) => this.#txnLog.append(zxid, payload),
    });
    this.#pending = new PendingChanges(world, options.digestEnabled);
    this.#writes = new Writes(world, this.#pending, this.#leader, clock, options.digestEnabled);
    this.snapshots = new Snapshots(world, disk, options.storage, log, recovered.isNew, () => clock.wallMs);
    this.#expiry = new ExpiryQueue(options.tickTimeMs);
    this.#sessionless = new ExpiryQueue(options.sessionlessTimeoutMs);
    this.#sessionIds = new SessionIds(options.serverId, clock.wallMs);
    for (const session of world.sessions.values()) {
      this.#expiry.touch(session, clock.nowMs, session.timeoutMs); // everyone gets a full timeout after a restart
    }
    this.throttle = new ConnectionThrottle(options.connectionThrottle, random, clock.nowMs);
    this.#nextPurgeMs = options.purgeIntervalMs > 0 ? clock.nowMs : Number.POSITIVE_INFINITY;
    this.#reaper = new Reaper(world.tree, options.reaper, clock.nowMs, (path) => {
      this.#writes.submit(deleteContainer, { path }, 0n, [], null, 0);
    });
    this.#requests = new Requests(
      {
        world,
        writes: this.#writes,
        outputs: this.#outputs,
        clock,
        statistics: this.statistics,
        metrics: seams.metrics,
        credentials: seams.credentials,
        touch: (client) => this.#touch(client),
        upgradeSession: (client) => this.#upgrade(client),
        closeLocalSession: (session) => this.#closeLocal(session),
        close: (client) => this.#close(client),
        pause: (client, reason) => this.#pause(client, reason),
        resume: (client, reason) => this.#resume(client, reason),
        writesRefused: () => this.#txnLog.full,
      },
      options.requests,
    );
    this.#handshake = new Handshake({
      sessions: world.sessions,
      outputs: this.#outputs,
      timeouts: options,
      lastZxid: () => world.tree.lastZxid,
      admit: (sessionId) => this.#admit(sessionId),
      begin: (client, timeoutMs) => this.#beginSession(client, timeoutMs),
      attach: (client, session, timeoutMs) => this.#attach(client, session, timeoutMs),
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
    return this.#expiry.buckets();
  }

  get outstandingRequests(): number {
    return this.#requests.outstanding;
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
    this.#outputs.flush((client) => this.#written(client));
    return this.#txnLog.idle && this.#stopping;
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
          this.#read(client, input.bytes);
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
      for (const session of this.#expiry.takeExpired(nowMs)) {
        this.#expire(session);
      }
      this.#reaper.tick(nowMs, wallMs);
    }
    if (this.snapshots.firstPending && !this.snapshots.writing && nowMs >= this.#retryAtMs) {
      this.#retryAtMs = nowMs + FULL_DISK_RETRY_MS; // it failed, and nothing can be logged without it
      this.snapshots.start();
    }
    for (const client of this.#sessionless.takeExpired(nowMs)) {
      this.#close(client);
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
    const client = new ClientConnection(connection, frameBytesMax, identities, clock.wallMs, this.#sendEvent);
    this.connections.set(connection, client);
    this.#sessionless.touch(client, clock.nowMs, this.options.sessionlessTimeoutMs);
  }

  #gone(connection: Connection): void {
    const client = this.connections.get(connection);
    if (client === undefined) {
      return;
    }
    this.connections.delete(connection);
    client.gone = true;
    this.#sessionless.remove(client);
    this.#requests.forget(client);
    this.world.watches.removeWatcher(client);
    this.#seams.credentials.forget(client);
    if (client.session?.owner === client) {
      client.session.owner = null; // the session lives on until it expires
    }
  }

  /** Nothing more is read; what is in the output leaves first. */
  #close(client: ClientConnection): void {
    if (client.phase !== 'closing') {
      client.phase = 'closing';
    }
    client.closeAfterFlush = true;
    this.#outputs.of(client);
  }

  #written(client: ClientConnection): void {
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
    }
  }

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
      this.#frames(client, NOTHING);
    }
    if (client.pauses === 0 && client.phase !== 'closing') {
      client.connection.resumeReading();
    }
  }

  #read(client: ClientConnection, bytes: Uint8Array): void {
    if (client.phase === 'closing') {
      return;
    }
    if (client.phase === 'new' && client.probe !== 'no') {
      const rest = this.#tryProbe(client, bytes);
      if (rest === null) {
        return;
      }
      this.#frames(client, rest);
      return;
    }
    this.#frames(client, bytes);
  }

  /**
   * The first four bytes are a frame's length or a four-letter word (client-protocol.md §2.1). Returns the bytes to go on
   * with as frames, null when the connection is a probe or more bytes are needed.
   */
  #tryProbe(client: ClientConnection, chunk: Uint8Array): Uint8Array | null {
    const bytes = client.probeBytes.length === 0 ? chunk : Buffer.concat([client.probeBytes, chunk]);
    if (bytes.length >= 4) {
      const answer = this.#seams.probe(bytes.subarray(0, 4), bytes.subarray(4));
      if (answer === null) {
        client.probe = 'no';
        client.probeBytes = NOTHING;
        return bytes;
      }
      if ('text' in answer) {
        this.#outputs.of(client).raw(Buffer.from(answer.text));
        this.#close(client);
        return null;
      }
    }
    client.probeBytes = Buffer.from(bytes);
    return null;
  }

  #frames(client: ClientConnection, bytes: Uint8Array): void {
    if (client.pauses !== 0) {
      client.frames.keep(bytes); // they were on their way when reading was paused
      return;
    }
    this.#reading = client;
    try {
      client.frames.push(bytes, this.#onFrame);
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'FrameLengthError') {
        throw error;
      }
      this.#close(client); // the stream cannot be followed any further
    }
  }

  /** Whose frames are being read; a field, so that no closure is made for each chunk. */
  #reading: ClientConnection | null = null;

  readonly #onFrame = (bytes: Uint8Array, start: number, end: number): boolean => {
    const client = this.#reading as ClientConnection;
    if (client.phase === 'open') {
      return this.#requests.accept(client, bytes, start, end);
    }
    if (client.phase === 'new') {
      client.statistics.packetsReceived++;
      this.statistics.packetsReceived++;
      this.#handshake.accept(client, bytes, start, end);
      return (client.phase as string) === 'open';
    }
    return false;
  };

  // Sessions

  #admit(sessionId: bigint): boolean {
    const kind = sessionId !== 0n ? 'renew' : this.options.localSessionsEnabled ? 'local' : 'global';
    const admitted = this.throttle.admit(kind, this.#seams.clock.nowMs);
    if (!admitted) {
      this.#seams.metrics.connection_rejected.add(1);
    }
    return admitted;
  }

  #beginSession(client: ClientConnection, timeoutMs: number): void {
    if (this.#txnLog.full) {
      this.#close(client); // no session can be logged now; the client tries again
      return;
    }
    const { sessions } = this.world;
    const sessionId = this.#sessionIds.next((id) => sessions.get(id) !== undefined);
    client.sessionId = sessionId;
    client.phase = 'opening';
    this.#sessionless.remove(client);
    if (this.options.localSessionsEnabled) {
      const session = sessions.openLocal(sessionId, timeoutMs);
      this.#attach(client, session, timeoutMs);
      this.#handshake.opened(client, sessionId, timeoutMs);
      return;
    }
    this.#pause(client, PauseReason.opening); // what is pipelined behind the handshake waits for its answer
    this.#writes.openSession(sessionId, timeoutMs, client);
  }

  #sessionOpened(entry: InFlight): void {
    const session = this.world.sessions.get(entry.sessionId);
    assert(session !== undefined, 'a session exists once its transaction is applied');
    const { client } = entry;
    this.#upgrading.delete(session);
    this.#expiry.touch(session, this.#seams.clock.nowMs, session.timeoutMs);
    if (client === null || client.gone) {
      return;
    }
    this.#attach(client, session, session.timeoutMs);
    this.#handshake.opened(client, session.id, session.timeoutMs);
    this.#resume(client, PauseReason.opening);
  }

  #attach(client: ClientConnection, session: Session<ClientConnection>, timeoutMs: number): void {
    this.#sessionless.remove(client);
    session.timeoutMs = timeoutMs;
    client.session = session;
    client.sessionId = session.id;
    session.owner = client;
    this.#expiry.touch(session, this.#seams.clock.nowMs, timeoutMs);
  }

  #touch(client: ClientConnection): void {
    const { session } = client;
    if (session !== null && !session.closing) {
      this.#expiry.touch(session, this.#seams.clock.nowMs, session.timeoutMs);
    }
  }

  /** A local session that writes ephemerals becomes a global one first (client-protocol.md §2.7). 0, or the error. */
  #upgrade(client: ClientConnection): number {
    const session = client.session as Session;
    if (!this.options.rules.localSessionsUpgradingEnabled) {
      return ErrorNumber.EPHEMERAL_ON_LOCAL_SESSION;
    }
    if (!this.#upgrading.has(session)) {
      this.#upgrading.add(session);
      this.#writes.openSession(session.id, session.timeoutMs, null);
    }
    return 0;
  }

  #expire(session: Session<ClientConnection>): void {
    if (session.closing) {
      return;
    }
    this.#seams.log.info(`session 0x${BigInt.asUintN(64, session.id).toString(16)} has expired`);
    this.#seams.metrics.stale_sessions_expired.add(1);
    if (session.local) {
      this.#closeLocal(session);
      return;
    }
    this.#writes.submit(closeSession, {}, session.id, [], null, 0);
  }

  /** A local session ends without a transaction: no other server knows of it, and it owns nothing in the tree. */
  #closeLocal(session: Session<ClientConnection>): void {
    this.world.sessions.close(session.id);
    this.#expiry.remove(session);
    if (session.owner !== null) {
      this.#close(session.owner);
    }
  }

  // Transactions

  #applyCommitted(): void {
    let applied = false;
    for (let entry = this.#writes.nextCommitted(); entry !== null; entry = this.#writes.nextCommitted()) {
      applied = true;
      const session = this.world.sessions.get(entry.sessionId);
      if (!this.#writes.apply(entry)) {
        this.#digestMismatch(entry);
      }
      if (this.options.digestEnabled && entry.zxid % DIGEST_HISTORY_INTERVAL === 0) {
        this.#rememberDigest(entry.zxid);
      }
      this.#fireWatches(entry.zxid);
      if (entry.txn.kind.type === OpCode.createSession) {
        this.#sessionOpened(entry);
        continue;
      }
      if (entry.txn.kind.type === OpCode.closeSession && session !== undefined) {
        this.#expiry.remove(session);
        // Who closed it gets the answer first; who let it expire is cut off.
        if (entry.client === null && session.owner !== null) {
          this.#close(session.owner);
        }
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
    const { digest_mismatches_count } = this.#seams.metrics;
    digest_mismatches_count.add(1);
    if (digest_mismatches_count.value === 1) {
      const zxid = entry.zxid.toString(16);
      this.#seams.log.error(
        `the tree's digest after zxid 0x${zxid} is not the one predicted for it: please report this`,
      );
    }
  }

  /** Events of a transaction go into the outputs before its answer does, and before any later one. */
  #fireWatches(zxid: number): void {
    const { changes } = this.world.tree;
    if (changes.length === 0) {
      return;
    }
    this.#eventZxid = zxid;
    for (const change of changes) {
      this.#fire(change);
    }
    changes.length = 0;
  }

  #fire(change: Change): void {
    const { access, watches } = this.world;
    watches.trigger(change, (watcher, type, path, acl) => {
      // Who may not read the node does not hear of it; a one-shot watch is used up all the same (§7.4).
      if (access.permits(acl, Perms.read, watcher.identities)) {
        watcher.sendEvent(type, path, this.#eventZxid);
      }
    });
  }

  readonly #sendEvent = (client: ClientConnection, type: number, path: string, zxid: number): void => {
    if (client.phase === 'closing' || client.gone) {
      return;
    }
    const output: JuteWriter = this.#outputs.of(client);
    output.raw(this.#events.encode(type, path, zxid));
    client.statistics.packetsSent++;
    this.statistics.packetsSent++;
  };

  // Stopping

  /** No more requests are taken; what is in flight is finished. The host stops turning when `stopped`. */
  stop(): void {
    this.#stopping = true;
    for (const client of this.connections.values()) {
      this.#pause(client, PauseReason.ending);
    }
  }

  get stopped(): boolean {
    return this.#stopping && (this.#txnLog.idle || this.#txnLog.full || this.#txnLog.failure !== null);
  }
}

const NOTHING = new Uint8Array(0);
