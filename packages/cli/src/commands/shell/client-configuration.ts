/** The file that zkCli takes as -client-configuration: Java properties, of which those about TLS matter here. */
import { readFileSync } from 'node:fs';
import type { TlsSettings } from '@treekeeper/client';
import { openStore, type StoreContents, type StorePurpose, storeType } from '@treekeeper/server/key-store';
import { UsageError } from '../../terminal.ts';

const PREFIX = 'zookeeper.';

/** Empty when the file does not ask for TLS. @throws UsageError */
export function readClientConfiguration(file: string): TlsSettings {
  const properties = readProperties(file);
  if (properties.get('client.secure') !== 'true') {
    return {};
  }
  return {
    ...trustOf(storeOf(file, 'trustStore', properties)),
    ...identityOf(storeOf(file, 'keyStore', properties)),
    ...(properties.get('ssl.hostnameVerification') === 'false' && { checkHostname: false }),
    minVersion: 'TLSv1.2',
  };
}

/** PEM files are for Node.js to read; of others there is what was in them. */
interface Store {
  readonly path: string;
  readonly password: string | undefined;
  /** Null: a PEM file. */
  readonly contents: StoreContents | null;
}

function storeOf(file: string, kind: StorePurpose, properties: ReadonlyMap<string, string>): Store | null {
  const path = properties.get(`ssl.${kind}.location`);
  if (path === undefined) {
    return null;
  }
  const password = properties.get(`ssl.${kind}.password`) ?? passwordIn(properties.get(`ssl.${kind}.passwordPath`));
  try {
    const type = storeType(path, properties.get(`ssl.${kind}.type`) ?? null);
    const contents = type === 'PEM' ? null : openStore(path, type, password ?? null, kind);
    if (kind === 'keyStore' && contents?.keys.length === 0) {
      throw new Error('there is no key in it');
    }
    return { path, password, contents };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`${file}: ssl.${kind}.location ${path}: ${reason}`);
  }
}

function trustOf(store: Store | null): TlsSettings {
  if (store === null) {
    return {};
  }
  const { path, contents } = store;
  return contents === null ? { caFile: path } : { ca: contents.trusted.map((certificate) => certificate.toString()) };
}

function identityOf(store: Store | null): TlsSettings {
  if (store === null) {
    return {};
  }
  const { path, password, contents } = store;
  const [entry] = contents?.keys ?? [];
  if (entry === undefined) {
    return { certFile: path, keyFile: path, ...(password !== undefined && { passphrase: password }) };
  }
  return {
    cert: entry.chain.map((certificate) => certificate.toString()).join(''),
    key: entry.key.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
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
