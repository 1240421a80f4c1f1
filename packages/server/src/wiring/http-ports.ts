/** The HTTP ports of a configuration: the admin server, and the Prometheus provider's. Imported when one is wanted. */

import { type AdminDependencies, type HttpListener, startAdminHttp, startMetricsHttp } from '../admin/http.ts';
import type { ServerConfig } from '../config/server-config.ts';
import { createTlsServerOptions, loadTls } from '../host/tls.ts';

/** Opens them in turn; rejects as the first that fails. */
export async function openHttpPorts(config: ServerConfig, dependencies: AdminDependencies): Promise<HttpListener[]> {
  const { admin, metrics, quorumTls, metricsTls, storage } = config;
  const listeners: HttpListener[] = [];
  if (admin.enabled) {
    const wantsTls = admin.forceHttps || admin.portUnification;
    const listener = await startAdminHttp(
      {
        host: admin.address,
        port: admin.port,
        tls: wantsTls ? createTlsServerOptions(loadTls(quorumTls, 'ssl.quorum')) : null,
        portUnification: admin.portUnification,
        idleTimeoutMs: admin.idleTimeoutMs,
        forceHttps: admin.forceHttps,
        needClientAuth: admin.needClientAuth,
        commandUrl: admin.commandUrl,
        rateLimiterIntervalMs: admin.rateLimiterIntervalMs,
        exportRuntimeMetrics: metrics.exportRuntimeInfo,
        snapshotEnabled: admin.snapshotEnabled,
        restoreEnabled: admin.restoreEnabled,
        serializeLastProcessedZxidEnabled: storage.serializeLastProcessedZxid,
      },
      dependencies,
    );
    listeners.push(listener);
    dependencies.log.info(
      `admin server on http${wantsTls ? 's' : ''}://${admin.address}:${listener.port}${admin.commandUrl}`,
    );
  }
  if (metrics.prometheusEnabled) {
    const { httpAddress: host, httpPort, httpsPort, exportRuntimeInfo: exportRuntimeMetrics } = metrics;
    const common = { host, portUnification: false, idleTimeoutMs: admin.idleTimeoutMs, exportRuntimeMetrics };
    if (httpPort >= 0) {
      listeners.push(await startMetricsHttp({ ...common, port: httpPort, tls: null }, dependencies.view));
    }
    if (httpsPort >= 0) {
      const tls = createTlsServerOptions(loadTls(metricsTls, 'metricsProvider.ssl'));
      listeners.push(await startMetricsHttp({ ...common, port: httpsPort, tls }, dependencies.view));
    }
    dependencies.log.info(
      `metrics on ${host}, port ${[httpPort, httpsPort].filter((port) => port >= 0).join(' and ')}`,
    );
  }
  return listeners;
}
