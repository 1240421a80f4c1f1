/** The client ports as others see them: four-letter words, limits, TLS, and both on one. */
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PASSWORD, storePath, storeText } from '../host/tls-fixtures.ts';
import { addWatch, create, getData, setData, whoAmI } from '../replica/requests.ts';
import { Client, exchange } from './support/client.ts';
import { ServerProcess } from './support/server-process.ts';

describe('four-letter words', () => {
  let server: ServerProcess;
  beforeAll(async () => {
    server = await ServerProcess.start({ '4lw.commands.whitelist': 'ruok, stat, conf' });
  });
  afterAll(() => server.stop());

  test('in one segment, in four, with a line end behind', async () => {
    expect(await exchange(server.port, ['ruok'])).toBe('imok');
    expect(await exchange(server.port, ['r', 'u', 'o', 'k'])).toBe('imok');
    expect(await exchange(server.port, ['ru', 'ok\n'])).toBe('imok');
  });

  test('srvr is always allowed and tells version, mode and connections', async () => {
    const text = await exchange(server.port, ['srvr']);
    expect(text).toMatch(/^Zookeeper version: 3\.10\.0-.*, built on .*\n/);
    expect(text).toMatch(/\nMode: standalone\nNode count: 5\n$/);
  });

  test('stat lists the connections, the asking one too', async () => {
    const client = await Client.open(server.port);
    const text = await exchange(server.port, ['stat']);
    expect(text.match(/^ \/127\.0\.0\.1:\d+\[\d\]\(queued=0,recved=\d+,sent=\d+\)$/gm)).toHaveLength(2);
    await client.end();
  });

  test('others are refused by name', async () => {
    expect(await exchange(server.port, ['wchs'])).toBe('wchs is not executed because it is not in the whitelist.\n');
  });
});

test('connections beyond maxClientCnxns are reset; when one goes there is room again', async () => {
  const server = await ServerProcess.start({ maxClientCnxns: 2 });
  const first = await Client.open(server.port);
  const second = await Client.open(server.port);
  const refused = connect(server.port, '127.0.0.1');
  const error = await new Promise<NodeJS.ErrnoException>((resolve) => {
    refused.once('error', resolve);
  });
  expect(error.code).toBe('ECONNRESET');
  await second.end();
  await expect.poll(() => exchange(server.port, ['ruok']).catch(() => ''), { timeout: 20_000 }).toBe('imok');
  expect((await first.call(create('/a'))).err).toBe(0);
  await first.end();
  await server.stop();
});

test('a client that has stopped reading is forgotten with its session, and so is what it watches', async () => {
  const server = await ServerProcess.start({ tickTime: 500, maxSessionTimeout: 40_000 });
  const { port } = server;
  const writer = await Client.open(port);
  await writer.call(create('/a', { data: Buffer.alloc(1_000_000) }));
  const stalled = await Client.connect(port);
  await stalled.handshake(null, 1000);
  expect((await stalled.call(addWatch('/a', 0))).err).toBe(0);
  expect(await exchange(port, ['wchs'])).toBe('1 connections watching 1 paths\nTotal watches:1\n');
  stalled.socket.pause();
  for (let i = 0; i < 20; i++) {
    stalled.call(getData('/a')).catch(() => {});
  }
  const afterAnEvent = async (): Promise<string> => {
    expect((await writer.call(setData('/a', 'an event for it'))).err).toBe(0);
    return await exchange(port, ['wchs']);
  };
  await expect.poll(afterAnEvent, { timeout: 20_000 }).toBe('0 connections watching 0 paths\nTotal watches:0\n');
  const connections = (await exchange(port, ['cons'])).trim().split('\n');
  expect(connections.map((line) => /sid=(0x[0-9a-f]+)/.exec(line)?.[1] ?? 'the one that asks')).toEqual([
    `0x${writer.sessionId.toString(16)}`,
    'the one that asks',
  ]);
  stalled.socket.destroy();
  await writer.end();
  expect(await server.stop()).toBe(0);
  expect(server.output).not.toContain('MaxListenersExceededWarning');
});

const tlsSettings = {
  'ssl.keyStore.location': storePath('server.p12'),
  'ssl.keyStore.password': PASSWORD,
  'ssl.trustStore.location': storePath('ca.pem'),
};
const clientTls = { ca: storeText('ca.pem'), checkServerIdentity: () => undefined };
const withCertificate = { ...clientTls, cert: storeText('client.pem'), key: storeText('client.pem') };

describe('TLS', () => {
  let server: ServerProcess;
  beforeAll(async () => {
    const unified = { 'client.portUnification': 'true', 'ssl.clientAuth': 'want' };
    server = await ServerProcess.start({ ...tlsSettings, ...unified, secureClientPort: 0 });
  });
  afterAll(() => server.stop());

  test('a client with a certificate is who the certificate says', async () => {
    const client = await Client.open(server.securePort, null, withCertificate);
    const { clientInfo } = (await client.call(whoAmI())).body;
    expect(clientInfo.map(({ authScheme }) => authScheme)).toEqual(['ip', 'x509']);
    expect(clientInfo[1].user).toMatch(/CN=/);
    await client.end();
  });

  test('the TLS port does not speak plain, and counts who does', async () => {
    const text = await exchange(server.securePort, ['ruok, if you please\n']).catch(() => '');
    expect(text).not.toContain('imok');
    expect(await exchange(server.port, ['mntr'])).toMatch(/^zk_unsuccessful_handshake\t1$/m);
    await server.waitFor(/ INFO {2}TLS connection from 127\.0\.0\.1 refused: the TLS handshake failed/);
  });

  test('the unified port speaks both; a session moves between them', async () => {
    const plain = await Client.open(server.port);
    expect((await plain.call(create('/both', { data: 'x' }))).err).toBe(0);
    const secure = await Client.open(server.port, plain, clientTls);
    expect(secure.sessionId).toBe(plain.sessionId);
    await plain.closed;
    expect((await secure.call(getData('/both'))).err).toBe(0);
    await secure.end();
    expect(await exchange(server.port, ['r', 'uok'])).toBe('imok');
  });
});

test('TLS connections beyond netty.server.outstandingHandshake.limit are closed, until a handshake ends', async () => {
  const server = await ServerProcess.start({
    ...tlsSettings,
    secureClientPort: 0,
    'netty.server.outstandingHandshake.limit': 1,
    '4lw.commands.whitelist': 'mntr',
  });
  const { securePort } = server;
  const silent = connect(securePort, '127.0.0.1');
  const handshakes = (count: number) =>
    expect
      .poll(() => exchange(server.port, ['mntr']), { timeout: 20_000 })
      .toMatch(new RegExp(`^zk_outstanding_tls_handshake\\t${count}$`, 'm'));
  await handshakes(1);
  await expect(Client.open(securePort, null, withCertificate)).rejects.toThrow();
  expect(await exchange(server.port, ['mntr'])).toMatch(/^zk_tls_handshake_exceeded\t1$/m);
  silent.destroy();
  await handshakes(0);
  const client = await Client.open(securePort, null, withCertificate);
  expect((await client.call(create('/over TLS'))).err).toBe(0);
  await client.end();
  await server.stop();
});
