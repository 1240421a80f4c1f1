/** What a replica is told at its start; server.ts makes it from the configuration. */
import type { OwnerRules } from '@treekeeper/protocol';
import type { OperationRules } from '../operations/operation.ts';
import type { StorageOptions } from '../storage/options.ts';
import type { ConnectionThrottleOptions } from './connection-throttle.ts';
import type { PathStatisticsOptions } from './path-statistics.ts';
import type { ReaperOptions } from './reaper.ts';
import type { RequestLimits } from './request-ports.ts';

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
