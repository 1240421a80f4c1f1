import { average, Double } from '../format.ts';
import type { QuotaView, ServerView } from '../view.ts';

/** A value that is read from the server when someone asks for it. A Double prints as floating point. */
export interface Gauge {
  readonly name: string;
  readonly meaning: string;
  readonly read: (view: ServerView) => number | Double;
}

/** A gauge for each top-level node with a quota. */
export interface QuotaGauge {
  readonly name: string;
  readonly meaning: string;
  readonly read: (quota: QuotaView) => number;
}

/**
 * One quota per top-level node, the last of several below it: a name that is printed twice is an error to its readers.
 */
export function quotasByNamespace(view: ServerView): QuotaView[] {
  const quotas = new Map<string, QuotaView>();
  for (const quota of view.quotas()) {
    quotas.set(quota.namespace, quota);
  }
  return [...quotas.values()];
}

/** ZooKeeper's gauges of a server in the order in which `mntr` prints them, and one of our own. */
export const gauges: readonly Gauge[] = [
  { name: 'ephemerals_count', meaning: 'ephemeral nodes', read: (view) => view.ephemeralsCount },
  { name: 'num_alive_connections', meaning: 'client connections', read: (view) => view.connectionCount },
  { name: 'avg_latency', meaning: 'average time to answer a request, ms', read: averageLatency },
  { name: 'outstanding_requests', meaning: 'requests not yet answered', read: (view) => view.outstandingRequests },
  { name: 'znode_count', meaning: 'nodes, the root counted twice', read: znodeCount },
  { name: 'global_sessions', meaning: 'sessions known to all servers', read: (view) => view.globalSessionCount },
  {
    name: 'non_mtls_remote_conn_count',
    meaning: 'connections of other hosts without client certificate',
    read: (view) => view.statistics.nonMtlsRemoteConnCount,
  },
  {
    name: 'last_client_response_size',
    meaning: 'bytes of the last reply, -1 before the first',
    read: (view) => view.statistics.lastResponseBytes,
  },
  { name: 'packets_sent', meaning: 'packets sent to clients', read: (view) => view.statistics.packetsSent },
  {
    name: 'packets_received',
    meaning: 'packets received from clients',
    read: (view) => view.statistics.packetsReceived,
  },
  {
    name: 'max_client_response_size',
    meaning: 'bytes of the largest reply, -1 before the first',
    read: (view) => view.statistics.maxResponseBytes,
  },
  {
    name: 'connection_drop_probability',
    meaning: 'probability that the connection throttle refuses a connection',
    read: (view) => new Double(view.connectionDropProbability),
  },
  { name: 'watch_count', meaning: 'watches of all kinds', read: (view) => view.watchCount },
  { name: 'auth_failed_count', meaning: 'failed authentications', read: (view) => view.statistics.authFailedCount },
  { name: 'min_latency', meaning: 'least time to answer a request, ms', read: (view) => view.statistics.minLatencyMs },
  {
    name: 'max_file_descriptor_count',
    meaning: 'files and sockets the process may have open',
    read: (view) => view.host.maxFileDescriptors(),
  },
  {
    name: 'approximate_data_size',
    meaning: 'bytes of all paths and data',
    read: (view) => view.approximateDataSizeBytes,
  },
  {
    name: 'open_file_descriptor_count',
    meaning: 'files and sockets the process has open',
    read: (view) => view.host.openFileDescriptors(),
  },
  { name: 'local_sessions', meaning: 'sessions known to this server only', read: (view) => view.localSessionCount },
  { name: 'uptime', meaning: 'milliseconds since the start', read: (view) => view.uptimeMs },
  {
    name: 'max_latency',
    meaning: 'greatest time to answer a request, ms',
    read: (view) => view.statistics.maxLatencyMs,
  },
  {
    name: 'outstanding_tls_handshake',
    meaning: 'TLS handshakes under way',
    read: (view) => view.outstandingTlsHandshakes,
  },
  {
    name: 'min_client_response_size',
    meaning: 'bytes of the smallest reply, -1 before the first',
    read: (view) => view.statistics.minResponseBytes,
  },
  {
    name: 'non_mtls_local_conn_count',
    meaning: 'connections of this host without client certificate',
    read: (view) => view.statistics.nonMtlsLocalConnCount,
  },
  {
    name: 'writes_refused', // the one that ZooKeeper does not have: it ends where we go on reading
    meaning: '1 while the disk of the transaction log is full, else 0',
    read: (view) => (view.writesRefused ? 1 : 0),
  },
];

export const quotaGauges: readonly QuotaGauge[] = [
  { name: 'quota_count_limit_per_namespace', meaning: 'nodes allowed', read: (quota) => quota.countLimit },
  { name: 'quota_bytes_limit_per_namespace', meaning: 'bytes allowed', read: (quota) => quota.bytesLimit },
  { name: 'quota_count_usage_per_namespace', meaning: 'nodes in use', read: (quota) => quota.countUsage },
  { name: 'quota_bytes_usage_per_namespace', meaning: 'bytes in use', read: (quota) => quota.bytesUsage },
];

function averageLatency(view: ServerView): Double {
  return average(view.statistics.totalLatencyMs, view.statistics.latencyCount);
}

/** ZooKeeper's table of nodes holds the root under two names, and its operators know 5 as the empty tree. */
export function znodeCount(view: ServerView): number {
  return view.nodeCount + 1;
}
