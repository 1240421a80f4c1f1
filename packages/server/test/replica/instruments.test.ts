/** What the replica tells the metrics, by what happens to it. */
import { describe, expect, test } from 'vitest';
import { type StandaloneWorldOptions, simulatedOptions } from '../../../simulator/src/standalone-world.ts';
import type { Metrics } from '../../src/metrics/registry.ts';
import type { WriteAudit } from '../../src/replica/audit.ts';
import { auth, create, createTTL, exists, getChildren, getData, remove, setData, sync } from './requests.ts';
import { TestServer } from './support.ts';

function start(options: StandaloneWorldOptions['replica'] = {}): { server: TestServer; metrics: Metrics } {
  const server = new TestServer({ replica: options });
  return { server, metrics: server.world.metrics };
}

describe('sessions and connections', () => {
  test('handshakes asked for, sessions opened, closed and expired, connections lost', () => {
    const { server, metrics } = start();
    const [kept, lost] = [server.client({ timeoutMs: 40_000 }), server.client({ timeoutMs: 4000 })];
    lost.disconnect();
    expect(metrics.connection_drop_count.value).toBe(1);
    server.advance(10_000);
    expect(metrics.stale_sessions_expired.value).toBe(1);
    expect(metrics.op_count_close_session.value).toBe(1);
    kept.close();
    expect(metrics.op_count_close_session.value).toBe(2);
    expect(metrics.op_count_create_session.value).toBe(2);
    expect(metrics.connection_request_count.value).toBe(2);
    expect(metrics.connection_drop_count.value).toBe(1);
  });

  test('connections that never shake hands', () => {
    const { server, metrics } = start({ sessionlessTimeoutMs: 1000 });
    const silent = server.connect();
    server.advance(3000);
    expect(silent.closed).toBe(true);
    expect(metrics.sessionless_connections_expired.value).toBe(1);
  });

  test('handshakes that the throttle refuses, and the tokens that are gone', () => {
    const connectionThrottle = { ...simulatedOptions.connectionThrottle, tokens: 1, fillTimeMs: 1_000_000 };
    const { server, metrics } = start({ connectionThrottle });
    server.client();
    server.client();
    expect(metrics.connection_rejected.value).toBe(1);
    expect(metrics.connection_token_deficit).toMatchObject({ count: 2, sum: 2 });
  });

  test('local connections and others, without a certificate', () => {
    const { server } = start();
    server.client({ remoteAddress: '127.0.0.1' });
    server.client({ remoteAddress: '::1' });
    server.client({ remoteAddress: '192.168.1.7' });
    expect(server.replica.statistics).toMatchObject({ nonMtlsLocalConnCount: 2, nonMtlsRemoteConnCount: 1 });
  });

  test('failed authentications', () => {
    const { server } = start();
    server.client().err(auth('magic', 'x'));
    expect(server.replica.statistics.authFailedCount).toBe(1);
  });
});

describe('requests', () => {
  test('bytes in and out, and the sizes of replies', () => {
    const { server, metrics } = start();
    const client = server.client();
    const before = { received: metrics.bytes_received_count.value, sent: metrics.response_bytes.value };
    client.get(create('/a', { data: 'x'.repeat(100) }));
    client.get(getData('/a'));
    expect(metrics.bytes_received_count.value - before.received).toBe(
      4 + 8 + 6 + 104 + 4 + (4 + 4 + 5 + 4 + 6) + 4 + 19,
    );
    // Two frames with headers of 20 bytes; a path; data and a stat of 68.
    expect(metrics.response_bytes.value - before.sent).toBe(20 + 6 + 20 + 104 + 68);
    expect(server.replica.statistics).toMatchObject({
      lastResponseBytes: 172,
      minResponseBytes: 6,
      maxResponseBytes: 172,
    });
  });

  test('answers that nobody was left to take', () => {
    const { server, metrics } = start();
    const client = server.client();
    client.send(create('/a'));
    server.turn();
    client.disconnect();
    server.settle();
    expect(metrics.stale_replies.value).toBe(1);
    expect(server.client().err(exists('/a'))).toBe(0);
  });

  test('reads that wait behind a write of their session', () => {
    const { server, metrics } = start();
    const client = server.client();
    client.pipeline(create('/a'), exists('/a'), getData('/a'), create('/b'), sync('/'));
    expect(metrics.requests_in_session_queue).toMatchObject({ count: 2, max: 4 });
    expect(metrics.reads_issued_from_session_queue).toMatchObject({ count: 2, sum: 3 });
    expect(metrics.read_commitproc_time_ms.count).toBe(3);
  });

  test('requests that were held back for longer than their session lasts cost the connection', () => {
    const requests = { ...simulatedOptions.requests, outstandingRequestsMax: 1, dropsStale: true };
    const { server, metrics } = start({ requests });
    const client = server.client({ timeoutMs: 4000 });
    for (const path of ['/a', '/b', '/stale']) {
      client.send(create(path));
    }
    server.turn();
    server.world.clock.advance(4001);
    server.settle();
    expect(client.closed).toBe(true);
    expect(metrics.stale_requests_dropped.value).toBe(1);
    expect(server.client().err(exists('/b'))).toBe(0);
    expect(server.client().err(exists('/stale'))).toBe(-101);
  });

  test('bytes by namespace', () => {
    const { server, metrics } = start();
    const client = server.client();
    client.get(create('/shop'));
    client.get(create('/shop/a', { data: 'abc' }));
    client.get(getData('/shop/a'));
    client.get(getChildren('/'));
    expect(client.err(setData('/shop/none', 'x'))).toBe(-101);
    expect([...metrics.write_per_namespace].map(([name, { count, sum }]) => [name, count, sum])).toEqual([
      ['shop', 2, 5 + 68 + 7 + 3 + 68],
    ]);
    expect([...metrics.read_per_namespace].map(([name, { count, sum }]) => [name, count, sum])).toEqual([
      ['shop', 1, 7 + 4 + 3 + 68],
    ]);
  });
});

describe('writes', () => {
  test('proposed, logged and committed, refused ones too', () => {
    const { server, metrics } = start();
    const client = server.client();
    client.pipeline(create('/a'), create('/a'), create('/b'));
    for (const name of ['proposal_count', 'commit_count', 'sync_processor_request_queued'] as const) {
      expect(metrics[name].value, name).toBe(4);
    }
    expect(metrics.sync_processor_batch_size.sum).toBe(4);
    expect(metrics.fsynctime.count).toBe(metrics.sync_processor_batch_size.count);
    expect(metrics.quorum_ack_latency.count).toBe(4);
    expect(metrics.updatelatency.count).toBe(3);
    expect(metrics.outstanding_changes_queued.value).toBe(4);
    expect(metrics.outstanding_changes_removed.value).toBe(4);
  });

  test('TTL nodes made and removed', () => {
    const { server, metrics } = start({ reaper: { ...simulatedOptions.reaper, checkIntervalMs: 1000 } });
    const client = server.client({ timeoutMs: 40_000 });
    client.get(createTTL('/t', 500n));
    server.advance(5000);
    expect(client.err(exists('/t'))).toBe(-101);
    expect(metrics.ttl_node_created_count.value).toBe(1);
    expect(metrics.ttl_node_deleted_count.value).toBe(1);
    expect(metrics.op_count_delete.value).toBe(1);
  });

  test('refusals by a hard quota, by namespace', () => {
    const { server, metrics } = start({ rules: { ...simulatedOptions.rules, enforceQuota: true } });
    const client = server.client();
    client.get(create('/q'));
    client.get(create('/zookeeper/quota/q'));
    client.get(
      create('/zookeeper/quota/q/zookeeper_limits', { data: 'count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=1' }),
    );
    client.get(create('/zookeeper/quota/q/zookeeper_stats', { data: 'count=1,bytes=0' }));
    expect(client.err(create('/q/a'))).toBe(-125);
    expect([...metrics.quota_exceeded_error_per_namespace].map(([name, { value }]) => [name, value])).toEqual([
      ['q', 1],
    ]);
  });

  test('snapshots and recovery', () => {
    const { server, metrics } = start();
    server.client().get(create('/a'));
    server.restart();
    expect(metrics.snapshottime.count).toBe(1);
    expect(metrics.dbinittime.count).toBe(2);
    expect(metrics.startup_txns_loaded).toMatchObject({ count: 2, max: 2 });
  });
});

test('events by kind of change, and their bytes', () => {
  const { server, metrics } = start();
  const [one, two] = [server.client(), server.client()];
  one.get(create('/a'));
  for (const client of [one, two]) {
    client.get(getData('/a', true));
    client.get(getChildren('/a', true));
  }
  one.err(exists('/a/b', true));
  one.get(create('/a/b'));
  one.get(setData('/a', 'x'));
  one.get(remove('/a/b'));
  expect(metrics.node_created_watch_count).toMatchObject({ count: 2, sum: 1, max: 1 });
  expect(metrics.node_children_watch_count).toMatchObject({ count: 3, sum: 2, max: 2 });
  expect(metrics.node_changed_watch_count).toMatchObject({ count: 1, sum: 2 });
  expect(metrics.node_deleted_watch_count).toMatchObject({ count: 1, sum: 0 });
  // Frame length, header, type, state and path.
  expect(metrics.watch_bytes.value).toBe(4 * (4 + 16 + 8 + 4 + 2) + (4 + 16 + 8 + 4 + 4));
});

test('the audit seam: each write of a client with its request, and the nodes that go with a session', () => {
  const seen: string[] = [];
  const audit: WriteAudit = {
    written: ({ operation, txn }) => seen.push(`${operation?.name ?? 'session'} ${txn.kind.type}`),
    ephemeralDeleted: (_, path) => seen.push(`gone ${path}`),
  };
  const server = new TestServer({ audit });
  const client = server.client({ timeoutMs: 4000 });
  client.get(create('/e', { flags: 1 }));
  client.err(remove('/none'));
  client.disconnect();
  server.advance(10_000);
  expect(seen).toEqual(['session -10', 'create 1', 'delete -1', 'gone /e']);
});
