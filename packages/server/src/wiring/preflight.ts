/** What keeps a server from starting and cannot be seen in its configuration alone: files, stores, names. */
import { lookup } from 'node:dns/promises';
import { join } from 'node:path';
import { JaasError } from '../auth/jaas.ts';
import { NameRuleError } from '../auth/kerberos-names.ts';
import type { LoadedConfig } from '../config/config.ts';
import type { Notice } from '../config/config-error.ts';
import type { ServerConfig } from '../config/server-config.ts';
import { checkDataDirectory } from '../host/node-disk.ts';
import { checkRollingFile, LogFileError } from '../host/rolling-file.ts';
import { loadTls, TlsError, type TlsOptions } from '../host/tls.ts';
import { StorageError } from '../io/storage-error.ts';
import { securityOf } from './ensemble.ts';
import { nameProblem } from './http-port-error.ts';
import { saslConversations } from './sasl.ts';

export { ownerOf } from '../host/directory-lock.ts';

/** What was found: faults stop a server. */
export interface Findings {
  readonly faults: readonly Notice[];
  readonly warnings: readonly Notice[];
}

/** Finds the address of a host; rejects with the resolver's error. */
export type Resolve = (host: string) => Promise<unknown>;

/** What somebody can be told to mend; anything else is a bug of ours. */
const EXPECTED = [JaasError, LogFileError, NameRuleError, StorageError, TlsError];

/**
 * Does what a starting server does with its configuration, as far as nothing is opened or made for it, and collects all
 * that it would stop at. Ports and data are not looked at: they may be those of a server that runs.
 */
export async function preflight(loaded: LoadedConfig, resolve: Resolve = lookup): Promise<Findings> {
  const { config } = loaded;
  const faults: Notice[] = [];
  const warnings: Notice[] = [];
  const attempt = (key: string, run: () => void): void => {
    try {
      run();
    } catch (error) {
      if (!(error instanceof Error && EXPECTED.some((kind) => error instanceof kind))) {
        throw error;
      }
      faults.push(noticeOf(loaded, key, error.message));
    }
  };
  const { dataDir, dataLogDir, dataDirAutocreate: autocreate } = config.storage;
  attempt('dataDir', () => checkDataDirectory(dataDir, 'dataDir', autocreate));
  if (dataLogDir !== dataDir) {
    attempt('dataLogDir', () => checkDataDirectory(dataLogDir, 'dataLogDir', autocreate));
  }
  const { directory, file } = config.log;
  if (file !== null) {
    attempt('log.dir', () => checkRollingFile(join(directory, file), 'log.dir, log.file'));
  }
  if (config.audit.enabled) {
    attempt('log.dir', () => checkRollingFile(join(directory, config.audit.file), 'log.dir, auditlog.file'));
  }
  attempt('java.security.auth.login.config', () => saslConversations(config));
  attempt('java.security.auth.login.config', () => config.ensemble !== null && securityOf(config, config.ensemble));
  for (const { prefix, options } of stores(config)) {
    attempt(`${prefix}.keyStore.location`, () => {
      const isKnown = (warning: string) => warning.startsWith(`${prefix}.trustStore.location is not set`);
      const told = loadTls(options, prefix).warnings.filter((warning) => !isKnown(warning));
      warnings.push(...told.map((warning) => noticeOf(loaded, `${prefix}.keyStore.location`, warning)));
    });
  }
  for (const { notice, isFault } of await unknownNames(loaded, resolve)) {
    (isFault ? faults : warnings).push(notice);
  }
  return { faults, warnings };
}

interface Store {
  readonly prefix: string;
  readonly options: TlsOptions;
}

/** The TLS settings that a server with this configuration loads. */
function stores({ listeners, clientTls, quorumTls, metricsTls, admin, metrics, ensemble }: ServerConfig): Store[] {
  const found: Store[] = [];
  if (listeners.secureClientPort !== null || listeners.portUnification) {
    found.push({ prefix: 'ssl', options: clientTls });
  }
  const isAdmin = admin.enabled && (admin.forceHttps || admin.portUnification);
  if (isAdmin || ensemble?.tlsEnabled || ensemble?.portUnification) {
    found.push({ prefix: 'ssl.quorum', options: quorumTls });
  }
  if (metrics.prometheusEnabled && metrics.httpsPort >= 0) {
    found.push({ prefix: 'metricsProvider.ssl', options: metricsTls });
  }
  return found;
}

/** The addresses that ports are opened on, where they are names that lead nowhere. */
async function unknownNames(loaded: LoadedConfig, resolve: Resolve): Promise<{ notice: Notice; isFault: boolean }[]> {
  const { listeners, admin, metrics, source } = loaded.config;
  const isWanted = source.file !== null; // a server without a file goes on without its HTTP ports
  const addresses = [
    ['clientPortAddress', listeners.clientPort === null ? null : listeners.clientAddress, true],
    ['secureClientPortAddress', listeners.secureClientPort === null ? null : listeners.secureClientAddress, true],
    ['admin.serverAddress', admin.enabled ? admin.address : null, isWanted],
    ['metricsProvider.httpHost', metrics.prometheusEnabled ? metrics.httpAddress : null, isWanted],
  ] as const;
  const notices: { notice: Notice; isFault: boolean }[] = [];
  for (const [key, host, isFault] of addresses) {
    if (host === null) {
      continue;
    }
    try {
      await resolve(host);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const text = `${key}=${host}: ${nameProblem(host, code ?? message)}`;
      notices.push({ notice: noticeOf(loaded, key, text), isFault });
    }
  }
  return notices;
}

/** The message begins with the setting that is to blame where it is another one than `otherwise`. */
function noticeOf({ settings }: LoadedConfig, otherwise: string, message: string): Notice {
  const named = settings.find(({ key }) => message.startsWith(`${key}=`) || message.startsWith(`${key}:`));
  const setting = named ?? settings.find(({ key }) => key === otherwise);
  return { origin: setting?.origin ?? { kind: 'default' }, key: setting?.key ?? otherwise, message };
}
