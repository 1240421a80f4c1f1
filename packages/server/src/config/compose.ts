import { type AuthOptions, IDENTITIES_BYTES_MAX } from '../auth/options.ts';
import type { Configuration } from '../zab/configuration.ts';
import type { Member } from '../zab/members.ts';
import type { Values } from './effective-values.ts';
import { KEYS } from './keys/index.ts';
import type { Membership } from './membership.ts';
import type { EnsembleConfig, ListenersConfig, ServerConfig, TlsConfig } from './server-config.ts';

/** What config.ts has found out beside the settings. */
export interface Findings {
  readonly file: string | null;
  readonly text: string;
  readonly properties: ReadonlyMap<string, string>;
  readonly membership: Membership;
  readonly proposed: Configuration | null;
}

/** What the names of authProvider lines begin with. */
export const AUTH_PROVIDER = 'authProvider.';

const METRICS_PROVIDERS: Readonly<Record<string, boolean>> = {
  'org.apache.zookeeper.metrics.impl.DefaultMetricsProvider': false,
  'org.apache.zookeeper.metrics.impl.NullMetricsProvider': false,
  'org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider': true,
};

/** Whether a metrics provider's class has an endpoint; undefined when there is no such provider here. */
export function providesPrometheus(className: string): boolean | undefined {
  return METRICS_PROVIDERS[className];
}

/** Where the documentation says that the endpoint is. */
const PROMETHEUS_PORT = 7000;

/** Puts the settings into the fields, and works out the fields that depend on more than one key. */
export function composeConfig(values: Values, findings: Findings): ServerConfig {
  const table = fieldsOfTable(values);
  const tickTimeMs = table.sessions.tickTimeMs;
  const maxBufferBytes = table.limits.maxBufferBytes;
  const extraBytes = Math.max(values.number('jute.maxbuffer.extrasize') ?? maxBufferBytes, 1024);
  const listeners = composeListeners(table.listeners, values, ownMember(findings.membership));
  const prometheusEnabled = providesPrometheus(values.text('metricsProvider.className') as string) ?? false;
  const noMetricsPort = table.metrics.httpPort === -1 && table.metrics.httpsPort === -1;
  return {
    ...table,
    sessions: {
      ...table.sessions,
      minTimeoutMs: setOr(values.number('minSessionTimeout'), 2 * tickTimeMs),
      maxTimeoutMs: setOr(values.number('maxSessionTimeout'), 20 * tickTimeMs),
    },
    listeners,
    storage: {
      ...table.storage,
      dataLogDir: values.text('dataLogDir') ?? table.storage.dataDir,
      purgeRetainCount: Math.max(table.storage.purgeRetainCount, 3),
      fieldBytesMax: maxBufferBytes + extraBytes,
    },
    limits: { ...table.limits, extraBytes },
    auth: composeAuth(table, values, listeners, maxBufferBytes + extraBytes),
    metricsTls: { ...METRICS_TLS_DEFAULTS, ...table.metricsTls, clientAuth: metricsClientAuth(values) },
    metrics: {
      ...table.metrics,
      prometheusEnabled,
      httpPort: prometheusEnabled && noMetricsPort ? PROMETHEUS_PORT : table.metrics.httpPort,
    },
    membership: { ...table.membership, serverId: findings.membership.serverId },
    ensemble: composeEnsemble(table, values, findings),
    source: { file: findings.file, text: findings.text, properties: findings.properties },
  };
}

type Table = Omit<ServerConfig, 'ensemble'> & { readonly ensemble: EnsembleConfig };

/** ZooKeeper keeps no fewer, whatever it is told. */
export const COMMITTED_LOG_TXNS_MIN = 500;

/** The fields that the rows of the table set. Those that need more than their row are null or missing yet. */
function fieldsOfTable(values: Values): Table {
  const groups: Record<string, Record<string, unknown>> = {};
  for (const row of KEYS) {
    const [group, field] = row.effect.split('.');
    if (field === undefined) {
      continue;
    }
    groups[group] ??= {};
    groups[group][field] = values.of(row);
  }
  return groups as unknown as Table;
}

/** Null for a standalone server, and where a fault stops the start. */
function composeEnsemble(
  { ensemble, sessions }: Table,
  values: Values,
  { membership, proposed }: Findings,
): EnsembleConfig | null {
  const { configuration, serverId } = membership;
  if (configuration === null || serverId === null) {
    return null;
  }
  const { electionReadTimeoutMs, syncLimitTicks } = ensemble;
  return {
    ...ensemble,
    serverId,
    configuration,
    proposed,
    votersMin: values.boolean('standaloneEnabled') ? 2 : 1,
    connectLimitTicks: ensemble.connectLimitTicks ?? 0,
    electionReadTimeoutMs: electionReadTimeoutMs < 0 ? syncLimitTicks * sessions.tickTimeMs : electionReadTimeoutMs,
    committedLogTxnsMax: Math.max(ensemble.committedLogTxnsMax, COMMITTED_LOG_TXNS_MIN),
  };
}

/** ZooKeeper takes −1 for "not set". */
function setOr(value: number | null, otherwise: number): number {
  return value === null || value === -1 ? otherwise : value;
}

/** The `server.N` line that is about this server: the one of `myid`, or the only one when there is no `myid`. */
function ownMember({ members, serverId }: Membership): Member | null {
  if (serverId === null) {
    return members.length === 1 ? members[0] : null;
  }
  return members.find((member) => member.id === serverId) ?? null;
}

function composeListeners(table: ListenersConfig, values: Values, own: Member | null): ListenersConfig {
  const words = new Set([...table.fourLetterWords, 'srvr']);
  if (values.boolean('readonlymode.enabled')) {
    words.add('isro');
  }
  return {
    ...table,
    clientPort: own?.client?.port ?? table.clientPort,
    clientAddress: own?.client?.host ?? table.clientAddress,
    secureClientPort: own?.secureClient?.port ?? table.secureClientPort,
    secureClientAddress: own?.secureClient?.host ?? table.secureClientAddress,
    connectionsPerAddressMax: Math.max(table.connectionsPerAddressMax, 0),
    connectionsMax: Math.max(table.connectionsMax, 0),
    fourLetterWords: [...words],
  };
}

function composeAuth(table: Table, values: Values, listeners: ListenersConfig, fieldBytesMax: number): AuthOptions {
  const authProviders = new Map<string, string>();
  for (const { name, text } of values.startingWith(AUTH_PROVIDER)) {
    authProviders.set(name.slice(AUTH_PROVIDER.length), text);
  }
  const superUsers = [values.setting('superUser'), ...values.startingWith('superUser.')];
  return {
    ...table.auth,
    authProviders,
    tlsEnabled: listeners.secureClientPort !== null || listeners.portUnification,
    saslSuperUsers: superUsers.filter((setting) => setting !== undefined).map((setting) => setting.text),
    sasl: table.sasl,
    identitiesBytesMax: Math.min(IDENTITIES_BYTES_MAX, fieldBytesMax),
  };
}

/** The metrics port has fewer keys than the others. */
const METRICS_TLS_DEFAULTS = {
  keyStorePasswordFile: null,
  trustStorePasswordFile: null,
  protocol: null,
  verifyHostname: false,
  verifyClientHostname: false,
  allowReverseDnsLookup: false,
  checkRevocationLists: false,
  checkOcsp: false,
  handshakeDetectionTimeoutMs: 5000,
  reloadOnChange: false,
} as const;

function metricsClientAuth(values: Values): TlsConfig['clientAuth'] {
  if (values.boolean('metricsProvider.ssl.need.client.auth')) {
    return 'need';
  }
  return values.boolean('metricsProvider.ssl.want.client.auth') ? 'want' : 'none';
}
