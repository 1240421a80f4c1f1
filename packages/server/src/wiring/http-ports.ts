/** The HTTP ports of a configuration: the admin server, and the Prometheus provider's. Imported when one is wanted. */
import { type AdminDependencies, type HttpListener, startAdminHttp, startMetricsHttp } from '../admin/http.ts';
import type { ServerConfig } from '../config/server-config.ts';
import { createTlsServerOptions, loadTls, TlsError } from '../host/tls.ts';
import { HttpPortError, isAddressProblem, portProblem } from './http-port-error.ts';

/** The open ports, with what to tell the operator about them. */
export interface HttpPorts {
  readonly listeners: readonly HttpListener[];
  /** `http://127.0.0.1:8080/commands` and the like. */
  readonly urls: readonly string[];
}

/** Opens them in turn; rejects with HttpPortError or TlsError for the first that fails. */
export async function openHttpPorts(config: ServerConfig, dependencies: AdminDependencies): Promise<HttpPorts> {
  const listeners: HttpListener[] = [];
  const urls: string[] = [];
  if (config.admin.enabled) {
    const listener = await orPortError('admin', openAdmin(config, dependencies));
    listeners.push(listener);
    urls.push(`admin ${urlOf(isAdminTls(config), config.admin.address, listener.port)}${config.admin.commandUrl}`);
  }
  const { prometheusEnabled, httpAddress: host, httpPort, httpsPort } = config.metrics;
  if (prometheusEnabled) {
    const { exportRuntimeInfo: exportRuntimeMetrics } = config.metrics;
    const { idleTimeoutMs } = config.admin;
    const common = { host, portUnification: false, idleTimeoutMs, exportRuntimeMetrics };
    if (httpPort >= 0) {
      const opening = startMetricsHttp({ ...common, port: httpPort, tls: null }, dependencies.view);
      const listener = await orPortError('metrics', opening);
      listeners.push(listener);
      urls.push(`metrics ${urlOf(false, host, listener.port)}/metrics`);
    }
    if (httpsPort >= 0) {
      const tls = createTlsServerOptions(loadTls(config.metricsTls, 'metricsProvider.ssl'));
      const opening = startMetricsHttp({ ...common, port: httpsPort, tls }, dependencies.view);
      const listener = await orPortError('metrics', opening);
      listeners.push(listener);
      urls.push(`metrics ${urlOf(true, host, listener.port)}/metrics`);
    }
  }
  return { listeners, urls };
}

function isAdminTls({ admin }: ServerConfig): boolean {
  return admin.forceHttps || admin.portUnification;
}

async function openAdmin(config: ServerConfig, dependencies: AdminDependencies): Promise<HttpListener> {
  const { admin, metrics, quorumTls, storage } = config;
  const clientAuth = admin.needClientAuth ? 'need' : 'none'; // ssl.quorum.clientAuth is about servers
  return await startAdminHttp(
    {
      host: admin.address,
      port: admin.port,
      tls: isAdminTls(config) ? createTlsServerOptions(loadTls({ ...quorumTls, clientAuth }, 'ssl.quorum')) : null,
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
}

async function orPortError(server: 'admin' | 'metrics', opening: Promise<HttpListener>): Promise<HttpListener> {
  try {
    return await opening;
  } catch (error) {
    if (error instanceof TlsError) {
      throw error;
    }
    const isAddress = isAddressProblem(error);
    const keys =
      server === 'admin'
        ? `admin.${isAddress ? 'serverAddress' : 'serverPort'}; admin.enableServer=false does without`
        : `metricsProvider.${isAddress ? 'httpHost' : '*Port'}`;
    const problem = portProblem(error) ?? String(error);
    throw new HttpPortError(server, `the ${server} server cannot start: ${problem} (${keys})`);
  }
}

function urlOf(tls: boolean, host: string, port: number): string {
  return `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
