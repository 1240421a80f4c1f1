/**
 * What the admin side reads of a server, and the few things it may ask it to do. The replica implements both; getters
 * and methods are called when an operator asks, never on a hot path, and what they return is read at once and not kept.
 */
import type { Clock } from '../io/clock.ts';
import type { Metrics } from '../metrics/registry.ts';
import type { ConnectionStatistics, Statistics } from '../metrics/statistics.ts';
import type { MemberReport } from '../replica/member-report.ts';

export type ServerMode = 'standalone' | 'leader' | 'follower' | 'observer' | 'read-only';

export interface ServerView {
  readonly clock: Clock;
  readonly statistics: Statistics;
  readonly metrics: Metrics;
  readonly config: ConfigView;
  readonly host: HostView;

  /** False while the tree is not served: starting, electing, shutting down, failed. Most questions are refused then. */
  readonly serving: boolean;
  /** The disk of the transaction log is full: reads go on. */
  readonly writesRefused: boolean;
  readonly mode: ServerMode;
  readonly uptimeMs: number;
  /** Requests taken in and not yet answered. */
  readonly outstandingRequests: number;
  readonly traceMask: bigint;

  /** Null: a standalone server. */
  readonly ensemble: EnsembleView | null;

  /** The last zxid that was applied. */
  readonly lastZxid: number;
  /** DataTree.nodeCount: 4 on a fresh tree; what operators see is one more (client-protocol.md §11). */
  readonly nodeCount: number;
  readonly approximateDataSizeBytes: number;
  readonly ephemeralsCount: number;
  /** Sessions that own ephemeral nodes, each with the nodes' paths. */
  ephemeralsBySession(): Iterable<readonly [sessionId: bigint, paths: readonly string[]]>;
  /** The remembered digests of the tree, oldest first: one about every 128 transactions. */
  digests(): Iterable<DigestView>;
  quotas(): Iterable<QuotaView>;
  readonly lastSnapshot: SnapshotView | null;

  /** Watches of every kind on all paths. */
  readonly watchCount: number;
  /** Data table only, like the two methods below (client-protocol.md §11). */
  watchSummary(): WatchSummary;
  watchesBySession(): Iterable<readonly [sessionId: bigint, paths: readonly string[]]>;
  watchesByPath(): Iterable<readonly [path: string, sessionIds: readonly bigint[]]>;

  readonly globalSessionCount: number;
  readonly localSessionCount: number;
  /** Sessions in buckets of the moment when they expire, soonest first. */
  sessionsByExpiry(): Iterable<ExpiryBucket>;
  /** Sessions whose end another server decides, with their timeouts; null: this one does, or nobody. */
  foreignSessions(): readonly (readonly [sessionId: bigint, timeoutMs: number])[] | null;

  /** Client connections now open, those of four-letter words among them. */
  readonly connectionCount: number;
  connections(): Iterable<ConnectionView>;
  /** Probability of refusing a new connection, of the connection throttle; 0 when it is off. */
  readonly connectionDropProbability: number;
  /** TLS handshakes under way. */
  readonly outstandingTlsHandshakes: number;
}

/** A member of an ensemble, and what it was told of time. */
export interface EnsembleView extends MemberReport {
  readonly initLimitTicks: number;
  readonly syncLimitTicks: number;
}

export interface ConnectionView {
  /** As the socket tells it: no brackets, no slash. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly secure: boolean;
  /** What the server waits for: 1 to read, 4 to write; 0 while reading is paused. */
  readonly interestOps: number;
  readonly outstandingRequests: number;
  readonly statistics: ConnectionStatistics;
  /** 0n before the handshake, and for four-letter words. */
  readonly sessionId: bigint;
  readonly sessionTimeoutMs: number;
  /** Wall clock time of accept. */
  readonly establishedWallMs: number;
}

export interface ExpiryBucket {
  /** On the monotonic clock, `ServerView.clock.nowMs`. */
  readonly deadlineMs: number;
  readonly sessionIds: readonly bigint[];
}

export interface DigestView {
  readonly zxid: number;
  readonly digest: bigint;
  readonly digestVersion: number;
}

export interface QuotaView {
  /** The top-level node's name, without slash. */
  readonly namespace: string;
  /** -1: no limit. Hard limit where there is one, else the soft one. */
  readonly countLimit: number;
  readonly bytesLimit: number;
  readonly countUsage: number;
  readonly bytesUsage: number;
}

export interface SnapshotView {
  readonly zxid: number;
  readonly timestampSeconds: number;
}

export interface WatchSummary {
  readonly connections: number;
  readonly paths: number;
  readonly watches: number;
}

/** What `conf` and its HTTP form show. Directories are those of the files themselves, that is with `/version-2`. */
export interface ConfigView {
  readonly clientPort: number;
  readonly secureClientPort: number;
  readonly dataDir: string;
  readonly dataLogDir: string;
  readonly tickTimeMs: number;
  readonly maxClientCnxns: number;
  readonly minSessionTimeoutMs: number;
  readonly maxSessionTimeoutMs: number;
  readonly clientPortListenBacklog: number;
  readonly serverId: number;
  /** Null: a standalone server. */
  readonly ensembleLimits: { readonly initLimitTicks: number; readonly syncLimitTicks: number } | null;
  /** The text of the configuration file the server was started with. */
  readonly initialConfiguration: string;
}

/** The machine and the process around the server; `ProcessHost` is the real one. */
export interface HostView {
  /** Bytes of the files in the directory of snapshots, and in that of logs. Lists directories. */
  dataDirSizeBytes(): number;
  dataLogDirSizeBytes(): number;
  /** Keys and values of `envi` in their order. */
  environment(): Iterable<readonly [key: string, value: string]>;
  /** Properties in force, `zookeeper.*` among them. */
  systemProperties(): Iterable<readonly [key: string, value: string]>;
  /** -1 where the system does not tell. */
  openFileDescriptors(): number;
  maxFileDescriptors(): number;
}

/** What operators may do to a running server. */
export interface ServerControl {
  /** Server counters and metrics back to their start (`srst`). */
  resetStatistics(): void;
  /** The counters of each connection (`crst`). */
  resetConnectionStatistics(): void;
  setTraceMask(mask: bigint): void;
  /** Takes a snapshot now; resolves when the file is complete. Rejects when it could not be written. */
  takeSnapshot(): Promise<SnapshotFile>;
  /**
   * Replaces the tree and the sessions by those of a snapshot file. Resolves with the zxid that is the last now.
   * Rejects, with the old tree still in force, when the bytes are not a whole snapshot.
   */
  restore(snapshot: AsyncIterable<Uint8Array>): Promise<number>;
  /**
   * Has another server lead, the best suited one where `serverId` is null. Resolves with the one that leads then. Rejects
   * with a LeadershipError when this one does not lead, and when it stays the leader.
   */
  yieldLeadership(serverId: number | null): Promise<number>;
  /**
   * Ends a session, whichever server its client is connected to, as if the client had closed it; resolves when its
   * ephemeral nodes are gone from this server. Rejects with an UnknownSessionError, and with a SessionError when it
   * cannot be ended here or now.
   */
  closeSession(id: bigint): Promise<void>;
  /** Closes about this percentage (0 to 100) of the client connections; returns how many. */
  shedConnections(percentage: number): number;
}

/** Leadership did not go where it was to go; the message says why. */
export class LeadershipError extends Error {
  override readonly name = 'LeadershipError';
}

/** This server knows no such session. */
export class UnknownSessionError extends Error {
  override readonly name = 'UnknownSessionError';
}

/** A session has not been ended; the message says why. */
export class SessionError extends Error {
  override readonly name = 'SessionError';
}

export interface SnapshotFile {
  readonly lastZxid: number;
  readonly sizeBytes: number;
  /** The file's bytes; the reader may stop early. */
  read(): AsyncIterable<Uint8Array>;
}
