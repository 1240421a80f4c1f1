import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openSslCipher } from '../../src/host/cipher-suites.ts';
import { createTlsServerOptions, loadTls, TlsError, type TlsOptions } from '../../src/host/tls.ts';
import { PASSWORD, storePath, storeText, tlsOptions } from './tls-fixtures.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'treekeeper-tls-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function context(changes: Partial<TlsOptions>) {
  return loadTls(tlsOptions(changes)).contextOptions;
}

describe('protocols', () => {
  test.each<[Partial<TlsOptions>, string, string]>([
    [{}, 'TLSv1.2', 'TLSv1.3'],
    [{ protocol: 'TLSv1.3' }, 'TLSv1.2', 'TLSv1.3'],
    [{ protocol: 'TLSv1.2' }, 'TLSv1.2', 'TLSv1.2'],
    [{ enabledProtocols: ['TLSv1.3'] }, 'TLSv1.3', 'TLSv1.3'],
    [{ protocol: 'TLSv1.2', enabledProtocols: ['TLSv1.3', 'TLSv1.2'] }, 'TLSv1.2', 'TLSv1.3'],
  ])('%j', (changes, minVersion, maxVersion) => {
    expect(context(changes)).toMatchObject({ minVersion, maxVersion });
  });

  test('broken protocols stay off, with a warning; alone they are an error, as are unknown ones', () => {
    const material = loadTls(tlsOptions({ enabledProtocols: ['TLSv1', 'TLSv1.2'] }));
    expect(material.contextOptions).toMatchObject({ minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' });
    expect(material.warnings).toEqual(['ssl.enabledProtocols=TLSv1,TLSv1.2: TLSv1 is broken and stays off']);
    expect(() => context({ enabledProtocols: ['TLSv1.1'] })).toThrow(/none of these is supported/);
    expect(() => context({ protocol: 'QUIC' })).toThrow(/ssl\.protocol=QUIC: "QUIC" is not a protocol/);
  });
});

describe('cipher suites', () => {
  test.each([
    ['TLS_AES_128_GCM_SHA256', 'TLS_AES_128_GCM_SHA256'],
    ['TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
    ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'ECDHE-RSA-AES128-GCM-SHA256'],
    ['TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256', 'ECDHE-RSA-AES128-SHA256'],
    ['TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA', 'ECDHE-ECDSA-AES256-SHA'],
    ['TLS_DHE_RSA_WITH_AES_256_GCM_SHA384', 'DHE-RSA-AES256-GCM-SHA384'],
    ['TLS_RSA_WITH_AES_128_CBC_SHA', 'AES128-SHA'],
    ['SSL_RSA_WITH_AES_256_GCM_SHA384', 'AES256-GCM-SHA384'],
    ['TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256', 'ECDHE-RSA-CHACHA20-POLY1305'],
    ['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256'],
    ['TLS_EMPTY_RENEGOTIATION_INFO_SCSV', ''],
    ['TLS_RSA_WITH_NULL_MD5', undefined],
    ['nonsense', undefined],
  ])('%s is %s', (java, openSsl) => {
    expect(openSslCipher(java)).toBe(openSsl);
  });

  test('OpenSSL takes them', () => {
    const { ciphers } = context({
      cipherSuites: [
        'TLS_DHE_RSA_WITH_AES_128_GCM_SHA256',
        'TLS_AES_256_GCM_SHA384',
        'TLS_EMPTY_RENEGOTIATION_INFO_SCSV',
      ],
    });
    expect(ciphers).toBe('DHE-RSA-AES128-GCM-SHA256:TLS_AES_256_GCM_SHA384');
    expect(() => createSecureContext({ ciphers })).not.toThrow();
  });

  test('unknown ones are named', () => {
    expect(() => context({ cipherSuites: ['TLS_RSA_WITH_NULL_MD5'] })).toThrow(
      /ssl\.ciphersuites: "TLS_RSA_WITH_NULL_MD5" is not a cipher suite/,
    );
    expect(() => context({ cipherSuites: [] })).toThrow(/names no cipher suite/);
  });

  test('suites that no enabled protocol can use are an error', () => {
    const suites = ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'];
    expect(() => context({ enabledProtocols: ['TLSv1.3'], cipherSuites: suites })).toThrow(
      /TLSv1\.3.*ssl\.ciphersuites/,
    );
    expect(() => context({ protocol: 'TLSv1.2', cipherSuites: ['TLS_AES_128_GCM_SHA256'] })).toThrow(
      /TLSv1\.2.*ssl\.ciphersuites/,
    );
  });
});

describe('passwords', () => {
  test('from a file, whose last line end does not count; the file wins', () => {
    const keyStorePasswordFile = file('password', `${PASSWORD}\n`);
    const material = loadTls(
      tlsOptions({ keyStoreFile: storePath('server.p12'), keyStorePassword: 'wrong', keyStorePasswordFile }),
    );
    expect(material.files).toEqual([storePath('server.p12'), keyStorePasswordFile, storePath('ca.pem')]);
  });
});

describe('client authentication', () => {
  test.each([
    ['need', true, true],
    ['want', true, false],
    ['none', false, false],
  ] as const)('%s', (clientAuth, requestCert, rejectUnauthorized) => {
    const material = loadTls(tlsOptions({ clientAuth }));
    expect(createTlsServerOptions(material)).toMatchObject({ requestCert, rejectUnauthorized });
  });

  test('host names of clients are checked when both settings say so', () => {
    const verifies = (changes: Partial<TlsOptions>) => loadTls(tlsOptions(changes)).verifyClientHostname;
    expect(verifies({ verifyClientHostname: true })).toBe(true);
    expect(verifies({ verifyClientHostname: true, verifyHostname: false })).toBe(false);
    expect(verifies({ verifyClientHostname: true, clientAuth: 'none' })).toBe(false);
    expect(verifies({})).toBe(false);
  });

  test('without a trust store: a warning where it matters', () => {
    expect(loadTls(tlsOptions({ trustStoreFile: null })).warnings.join()).toMatch(
      /ssl\.trustStore\.location is not set/,
    );
    expect(loadTls(tlsOptions({ trustStoreFile: null, clientAuth: 'none' })).warnings).toEqual([]);
  });
});

describe('trusted certificates without their issuer', () => {
  test('are of no use to OpenSSL, and a warning says so', () => {
    const trustStoreFile = file('trusted-leaf.pem', storeText('client.pem') + storeText('other.pem'));
    expect(loadTls(tlsOptions({ trustStoreFile })).warnings).toEqual([
      `ssl.trustStore.location=${trustStoreFile}: "C=US, O=Acme, CN=client one" is of no use without its issuer, ` +
        '"C=US, O=Acme, CN=test ca": add that, up to the root',
    ]);
    expect(loadTls(tlsOptions()).warnings).toEqual([]);
  });
});

describe('what cannot work says which setting, which file and why', () => {
  test.each<[string, Partial<TlsOptions>, RegExp]>([
    ['no key store', { keyStoreFile: null }, /^ssl\.keyStore\.location is not set/],
    [
      'no such file',
      { keyStoreFile: '/nowhere/a.pem' },
      /^ssl\.keyStore\.location=\/nowhere\/a\.pem: .*does not exist/,
    ],
    ['a folder', { keyStoreFile: '/', keyStoreType: 'PEM' }, /^ssl\.keyStore\.location=\/: the file cannot be read/],
    [
      'wrong password',
      { keyStoreFile: storePath('server.jks'), keyStorePassword: 'x' },
      /^ssl\.keyStore\.location=.*server\.jks: the password is wrong.*ssl\.keyStore\.password or \.passwordPath/,
    ],
    [
      'no password file',
      { keyStorePasswordFile: '/nowhere/p' },
      /^ssl\.keyStore\.passwordPath=\/nowhere\/p: .*not exist/,
    ],
    [
      'no key in the key store',
      { keyStoreFile: storePath('ca.pem') },
      /^ssl\.keyStore\.location=.*it holds no private key/,
    ],
    [
      'bad trust store',
      { trustStoreFile: storePath('crl.pem') },
      /^ssl\.trustStore\.location=.*crl\.pem: no certificate/,
    ],
    ['type unknown', { trustStoreFile: '/x/store' }, /^ssl\.trustStore\.location=\/x\/store: .*name the type/],
    ['BCFKS', { keyStoreType: 'BCFKS' }, /^ssl\.keyStore\.location=.*BCFKS stores need/],
    ['OCSP', { checkOcsp: true }, /^ssl\.ocsp=true: .*not supported/],
    ['CRL without lists', { checkRevocationLists: true }, /^ssl\.crl=true: no revocation list at hand/],
    ['CRL without a trust store', { checkRevocationLists: true, trustStoreFile: null }, /^ssl\.crl=true/],
  ])('%s', (_, changes, message) => {
    expect(() => loadTls(tlsOptions(changes))).toThrow(message);
    expect(() => loadTls(tlsOptions(changes))).toThrow(TlsError);
  });

  test('with the prefix of the settings', () => {
    expect(() => loadTls(tlsOptions({ keyStoreFile: null }), 'ssl.quorum')).toThrow(/^ssl\.quorum\.keyStore\.location/);
  });

  test('a damaged PKCS12 store', () => {
    const damaged = file('damaged.p12', '0abc');
    expect(() => loadTls(tlsOptions({ keyStoreFile: damaged }))).toThrow(/damaged\.p12: the store is damaged/);
  });

  test('revocation lists stand in the PEM trust store', () => {
    const trustStoreFile = file('trust-with-crl.pem', storeText('ca.pem') + storeText('crl.pem'));
    expect(context({ trustStoreFile, checkRevocationLists: true }).crl).toHaveLength(1);
  });

  test('several keys of one kind: a warning', () => {
    const keyStoreFile = file('two.pem', storeText('server.pem') + storeText('client.pem'));
    expect(loadTls(tlsOptions({ keyStoreFile })).warnings).toEqual([
      `ssl.keyStore.location=${keyStoreFile}: it holds several ec keys; the first is used`,
    ]);
  });
});
