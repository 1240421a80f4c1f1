/** The HTTP ports over TLS, and whose word is taken for an address. */
import { request } from 'node:https';
import { expect, test } from 'vitest';
import { PASSWORD, storePath, storeText } from '../host/tls-fixtures.ts';
import { create, setACL } from '../replica/requests.ts';
import { ALL_PERMISSIONS } from './support/access.ts';
import { Client } from './support/client.ts';
import { runServerToEnd, ServerProcess } from './support/server-process.ts';

const ADMIN = { 'admin.enableServer': 'true', 'admin.serverPort': 0, 'admin.serverAddress': '127.0.0.1' };
const STORES = {
  'ssl.quorum.keyStore.location': storePath('server.p12'),
  'ssl.quorum.keyStore.password': PASSWORD,
  'ssl.quorum.trustStore.location': storePath('ca.pem'),
};
const METRICS = {
  'metricsProvider.className': 'org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider',
  'metricsProvider.httpHost': '127.0.0.1',
  'metricsProvider.httpsPort': 0,
  'metricsProvider.ssl.keyStore.location': storePath('server.pem'),
  'metricsProvider.ssl.trustStore.location': storePath('ca.pem'),
};
const CLIENT = { cert: storeText('client.pem'), key: storeText('client.pem') };

/** The page's text; rejects when TLS fails. */
function get(url: string, tls: object = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { ca: storeText('ca.pem'), checkServerIdentity: () => undefined, agent: false, ...tls };
    const sent = request(url, options, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on('end', () => resolve(text));
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end();
  });
}

test('admin.forceHttps: TLS with the quorum stores, and nothing else', async () => {
  const server = await ServerProcess.start({ ...ADMIN, ...STORES, 'admin.forceHttps': 'true' });
  const url = server.adminUrl.replace('http:', 'https:');
  expect(JSON.parse(await get(`${url}/ruok`))).toEqual({ command: 'ruok', error: null });
  await expect(fetch(`${server.adminUrl}/ruok`)).rejects.toThrow();
  await server.stop();
});

test('admin.portUnification: both on one port; admin.needClientAuth: over TLS with a certificate only', async () => {
  const both = { 'admin.portUnification': 'true', 'admin.needClientAuth': 'true' };
  const server = await ServerProcess.start({ ...ADMIN, ...STORES, ...both });
  const url = server.adminUrl.replace('http:', 'https:');
  expect((await fetch(`${server.adminUrl}/ruok`)).status).toBe(200);
  expect(JSON.parse(await get(`${url}/ruok`, CLIENT))).toEqual({ command: 'ruok', error: null });
  await expect(get(`${url}/ruok`)).rejects.toThrow();
  await server.stop();
});

test('the metrics port over TLS asks for a certificate', async () => {
  const server = await ServerProcess.start(METRICS);
  const url = server.metricsUrl.replace('http:', 'https:');
  expect(await get(url, CLIENT)).toContain('# TYPE znode_count gauge');
  await expect(get(url)).rejects.toThrow();
  await server.stop();
});

test('HTTPS without a key store: exit code 2, and which settings are missing', () => {
  const { status, stderr } = runServerToEnd({ ...ADMIN, 'admin.forceHttps': 'true' });
  expect(stderr).toContain('ssl.quorum.keyStore.location');
  expect(status).toBe(2);
});

test('X-Forwarded-For counts where the configuration says so', async () => {
  const headers = { Authorization: 'ip', 'X-Forwarded-For': '10.1.2.3, 127.0.0.1' };
  for (const [usexforwardedfor, status] of [
    ['true', 200],
    ['false', 403],
  ] as const) {
    const setting = { 'IPAuthenticationProvider.usexforwardedfor': usexforwardedfor };
    const server = await ServerProcess.start({ ...ADMIN, ...setting });
    const client = await Client.open(server.port);
    await client.call(create('/a'));
    await client.call(setACL('/', [{ perms: ALL_PERMISSIONS, id: { scheme: 'ip', id: '10.1.2.3' } }]));
    await client.end();
    const response = await fetch(`${server.adminUrl}/snapshot?streaming=false`, { headers });
    expect(response.status).toBe(status);
    await response.text();
    await server.stop();
  }
});
