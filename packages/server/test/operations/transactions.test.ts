/** What each write leaves in the log, and what a restart makes of it (disk-format.md §2.2, §3.6). */
import { CreateTxn, DeleteTxn, JuteWriter, MultiTxn, OPEN_ACL } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { simulatedOptions } from '../../../simulator/src/standalone-world.ts';
import { FILE_HEADER_BYTES, RECORD_FRAME_BYTES, RECORD_HEAD_BYTES, writeRecord } from '../../src/storage/format.ts';
import {
  auth,
  check,
  closeSession,
  create,
  create2,
  createContainer,
  createTTL,
  exists,
  getACL,
  getData,
  multi,
  raw,
  remove,
  setACL,
  setData,
} from '../replica/requests.ts';
import { digestAcl, type TestClient, TestServer, worldAcl } from '../replica/support.ts';
import { logFile, type RecordedTxn, recoverFrom, txnBody } from '../storage/support.ts';

const acl = [...OPEN_ACL];

/** The transactions in the log. */
function logged(server: TestServer): readonly RecordedTxn[] {
  return recoverFrom(server.world.disk).sink.txns;
}

function lastTxn(client: TestClient): { type: number; txn: unknown } {
  const { header, txn } = logged(client.server).at(-1) as RecordedTxn;
  expect(header.zxid).toBe(client.server.lastZxid);
  return { type: header.type, txn };
}

function createTxn(path: string, data: string): Uint8Array {
  const writer = new JuteWriter();
  CreateTxn.encode(writer, { path, data: bytes(data), acl, ephemeral: false, parentCVersion: 1 });
  return writer.copy();
}

function deleteTxn(path: string): Uint8Array {
  const writer = new JuteWriter();
  DeleteTxn.encode(writer, { path });
  return writer.copy();
}

const bytes = (text: string) => new Uint8Array(Buffer.from(text));

describe('a closeSession that would be too long for other servers to read', () => {
  const fieldBytesMax = 2000;
  const storage = { ...simulatedOptions.storage, fieldBytesMax };

  test('lists what fits, one path of each parent first; the others go too, and replay agrees', () => {
    const server = new TestServer({ replica: { storage } });
    const watcher = server.client({ timeoutMs: 40_000 });
    const client = server.client();
    for (const parent of ['/a', '/b']) {
      client.get(create(parent));
      for (let i = 0; i < 10; i++) {
        client.get(create(`${parent}/${'é'.repeat(100)}${i}`, { flags: 1 }));
      }
    }
    client.send(closeSession());
    server.settle();
    const { txn } = lastTxn(watcher) as { txn: { paths2Delete: string[] } };
    const { paths2Delete } = txn;
    expect(paths2Delete.length).toBeGreaterThanOrEqual(7);
    expect(paths2Delete.length).toBeLessThan(10);
    const below = (parent: string) => paths2Delete.filter((path) => path.startsWith(parent)).length;
    expect(Math.min(below('/a/'), below('/b/'))).toBe(1);
    expect(paths2Delete.reduce((sum, path) => sum + 4 + Buffer.byteLength(path), 0)).toBeLessThan(fieldBytesMax);
    const { tree } = server.replica.world;
    expect(tree.ephemeralsCount).toBe(0);
    const { digest } = tree;
    for (const parent of ['/a', '/b']) {
      const { stat } = watcher.get(exists(parent));
      expect(stat).toMatchObject({ numChildren: 0, pzxid: BigInt(server.lastZxid) });
    }
    server.restart();
    expect(server.replica.world.tree.digest).toBe(digest);
  });
});

test('a multi with a part beyond the default limit of fields, where the configured one allows it', () => {
  const fieldBytesMax = 10_000_000;
  const frameBytesMax = 5_000_000;
  const requests = { ...simulatedOptions.requests, fieldLengthBytesMax: fieldBytesMax };
  const storage = { ...simulatedOptions.storage, fieldBytesMax };
  const server = new TestServer({ replica: { storage, requests, frameBytesMax } });
  const data = 'x'.repeat(3_000_000);
  const client = server.client();
  const [created] = client.get(multi(create2('/large', { data })));
  expect(created.stat).toMatchObject({ dataLength: data.length });
  server.restart();
  expect(server.client().get(exists('/large')).stat).toMatchObject({ dataLength: data.length });
});

describe('the transaction of each write', () => {
  function after(client: TestClient, request: Parameters<TestClient['ask']>[0]) {
    client.ask(request);
    return lastTxn(client);
  }

  test('sessions: the negotiated timeout; the ephemerals', () => {
    const server = new TestServer();
    const client = server.client({ timeoutMs: 1 });
    expect(lastTxn(client)).toEqual({ type: -10, txn: { timeOut: 4000 } });
    client.get(create('/e', { flags: 1 }));
    expect(after(client, closeSession())).toEqual({ type: -11, txn: { paths2Delete: ['/e'] } });
    const { header } = logged(server).at(-1) as RecordedTxn;
    expect(header).toMatchObject({ clientId: client.sessionId, cxid: 2, timeMs: server.world.clock.wallMs });
  });

  test('creations: the final path, the parent’s counter after it, the kind of node', () => {
    const client = new TestServer().client();
    const data = bytes('x');
    expect(after(client, create('/p', { data: 'x' }))).toEqual({
      type: 1,
      txn: { path: '/p', data, acl, ephemeral: false, parentCVersion: 1 },
    });
    expect(after(client, create2('/p/s-', { data: null, flags: 3 }))).toEqual({
      type: 15,
      txn: { path: '/p/s-0000000000', data: null, acl, ephemeral: true, parentCVersion: 1 },
    });
    expect(after(client, createContainer('/p/c', { data: 'x' }))).toEqual({
      type: 19,
      txn: { path: '/p/c', data, acl, parentCVersion: 2 },
    });
    expect(after(client, createTTL('/p/t', 77n, { data: 'x', flags: 6 }))).toEqual({
      type: 21,
      txn: { path: '/p/t0000000002', data, acl, parentCVersion: 3, ttl: 77n },
    });
    expect(after(client, create('/p/plain', { data: 'x', flags: 4 }))).toMatchObject({ type: 1 });
  });

  test('changes: versions are the new ones; ACLs are expanded', () => {
    const client = new TestServer().client();
    client.get(auth('digest', 'u:p'));
    client.get(create('/n'));
    expect(after(client, setData('/n', 'x'))).toEqual({ type: 5, txn: { path: '/n', data: bytes('x'), version: 1 } });
    expect(after(client, setACL('/n', [{ perms: 31, id: { scheme: 'auth', id: '' } }]))).toEqual({
      type: 7,
      txn: { path: '/n', acl: [digestAcl('u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=')], version: 1 },
    });
    expect(after(client, remove('/n'))).toEqual({ type: 2, txn: { path: '/n' } });
  });

  test('disk-format trap 6: a refused write is an error record', () => {
    const client = new TestServer().client();
    expect(after(client, remove('/nosuch'))).toEqual({ type: -1, txn: { err: -101 } });
    expect(after(client, raw(14, Buffer.alloc(3)))).toEqual({ type: -1, txn: { err: -5 } });
  });

  test('disk-format trap 8: a failed multi keeps what came before the failure, and nothing of it is applied', () => {
    const client = new TestServer().client();
    expect(after(client, multi(create('/a', { data: null }), remove('/nosuch'), create('/b')))).toEqual({
      type: 14,
      txn: {
        txns: [
          { type: 1, txn: { path: '/a', data: null, acl, ephemeral: false, parentCVersion: 1 } },
          { type: -1, txn: { err: -101 } },
          { type: -1, txn: { err: -2 } },
        ],
      },
    });
    client.server.restart();
    expect(client.server.client().err(exists('/a'))).toBe(-101);
  });

  test('disk-format trap 32: a check is logged with the node’s version + 1', () => {
    const client = new TestServer().client();
    client.get(setData('/', 'x'));
    expect(after(client, multi(check('/', 1)))).toEqual({
      type: 14,
      txn: { txns: [{ type: 13, txn: { path: '/', version: 2 } }] },
    });
  });

  test('disk-format trap 12: error records carry no digest, a failed multi does: that of the unchanged tree', () => {
    const client = new TestServer().client();
    client.get(create('/a'));
    client.err(remove('/nosuch'));
    client.get(multi(create('/b'), remove('/nosuch')));
    const [, created, error, failed] = logged(client.server);
    expect(error.digest).toBeNull();
    expect(failed.digest).toBe(created.digest);
    expect(failed.digest).toBe(client.server.replica.world.tree.digest);
  });

  test('one made by the server: session 0, cxid 0', () => {
    const server = new TestServer();
    const client = server.client({ timeoutMs: 40_000 });
    client.get(createTTL('/t', 1n));
    server.advance(31_000, 1000);
    client.get(exists('/'));
    server.advance(30_000, 1000);
    expect(lastTxn(client)).toEqual({ type: 20, txn: { path: '/t' } });
    expect((logged(server).at(-1) as RecordedTxn).header).toMatchObject({ clientId: 0n, cxid: 0 });
  });

  test('an expired session: its id, cxid 0', () => {
    const server = new TestServer();
    const client = server.client({ timeoutMs: 4000 });
    client.get(create('/e', { flags: 1 }));
    server.advance(6001);
    const { header, txn } = logged(server).at(-1) as RecordedTxn;
    expect(header).toMatchObject({ type: -11, clientId: client.sessionId, cxid: 0 });
    expect(txn).toEqual({ paths2Delete: ['/e'] });
  });

  test('not logged: reads, pings, bodies that do not decode, local sessions', () => {
    const server = new TestServer({ replica: { localSessionsEnabled: true } });
    const client = server.client();
    client.get(getData('/'));
    client.err(raw(1));
    client.close();
    expect(logged(server)).toEqual([]);
  });
});

describe('after a restart', () => {
  test('disk-format trap 39: statistics of quotas are counted anew, and were never logged', () => {
    const server = new TestServer();
    const client = server.client();
    const stats = '/zookeeper/quota/q/zookeeper_stats';
    for (const request of [
      create('/q'),
      create('/zookeeper/quota/q'),
      create('/zookeeper/quota/q/zookeeper_limits', { data: 'count=9,bytes=9' }),
      create(stats),
      create('/q/a', { data: 'xyz' }),
    ]) {
      client.get(request);
    }
    expect(logged(server).filter(({ header }) => header.type === 5)).toEqual([]);
    server.restart();
    expect(Buffer.from(server.client().get(getData(stats)).data ?? '').toString()).toBe('count=2,bytes=3');
  });

  test('disk-format trap 20: without extended types, TTL nodes look like ephemerals of dead sessions, and stay', () => {
    const server = new TestServer();
    const client = server.client();
    client.get(createTTL('/t', 1000n));
    client.get(createContainer('/c'));
    const ownerRules = { ...simulatedOptions.ownerRules, extendedTypesEnabled: false };
    const errors: string[] = [];
    const log = { info: () => {}, warn: () => {}, error: (message: string) => void errors.push(message) };
    const plain = new TestServer({ replica: { ownerRules }, log });
    plain.world.disk = server.world.disk;
    plain.restart();
    expect(errors).toEqual([expect.stringContaining('extendedTypesEnabled')]);
    const reader = plain.client();
    expect(reader.err(exists('/t'))).toBe(0);
    expect(reader.err(exists('/c'))).toBe(0);
  });

  test('disk-format traps 41 and 42: ephemerals of sessions the log makes stay, those of unknown ones go', () => {
    const server = new TestServer();
    const [stays, goes] = [server.client(), server.client()];
    stays.get(create('/stays', { flags: 1 }));
    goes.get(create('/goes', { flags: 1 }));
    server.replica.world.sessions.close(goes.sessionId); // as if the snapshot had never known it
    server.replica.snapshots.start();
    server.settle();
    server.restart();
    const client = server.client();
    expect(client.err(exists('/stays'))).toBe(0);
    expect(client.err(exists('/goes'))).toBe(-101);
  });

  test('disk-format trap 9: a multi is replayed part by part; one that fails does not stop the others', () => {
    const server = new TestServer();
    const client = server.client();
    client.get(create('/a', { data: 'old' }));
    const zxid = server.lastZxid + 1;
    // As over a fuzzy snapshot, which may have the effect of a part already, or that of a later transaction.
    const writer = new JuteWriter();
    MultiTxn.encode(writer, {
      txns: [
        { type: 1, data: createTxn('/a', 'new') },
        { type: 2, data: deleteTxn('/missing') },
        { type: 1, data: createTxn('/b', 'b') },
      ],
    });
    server.world.disk.put('log', `log.${zxid.toString(16)}`, logFile(txnBody(zxid, 14, writer.copy())));
    server.restart();
    const reader = server.client();
    expect(reader.get(getData('/a')).data).toEqual(bytes('old'));
    expect(reader.get(getData('/b')).data).toEqual(bytes('b'));
  });

  test('disk-format trap 26: a digest that differs is told, and stops nothing', () => {
    const server = new TestServer();
    server.client().get(create('/a', { data: 'as it was' }));
    const errors: string[] = [];
    const log = { info: () => {}, warn: () => {}, error: (message: string) => void errors.push(message) };
    const other = new TestServer({ log });
    const [name] = server.world.disk
      .list('log')
      .map((file) => file.name)
      .filter((one) => one.startsWith('log.'));
    other.world.disk = server.world.disk.clone();
    const bytesOfLog = other.world.disk.get('log', name);
    other.world.disk.put('log', name, withOtherDigest(bytesOfLog));
    other.restart();
    expect(errors.join()).toContain('digest');
    expect(other.client().err(exists('/a'))).toBe(0);
  });

  test('disk-format trap 22: a list set while a snapshot is written is there after replay', () => {
    const server = new TestServer();
    const client = server.client();
    for (let i = 0; i < 3; i++) {
      client.get(create(`/n${i}`, { data: Buffer.alloc(200_000) }));
    }
    server.replica.snapshots.start();
    client.send(setACL('/n2', [worldAcl(7), digestAcl('a:b', 1)]));
    client.send(setACL('/n0', [worldAcl(15)]));
    server.settle();
    server.restart();
    const reader = server.client();
    expect(reader.get(getACL('/n2')).acl).toEqual([worldAcl(7), digestAcl('a:x', 1)]);
    expect(reader.get(getACL('/n0')).acl).toEqual([worldAcl(15)]);
  });

  test('every kind of write, replayed, gives the same tree and the same digest', () => {
    const server = new TestServer();
    const client = server.client();
    for (const request of [
      create('/a', { data: 'x' }),
      create2('/a/e', { flags: 1 }),
      createContainer('/a/c'),
      createTTL('/a/t', 1000n),
      setData('/a', null),
      setACL('/a', [worldAcl(31), digestAcl('u:x')]),
      multi(create('/b'), setData('/b', 'y'), remove('/b'), create('/b')),
      multi(create('/never'), check('/nosuch')),
      remove('/a/c'),
      setData('/zookeeper/quota', 'z'),
    ]) {
      client.get(request);
    }
    const { digest, nodeCount } = server.replica.world.tree;
    const stats = (who: TestClient) => ['/', '/a', '/a/e', '/a/t', '/b'].map((path) => who.get(exists(path)).stat);
    const before = stats(client);
    server.restart();
    expect(server.replica.world.tree).toMatchObject({ digest, nodeCount });
    expect(stats(server.client())).toEqual(before);
  });
});

/** The log with the digest of its last record changed, checksum and all. */
function withOtherDigest(log: Buffer): Buffer {
  let at = FILE_HEADER_BYTES;
  const sizeAt = (offset: number) => log.readInt32BE(offset + 8);
  const next = () => at + RECORD_FRAME_BYTES + sizeAt(at);
  while (sizeAt(next()) > 0) {
    at = next();
  }
  const copy = Buffer.from(log);
  const start = at + RECORD_HEAD_BYTES;
  const body = Buffer.from(log.subarray(start, start + sizeAt(at)));
  body[body.length - 1] ^= 1;
  writeRecord(copy, at, body);
  return copy;
}
