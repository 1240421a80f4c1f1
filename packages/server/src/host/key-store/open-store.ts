/** Opening a store: PEM, PKCS12 or JKS, by the configured type or by file name as ZooKeeper does. */
import { readFileSync } from 'node:fs';
import { readJks } from './jks.ts';
import { readPem } from './pem.ts';
import { readPkcs12 } from './pkcs12.ts';
import { type StoreContents, StoreError, type StorePurpose } from './store.ts';

export type StoreType = 'PEM' | 'PKCS12' | 'JKS';

const extensions: Readonly<Record<string, StoreType>> = { pem: 'PEM', p12: 'PKCS12', pfx: 'PKCS12', jks: 'JKS' };

/**
 * @param type the configured type, null to go by the file name
 * @throws StoreError for types nobody knows, and for BCFKS
 */
export function storeType(location: string, type: string | null): StoreType {
  const name = type ?? /\.([^./\\]+)$/.exec(location)?.[1] ?? '';
  const upper = name.toUpperCase();
  if (upper === 'BCFKS') {
    throw new StoreError(
      'BCFKS stores need the Bouncy Castle library of Java and are not supported; convert it: ' +
        'keytool -importkeystore -srcstoretype BCFKS -srckeystore <file> -deststoretype PKCS12 ' +
        '-destkeystore <file>.p12 (with the provider options that it was made with)',
    );
  }
  if (type === null) {
    const found = extensions[name.toLowerCase()];
    if (found !== undefined) {
      return found;
    }
    throw new StoreError('the file name does not end in .pem, .p12, .pfx or .jks; name the type in the setting');
  }
  if (upper === 'PEM' || upper === 'PKCS12' || upper === 'JKS') {
    return upper;
  }
  throw new StoreError(`the type "${type}" is not one of PEM, PKCS12, JKS`);
}

/**
 * Reads a store. PKCS12 and JKS are told apart by their first bytes, because Java takes one for the other too and
 * keytool has written PKCS12 under any file name since Java 9.
 *
 * @param password null when none is configured
 * @throws StoreError or DerError; file system errors as they come
 */
export function openStore(
  location: string,
  type: StoreType,
  password: string | null,
  purpose: StorePurpose,
): StoreContents {
  const bytes = readFileSync(location);
  if (bytes.length === 0) {
    throw new StoreError('the file is empty');
  }
  if (type === 'PEM') {
    return readPem(bytes.toString('utf8'), password, purpose);
  }
  const magic = bytes.length >= 4 ? bytes.readUInt32BE(0) : 0;
  if (magic === 0xfeedfeed) {
    return readJks(bytes, password, purpose);
  }
  if (magic === 0xcececece) {
    throw new StoreError(
      'this is a JCEKS store; convert it: keytool -importkeystore -srcstoretype JCEKS -srckeystore <file> ' +
        '-deststoretype PKCS12 -destkeystore <file>.p12',
    );
  }
  if (bytes[0] === 0x30) {
    return readPkcs12(bytes, password);
  }
  if (bytes.includes('-----BEGIN ')) {
    throw new StoreError(`this is a PEM file, not ${type}; set the type to PEM`);
  }
  throw new StoreError(`this is neither a PKCS12 nor a JKS store`);
}
