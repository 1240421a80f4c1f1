/** What a server would stop at, seen without starting one. */
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { preflight } from '../../src/wiring/preflight.ts';
import { ConfigDirectory } from '../config/support.ts';
import { storePath, storeText } from '../host/tls-fixtures.ts';

let directory: ConfigDirectory;
beforeEach(() => {
  directory = new ConfigDirectory();
});
afterEach(() => directory.remove());

const everythingIsFound = () => Promise.resolve();
const nothingIsFound = () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' }));

/** Faults and warnings of a standalone server with these lines, from line 3 of its file on. */
async function found(lines: string, resolve: () => Promise<unknown> = everythingIsFound) {
  const loaded = directory.load(`clientPort=0\n${lines}`);
  const { faults, warnings } = await preflight(loaded, resolve);
  return { faults: directory.shown(faults), warnings: directory.shown(warnings) };
}

const CLEAN = { faults: [], warnings: [] };
const TLS = `secureClientPort=0\nssl.clientAuth=none\nssl.keyStore.location=`;

describe('key stores', () => {
  test('that are good, and those that nothing uses, are passed over', async () => {
    expect(await found(`${TLS}${storePath('server.pem')}`)).toEqual(CLEAN);
    expect(await found(`ssl.keyStore.location=${directory.write('a.pem', 'no key')}`)).toEqual(CLEAN);
  });

  test('are read as the server reads them', async () => {
    const other = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/.exec(storeText('stranger.pem'));
    const key = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/.exec(
      storeText('server.pem'),
    );
    const mixed = directory.write('mixed.pem', `${key?.[0]}\n${other?.[0]}\n`);
    expect((await found(`${TLS}${mixed}`)).faults).toEqual([
      expect.stringMatching(/^zoo\.cfg:5: ssl\.keyStore\.location=mixed\.pem: /),
    ]);
    expect((await found(`${TLS}${directory.write('a.pem', 'no key')}`)).faults).toEqual([
      expect.stringMatching(/^zoo\.cfg:5: ssl\.keyStore\.location=a\.pem: /),
    ]);
  });

  test.each([
    ['ssl.ciphersuites=NOPE', 'zoo.cfg:6: ssl.ciphersuites: "NOPE" is not a cipher suite'],
    ['ssl.protocol=TLSv9', 'zoo.cfg:6: ssl.protocol=TLSv9: "TLSv9" is not a protocol'],
    [`ssl.trustStore.location=${storePath('make.sh')}\nssl.trustStore.type=PEM`, 'zoo.cfg:6: ssl.trustStore.location='],
  ])('%s', async (line, fault) => {
    const { faults } = await found(`${TLS}${storePath('server.pem')}\n${line}`);
    expect(faults).toEqual([expect.stringContaining(fault)]);
  });

  test('of the admin server, the metrics and the other servers too', async () => {
    const bad = directory.write('bad.pem', 'x');
    const { faults } = await found(
      `admin.enableServer=true\nadmin.forceHttps=true\nssl.quorum.keyStore.location=${bad}\nmetricsProvider.httpsPort=0\n` +
        `metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider\nmetricsProvider.ssl.keyStore.location=${bad}\n` +
        'metricsProvider.ssl.need.client.auth=false\nmetricsProvider.ssl.want.client.auth=false',
    );
    expect(faults).toEqual([
      expect.stringContaining('zoo.cfg:5: ssl.quorum.keyStore.location=bad.pem'),
      expect.stringContaining('zoo.cfg:8: metricsProvider.ssl.keyStore.location=bad.pem'),
    ]);
  });
});

describe('SASL', () => {
  test('a JAAS file that is missing or malformed', async () => {
    expect((await found('java.security.auth.login.config=/nope')).faults).toEqual([
      expect.stringContaining('zoo.cfg:3: /nope (java.security.auth.login.config) cannot be read'),
    ]);
    const malformed = directory.write('jaas.conf', 'Server {');
    expect((await found(`java.security.auth.login.config=${malformed}`)).faults).toEqual([
      expect.stringContaining('zoo.cfg:3: jaas.conf:'),
    ]);
  });

  test('between servers', async () => {
    const jaas = directory.write('jaas.conf', 'QuorumServer { a.DigestLoginModule required user_a="b"; };');
    const members = 'server.1=127.0.0.1:1:2;0\nserver.2=127.0.0.1:3:4;0\n';
    const sasl =
      'quorum.auth.enableSasl=true\nquorum.auth.learnerRequireSasl=true\nquorum.auth.serverRequireSasl=true\n';
    const loaded = directory.loadMember(`${members}${sasl}fips-mode=false\njava.security.auth.login.config=${jaas}`);
    const faults = directory.shown((await preflight(loaded, everythingIsFound)).faults);
    expect(faults).toContainEqual(expect.stringContaining('section QuorumLearner has no username and password'));
  });
});

describe('directories', () => {
  test('that can be made are not made', async () => {
    expect(await found(`dataLogDir=${directory.path}/a/b\nlog.dir=${directory.path}/l\nlog.file=x`)).toEqual(CLEAN);
    expect(readdirSync(directory.path)).toEqual(['zoo.cfg']);
  });

  test('that are files', async () => {
    const file = directory.write('file', '');
    const { faults } = await found(`dataLogDir=${file}\nlog.dir=${file}\nlog.file=x.log\naudit.enable=true`);
    expect(faults).toEqual([
      expect.stringMatching(/^zoo\.cfg:3: the directory file\/version-2 cannot be used: ENOTDIR.*Correct dataLogDir/),
      expect.stringMatching(/^zoo\.cfg:4: the log file file\/x\.log cannot be written: ENOTDIR.*log\.dir, log\.file,/),
      expect.stringMatching(/^zoo\.cfg:4: the log file .* ENOTDIR.*log\.dir, auditlog\.file,/),
    ]);
  });

  test('that are missing, where none may be made', async () => {
    expect((await found('datadir.autocreate=false')).faults).toEqual([
      expect.stringMatching(/^zoo\.cfg:1: version-2 does not exist \(dataDir\)/),
    ]);
    mkdirSync(join(directory.path, 'version-2'));
    expect(await found('datadir.autocreate=false')).toEqual(CLEAN);
    expect(existsSync(join(directory.path, 'version-2'))).toBe(true);
  });
});

test('addresses that are names and lead nowhere; those of ports that are not opened are nobody’s business', async () => {
  const lines = 'clientPortAddress=a\nadmin.serverAddress=c\nmetricsProvider.httpHost=d\n';
  const why = 'cannot be resolved here (ENOTFOUND): correct it, or make it known to this machine';
  expect((await found(`${lines}`, nothingIsFound)).faults).toEqual([
    `zoo.cfg:3: clientPortAddress=a: the host name a ${why}`,
  ]);
  const admin = `zoo.cfg:4: admin.serverAddress=c: the host name c ${why}`;
  expect((await found(`${lines}admin.enableServer=true`, nothingIsFound)).faults).toContain(admin);
});
