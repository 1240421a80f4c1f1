/** The driver on real sockets: TLS, SASL, what is written when, what is left behind. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startServer } from '@treekeeper/testing';
import { afterAll, describe, expect, test } from 'vitest';
import { FaultProxy } from '../../../interop/src/client/fault-proxy.ts';
import { runReconnects } from '../../../interop/src/client/reconnects.ts';
import { until } from '../../../interop/src/client/session-cases.ts';
import { PASSWORD, storePath } from '../../../server/test/host/tls-fixtures.ts';
import {
  type ConnectOptions,
  connect,
  nodeTransport,
  type OperationMessage,
  type Resolver,
  type TlsSettings,
  type Transport,
} from '../../src/index.ts';

const directory = mkdtempSync(join(tmpdir(), 'treekeeper-client-'));
afterAll(() => rmSync(directory, { recursive: true }));

describe('TLS', () => {
  const settings = {
    secureClientPort: 0,
    'ssl.keyStore.location': storePath('server.p12'),
    'ssl.keyStore.password': PASSWORD,
    'ssl.trustStore.location': storePath('ca.pem'),
  };
  const me: TlsSettings = {
    caFile: storePath('ca.pem'),
    certFile: storePath('client.pem'),
    keyFile: storePath('client.pem'),
  };

  /** Key and certificate as somebody leaves them who has not finished writing. */
  const half = (of: 'key' | 'certificate'): string => {
    const file = join(directory, `half-${of}.pem`);
    const whole = readFileSync(storePath('client.pem'));
    const endOfKey = whole.indexOf('-----BEGIN CERTIFICATE');
    writeFileSync(file, whole.subarray(0, of === 'key' ? endOfKey - 50 : endOfKey + 100));
    return file;
  };

  test('with a certificate of its own, by name and by address', async () => {
    await using server = await startServer({ settings });
    for (const host of ['localhost', '127.0.0.1']) {
      await using client = await connect(`${host}:${server.securePort}`, { tls: me });
      expect((await client.whoAmI()).map(({ authScheme }) => authScheme)).toContain('x509');
    }
  });

  test('files are read anew at each attempt', async () => {
    await using server = await startServer({ settings });
    const file = join(directory, 'me.pem');
    copyFileSync(storePath('stranger.pem'), file);
    const options: ConnectOptions = { tls: { ...me, certFile: file, keyFile: file }, connectTimeoutMs: 60_000 };
    const connecting = connect(`127.0.0.1:${server.securePort}`, options);
    copyFileSync(storePath('client.pem'), file);
    await using client = await connecting;
    expect(client.state).toBe('connected');
  });

  test('a file half written costs the attempts made meanwhile, not the client', async () => {
    await using server = await startServer({ settings });
    const file = join(directory, 'rotated.pem');
    copyFileSync(storePath('client.pem'), file);
    let attempts = 0;
    let goOn: () => void = () => undefined;
    const enough = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const resolver: Resolver = async (host) => {
      attempts++;
      if (attempts === 4) {
        goOn();
      }
      return [host];
    };
    const tls = { ...me, certFile: file, keyFile: file };
    await using client = await connect(`127.0.0.1:${server.securePort}`, { tls, resolver, sessionTimeoutMs: 60_000 });
    const { sessionId } = client;
    copyFileSync(half('certificate'), file);
    server.cutConnections(sessionId);
    await enough;
    copyFileSync(storePath('client.pem'), file);
    await client.sync('/');
    expect(client.sessionId).toBe(sessionId);
  });

  test.each<[string, ConnectOptions['tls'], RegExp]>([
    ['an unknown authority', { ...me, caFile: storePath('other.pem') }, /certificate/],
    ['another name', { ...me, servername: 'elsewhere.example' }, /does not match certificate|elsewhere/],
    ['a file that is not there', { ...me, caFile: join(directory, 'none.pem') }, /tls\.caFile: ENOENT/],
    ['a key that is half written', { ...me, keyFile: half('key') }, /tls: OpenSSL does not take/],
    [
      'a certificate that is half written',
      { ...me, certFile: half('certificate') },
      /tls: OpenSSL does not take .*PEM/,
    ],
    ['settings that cannot be had', () => Promise.reject(new Error('vault is sealed')), /vault is sealed/],
  ])('refused: %s', async (_, tls, message) => {
    await using server = await startServer({ settings });
    const connecting = connect(`127.0.0.1:${server.securePort}`, { tls, connectTimeoutMs: 1000 });
    await expect(connecting).rejects.toMatchObject({ code: 'CONNECT_FAILED', message: expect.stringMatching(message) });
  });

  test('a revoked certificate is refused, another one is not', async () => {
    const tls = { ...me, crlFile: storePath('crl.pem') };
    await using good = await startServer({ settings });
    await using client = await connect(`127.0.0.1:${good.securePort}`, { tls });
    expect(client.state).toBe('connected');
    const store = storePath('revoked.pem');
    await using revoked = await startServer({ settings: { ...settings, 'ssl.keyStore.location': store } });
    const connecting = connect(`127.0.0.1:${revoked.securePort}`, { tls, failFast: true });
    await expect(connecting).rejects.toMatchObject({
      code: 'CONNECT_FAILED',
      message: expect.stringContaining('certificate revoked'),
    });
    const trusting = { ...me, checkHostname: false };
    await using other = await connect(`127.0.0.1:${revoked.securePort}`, { tls: trusting });
    expect(other.state).toBe('connected');
  });

  test('a certificate that the server misses is told at once where one wants to know at once', async () => {
    await using server = await startServer({ settings });
    const connecting = connect(`127.0.0.1:${server.securePort}`, {
      tls: { ...me, certFile: undefined, keyFile: undefined, checkHostname: false },
      failFast: true,
      connectTimeoutMs: 600_000,
    });
    await expect(connecting).rejects.toMatchObject({
      code: 'CONNECT_FAILED',
      message: expect.stringMatching(/refuses the TLS connection: [^\n]*certificate required/),
    });
  });

  test('another name passes when it is not checked', async () => {
    await using server = await startServer({ settings });
    const tls = { ...me, servername: 'elsewhere.example', checkHostname: false };
    await using client = await connect(`127.0.0.1:${server.securePort}`, { tls });
    expect(client.state).toBe('connected');
  });
});

describe('SASL DIGEST-MD5', () => {
  const jaas = join(directory, 'jaas.conf');
  writeFileSync(
    jaas,
    `Server { org.apache.zookeeper.server.auth.DigestLoginModule required user_joe="sec\\"ret" user_jörg="ü"; };`,
  );
  const settings = {
    'java.security.auth.login.config': jaas,
    'authProvider.1': 'org.apache.zookeeper.server.auth.SASLAuthenticationProvider',
    'fips-mode': false,
    sessionRequireClientSASLAuth: true,
  };
  const sasl = (username: string, password: string): ConnectOptions => ({
    sasl: { mechanism: 'DIGEST-MD5', username, password },
  });

  test('who has the password is in, again after a reconnect', async () => {
    await using server = await startServer({ settings });
    await using proxy = await FaultProxy.start(server.connectString);
    await using client = await connect(proxy.address, sasl('joe', 'sec"ret'));
    expect(await client.whoAmI()).toContainEqual({ authScheme: 'sasl', user: 'joe' });
    proxy.cutAll();
    await until(client, 'disconnected');
    expect(await client.whoAmI()).toContainEqual({ authScheme: 'sasl', user: 'joe' });
    await using other = await connect(server.connectString, sasl('jörg', 'ü'));
    expect(await other.whoAmI()).toContainEqual({ authScheme: 'sasl', user: 'jörg' });
  });

  test('who has not is told so, and does not try for ever', async () => {
    await using server = await startServer({ settings });
    await expect(connect(server.connectString, sasl('joe', 'guess'))).rejects.toMatchObject({ code: 'AUTH_FAILED' });
    const client = await connect(server.connectString);
    await expect(client.get('/')).rejects.toMatchObject({ code: 'SESSION_CLOSED_REQUIRE_AUTH' });
    expect(client.state).toBe('auth-failed');
    await client.close();
  });

  test('a server without SASL is no server for it', async () => {
    await using server = await startServer();
    await expect(connect(server.connectString, sasl('joe', 'x'))).rejects.toMatchObject({ code: 'AUTH_FAILED' });
  });

  test('GSSAPI needs its package', async () => {
    await expect(connect('127.0.0.1:1', { sasl: { mechanism: 'GSSAPI' } })).rejects.toMatchObject({
      code: 'KERBEROS_MISSING',
    });
  });
});

describe('writes', () => {
  test('calls of one stretch of work leave in one write', async () => {
    await using server = await startServer();
    let writes = 0;
    const tcp = nodeTransport();
    const transport: Transport = {
      connect(target, events) {
        const inner = tcp.connect(target, events);
        return {
          write: (bytes) => {
            writes++;
            inner.write(bytes);
          },
          close: () => inner.close(),
          destroy: () => inner.destroy(),
        };
      },
    };
    await using client = await connect(server.connectString, { transport });
    writes = 0;
    await Promise.all(Array.from({ length: 100 }, () => client.get('/')));
    expect(writes).toBe(1);
    writes = 0;
    // Each of 32 chains makes its next call when its last one is answered; answers come together as well.
    await Promise.all(
      Array.from({ length: 32 }, async () => {
        for (let i = 0; i < 10; i++) {
          await client.get('/');
        }
      }),
    );
    expect(writes).toBeLessThan(100);
  });
});

test('diagnostics: every call with latency, bytes, retries and error', async () => {
  await using server = await startServer();
  const messages: OperationMessage[] = [];
  const listener = (message: unknown): void => void messages.push(message as OperationMessage);
  await using client = await connect(server.connectString);
  subscribe('treekeeper:client:operation', listener);
  try {
    await client.create('/a', 'four');
    await client.get('/none').catch(() => null);
  } finally {
    unsubscribe('treekeeper:client:operation', listener);
  }
  expect(messages).toMatchObject([
    { operation: 'create', path: '/a', errorCode: null, retries: 0, server: server.connectString },
    { operation: 'get', path: '/none', errorCode: 'NO_NODE', replyBytes: 0, sessionId: client.sessionId },
  ]);
  expect(messages.every(({ latencyMs, requestBytes }) => latencyMs > 0 && requestBytes > 10)).toBe(true);
});

test('calls are repeated as the policy says', async () => {
  await using server = await startServer();
  await using client = await connect(server.connectString);
  const attempts: number[] = [];
  const when = ({ code }: { code: string }, attempt: number): boolean => {
    attempts.push(attempt);
    return code === 'NO_NODE' && attempt < 3;
  };
  const policy = { delayMinMs: 1, delayMaxMs: 1, when };
  await expect(client.get('/none', { retry: policy })).rejects.toMatchObject({ code: 'NO_NODE' });
  expect(attempts).toEqual([1, 2, 3]);
  await expect(client.get('/none', { retry: { ...policy, attemptsMax: 2 } })).rejects.toMatchObject({});
  expect(attempts).toEqual([1, 2, 3, 1]);
  const controller = new AbortController();
  const slow = client.get('/none', {
    retry: { ...policy, delayMinMs: 60_000, delayMaxMs: 60_000 },
    timeoutMs: 1e9,
    signal: controller.signal,
  });
  await client.sync();
  controller.abort();
  await expect(slow).rejects.toMatchObject({ code: 'ABORTED' });
});

test('reconnects leave nothing behind: no listeners, no timers, no sockets, no memory', async () => {
  await using server = await startServer();
  const { connections, before, after, signalListeners } = await runReconnects(server.connectString, 300);
  expect(connections).toBeGreaterThan(300);
  expect(signalListeners).toBe(0);
  expect(after.timers).toBeLessThanOrEqual(before.timers + 2);
  expect(after.sockets).toBeLessThanOrEqual(before.sockets + 2);
  // Four kilobytes kept for each would show.
  expect(after.heapBytes - before.heapBytes).toBeLessThan(300 * 4096);
});
