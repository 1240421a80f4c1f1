import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { subjectRfc2253 } from '../../src/host/distinguished-name.ts';
import { DerError, oidOf, readDer } from '../../src/host/key-store/der.ts';
import { readJks } from '../../src/host/key-store/jks.ts';
import { openStore, storeType } from '../../src/host/key-store/open-store.ts';
import { readPkcs12 } from '../../src/host/key-store/pkcs12.ts';
import { type StoreContents, StoreError } from '../../src/host/key-store/store.ts';
import { PASSWORD, storePath, storeText } from './tls-fixtures.ts';

const SERVER = 'CN=localhost,O=Acme,C=US';
const CA = 'CN=test ca,O=Acme,C=US';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'treekeeper-stores-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function open(name: string, password: string | null = PASSWORD, type: string | null = null): StoreContents {
  const location = storePath(name);
  return openStore(location, storeType(location, type), password, 'keyStore');
}

function trusted(name: string, password: string | null = PASSWORD): string[] {
  const location = storePath(name);
  return subjects(openStore(location, storeType(location, null), password, 'trustStore').trusted);
}

function subjects(certificates: readonly X509Certificate[]): string[] {
  return certificates.map((certificate) => subjectRfc2253(certificate.raw));
}

describe('key stores', () => {
  test.each([
    ['PEM, key last', 'server.pem'],
    ['PKCS12 of OpenSSL 3', 'server.p12'],
    ['PKCS12 of OpenSSL 1 and Java 8: RC2 and triple DES', 'server-legacy.p12'],
    ['PKCS12 of keytool', 'server-java.p12'],
    ['JKS', 'server.jks'],
  ])('%s: the same key with its chain', (_, name) => {
    const { keys } = open(name);
    expect(keys).toHaveLength(1);
    expect(subjects(keys[0].chain)).toEqual([SERVER, CA]);
    expect(keys[0].chain[0].checkPrivateKey(keys[0].key)).toBe(true);
    expect(keys[0].key.equals(open('server.pem').keys[0].key)).toBe(true);
  });

  test('an encrypted key in PEM', () => {
    const { keys } = open('server-encrypted.pem');
    expect(subjects(keys[0].chain)).toEqual([SERVER]);
    expect(keys[0].key.equals(open('server.pem').keys[0].key)).toBe(true);
  });

  test('a JKS store with two keys', () => {
    const { keys } = open('server-two-keys.jks');
    const kinds = keys.map(({ key, chain }) => `${key.asymmetricKeyType} ${subjects(chain)[0]}`);
    expect(kinds.sort()).toEqual([`ec ${SERVER}`, 'rsa CN=rsa']);
    for (const { key, chain } of keys) {
      expect(chain[0].checkPrivateKey(key)).toBe(true);
    }
  });

  test('the kind of a binary store is seen in it, whatever type or name it has', () => {
    expect(subjects(open('server.jks', PASSWORD, 'PKCS12').keys[0].chain)).toEqual([SERVER, CA]);
    expect(subjects(open('server.p12', PASSWORD, 'jks').keys[0].chain)).toEqual([SERVER, CA]);
  });
});

describe('trust stores', () => {
  test.each([
    ['PEM', 'ca.pem', null],
    ['PKCS12 of keytool', 'trust-java.p12', PASSWORD],
    ['PKCS12 of Java 8', 'trust-java8.p12', PASSWORD],
    ['PKCS12 of OpenSSL, without the mark of Java', 'trust-openssl.p12', PASSWORD],
    ['PKCS12 without a password', 'trust-open.p12', null],
    ['JKS', 'trust.jks', PASSWORD],
    ['JKS without a password: not checked', 'trust.jks', null],
  ])('%s', (_, name, password) => {
    expect(trusted(name, password)).toEqual([CA]);
  });

  test('a store with a key: trusted are marked certificates and the own one, not the chain', () => {
    expect(trusted('server-java.p12').sort()).toEqual([SERVER, CA].sort());
    expect(trusted('server.p12')).toEqual([SERVER]);
    expect(trusted('server.jks').sort()).toEqual([SERVER, CA].sort());
  });

  test('keys in it need not be readable', () => {
    expect(trusted('server.jks', null).sort()).toEqual([SERVER, CA].sort());
    expect(trusted('server-own-password.jks').sort()).toEqual([SERVER, CA].sort());
    expect(trusted('server-encrypted.pem', null)).toEqual([SERVER]);
  });
});

describe('what cannot be opened says why', () => {
  test.each([
    ['server.jks', 'wrong', /password is wrong, or the JKS store is damaged/],
    ['server.jks', null, /private key "1" and no password/],
    ['server.p12', 'wrong', /password is wrong, or the PKCS12 store is damaged/],
    ['server.p12', null, /it has a password and none is set/],
    ['server-legacy.p12', 'wrong', /password is wrong/],
    ['trust-java.p12', '', /password is wrong/],
    ['server-encrypted.pem', null, /encrypted and no password is set/],
    ['server-encrypted.pem', 'wrong', /cannot be decrypted: the password is wrong/],
    ['server-own-password.jks', PASSWORD, /password other than the store's.*keytool -keypasswd/],
    ['crl.pem', null, /no certificate and no private key in PEM form/],
  ])('%s with password %s', (name, password, message) => {
    expect(() => open(name, password)).toThrow(message);
    expect(() => open(name, password)).toThrow(StoreError);
  });

  test.each([
    ['store.bcfks', null, /BCFKS.*keytool -importkeystore/],
    ['store.jks', 'BCFKS', /BCFKS/],
    ['store', null, /name the type in the setting/],
    ['store.txt', null, /name the type in the setting/],
    ['store.pem', 'PKCS11', /"PKCS11" is not one of PEM, PKCS12, JKS/],
  ])('the type of %s, configured as %s', (name, type, message) => {
    expect(() => storeType(name, type)).toThrow(message);
  });

  test.each([
    ['pem in disguise', storeText('ca.pem'), /PEM file, not JKS/],
    ['jceks', Buffer.from('cececece00000002', 'hex'), /JCEKS.*keytool -importkeystore/],
    ['text', 'hello', /neither a PKCS12 nor a JKS/],
    ['nothing', '', /empty/],
  ])('%s', (_, content, message) => {
    const location = join(folder, 'odd.jks');
    writeFileSync(location, content);
    expect(() => openStore(location, 'JKS', PASSWORD, 'keyStore')).toThrow(message);
  });

  test('a key without its certificate', () => {
    const key = storeText('server.pem').replace(/-----BEGIN CERTIFICATE[\s\S]*END CERTIFICATE-----/g, '');
    const location = join(folder, 'lonely.pem');
    writeFileSync(location, key + storeText('client.pem').replace(/-----BEGIN PRIVATE[\s\S]*END PRIVATE KEY-----/, ''));
    expect(() => openStore(location, 'PEM', null, 'keyStore')).toThrow(
      /no certificate in the file belongs to its private key/,
    );
  });

  test('types go by file name or by setting, in any case', () => {
    expect(['a.pem', 'a.b.P12', 'x/a.pfx', 'a.jks'].map((name) => storeType(name, null))).toEqual([
      'PEM',
      'PKCS12',
      'PKCS12',
      'JKS',
    ]);
    expect(storeType('a.jks', 'pkcs12')).toBe('PKCS12');
  });
});

describe('damaged stores', () => {
  const stores: [string, (bytes: Buffer) => StoreContents][] = [
    ['server.jks', (bytes) => readJks(bytes, null, 'trustStore')],
    ['trust.jks', (bytes) => readJks(bytes, null, 'trustStore')],
    ['trust-open.p12', (bytes) => readPkcs12(bytes, null)],
    ['trust-java8.p12', (bytes) => readPkcs12(bytes, PASSWORD)],
  ];
  test.each(stores)('%s cut short or with bytes changed: read or refused, never another error', (name, read) => {
    const whole = readFileSync(storePath(name));
    const damage = fc.record({
      at: fc.nat(whole.length - 1),
      byte: fc.nat(255),
      length: fc.integer({ min: 0, max: whole.length }),
    });
    fc.assert(
      fc.property(damage, ({ at, byte, length }) => {
        const bytes = Buffer.from(whole);
        bytes[at] = byte;
        try {
          read(bytes.subarray(0, length));
        } catch (error) {
          expect(error instanceof StoreError || error instanceof DerError, String(error)).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('DER', () => {
  test('object identifiers', () => {
    const oid = (hex: string) => oidOf(readDer(Buffer.from(hex, 'hex')), 'test');
    expect(oid('06032a0304')).toBe('1.2.3.4');
    expect(oid('06062a864886f70d')).toBe('1.2.840.113549');
    expect(oid('0603883703')).toBe('2.999.3');
  });

  test('lengths', () => {
    expect(readDer(Buffer.from('0482000161', 'hex')).content.toString()).toBe('a');
    expect(() => readDer(Buffer.from('0480', 'hex'))).toThrow(/indefinite/);
    expect(() => readDer(Buffer.from('040261', 'hex'))).toThrow(/longer than the data/);
    expect(() => readDer(Buffer.from('04', 'hex'))).toThrow(/ends in the middle/);
  });
});

describe('subjects in RFC 2253 form', () => {
  test('as Java prints a subject with all that needs care', () => {
    const certificate = new X509Certificate(storeText('names.pem'));
    expect(subjectRfc2253(certificate.raw)).toBe(storeText('names.java.txt').trimEnd());
  });

  test('as it stands in ACLs', () => {
    expect(subjectRfc2253(new X509Certificate(storeText('client.pem')).raw)).toBe('CN=client one,O=Acme,C=US');
  });

  test('bytes that are no certificate', () => {
    expect(() => subjectRfc2253(Buffer.from('3000', 'hex'))).toThrow(DerError);
    expect(() => subjectRfc2253(Buffer.from('hello'))).toThrow(DerError);
  });
});
