import { existsSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import type { AuthOptions } from '../auth/options.ts';
import { AuthConfigError, AuthRegistry } from '../auth/registry.ts';
import { digestId } from '../auth/schemes/digest.ts';
import { AUTH_PROVIDER, providesPrometheus } from './compose.ts';
import { formatNotice, type Notice } from './config-error.ts';
import type { Values } from './effective-values.ts';
import { checkEnsemble } from './ensemble-checks.ts';
import type { Membership } from './membership.ts';
import type { ServerConfig, TlsConfig } from './server-config.ts';

/** Where the findings go. */
export interface Findings {
  readonly faults: Notice[];
  readonly warnings: Notice[];
  readonly notes: Notice[];
}

/** Looks for settings that are right each by itself and wrong together. Finds all there are, not only the first. */
export function checkConfig(config: ServerConfig, values: Values, membership: Membership, findings: Findings): void {
  const check = new Checker(config, values, findings);
  check.data();
  check.ports(membership);
  check.sessions();
  check.serverId();
  check.clientAddress();
  checkEnsemble({ config, values, membership, ...findings });
  check.auth();
  check.tls();
  check.metrics();
}

class Checker {
  readonly #config: ServerConfig;
  readonly #values: Values;
  readonly #findings: Findings;

  constructor(config: ServerConfig, values: Values, findings: Findings) {
    this.#config = config;
    this.#values = values;
    this.#findings = findings;
  }

  /** `key` is the one to blame: its place is shown; the first one that was set when there are several. */
  #notice(keys: readonly string[], message: string): Notice {
    const key = keys.find((candidate) => this.#values.setting(candidate) !== undefined) ?? null;
    if (key !== null) {
      return { origin: this.#values.origin(key), key, message };
    }
    const { file } = this.#config.source;
    return { origin: file === null ? { kind: 'default' } : { kind: 'file', file, line: 0 }, key, message };
  }

  #fault(keys: readonly string[], message: string): void {
    const notice = this.#notice(keys, message);
    // Two ports may need the same store.
    if (!this.#findings.faults.some((known) => formatNotice(known) === formatNotice(notice))) {
      this.#findings.faults.push(notice);
    }
  }

  #warn(keys: readonly string[], message: string): void {
    this.#findings.warnings.push(this.#notice(keys, message));
  }

  data(): void {
    const { storage, source } = this.#config;
    if (!this.#values.isSet('dataDir')) {
      this.#fault([], 'dataDir is not set; say where the data are to be kept, for example dataDir=/var/lib/zookeeper');
    }
    for (const key of ['dataDir', 'dataLogDir']) {
      const text = this.#values.text(key);
      if (source.file !== null && text !== null && !isAbsolute(text) && !text.startsWith('./')) {
        this.#warn([key], `${key}=${text} is relative to the working directory; write ./${text} if that is meant`);
      }
    }
    const retained = this.#values.number('autopurge.snapRetainCount') as number;
    if (retained < storage.purgeRetainCount) {
      const message = `autopurge.snapRetainCount=${retained} is too few; ${storage.purgeRetainCount} are kept`;
      this.#warn(['autopurge.snapRetainCount'], message);
    }
    if (!storage.forceSync) {
      this.#warn(['forceSync'], 'forceSync=no: writes are answered before they are on disk; a power cut loses them');
    }
  }

  sessions(): void {
    const { minTimeoutMs, maxTimeoutMs } = this.#config.sessions;
    if (minTimeoutMs <= maxTimeoutMs) {
      return;
    }
    const describe = (key: string, value: number, ticks: number) =>
      this.#values.setting(key) === undefined ? `${value} ms (${ticks} ticks)` : `${value} ms`;
    const min = describe('minSessionTimeout', minTimeoutMs, 2);
    const max = describe('maxSessionTimeout', maxTimeoutMs, 20);
    const message = `minSessionTimeout, ${min}, is larger than maxSessionTimeout, ${max}`;
    this.#fault(['minSessionTimeout', 'maxSessionTimeout'], message);
  }

  ports({ isEnsemble, configuration, serverId }: Membership): void {
    const { listeners } = this.#config;
    // Which server line is our own, and what it says, may not be known for other faults.
    const isOwnKnown = !isEnsemble || (serverId !== null && configuration?.member(serverId) !== undefined);
    const attempted = !isOwnKnown || this.#values.isSet('clientPort') || this.#values.isSet('secureClientPort');
    if (!attempted && listeners.clientPort === null && listeners.secureClientPort === null) {
      this.#fault([], 'neither clientPort nor secureClientPort is set; for example clientPort=2181');
    }
    for (const key of ['clientPort', 'secureClientPort']) {
      const addressKey = `${key}Address`;
      const unset = key === 'clientPort' ? listeners.clientPort === null : listeners.secureClientPort === null;
      if (unset && !this.#values.isSet(key) && this.#values.isSet(addressKey)) {
        this.#fault([addressKey], `${addressKey} is set, but ${key} is not`);
      }
    }
    this.#portClashes();
  }

  #portClashes(): void {
    const { listeners, admin, metrics } = this.#config;
    const used = [
      { key: 'clientPort', port: listeners.clientPort, address: listeners.clientAddress },
      { key: 'secureClientPort', port: listeners.secureClientPort, address: listeners.secureClientAddress },
    ];
    if (admin.enabled) {
      used.push({ key: 'admin.serverPort', port: admin.port, address: admin.address });
    }
    if (metrics.prometheusEnabled) {
      const address = metrics.httpAddress;
      used.push({ key: 'metricsProvider.httpPort', port: metrics.httpPort, address });
      used.push({ key: 'metricsProvider.httpsPort', port: metrics.httpsPort, address });
    }
    used.forEach((one, i) => {
      const other = used.slice(i + 1).find(({ port, address }) => port === one.port && overlap(address, one.address));
      if (other === undefined || one.port === null || one.port <= 0) {
        return;
      }
      this.#fault([other.key, one.key], `${one.key} and ${other.key} are both ${one.port}`);
    });
  }

  serverId(): void {
    const { serverId } = this.#config.membership;
    if (serverId === 255 && this.#config.dataModel.extendedTypesEnabled) {
      const message = 'extendedTypesEnabled=true needs a server id of 254 or less, but myid is 255';
      this.#fault(['extendedTypesEnabled'], message);
    }
  }

  /** zoo.cfg and the server line may both say where clients connect, if they agree. */
  clientAddress(): void {
    const { listeners } = this.#config;
    const pairs = [
      { key: 'clientPort', used: listeners.clientPort, usedAddress: listeners.clientAddress },
      { key: 'secureClientPort', used: listeners.secureClientPort, usedAddress: listeners.secureClientAddress },
    ];
    for (const { key, used, usedAddress } of pairs) {
      const port = this.#values.number(key);
      const address = this.#values.text(`${key}Address`);
      if (port === null || (port === used && (isWildcard(address) || address === usedAddress))) {
        continue;
      }
      const said = `${address === null ? '' : `${address}:`}${port}`;
      this.#fault([key], `${key} is ${said} here and ${usedAddress}:${used} in the server line`);
    }
  }

  /** The registry is the judge; it stops at its first fault, so the parts are shown to it one by one. */
  auth(): void {
    const { auth, sasl } = this.#config;
    const plain: AuthOptions = { ...auth, authProviders: new Map(), requireSasl: false, enforceAuth: false };
    const known = new Map<string, string>();
    if (this.#tryAuth(plain)) {
      this.#superDigest(auth);
    }
    for (const [name, provider] of auth.authProviders) {
      if (this.#tryAuth({ ...plain, tlsEnabled: false, authProviders: new Map([[name, provider]]) }, name)) {
        known.set(name, provider);
      }
    }
    this.#tryAuth({ ...auth, tlsEnabled: auth.tlsEnabled && auth.sslAuthProvider === 'x509', authProviders: known });
    if (auth.skipAcl) {
      this.#warn(['skipACL'], 'skipACL=yes: every client may read and change everything');
    }
    if (sasl.jaasFile !== null && sasl.fipsMode) {
      const message =
        'SASL users are configured, but fips-mode is on, as it is by default since ZooKeeper 3.9.4: no login with ' +
        'DIGEST-MD5 will work; set fips-mode=false to allow it';
      this.#warn(['fips-mode', 'java.security.auth.login.config'], message);
    }
  }

  /** A password in place of its digest, and whatever else nobody's digest can be. The value is a secret. */
  #superDigest({ superDigest, digestAlgorithm }: AuthOptions): void {
    const key = 'DigestAuthenticationProvider.superDigest';
    const digestOf = (text: string) => text.slice(text.indexOf(':') + 1);
    const isBase64 = (text: string) => Buffer.from(text, 'base64').toString('base64') === text;
    const length = digestOf(digestId('', digestAlgorithm)).length;
    if (superDigest === null || (digestOf(superDigest).length === length && isBase64(digestOf(superDigest)))) {
      return;
    }
    const message =
      `${key} is no digest, so nobody will be super: expected super: and the base64 of the ${digestAlgorithm} of ` +
      '"super:PASSWORD"; docs/operating/running.md shows how to make it';
    this.#warn([key], message);
  }

  #tryAuth(options: AuthOptions, provider?: string): boolean {
    try {
      new AuthRegistry(options);
      return true;
    } catch (error) {
      if (!(error instanceof AuthConfigError)) {
        throw error;
      }
      const keys = provider === undefined ? [error.key, 'enforce.auth.enabled'] : [AUTH_PROVIDER + provider];
      this.#fault(keys, `${keys[0]}: ${error.message}`);
      return false;
    }
  }

  tls(): void {
    const { listeners, clientTls, quorumTls, metricsTls, admin, metrics, ensemble } = this.#config;
    const { clientPort, secureClientPort, portUnification } = listeners;
    if (secureClientPort !== null) {
      this.#stores('secureClientPort', 'ssl', clientTls);
    } else if (portUnification && clientPort !== null) {
      this.#stores('client.portUnification', 'ssl', clientTls);
    }
    if (ensemble?.tlsEnabled) {
      this.#stores('sslQuorum', 'ssl.quorum', quorumTls);
    } else if (ensemble?.portUnification) {
      this.#stores('portUnification', 'ssl.quorum', quorumTls);
    }
    if (admin.enabled && admin.forceHttps) {
      this.#stores('admin.forceHttps', 'ssl.quorum', quorumTls);
    } else if (admin.enabled && admin.portUnification) {
      this.#stores('admin.portUnification', 'ssl.quorum', quorumTls);
    }
    if (metrics.prometheusEnabled && metrics.httpsPort !== -1) {
      this.#stores('metricsProvider.httpsPort', 'metricsProvider.ssl', metricsTls);
    }
  }

  /** `user` is the key that asks for TLS. What is in the stores is looked at when the port opens. */
  #stores(user: string, prefix: string, tls: TlsConfig): void {
    if (tls.keyStoreFile === null) {
      this.#fault([user], `${user} needs ${prefix}.keyStore.location, the server's own key and certificate`);
    }
    if (tls.trustStoreFile === null && tls.clientAuth !== 'none') {
      const otherwise = prefix === 'metricsProvider.ssl' ? 'need.client.auth=false' : 'clientAuth=none';
      const message = `${user} asks clients for certificates, but ${prefix}.trustStore.location does not say whose; `;
      this.#warn([user], `${message}set it, or ${prefix}.${otherwise}`);
    }
    const files = { 'keyStore.location': tls.keyStoreFile, 'keyStore.passwordPath': tls.keyStorePasswordFile };
    const trust = { 'trustStore.location': tls.trustStoreFile, 'trustStore.passwordPath': tls.trustStorePasswordFile };
    for (const [name, file] of Object.entries({ ...files, ...trust })) {
      if (file === null || existsSync(file)) {
        continue;
      }
      this.#fault([`${prefix}.${name}`], `${prefix}.${name}=${file}: there is no such file`);
    }
  }

  metrics(): void {
    const className = this.#values.text('metricsProvider.className') as string;
    const prometheus = providesPrometheus(className);
    if (prometheus === undefined) {
      const known = 'org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider';
      const message = `metricsProvider.className=${className} is Java code that cannot be run here; there is ${known}`;
      this.#fault(['metricsProvider.className'], message);
    }
    if (prometheus && this.#values.number('metricsProvider.httpPort') !== this.#config.metrics.httpPort) {
      const message = `metricsProvider.httpPort is not set; the endpoint is on port ${this.#config.metrics.httpPort}`;
      this.#findings.notes.push(this.#notice(['metricsProvider.className'], message));
    }
  }
}

function isWildcard(address: string | null): boolean {
  return address === null || address === '0.0.0.0' || address === '::';
}

function overlap(one: string | null, other: string | null): boolean {
  return isWildcard(one) || isWildcard(other) || one === other;
}
