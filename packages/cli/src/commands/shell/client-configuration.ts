/** The file that zkCli takes as -client-configuration: Java properties, of which those about TLS matter here. */
import { readFileSync } from 'node:fs';
import type { TlsSettings } from '@treekeeper/client';
import { UsageError } from '../../terminal.ts';

const PREFIX = 'zookeeper.';

/** Empty when the file does not ask for TLS. @throws UsageError */
export function readClientConfiguration(file: string): TlsSettings {
  const properties = readProperties(file);
  if (properties.get('client.secure') !== 'true') {
    return {};
  }
  const keyStore = storeOf(file, 'keyStore', properties);
  const trustStore = storeOf(file, 'trustStore', properties);
  if (trustStore?.isPem === false) {
    throw new UsageError(
      `${file}: ssl.trustStore.location is no PEM file. Convert it: keytool -exportcert -rfc -keystore ` +
        `${trustStore.path} -alias NAME > ca.pem, and give it as --ca ca.pem`,
    );
  }
  const passphrase = properties.get('ssl.keyStore.password') ?? passwordIn(properties.get('ssl.keyStore.passwordPath'));
  return {
    ...(trustStore !== null && { caFile: trustStore.path }),
    ...(keyStore?.isPem === true && { certFile: keyStore.path, keyFile: keyStore.path }),
    ...(keyStore?.isPem === false && { pfxFile: keyStore.path }),
    ...(passphrase !== undefined && { passphrase }),
    ...(properties.get('ssl.hostnameVerification') === 'false' && { checkHostname: false }),
    minVersion: 'TLSv1.2',
  };
}

function storeOf(file: string, kind: string, properties: ReadonlyMap<string, string>) {
  const path = properties.get(`ssl.${kind}.location`);
  if (path === undefined) {
    return null;
  }
  const type = properties.get(`ssl.${kind}.type`)?.toUpperCase() ?? typeByName(path);
  if (type !== 'PEM' && type !== 'PKCS12') {
    throw new UsageError(
      `${file}: ssl.${kind}.location is a ${type} store; PEM and PKCS12 can be read. Convert it: keytool ` +
        `-importkeystore -srckeystore ${path} -destkeystore store.p12 -deststoretype PKCS12`,
    );
  }
  return { path, isPem: type === 'PEM' };
}

function typeByName(path: string): string {
  return path.endsWith('.pem') ? 'PEM' : /\.(p12|pfx)$/.test(path) ? 'PKCS12' : 'JKS';
}

function passwordIn(path: string | undefined): string | undefined {
  return path === undefined ? undefined : readText(path).trim();
}

function readProperties(file: string): Map<string, string> {
  const lines = readText(file).split(/\r?\n/);
  const properties = new Map<string, string>();
  for (const line of lines) {
    const match = /^\s*([^#!\s=:][^\s=:]*)\s*[=:]\s*(.*?)\s*$/.exec(line);
    if (match !== null) {
      properties.set(match[1].startsWith(PREFIX) ? match[1].slice(PREFIX.length) : match[1], match[2]);
    }
  }
  return properties;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}
