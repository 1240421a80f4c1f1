/** What a replica is told at its start; server.ts makes it from the configuration. */
import type { OwnerRules } from '@treekeeper/protocol';
import type { OperationRules } from '../operations/operation.ts';
import type { StorageOptions } from '../storage/options.ts';
import type { ConnectionThrottleOptions } from './connection-throttle.ts';
import type { PathStatisticsOptions } from './path-statistics.ts';
import type { ReaperOptions } from './reaper.ts';

export interface RequestLimits {
  /** Requests of all connections that may be waiting; beyond it connections with waiting requests are not read. */
  readonly outstandingRequestsMax: number;
  /** Requests held back for longer than this are answered with THROTTLED_OP; 0: never. */
  readonly throttledAfterMs: number;
  /** Requests held back for longer than their session's timeout cost the connection. */
  readonly dropsStale: boolean;
  readonly fieldLengthBytesMax: number;
  /** What counts as a large request; −1: nothing does. */
  readonly largeRequestThresholdBytes: number;
  /** Sum of large requests in flight. */
  readonly largeRequestBytesMax: number;
}

export interface ReplicaOptions {
  /** The top byte of the session ids made here. */
  readonly serverId: number;
  readonly tickTimeMs: number;
  readonly minSessionTimeoutMs: number;
  readonly maxSessionTimeoutMs: number;
  readonly localSessionsEnabled: boolean;
  /** The largest frame a client may send. */
  readonly frameBytesMax: number;
  readonly requests: RequestLimits;
  readonly rules: OperationRules;
  readonly ownerRules: OwnerRules;
  readonly digestEnabled: boolean;
  readonly storage: StorageOptions;
  readonly reaper: ReaperOptions;
  /** A connection that has not shaken hands after this is closed. */
  readonly sessionlessTimeoutMs: number;
  /** Output waiting for a client that does not read: from here its requests are not read either. */
  readonly unsentBytesPause: number;
  /** Beyond what it had asked for when that limit was reached: from here it is cut off. */
  readonly unsentBytesMax: number;
  readonly connectionThrottle: ConnectionThrottleOptions;
  /** Count bytes read and written by top-level node; costs some time with each request. */
  readonly namespaceMetrics: boolean;
  /** Null: hot paths are not looked for. */
  readonly pathStatistics: PathStatisticsOptions | null;
  /** Whole snapshots that purging keeps. */
  readonly purgeRetainCount: number;
  /** 0: no purging. */
  readonly purgeIntervalMs: number;
}
