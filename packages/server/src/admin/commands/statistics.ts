import { operationText } from '../../metrics/statistics.ts';
import { average, socketAddressText } from '../format.ts';
import type { JsonValue } from '../json.ts';
import { znodeCount } from '../metrics/gauges.ts';
import { monitorEntries } from '../metrics/monitor.ts';
import { VERSION_TEXT } from '../version.ts';
import type { ConnectionView, ServerView } from '../view.ts';
import { action, type Command, query, withoutServer } from './command.ts';

type JsonFields = { readonly [key: string]: JsonValue };

export const statisticsCommands: readonly Command[] = [
  action('connection_stat_reset', ['crst'], (control) => control.resetConnectionStatistics()),
  query('connections', ['cons'], (view) => connectionLists(view, detailedConnection)),
  withoutServer(query('monitor', ['mntr'], (view) => Object.fromEntries(monitorEntries(view)))),
  query('server_stats', ['srvr'], serverStats),
  action('stat_reset', ['srst'], (control) => control.resetStatistics()),
  query('stats', ['stat'], (view) => ({ ...serverStats(view), ...connectionLists(view, briefConnection) })),
];

function serverStats(view: ServerView): JsonFields {
  const { statistics } = view;
  const responseSizes = {
    last_buffer_size: statistics.lastResponseBytes,
    min_buffer_size: statistics.minResponseBytes,
    max_buffer_size: statistics.maxResponseBytes,
  };
  return {
    version: VERSION_TEXT,
    read_only: view.mode === 'read-only',
    server_stats: {
      packets_sent: statistics.packetsSent,
      packets_received: statistics.packetsReceived,
      fsync_threshold_exceed_count: statistics.fsyncThresholdExceedCount,
      client_response_stats: responseSizes,
      data_dir_size: view.host.dataDirSizeBytes(),
      log_dir_size: view.host.dataLogDirSizeBytes(),
      provider_null: false,
      server_state: view.mode,
      last_processed_zxid: view.lastZxid,
      outstanding_requests: view.outstandingRequests,
      avg_latency: average(statistics.totalLatencyMs, statistics.latencyCount),
      max_latency: Math.trunc(statistics.maxLatencyMs),
      min_latency: Math.trunc(statistics.minLatencyMs),
      num_alive_client_connections: view.connectionCount,
      uptime: Math.trunc(view.uptimeMs),
      auth_failed_count: statistics.authFailedCount,
      non_mtlsremote_conn_count: statistics.nonMtlsRemoteConnCount,
      non_mtlslocal_conn_count: statistics.nonMtlsLocalConnCount,
    },
    client_response: responseSizes,
    node_count: znodeCount(view),
  };
}

function connectionLists(view: ServerView, describe: (connection: ConnectionView) => JsonFields): JsonFields {
  const connections = [...view.connections()];
  return {
    connections: connections.filter(({ secure }) => !secure).map(describe),
    secure_connections: connections.filter(({ secure }) => secure).map(describe),
  };
}

function briefConnection(connection: ConnectionView): JsonFields {
  return {
    remote_socket_address: socketAddressText(connection.remoteAddress, connection.remotePort),
    interest_ops: connection.interestOps,
    outstanding_requests: connection.outstandingRequests,
    packets_received: connection.statistics.packetsReceived,
    packets_sent: connection.statistics.packetsSent,
  };
}

function detailedConnection(connection: ConnectionView): JsonFields {
  const { statistics } = connection;
  if (connection.sessionId === 0n) {
    return briefConnection(connection);
  }
  const averageMs = statistics.latencyCount === 0 ? 0 : statistics.totalLatencyMs / statistics.latencyCount;
  return {
    ...briefConnection(connection),
    session_id: connection.sessionId,
    last_operation: operationText(statistics.lastOperation),
    established: connection.establishedWallMs,
    session_timeout: connection.sessionTimeoutMs,
    last_cxid: statistics.lastCxid,
    last_zxid: statistics.lastZxid,
    last_response_time: Math.trunc(statistics.lastResponseTimeMs),
    last_latency: Math.trunc(statistics.lastLatencyMs),
    min_latency: Math.trunc(statistics.minLatencyMs),
    avg_latency: Math.trunc(averageMs),
    max_latency: Math.trunc(statistics.maxLatencyMs),
  };
}
