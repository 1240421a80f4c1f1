/** What operators have: HTTP, metrics, snapshots that can be put back, the audit log, the log itself. */
import { readdirSync, readFileSync, utimesSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { metricTable } from '../../src/metrics/table.ts';
import {
  auth,
  create,
  create2,
  createTTL,
  exists,
  getChildren,
  getData,
  multi,
  remove,
  setACL,
  setData,
} from '../replica/requests.ts';
import { Client, exchange } from './support/client.ts';
import { EnsembleProcesses, freePorts } from './support/ensemble.ts';
import { newDirectory, runServerToEnd, ServerProcess, type Settings } from './support/server-process.ts';

const ADMIN = { 'admin.enableServer': 'true', 'admin.serverPort': 0, 'admin.serverAddress': '127.0.0.1' };
/** Anybody who comes from this machine may take and restore, since the root is open to the world. */
const AUTHORIZATION = { Authorization: 'digest admin:admin' };
const PROMETHEUS = {
  'metricsProvider.className': 'org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider',
  'metricsProvider.httpHost': '127.0.0.1',
  'metricsProvider.httpPort': 0,
};

async function command(server: ServerProcess, name: string): Promise<Record<string, unknown>> {
  const response = await fetch(`${server.adminUrl}/${name}`);
  return (await response.json()) as Record<string, unknown>;
}

describe('admin server', () => {
  let server: ServerProcess;
  beforeAll(async () => {
    server = await ServerProcess.start(ADMIN);
  });
  afterAll(() => server.stop());

  test('commands answer in JSON, by every name', async () => {
    const client = await Client.open(server.port);
    await client.call(create('/a', { flags: 1 }));
    expect(await command(server, 'ruok')).toEqual({ command: 'ruok', error: null });
    expect(await command(server, 'server_stats')).toMatchObject({ command: 'server_stats', node_count: 6 });
    expect(await command(server, 'mntr')).toMatchObject({ znode_count: 6, ephemerals_count: 1 });
    expect(await command(server, 'isro')).toMatchObject({ read_only: false });
    expect((await command(server, 'dump')).session_id_to_ephemeral_paths).toEqual({
      [`${client.sessionId}`]: ['/a'],
    });
    await client.end();
  });

  test('mntr has integers, which its readers rely on, for all but averages', async () => {
    const client = await Client.open(server.port);
    await client.call(create('/m'));
    await client.end();
    const fractions = (await exchange(server.port, ['mntr'])).split('\n').filter((line) => /\t-?\d+\.\d+$/.test(line));
    const names = fractions.map((line) => line.split('\t', 1)[0]);
    expect(names.filter((name) => !name.startsWith('zk_avg_'))).toEqual(['zk_connection_drop_probability']);
  });

  test('the index names them, and says what is none', async () => {
    expect(await (await fetch(server.adminUrl)).text()).toContain('href="/commands/monitor"');
    expect(await command(server, 'nonsense')).toMatchObject({ error: expect.stringContaining('nonsense') as string });
  });
});

test('a snapshot over HTTP, put back later: data, sessions and zxid are those of then, also after a restart', async () => {
  const directory = newDirectory();
  const settings = { ...ADMIN, 'admin.rateLimiterIntervalInMS': 0 };
  const server = await ServerProcess.start(settings, { directory });
  const client = await Client.open(server.port);
  await client.call(create('/then', { data: 'kept' }));
  await client.call(create('/mine', { flags: 1 }));
  expect((await fetch(`${server.adminUrl}/snapshot`)).status).toBe(401);
  const taken = await fetch(`${server.adminUrl}/snapshot?streaming=true`, { headers: AUTHORIZATION });
  expect(taken.status).toBe(200);
  expect(taken.headers.get('last_zxid')).toBe('0x3');
  const snapshot = await taken.arrayBuffer();
  expect(snapshot.byteLength).toBe(Number(taken.headers.get('snapshot_size')));

  await client.call(create('/later'));
  await client.call(setData('/then', 'changed'));
  const late = await Client.open(server.port);
  const restored = await restore(server, snapshot);
  expect(await restored.json()).toMatchObject({ command: 'restore', error: null, last_zxid: 3 });
  await Promise.all([client.closed, late.closed]);

  const check = async (of: ServerProcess): Promise<Client> => {
    const resumed = await Client.open(of.port, client);
    expect(resumed.sessionId).toBe(client.sessionId);
    expect((await resumed.call(getChildren('/'))).body.children.sort()).toEqual(['mine', 'then', 'zookeeper']);
    expect(Buffer.from((await resumed.call(getData('/then'))).body.data ?? []).toString()).toBe('kept');
    expect((await Client.open(of.port, late)).sessionId).toBe(0n);
    return resumed;
  };
  const resumed = await check(server);
  expect((await resumed.call(create('/after', { flags: 1 }))).err).toBe(0);
  expect((await resumed.call(remove('/after'))).err).toBe(0);
  expect(await server.stop('SIGKILL')).toBe('SIGKILL');
  const again = await ServerProcess.start(settings, { directory });
  await (await check(again)).end();
  expect(await again.stop()).toBe(0);
});

/** A snapshot over HTTP of a server with `/app`, 20 nodes below it, and a session with an ephemeral node that lives on. */
async function takeBackup(settings: Settings): Promise<{ readonly bytes: ArrayBuffer; readonly client: Client }> {
  const server = await ServerProcess.start({ ...ADMIN, ...settings });
  const client = await Client.open(server.port);
  await client.call(create('/app'));
  for (let i = 0; i < 20; i++) {
    await client.call(create(`/app/${i}`, { data: `value ${i}` }));
  }
  await client.call(create('/mine', { flags: 1 }));
  const taken = await fetch(`${server.adminUrl}/snapshot`, { headers: AUTHORIZATION });
  expect(taken.status).toBe(200);
  const bytes = await taken.arrayBuffer();
  await server.stop();
  return { bytes, client };
}

async function restore(server: ServerProcess, body: ArrayBuffer): Promise<Response> {
  const headers = { ...AUTHORIZATION, 'Content-Type': 'application/octet-stream' };
  return fetch(`${server.adminUrl}/restore`, { method: 'POST', headers, body });
}

const RESTORED_INTO: readonly Settings[] = [
  {},
  { 'digest.enabled': 'false' },
  { 'snapshot.compression.method': 'gz' },
  { 'snapshot.compression.method': 'snappy', 'digest.enabled': 'false' },
];

test.each(RESTORED_INTO)('a backup restored into a new server is what it has, for good: %o', async (settings) => {
  const { bytes, client } = await takeBackup({ 'digest.enabled': settings['digest.enabled'] ?? 'true' });
  const directory = newDirectory();
  const all = { ...ADMIN, 'admin.rateLimiterIntervalInMS': 0, ...settings };
  const server = await ServerProcess.start(all, { directory });
  expect(await (await restore(server, bytes)).json()).toMatchObject({ error: null, last_zxid: 23 });

  const check = async (of: ServerProcess): Promise<Client> => {
    const resumed = await Client.open(of.port, client);
    expect(resumed.sessionId).toBe(client.sessionId);
    expect((await resumed.call(getChildren('/app'))).body.children).toHaveLength(20);
    expect(Buffer.from((await resumed.call(getData('/app/7'))).body.data ?? []).toString()).toBe('value 7');
    expect((await resumed.call(exists('/mine'))).body.stat.ephemeralOwner).toBe(client.sessionId);
    return resumed;
  };
  const resumed = await check(server);
  const { stat } = (await resumed.call(create2('/later'))).body;
  expect(stat.czxid).toBeGreaterThan((await resumed.call(exists('/app/19'))).body.stat.czxid);
  const second = await fetch(`${server.adminUrl}/snapshot`, { headers: AUTHORIZATION });
  expect(second.status).toBe(200);
  expect(second.headers.get('last_zxid')).toBe(`0x${stat.czxid.toString(16)}`);
  expect(await server.stop('SIGKILL')).toBe('SIGKILL');
  const again = await ServerProcess.start(all, { directory });
  expect(again.output).toContain(`loaded snapshot.${stat.czxid.toString(16)}`);
  await (await check(again)).end();
  expect(await again.stop()).toBe(0);
});

test('a member of an ensemble restores nothing, and says what to do', async () => {
  const adminPorts = await freePorts(3);
  const ensemble = await EnsembleProcesses.start(3, ADMIN, (id) => ({ 'admin.serverPort': adminPorts[id - 1] }));
  try {
    const [member] = ensemble.members;
    const client = await member.client();
    await client.call(create('/a'));
    const url = `http://127.0.0.1:${adminPorts[member.id - 1]}/commands/restore`;
    const headers = { ...AUTHORIZATION, 'Content-Type': 'application/octet-stream' };
    expect((await fetch(url, { method: 'POST', headers, body: 'anything' })).status).toBe(500);
    expect(member.output).toContain('restore them all, each while it is stopped');
    expect((await client.call(exists('/a'))).err).toBe(0);
    await client.end();
  } finally {
    await ensemble.stop();
  }
});

test('the last snapshot is known after a restart: the one that was loaded, and when it was written', async () => {
  const directory = newDirectory();
  const first = await ServerProcess.start(ADMIN, { directory });
  await first.stop();
  utimesSync(join(directory, 'data', 'version-2', 'snapshot.0'), 1_700_000_000, 1_700_000_000);
  const again = await ServerProcess.start(ADMIN, { directory });
  expect(await command(again, 'last_snapshot')).toMatchObject({ zxid: '0', timestamp: 1_700_000_000 });
  await again.stop();
});

test('what is no snapshot is refused, and nothing changes', async () => {
  const server = await ServerProcess.start({ ...ADMIN, 'admin.rateLimiterIntervalInMS': 0 });
  const client = await Client.open(server.port);
  await client.call(create('/a'));
  const headers = { ...AUTHORIZATION, 'Content-Type': 'application/octet-stream' };
  const response = await fetch(`${server.adminUrl}/restore`, { method: 'POST', headers, body: 'not a snapshot' });
  expect(response.status).toBe(500);
  expect(readdirSync(join(server.directory, 'data', 'version-2')).sort()).toEqual(['log.1', 'snapshot.0']);
  expect((await client.call(exists('/a'))).err).toBe(0);
  await client.end();
  expect(await server.stop()).toBe(0);
});

test('Prometheus reads every metric by its name, and they move', async () => {
  const server = await ServerProcess.start({ ...PROMETHEUS, extendedTypesEnabled: 'true' });
  const client = await Client.open(server.port);
  await client.call(create('/shop'));
  await client.call(create('/shop/a', { data: 'xyz' }));
  await client.call(createTTL('/ttl', 100_000n));
  await client.call(exists('/shop/a', true));
  await client.call(setData('/shop/a', 'abc'));
  await client.call(getData('/shop/a'));
  expect((await client.call(auth('digest', 'no'))).err).toBe(0);
  const response = await fetch(server.metricsUrl);
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  const text = await response.text();
  for (const name of Object.keys(metricTable)) {
    expect(text, name).toContain(`# TYPE ${name} `);
  }
  const value = (name: string): number => {
    const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
    return Number(line?.slice(name.length + 1));
  };
  expect(value('znode_count')).toBe(8);
  expect(value('proposal_count')).toBe(5);
  expect(value('commit_count')).toBe(5);
  expect(value('op_count_create_session')).toBe(1);
  expect(value('op_count_create')).toBe(3);
  expect(value('ttl_node_created_count')).toBe(1);
  expect(value('connection_request_count')).toBe(1);
  expect(value('node_changed_watch_count_sum')).toBe(1);
  expect(value('fsynctime_count')).toBe(5);
  expect(value('sync_processor_batch_size_sum')).toBe(5);
  expect(value('updatelatency_count')).toBe(4);
  expect(value('quorum_ack_latency_count')).toBe(5);
  expect(value('snapshottime_count')).toBe(1);
  expect(value('dbinittime_count')).toBe(1);
  expect(value('non_mtls_local_conn_count')).toBe(1);
  expect(value('last_client_response_size')).toBeGreaterThan(0);
  for (const name of ['bytes_received_count', 'response_bytes', 'watch_bytes', 'process_resident_memory_bytes']) {
    expect(value(name), name).toBeGreaterThan(0);
  }
  expect(value('write_per_namespace_count{key="shop"}')).toBe(3);
  expect(value('read_per_namespace_count{key="shop"}')).toBe(2);
  await client.end();
  expect(await server.stop()).toBe(0);
});

test('the audit log: writes with who, from where, what and how it ended', async () => {
  const directory = newDirectory();
  const server = await ServerProcess.start({ 'audit.enable': 'true', 'auditlog.file': 'audit.log' }, { directory });
  const client = await Client.open(server.port);
  await client.call(auth('digest', 'joe:secret'));
  await client.call(create2('/s-', { flags: 3 }));
  await client.call(create('/c'));
  await client.call(setData('/missing', 'x'));
  await client.call(setACL('/c', [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }]));
  await client.call(getData('/c'));
  await client.call(multi(create('/m'), remove('/c')));
  await client.call(multi(create('/n'), remove('/none')));
  await client.call(remove('/m'));
  await client.end();
  expect(await server.stop()).toBe(0);
  const text = readFileSync(join(directory, 'audit.log'), 'utf8');
  const lines = text.trimEnd().split('\n');
  const session = `session=0x${client.sessionId.toString(16)}`;
  const user = lines[0].match(/user=(\S+)/)?.[1];
  const who = `${session}\tuser=127.0.0.1,joe\tip=127.0.0.1`;
  expect(lines.map((line) => line.replace(/^\d{4}-\d\d-\d\dT[\d:.]+Z /, ''))).toEqual([
    `INFO  user=${user}\toperation=serverStart\tresult=success`,
    `INFO  ${who}\toperation=create\tznode=/s-0000000000\tznode_type=ephemeral_sequential\tresult=success`,
    `INFO  ${who}\toperation=create\tznode=/c\tznode_type=persistent\tresult=success`,
    `ERROR ${who}\toperation=setData\tznode=/missing\tresult=failure`,
    `INFO  ${who}\toperation=setAcl\tznode=/c\tacl=world:anyone:cdrwa\tresult=success`,
    `INFO  ${who}\toperation=create\tznode=/m\tznode_type=persistent\tresult=success`,
    `INFO  ${who}\toperation=delete\tznode=/c\tresult=success`,
    `ERROR ${who}\toperation=multiOperation\tresult=failure`,
    `INFO  ${who}\toperation=delete\tznode=/m\tresult=success`,
    `INFO  ${session}\tuser=${user}\toperation=ephemeralZNodeDeletionOnSessionCloseOrExpire\tznode=/s-0000000000\tresult=success`,
    `INFO  user=${user}\toperation=serverStop\tresult=invoked`,
  ]);
});

test('each message is a line that begins with time and level; a file takes them as well when one is named', async () => {
  const directory = newDirectory();
  const settings = { 'log.file': 'server.log', 'log.threshold': 'WARN', noSuchKey: 1, 'fsync.warningthresholdms': 0 };
  const server = await ServerProcess.start({ ...settings, 'jvm.pause.monitor': 'true' }, { directory });
  const client = await Client.open(server.port);
  await client.call(create('/a'));
  await client.end();
  await server.stop();
  const [warnings, messages] = [/^warning: /, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (INFO |WARN |ERROR) \S/];
  for (const line of server.output.trimEnd().split('\n')) {
    expect(warnings.test(line) || messages.test(line), line).toBe(true);
  }
  const logged = readFileSync(join(directory, 'server.log'), 'utf8');
  expect(logged).toMatch(/ WARN {2}writing \d+ transactions .* took \d+ ms/);
  expect(logged).not.toContain(' INFO ');
  expect(readdirSync(directory)).toContain('server.log');
});

test('a server outlives the reader of its log', async () => {
  const server = await ServerProcess.start({ 'fsync.warningthresholdms': 0 });
  server.closeOutput();
  const client = await Client.open(server.port);
  for (const path of ['/a', '/b', '/c']) {
    expect((await client.call(create(path))).err).toBe(0); // each is worth a warning in the log
  }
  await client.end();
  expect(await server.stop()).toBe(0);
});

test('shed connections go, and their sessions live on', async () => {
  const server = await ServerProcess.start(ADMIN);
  const client = await Client.open(server.port);
  const headers = { ...AUTHORIZATION, 'Content-Type': 'application/json' };
  const body = JSON.stringify({ percentage: 100 });
  const response = await fetch(`${server.adminUrl}/shed`, { method: 'POST', headers, body });
  expect(response.status).toBe(200);
  await client.closed;
  const resumed = await Client.open(server.port, client);
  expect(resumed.sessionId).toBe(client.sessionId);
  expect(await exchange(server.port, ['mntr'])).toMatch(/^zk_connection_drop_count\t1$/m);
  await resumed.end();
  await server.stop();
});

test('the metrics port in use: exit code 1, and which', async () => {
  const blocker = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => blocker.once('listening', resolve));
  const { port } = blocker.address() as { port: number };
  const result = runServerToEnd({ ...PROMETHEUS, 'metricsProvider.httpPort': port });
  blocker.close();
  expect(result.status).toBe(1);
  expect(result.stdout).toContain(`the metrics server cannot start: port ${port} on 127.0.0.1 is in use`);
});
