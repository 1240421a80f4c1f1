/** From the configuration to what a replica is told. */
import { limits } from '../config/limits.ts';
import type { ServerConfig } from '../config/server-config.ts';
import type { ReplicaOptions } from '../replica/options.ts';
import { storageDefaults } from '../storage/options.ts';

/** In the ids of sessions; `myid` counts in ensembles only. */
const STANDALONE_SERVER_ID = 1;

export function replicaOptions(config: ServerConfig): ReplicaOptions {
  const { sessions, limits: requested, dataModel, storage, listeners, membership, ensemble } = config;
  // Each follower brings its share of what may be waiting in the ensemble (client-protocol.md §12).
  const voters = ensemble?.configuration.voters.length ?? 1;
  const globalOutstandingLimit =
    voters > 2 ? Math.ceil(requested.globalOutstandingLimit / (voters - 1)) : requested.globalOutstandingLimit;
  const outstandingRequestsMax =
    requested.requestThrottleMaxRequests > 0
      ? Math.min(globalOutstandingLimit, requested.requestThrottleMaxRequests)
      : globalOutstandingLimit;
  return {
    serverId: ensemble?.serverId ?? STANDALONE_SERVER_ID,
    tickTimeMs: sessions.tickTimeMs,
    minSessionTimeoutMs: sessions.minTimeoutMs,
    maxSessionTimeoutMs: sessions.maxTimeoutMs,
    localSessionsEnabled: sessions.localSessionsEnabled,
    frameBytesMax: requested.maxBufferBytes,
    requests: {
      outstandingRequestsMax,
      throttledAfterMs: requested.throttledOpWaitTimeMs,
      dropsStale:
        requested.requestThrottleMaxRequests > 0 &&
        requested.requestThrottleDropStale &&
        requested.requestStaleLatencyCheck,
      fieldLengthBytesMax: storage.fieldBytesMax,
      largeRequestThresholdBytes: requested.largeRequestThresholdBytes,
      largeRequestBytesMax: requested.largeRequestMaxBytes,
    },
    rules: {
      extendedTypesEnabled: dataModel.extendedTypesEnabled,
      enforceQuota: dataModel.enforceQuota,
      reconfigEnabled: membership.reconfigEnabled,
      localSessionsUpgradingEnabled: sessions.localSessionsUpgradingEnabled,
      closeSessionTxnEnabled: sessions.closeSessionTxnEnabled,
    },
    ownerRules: dataModel,
    digestEnabled: storage.digestEnabled,
    storage: { ...storage, snapshotSliceBytes: storageDefaults.snapshotSliceBytes },
    reaper: {
      checkIntervalMs: dataModel.containerCheckIntervalMs,
      maxPerMinute: dataModel.containerMaxPerMinute,
      maxNeverUsedIntervalMs: dataModel.containerMaxNeverUsedIntervalMs,
    },
    sessionlessTimeoutMs: listeners.sessionlessTimeoutMs,
    unsentBytesPause: limits.connectionOutputPauseBytes,
    unsentBytesMax: limits.connectionOutputBytesMax,
    connectionThrottle: config.connectionThrottle,
    namespaceMetrics: config.metrics.prometheusEnabled,
    pathStatistics: config.pathStats.enabled ? config.pathStats : null,
    purgeRetainCount: storage.purgeRetainCount,
    purgeIntervalMs: storage.purgeIntervalMs,
  };
}
