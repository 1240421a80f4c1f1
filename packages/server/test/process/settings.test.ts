/** Settings from zoo.cfg to what they do, through the whole server. */
import { readdirSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { auth, create, exists, getChildren, getData, setData } from '../replica/requests.ts';
import { ALL_PERMISSIONS, digestIdOf } from './support/access.ts';
import { Client, exchange } from './support/client.ts';
import { newDirectory, ServerProcess } from './support/server-process.ts';

describe('on disk', () => {
  test('snapshots and logs: compressed, small, and purged while the server runs', async () => {
    const directory = newDirectory();
    const settings = {
      snapCount: 10,
      'autopurge.snapRetainCount': 3,
      'autopurge.purgeInterval': '200ms',
      'snapshot.compression.method': 'gz',
    };
    const server = await ServerProcess.start(settings, { directory });
    const client = await Client.open(server.port);
    for (let i = 0; i < 100; i++) {
      await client.call(create(`/n${i}`));
    }
    const files = (): string[] => readdirSync(join(directory, 'data', 'version-2'));
    await server.waitFor(/ INFO {2}purged \d+ old files: .*snapshot\.0/);
    await expect.poll(() => files().filter((name) => name.startsWith('snapshot.')).length, { timeout: 20_000 }).toBe(3);
    expect(files().every((name) => !name.startsWith('snapshot.') || name.endsWith('.gz'))).toBe(true);
    const log = files().find((name) => name.startsWith('log.')) as string;
    expect(statSync(join(directory, 'data', 'version-2', log)).size).toBe(16 + 65_536); // header and preAllocSize
    await server.stop('SIGKILL');
    const again = await ServerProcess.start(settings, { directory });
    const second = await Client.open(again.port, client);
    expect((await second.call(getChildren('/'))).body.children).toHaveLength(101);
    await second.end();
    await again.stop();
  });

  test('with digest, snapshot zxid and syncs off a server finds its data again all the same', async () => {
    const directory = newDirectory();
    const settings = {
      'digest.enabled': 'false',
      'serializeLastProcessedZxid.enabled': 'false',
      forceSync: 'no',
      preAllocSize: 0,
      txnLogSizeLimitInKb: 1,
    };
    const server = await ServerProcess.start(settings, { directory });
    const client = await Client.open(server.port);
    for (let i = 0; i < 20; i++) {
      await client.call(create(`/n${i}`, { data: 'x'.repeat(200) }));
    }
    await server.stop('SIGKILL');
    const logs = readdirSync(join(directory, 'data', 'version-2')).filter((name) => name.startsWith('log.'));
    expect(logs.length).toBeGreaterThan(3);
    const again = await ServerProcess.start(settings, { directory });
    const second = await Client.open(again.port);
    expect((await second.call(getChildren('/'))).body.children).toHaveLength(21);
    await second.end();
    await again.stop();
  });
});

describe('limits', () => {
  test('jute.maxbuffer, large requests, the time to shake hands, connections in all', async () => {
    const server = await ServerProcess.start({
      'jute.maxbuffer': 5000,
      largeRequestThreshold: 1000,
      largeRequestMaxBytes: 3000,
      'nio.sessionlessCnxnTimeout': 300,
      maxCnxns: 3,
      clientTcpKeepAlive: 'true',
      clientPortListenBacklog: 5,
    });
    const silent = connect(server.port, '127.0.0.1');
    silent.resume();
    await new Promise((resolve) => silent.once('close', resolve));

    const client = await Client.open(server.port);
    expect((await client.call(create('/a', { data: 'x'.repeat(2000) }))).err).toBe(0);
    await expect(client.call(setData('/a', 'x'.repeat(4000)))).rejects.toThrow('closed');
    const second = await Client.open(server.port, client);
    await expect(second.call(setData('/a', 'x'.repeat(6000)))).rejects.toThrow('closed');
    const third = await Client.open(server.port, client);
    expect((await third.call(exists('/a'))).body.stat.dataLength).toBe(2000);

    const more = [await Client.open(server.port), await Client.open(server.port)];
    await expect(Client.open(server.port)).rejects.toThrow(/closed|ECONNRESET/);
    expect((await third.call(exists('/'))).err).toBe(0);
    await Promise.all([...more, third].map((one) => one.end()));
    await expect
      .poll(() => exchange(server.port, ['mntr']).catch(() => ''), { timeout: 20_000 })
      .toMatch(/^zk_sessionless_connections_expired\t1$/m);
    const metrics = await exchange(server.port, ['mntr']);
    expect(metrics).toMatch(/^zk_large_requests_rejected\t1$/m);
    expect(metrics).toMatch(/^zk_connection_rejected\t[1-9]/m);
    await server.stop();
  });

  test('the connection throttle closes handshakes that find no token', async () => {
    const server = await ServerProcess.start({
      connection_throttle_tokens: 1,
      connection_throttle_fill_time: 1_000_000,
    });
    const client = await Client.open(server.port);
    await expect(Client.open(server.port)).rejects.toThrow('closed');
    expect((await client.call(exists('/'))).err).toBe(0);
    await client.end();
    await server.stop();
  });
});

describe('metrics and the log', () => {
  const prometheus = {
    'metricsProvider.className': 'org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider',
    'metricsProvider.httpHost': '127.0.0.1',
    'metricsProvider.httpPort': 0,
  };

  async function metricsOf(server: ServerProcess): Promise<string> {
    const url = /http:\/\/127\.0\.0\.1:\d+\/metrics/.exec(server.output)?.[0] ?? '';
    return await (await fetch(url)).text();
  }

  test('exportJvmInfo: those of the process, or not', async () => {
    for (const [settings, there] of [
      [{}, true],
      [{ 'metricsProvider.exportJvmInfo': 'false' }, false],
    ] as const) {
      const server = await ServerProcess.start({ ...prometheus, ...settings });
      const text = await metricsOf(server);
      expect(text).toContain('\nznode_count ');
      expect(text.includes('process_resident_memory_bytes')).toBe(there);
      await server.stop();
    }
  });

  test('quantiles forget after two of prometheusMetricsSummaryRotateIntervalSeconds', async () => {
    const server = await ServerProcess.start({
      ...prometheus,
      'metricsProvider.prometheusMetricsSummaryRotateIntervalSeconds': 1,
    });
    const client = await Client.open(server.port);
    expect((await client.call(create('/a'))).err).toBe(0);
    await expect
      .poll(() => metricsOf(server), { timeout: 20_000 })
      .toMatch(/^updatelatency\{quantile="0\.5",?\} NaN$/m);
    expect(await metricsOf(server)).toMatch(/^updatelatency_count [1-9]/m);
    await client.end();
    await server.stop();
  });

  test('log.maxbackupindex: so many renamed files are kept', async () => {
    const directory = newDirectory();
    const logs = join(directory, 'logs');
    const settings = { 'log.dir': logs, 'log.file': 'server.log', 'log.maxfilesize': 50, 'log.maxbackupindex': 2 };
    const server = await ServerProcess.start(settings, { directory });
    await server.stop();
    expect(server.output.match(/ INFO /g)?.length).toBeGreaterThan(3);
    expect(readdirSync(logs).sort()).toEqual(['server.log', 'server.log.1', 'server.log.2']);
  });
});

describe('access', () => {
  const closed = { acl: [{ perms: ALL_PERMISSIONS, id: { scheme: 'digest', id: digestIdOf('joe:secret') } }] };

  test('superDigest opens what is closed; digests of another algorithm', async () => {
    const server = await ServerProcess.start({
      'DigestAuthenticationProvider.superDigest': digestIdOf('super:power', 'sha256'),
      'DigestAuthenticationProvider.digestAlg': 'SHA-256',
    });
    const client = await Client.open(server.port);
    expect((await client.call(create('/closed', closed))).err).toBe(0);
    expect((await client.call(getData('/closed'))).err).toBe(-102);
    expect((await client.call(auth('digest', 'joe:secret'))).err).toBe(0);
    expect((await client.call(getData('/closed'))).err).toBe(-102); // his id is another one with SHA-256
    expect((await client.call(auth('digest', 'super:power'))).err).toBe(0);
    expect((await client.call(getData('/closed'))).err).toBe(0);
    await client.end();
    await server.stop();
  });

  test('skipACL looks at none', async () => {
    const server = await ServerProcess.start({ skipACL: 'yes' });
    const client = await Client.open(server.port);
    expect((await client.call(create('/closed', closed))).err).toBe(0);
    expect((await client.call(getData('/closed'))).err).toBe(0);
    await client.end();
    await server.stop();
  });

  test('enforced authentication: nothing before it, everything after; ensembleAuthName counts who comes to the right place', async () => {
    const server = await ServerProcess.start({
      'enforce.auth.enabled': 'true',
      'enforce.auth.schemes': 'digest',
      ensembleAuthName: 'east,west',
    });
    const nobody = await Client.open(server.port);
    expect((await nobody.call(exists('/'))).err).toBe(-124);
    await nobody.closed;
    const joe = await Client.open(server.port);
    expect((await joe.call(auth('ensemble', 'west'))).err).toBe(0);
    expect((await joe.call(auth('digest', 'joe:secret'))).err).toBe(0);
    expect((await joe.call(exists('/'))).err).toBe(0);
    const lost = await Client.open(server.port);
    await expect(lost.call(auth('ensemble', 'north'))).rejects.toThrow('closed');
    const metrics = await exchange(server.port, ['mntr']);
    expect(metrics).toMatch(/^zk_ensemble_auth_success\t1$/m);
    expect(metrics).toMatch(/^zk_ensemble_auth_fail\t1$/m);
    expect(metrics).toMatch(/^zk_auth_failed_count\t1$/m);
    await joe.end();
    await server.stop();
  });

  test('DigestAuthenticationProvider.enabled=false: there is no such scheme', async () => {
    const server = await ServerProcess.start({ 'DigestAuthenticationProvider.enabled': 'false' });
    const client = await Client.open(server.port);
    expect((await client.call(create('/closed', closed))).err).toBe(-114);
    expect((await client.call(auth('digest', 'joe:secret'))).err).toBe(-115);
    await client.closed;
    await server.waitFor(/ INFO {2}127\.0\.0\.1:\d+ could not authenticate: scheme "digest" refused it\n/);
    await server.stop();
  });
});
