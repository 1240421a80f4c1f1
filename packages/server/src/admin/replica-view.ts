/**
 * A replica as the admin side reads it. Nothing is kept here: every question is answered from the tables when asked.
 */
import type { Clock } from '../io/clock.ts';
import type { Metrics } from '../metrics/registry.ts';
import type { Statistics } from '../metrics/statistics.ts';
import type { Replica } from '../replica/replica.ts';
import type {
  ConfigView,
  ConnectionView,
  DigestView,
  EnsembleView,
  ExpiryBucket,
  HostView,
  QuotaView,
  ServerMode,
  ServerView,
  SnapshotView,
  WatchSummary,
} from './view.ts';

const DIGEST_VERSION = 2;
/** ZooKeeper's: everything but pings. Shown by `gtmk`, and without effect here. */
export const TRACE_MASK_DEFAULT = 306n;

const MODES = { leading: 'leader', following: 'follower', observing: 'observer' } as const;

export interface ReplicaViewParts {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly config: ConfigView;
  readonly host: HostView;
  /** The replica of the moment: a restore puts another one in its place. */
  replica(): Replica;
  tlsHandshakes(): number;
}

export class ReplicaView implements ServerView {
  traceMask: bigint = TRACE_MASK_DEFAULT;
  readonly #parts: ReplicaViewParts;
  readonly #startedMs: number;

  constructor(parts: ReplicaViewParts) {
    this.#parts = parts;
    this.#startedMs = parts.clock.nowMs;
  }

  get #replica(): Replica {
    return this.#parts.replica();
  }

  get clock(): Clock {
    return this.#parts.clock;
  }

  get metrics(): Metrics {
    return this.#parts.metrics;
  }

  get config(): ConfigView {
    return this.#parts.config;
  }

  get host(): HostView {
    return this.#parts.host;
  }

  get statistics(): Statistics {
    return this.#replica.statistics;
  }

  get serving(): boolean {
    return this.#replica.serving;
  }

  get mode(): ServerMode {
    const { member } = this.#replica;
    if (member?.isReadOnly === true) {
      return 'read-only';
    }
    const state = member?.peer.state;
    return state === undefined || state === 'looking' ? 'standalone' : MODES[state];
  }

  get writesRefused(): boolean {
    return this.#replica.writesRefused;
  }

  get ensemble(): EnsembleView | null {
    const report = this.#replica.member?.report;
    const limits = this.config.ensembleLimits;
    if (report === undefined || limits === null) {
      return null;
    }
    const { initLimitTicks, syncLimitTicks } = limits;
    return { ...report, initLimitTicks, syncLimitTicks };
  }

  get uptimeMs(): number {
    return this.clock.nowMs - this.#startedMs;
  }

  get outstandingRequests(): number {
    return this.#replica.outstandingRequests;
  }

  get lastZxid(): number {
    return this.#replica.world.tree.lastZxid;
  }

  get nodeCount(): number {
    return this.#replica.world.tree.nodeCount;
  }

  get approximateDataSizeBytes(): number {
    return this.#replica.world.tree.approximateDataSize;
  }

  get ephemeralsCount(): number {
    return this.#replica.world.tree.ephemeralsCount;
  }

  *ephemeralsBySession(): Iterable<readonly [bigint, readonly string[]]> {
    const { tree } = this.#replica.world;
    for (const owner of tree.sessionsWithEphemerals()) {
      yield [owner, tree.ephemeralsOf(owner)];
    }
  }

  *digests(): Iterable<DigestView> {
    for (const { zxid, digest } of this.#replica.digestHistory) {
      yield { zxid, digest, digestVersion: DIGEST_VERSION };
    }
  }

  *quotas(): Iterable<QuotaView> {
    for (const { prefix, limits, count, bytes } of this.#replica.world.tree.quota.usages()) {
      yield {
        namespace: prefix.split('/')[1],
        countLimit: limits === null ? -1 : limits.countHard > -1 ? limits.countHard : limits.count,
        bytesLimit: limits === null ? -1 : limits.bytesHard > -1 ? limits.bytesHard : limits.bytes,
        countUsage: count,
        bytesUsage: bytes,
      };
    }
  }

  get lastSnapshot(): SnapshotView | null {
    const { last } = this.#replica.snapshots;
    return last === null ? null : { zxid: last.zxid, timestampSeconds: Math.floor(last.wallMs / 1000) };
  }

  get watchCount(): number {
    return this.#replica.world.watches.watchCount;
  }

  watchSummary(): WatchSummary {
    const { watchers, paths, watches } = this.#replica.world.watches.summary();
    return { connections: watchers, paths, watches };
  }

  *watchesBySession(): Iterable<readonly [bigint, readonly string[]]> {
    for (const [watcher, paths] of this.#replica.world.watches.byWatcher()) {
      yield [watcher.sessionId, paths];
    }
  }

  *watchesByPath(): Iterable<readonly [string, readonly bigint[]]> {
    for (const [path, watchers] of this.#replica.world.watches.byPath()) {
      yield [path, watchers.map((watcher) => watcher.sessionId)];
    }
  }

  get globalSessionCount(): number {
    const { sessions } = this.#replica.world;
    return sessions.size - sessions.localCount;
  }

  get localSessionCount(): number {
    return this.#replica.world.sessions.localCount;
  }

  *sessionsByExpiry(): Iterable<ExpiryBucket> {
    for (const { expiresAtMs, items } of this.#replica.expiryBuckets()) {
      yield { deadlineMs: expiresAtMs, sessionIds: items.map((session) => session.id) };
    }
  }

  foreignSessions(): readonly (readonly [bigint, number])[] | null {
    const { state } = this.#replica.member?.report ?? {};
    const isLearner = state === 'following' || state === 'observing';
    return isLearner ? [...this.#replica.world.sessions.globalTimeouts()] : null;
  }

  get connectionCount(): number {
    return this.#replica.connections.size;
  }

  *connections(): Iterable<ConnectionView> {
    for (const client of this.#replica.connections.values()) {
      const { connection, session } = client;
      yield {
        remoteAddress: connection.remoteAddress,
        remotePort: connection.remotePort,
        secure: connection.secure,
        interestOps: (client.pauses === 0 ? 1 : 0) | (connection.unsentBytes > 0 ? 4 : 0),
        outstandingRequests: client.waitingCount,
        statistics: client.statistics,
        sessionId: session === null ? 0n : session.id,
        sessionTimeoutMs: session === null ? 0 : session.timeoutMs,
        establishedWallMs: client.establishedWallMs,
      };
    }
  }

  get connectionDropProbability(): number {
    return this.#replica.throttle.dropProbability;
  }

  get outstandingTlsHandshakes(): number {
    return this.#parts.tlsHandshakes();
  }
}
