/**
 * TLS for the client ports (client-protocol.md §2.10): ZooKeeper's settings and stores become Node's options. Loaded
 * only when TLS is configured, because node:tls costs start-up time.
 */
import { createHash, type X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContextOptions, type TlsOptions as TlsServerOptions } from 'node:tls';
import { openSslCipher } from './cipher-suites.ts';
import { DerError } from './key-store/der.ts';
import { openStore, storeType } from './key-store/open-store.ts';
import { pemBlocks } from './key-store/pem.ts';
import { type StoreContents, StoreError, type StorePurpose } from './key-store/store.ts';

/** The settings `ssl.*`, `ssl.quorum.*` or `metricsProvider.ssl.*`; null where one is not set. */
export interface TlsOptions {
  readonly keyStoreFile: string | null;
  readonly keyStorePassword: string | null;
  /** A file that holds the password; it wins. */
  readonly keyStorePasswordFile: string | null;
  /** PEM, PKCS12 or JKS; null: by the file's name. */
  readonly keyStoreType: string | null;
  readonly trustStoreFile: string | null;
  readonly trustStorePassword: string | null;
  readonly trustStorePasswordFile: string | null;
  readonly trustStoreType: string | null;
  readonly protocol: string | null;
  /** Null: follows `protocol`. */
  readonly enabledProtocols: readonly string[] | null;
  /** IANA names as Java writes them, or OpenSSL's; null: Node's defaults. */
  readonly cipherSuites: readonly string[] | null;
  readonly clientAuth: 'none' | 'want' | 'need';
  readonly verifyHostname: boolean;
  /** Works only together with `verifyHostname`, as in ZooKeeper. */
  readonly verifyClientHostname: boolean;
  readonly allowReverseDnsLookup: boolean;
  readonly checkRevocationLists: boolean;
  readonly checkOcsp: boolean;
  readonly handshakeDetectionTimeoutMs: number;
}

/** What a TLS server needs, read from the stores once. A changed store makes a new material. */
export interface TlsMaterial {
  readonly contextOptions: SecureContextOptions;
  readonly clientAuth: 'none' | 'want' | 'need';
  /** The certificate of a client must name the address that it comes from. */
  readonly verifyClientHostname: boolean;
  /** ... or a name that the address resolves to. */
  readonly allowReverseDnsLookup: boolean;
  /** How long a unified port waits for the first bytes. */
  readonly handshakeDetectionTimeoutMs: number;
  /** The files it was made from, and a digest of what was in them. */
  readonly files: readonly string[];
  readonly fingerprint: string;
  /** What the operator should know; nothing here stops the server. */
  readonly warnings: readonly string[];
}

/** The TLS settings cannot be used. The message names the setting and the file, and says what to do. */
export class TlsError extends Error {
  override readonly name = 'TlsError';
}

/** Netty's default, which ZooKeeper's TLS port has. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
const modernProtocols: Readonly<Record<string, Version>> = { 'TLSv1.2': 'TLSv1.2', 'TLSv1.3': 'TLSv1.3' };
const oldProtocols: ReadonlySet<string> = new Set(['SSLv2Hello', 'SSLv3', 'TLSv1', 'TLSv1.1']);

/**
 * Reads the stores and checks everything that can be checked before the first client comes.
 *
 * @param prefix how the settings are called in zoo.cfg, for messages: `ssl`, `ssl.quorum`, `metricsProvider.ssl`
 * @throws TlsError
 */
export function loadTls(options: TlsOptions, prefix = 'ssl'): TlsMaterial {
  const warnings: string[] = [];
  if (options.keyStoreFile === null) {
    throw new TlsError(
      `${prefix}.keyStore.location is not set: a TLS port needs a key store with the server's key and certificate`,
    );
  }
  const files = filesOf(options);
  const fingerprint = fingerprintOf(files);
  const protocols = protocolOptions(options, prefix, warnings);
  const context: SecureContextOptions = {
    ...keyOptions(
      loadStore(options, 'keyStore', prefix),
      `${prefix}.keyStore.location=${options.keyStoreFile}`,
      warnings,
    ),
    ...trustOptions(options, prefix, warnings),
    ...protocols,
    ...cipherOptions(options, protocols, prefix),
    honorCipherOrder: true,
    // Without one, OpenSSL refuses to resume sessions in which the client has shown a certificate.
    sessionIdContext: fingerprint.slice(0, 32),
  };
  try {
    createSecureContext(context);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TlsError(`${prefix}.*: OpenSSL refuses the TLS settings: ${reason}`);
  }
  return {
    contextOptions: context,
    clientAuth: options.clientAuth,
    verifyClientHostname: options.verifyHostname && options.verifyClientHostname && options.clientAuth !== 'none',
    allowReverseDnsLookup: options.allowReverseDnsLookup,
    handshakeDetectionTimeoutMs: options.handshakeDetectionTimeoutMs,
    files,
    fingerprint,
    warnings,
  };
}

/**
 * Options for `tls.createServer` or `https.createServer`. With 'want' Node lets clients in whose certificate does not
 * verify: whoever uses these directly must look at `socket.authorized` (TlsAcceptor does).
 */
export function createTlsServerOptions(material: TlsMaterial): TlsServerOptions {
  return {
    ...material.contextOptions,
    requestCert: material.clientAuth !== 'none',
    rejectUnauthorized: material.clientAuth === 'need',
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  };
}

/** The files that make up the material, password files included. */
function filesOf(options: TlsOptions): string[] {
  const { keyStoreFile, keyStorePasswordFile, trustStoreFile, trustStorePasswordFile } = options;
  const files = [keyStoreFile, keyStorePasswordFile, trustStoreFile, trustStorePasswordFile];
  return files.filter((file) => file !== null);
}

/** A digest of what is in the files; a file that cannot be read counts as empty. */
export function fingerprintOf(files: readonly string[]): string {
  const hash = createHash('sha256');
  for (const file of files) {
    const bytes = readIfPossible(file);
    hash.update(`${bytes.length} `).update(bytes);
  }
  return hash.digest('hex');
}

function readIfPossible(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch {
    return Buffer.alloc(0); // whoever needs the file will say what is wrong with it
  }
}

function loadStore(options: TlsOptions, kind: StorePurpose, prefix: string): StoreContents {
  const location = options[`${kind}File`] ?? '';
  const setting = `${prefix}.${kind}.location=${location}`;
  const password = passwordOf(options, kind, prefix);
  try {
    return openStore(location, storeType(location, options[`${kind}Type`]), password, kind);
  } catch (error) {
    if (error instanceof StoreError) {
      const hint = /password/.test(error.message) ? ` (set by ${prefix}.${kind}.password or .passwordPath)` : '';
      throw new TlsError(`${setting}: ${error.message}${hint}`);
    }
    if (error instanceof DerError) {
      throw new TlsError(`${setting}: the store is damaged: ${error.message}`);
    }
    throw new TlsError(`${setting}: the file cannot be read: ${systemReason(error)}`);
  }
}

function passwordOf(options: TlsOptions, kind: StorePurpose, prefix: string): string | null {
  const file = options[`${kind}PasswordFile`];
  if (file === null) {
    return options[`${kind}Password`];
  }
  try {
    return readFileSync(file, 'utf8').replace(/[\r\n]+$/, '');
  } catch (error) {
    throw new TlsError(`${prefix}.${kind}.passwordPath=${file}: the file cannot be read: ${systemReason(error)}`);
  }
}

function systemReason(error: unknown): string {
  if (!(error instanceof Error)) {
    return String(error);
  }
  return 'code' in error && error.code === 'ENOENT' ? 'it does not exist' : error.message;
}

function keyOptions(store: StoreContents, setting: string, warnings: string[]): SecureContextOptions {
  const byType = new Map<string | undefined, StoreContents['keys'][number]>();
  for (const entry of store.keys) {
    const type = entry.key.asymmetricKeyType;
    // OpenSSL serves one certificate of each kind of key.
    if (!byType.has(type)) {
      byType.set(type, entry);
    } else {
      warnings.push(`${setting}: it holds several ${type} keys; the first is used`);
    }
  }
  if (byType.size === 0) {
    throw new TlsError(`${setting}: it holds no private key; the key store needs the server's own key and certificate`);
  }
  const entries = [...byType.values()];
  for (const { chain } of entries) {
    const { subject, validTo } = chain[0];
    if (Date.parse(validTo) < Date.now()) {
      warnings.push(`${setting}: the certificate of "${oneLine(subject)}" expired on ${validTo}`);
    }
  }
  return {
    key: entries.map(({ key }) => key.export({ type: 'pkcs8', format: 'pem' })),
    cert: entries.map(({ chain }) => chain.map((certificate) => certificate.toString()).join('')),
  };
}

/** Node writes each part of a name on a line of its own. */
function oneLine(name: string): string {
  return name.replaceAll('\n', ', ');
}

function trustOptions(options: TlsOptions, prefix: string, warnings: string[]): SecureContextOptions {
  if (options.checkOcsp) {
    throw new TlsError(
      `${prefix}.ocsp=true: asking OCSP responders is not supported; use revocation lists (${prefix}.crl)`,
    );
  }
  if (options.trustStoreFile === null) {
    if (options.checkRevocationLists) {
      throw noRevocationList(prefix);
    }
    // An empty list spares OpenSSL the reading of the public authorities.
    if (options.clientAuth === 'none') {
      return { ca: [] };
    }
    warnings.push(
      `${prefix}.trustStore.location is not set: clients may come with a certificate of any authority that Node trusts`,
    );
    return {};
  }
  const setting = `${prefix}.trustStore.location=${options.trustStoreFile}`;
  const { trusted } = loadStore(options, 'trustStore', prefix);
  if (trusted.length === 0) {
    throw new TlsError(`${setting}: it holds no trusted certificate`);
  }
  const isIssued = (certificate: X509Certificate) => trusted.some((issuer) => certificate.checkIssued(issuer));
  for (const orphan of trusted.filter((certificate) => !isIssued(certificate))) {
    // Java trusts such a certificate by itself. OpenSSL can too, but the servers of Node 20 do not pass the option on.
    warnings.push(
      `${setting}: "${oneLine(orphan.subject)}" is of no use without its issuer, "${oneLine(orphan.issuer)}": ` +
        'add that, up to the root',
    );
  }
  return {
    ca: trusted.map((certificate) => certificate.toString()),
    ...(options.checkRevocationLists && { crl: revocationLists(options.trustStoreFile, prefix) }),
  };
}

/** Java fetches lists from where certificates say they are; OpenSSL wants them at hand. */
function revocationLists(trustStoreFile: string, prefix: string): string[] {
  const lists = pemBlocks(readFileSync(trustStoreFile, 'latin1'), (label) => label === 'X509 CRL');
  if (lists.length === 0) {
    throw noRevocationList(prefix);
  }
  return lists;
}

function noRevocationList(prefix: string): TlsError {
  return new TlsError(
    `${prefix}.crl=true: no revocation list at hand. Lists are not fetched: append those of all authorities in PEM ` +
      `form (-----BEGIN X509 CRL-----) to a PEM file that ${prefix}.trustStore.location names`,
  );
}

type Version = 'TLSv1.2' | 'TLSv1.3';

interface Protocols {
  readonly minVersion: Version;
  readonly maxVersion: Version;
}

function protocolOptions(options: TlsOptions, prefix: string, warnings: string[]): Protocols {
  const named = options.enabledProtocols ?? protocolsFollowing(options.protocol);
  const setting = `${prefix}.${options.enabledProtocols === null ? 'protocol' : 'enabledProtocols'}=${named.join(',')}`;
  const versions: Version[] = [];
  for (const name of named) {
    const version = modernProtocols[name];
    if (version !== undefined) {
      versions.push(version);
    } else if (oldProtocols.has(name)) {
      warnings.push(`${setting}: ${name} is broken and stays off`);
    } else {
      throw new TlsError(`${setting}: "${name}" is not a protocol; TLSv1.2 and TLSv1.3 are supported`);
    }
  }
  if (versions.length === 0) {
    throw new TlsError(`${setting}: none of these is supported; use TLSv1.2 and TLSv1.3`);
  }
  versions.sort();
  return { minVersion: versions[0], maxVersion: versions[versions.length - 1] };
}

function protocolsFollowing(protocol: string | null): readonly string[] {
  return protocol === null || protocol === 'TLS' || protocol === 'TLSv1.3' ? ['TLSv1.2', 'TLSv1.3'] : [protocol];
}

function cipherOptions(options: TlsOptions, protocols: Protocols, prefix: string): SecureContextOptions {
  if (options.cipherSuites === null) {
    return {};
  }
  const ciphers: string[] = [];
  for (const suite of options.cipherSuites) {
    const cipher = openSslCipher(suite);
    if (cipher === undefined) {
      throw new TlsError(
        `${prefix}.ciphersuites: "${suite}" is not a cipher suite of this Node (tls.getCiphers() lists them)`,
      );
    }
    if (cipher !== '') {
      ciphers.push(cipher);
    }
  }
  if (ciphers.length === 0) {
    throw new TlsError(`${prefix}.ciphersuites: the list names no cipher suite`);
  }
  const { minVersion, maxVersion } = protocols;
  // Suites of TLS 1.3 keep their IANA names in OpenSSL, and no others do.
  const isUsable = (cipher: string) =>
    cipher.startsWith('TLS_') ? maxVersion === 'TLSv1.3' : minVersion === 'TLSv1.2';
  if (!ciphers.some(isUsable)) {
    throw new TlsError(`${maxVersion} is the only protocol, and ${prefix}.ciphersuites has no suite for it`);
  }
  const finite = ciphers.some((cipher) => cipher.startsWith('DHE-'));
  return { ciphers: ciphers.join(':'), ...(finite && { dhparam: 'auto' }) };
}
