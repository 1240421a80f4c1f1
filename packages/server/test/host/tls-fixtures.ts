import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { TlsOptions } from '../../src/host/tls.ts';

/** Stores made by keytool and openssl; see tls-stores/make.sh. */
export function storePath(name: string): string {
  return fileURLToPath(new URL(`./tls-stores/${name}`, import.meta.url));
}

export function storeText(name: string): string {
  return readFileSync(storePath(name), 'utf8');
}

export const PASSWORD = 'changeit';

export function tlsOptions(changes: Partial<TlsOptions> = {}): TlsOptions {
  return {
    keyStoreFile: storePath('server.pem'),
    keyStorePassword: null,
    keyStorePasswordFile: null,
    keyStoreType: null,
    trustStoreFile: storePath('ca.pem'),
    trustStorePassword: null,
    trustStorePasswordFile: null,
    trustStoreType: null,
    protocol: null,
    enabledProtocols: null,
    cipherSuites: null,
    clientAuth: 'need',
    verifyHostname: true,
    verifyClientHostname: false,
    allowReverseDnsLookup: false,
    checkRevocationLists: false,
    checkOcsp: false,
    handshakeDetectionTimeoutMs: 5000,
    ...changes,
  };
}
