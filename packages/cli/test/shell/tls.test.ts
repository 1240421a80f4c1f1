/** The shell over TLS: with files of its own options, and with those of a zkCli client configuration. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PASSWORD, storePath } from '../../../server/test/host/tls-fixtures.ts';
import { runShell } from '../support/shell.ts';

const [ca, server, client] = [storePath('ca.pem'), storePath('server.pem'), storePath('client.pem')];
const directory = mkdtempSync(join(tmpdir(), 'treekeeper-tls-'));
let secure: TestServer;
let address: string;

beforeAll(async () => {
  secure = await startServer({
    settings: {
      secureClientPort: 0,
      'ssl.keyStore.location': server,
      'ssl.trustStore.location': ca,
      'ssl.clientAuth': 'need',
    },
  });
  address = `127.0.0.1:${secure.securePort}`;
});
afterAll(async () => {
  await secure[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

const OWN = ['--ca', ca, '--cert', client, '--key', client];

test('with certificate and key', async () => {
  const whoami = await runShell(['-s', address, ...OWN, 'whoami']);
  expect(whoami).toMatchObject({ code: 0, err: '' });
  expect(whoami.out).toContain('x509: CN=');
  expect(await runShell(['-s', address, ...OWN, 'ruok'])).toMatchObject({ code: 0, out: 'imok\n' });
});

test('copies from one server to another with them', async () => {
  const args = ['-s', address, ...OWN, 'cp', '/zookeeper/config', `zk://${address}/copied`];
  expect(await runShell(args)).toMatchObject({ code: 0, out: 'Copied 1 node\n' });
});

test('without a certificate, or without TLS, it says what is wrong', async () => {
  for (const args of [['--ca', ca], []]) {
    const { code, out, err } = await runShell(['-s', address, '--wait', '400', ...args, 'ls', '/']);
    expect({ code, out }).toEqual({ code: 3, out: '' });
    expect(err).toContain('no server took the session within 400 ms');
  }
});

test.each([
  ['an authority that is not trusted', () => [address, '--tls'], /--ca FILE says whom to trust/],
  [
    'no certificate, where the server wants one',
    () => [address, '--ca', ca],
    /refuses the TLS connection: [^\n]*certificate required\)\n.*--cert and --key/,
  ],
  ['TLS to a port without it', () => [secure.connectString, '--tls'], /does that port speak TLS/],
])('what cannot be is told at once, with what to do: %s', async (_, args, hint) => {
  const { code, err } = await runShell(['-s', ...args(), 'ls', '/']);
  expect({ code, err }).toEqual({ code: 3, err: expect.stringMatching(hint) });
});

test.each([
  [['--ca', 'nope.pem'], '--ca nope.pem: there is no such file'],
  [['--cert', client], '--cert and --key go together'],
  [['--key', client], '--cert and --key go together'],
])('wrong options are told as that, not as a server that cannot be reached: %j', async (options, message) => {
  const { code, out, err } = await runShell(['-s', address, ...options, 'ls', '/']);
  expect({ code, out, err }).toEqual({ code: 2, out: '', err: expect.stringContaining(message) });
});

test("with zkCli's client configuration", async () => {
  const file = join(directory, 'client.properties');
  const write = (...lines: string[]): void => writeFileSync(file, lines.join('\n'));
  const run = () => runShell(['-server', address, '-client-configuration', file, 'ls', '/zookeeper']);
  const common = ['# a comment', 'zookeeper.client.secure = true', `zookeeper.ssl.trustStore.location=${ca}`];
  write(...common, `zookeeper.ssl.keyStore.location=${client}`);
  expect(await run()).toMatchObject({ code: 0, out: '[config, quota]\n' });
  const stores = (trust: string, key: string): string[] => [
    'zookeeper.client.secure=true',
    `zookeeper.ssl.trustStore.location=${storePath(trust)}`,
    `zookeeper.ssl.trustStore.password=${PASSWORD}`,
    `zookeeper.ssl.keyStore.location=${storePath(key)}`,
    `zookeeper.ssl.keyStore.password=${PASSWORD}`,
  ];
  for (const [trust, key] of [
    ['trust.jks', 'server.jks'],
    ['trust-java.p12', 'server-java.p12'],
    ['trust-java8.p12', 'server-legacy.p12'],
  ] as const) {
    write(...stores(trust, key));
    expect(await run()).toMatchObject({ code: 0, out: '[config, quota]\n' });
  }
  write(...stores('trust.jks', 'server.jks').slice(0, -1), 'zookeeper.ssl.keyStore.password=wrong');
  expect(await run()).toMatchObject({ code: 2, err: expect.stringMatching(/ssl\.keyStore\.location .*password/) });
  write(...stores('trust.jks', 'trust.jks'));
  expect(await run()).toMatchObject({ code: 2, err: expect.stringContaining('there is no key in it') });
  write(...common, 'zookeeper.ssl.keyStore.location=/etc/store.jks');
  expect(await run()).toMatchObject({ code: 2, err: expect.stringContaining('/etc/store.jks: ENOENT') });
  rmSync(file);
  expect(await run()).toMatchObject({ code: 2, err: expect.stringContaining('cannot be read') });
});
