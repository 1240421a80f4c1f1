/** What changes which field of a stat (client-protocol.md §5.4), the fresh tree, and the reads about nodes (§3.5). */
import type { Stat } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import {
  auth,
  create,
  create2,
  exists,
  getACL,
  getAllChildrenNumber,
  getChildren,
  getChildren2,
  getData,
  getEphemerals,
  multi,
  remove,
  setACL,
  setData,
  sync,
  whoAmI,
} from './requests.ts';
import { type TestClient, TestServer, worldAcl } from './support.ts';

function statOf(client: TestClient, path: string): Stat {
  return client.get(exists(path)).stat;
}

/** The fields of a stat that a step has changed. */
function changes(client: TestClient, path: string, step: () => void): Partial<Stat> {
  const before = statOf(client, path);
  client.server.advance(1000);
  step();
  const after = statOf(client, path);
  const fields = Object.keys(before) as (keyof Stat)[];
  return Object.fromEntries(
    fields.filter((field) => before[field] !== after[field]).map((field) => [field, after[field]]),
  );
}

describe('stat fields', () => {
  test('create sets them', () => {
    const server = new TestServer();
    const client = server.client();
    const now = BigInt(server.world.clock.wallMs);
    expect(client.get(create2('/n', { data: 'four' })).stat).toEqual({
      czxid: 2n,
      mzxid: 2n,
      ctime: now,
      mtime: now,
      version: 0,
      cversion: 0,
      aversion: 0,
      ephemeralOwner: 0n,
      dataLength: 4,
      numChildren: 0,
      pzxid: 2n,
    });
  });

  test('setData: version, mzxid, mtime, length', () => {
    const server = new TestServer();
    const client = server.client();
    client.get(create('/n'));
    const mtime = BigInt(server.world.clock.wallMs + 1000);
    expect(changes(client, '/n', () => client.get(setData('/n', 'abc')))).toEqual({
      version: 1,
      mzxid: 3n,
      mtime,
      dataLength: 3,
    });
  });

  test('setACL: aversion alone', () => {
    const client = new TestServer().client();
    client.get(create('/n'));
    expect(changes(client, '/n', () => client.get(setACL('/n', [worldAcl(31)])))).toEqual({ aversion: 1 });
  });

  test('trap 3: cversion counts creations and deletions of children; pzxid follows them', () => {
    const client = new TestServer().client();
    client.get(create('/n'));
    const after = (step: Parameters<TestClient['get']>[0]) => changes(client, '/n', () => client.get(step));
    expect(after(create('/n/a'))).toEqual({ cversion: 1, numChildren: 1, pzxid: 3n });
    expect(after(create('/n/b'))).toEqual({ cversion: 2, numChildren: 2, pzxid: 4n });
    expect(after(remove('/n/a'))).toEqual({ cversion: 3, numChildren: 1, pzxid: 5n });
    expect(after(setData('/n/b', 'x'))).toEqual({});
    expect(after(create('/n/b/c'))).toEqual({});
    expect(after(remove('/n/b/c'))).toEqual({});
    expect(client.get(create('/n/s', { flags: 2 })).path).toBe('/n/s0000000002'); // the raw counter
  });

  test('a node deleted and created again starts at 0', () => {
    const client = new TestServer().client();
    client.get(create('/n'));
    client.get(setData('/n', 'x'));
    client.get(setACL('/n', [worldAcl(31)]));
    client.get(create('/n/c'));
    client.get(remove('/n/c'));
    client.get(remove('/n'));
    client.get(create('/n'));
    expect(statOf(client, '/n')).toMatchObject({ version: 0, cversion: 0, aversion: 0, czxid: 8n, pzxid: 8n });
  });

  test('stats survive a restart, replayed from the log and loaded from a snapshot', () => {
    const server = new TestServer();
    const client = server.client();
    client.get(create('/n', { data: 'x' }));
    client.get(create('/n/a'));
    client.get(create('/n/e', { flags: 1 }));
    client.get(remove('/n/a'));
    client.get(setData('/n', 'yy'));
    const stats = (who: TestClient) => ['/', '/n', '/n/e', '/zookeeper'].map((path) => statOf(who, path));
    const before = stats(client);
    server.restart();
    expect(stats(server.client())).toEqual(before);
    server.replica.snapshots.start();
    server.settle();
    server.restart();
    expect(stats(server.client())).toEqual(before);
  });

  test('the times of a multi are those of one moment', () => {
    const client = new TestServer().client();
    client.get(multi(create('/a'), create('/a/b'), setData('/a', 'x')));
    expect(statOf(client, '/a')).toMatchObject({ czxid: 2n, mzxid: 2n, pzxid: 2n, version: 1, cversion: 1 });
    expect(statOf(client, '/a/b').ctime).toBe(statOf(client, '/a').mtime);
  });
});

describe('the fresh tree', () => {
  test('trap 38: cversion of the root is -1, of /zookeeper -2; aversion of /zookeeper/config is -1', () => {
    const client = new TestServer().client();
    const zero = {
      czxid: 0n,
      mzxid: 0n,
      ctime: 0n,
      mtime: 0n,
      version: 0,
      ephemeralOwner: 0n,
      dataLength: 0,
      pzxid: 0n,
    };
    expect(statOf(client, '/')).toEqual({ ...zero, cversion: -1, aversion: 0, numChildren: 1 });
    expect(statOf(client, '/zookeeper')).toEqual({ ...zero, cversion: -2, aversion: 0, numChildren: 2 });
    expect(statOf(client, '/zookeeper/quota')).toEqual({ ...zero, cversion: 0, aversion: 0, numChildren: 0 });
    expect(statOf(client, '/zookeeper/config')).toEqual({ ...zero, cversion: 0, aversion: -1, numChildren: 0 });
    expect(client.get(getACL('/zookeeper/config')).acl).toEqual([worldAcl(1)]);
    expect(client.get(getACL('/zookeeper/quota')).acl).toEqual([worldAcl(31)]);
    expect(client.get(getChildren('/zookeeper')).children.sort()).toEqual(['config', 'quota']);
  });

  test('trap 37: getAllChildrenNumber of "/" is 3, and a node is not its own descendant', () => {
    const client = new TestServer().client();
    expect(client.get(getAllChildrenNumber('/'))).toEqual({ totalNumber: 3 });
    client.get(create('/a'));
    client.get(create('/a/b'));
    client.get(create('/a/b/c'));
    client.get(create('/ab'));
    expect(client.get(getAllChildrenNumber('/a'))).toEqual({ totalNumber: 2 });
    expect(client.get(getAllChildrenNumber('/'))).toEqual({ totalNumber: 7 });
  });
});

describe('other reads (§3.5)', () => {
  test('getChildren and getChildren2 agree, and list names', () => {
    const client = new TestServer().client();
    client.get(create('/p'));
    for (const name of ['c', 'a', 'b']) {
      client.get(create(`/p/${name}`));
    }
    const { children, stat } = client.get(getChildren2('/p'));
    expect([...children].sort()).toEqual(['a', 'b', 'c']);
    expect(client.get(getChildren('/p')).children.sort()).toEqual(['a', 'b', 'c']);
    expect(stat).toEqual(statOf(client, '/p'));
  });

  test('getData of null data: length −1, dataLength 0', () => {
    const client = new TestServer().client();
    client.get(create('/n', { data: null }));
    expect(client.get(getData('/n'))).toMatchObject({ data: null, stat: { dataLength: 0 } });
  });

  test('getEphemerals: this session’s, by plain string prefix', () => {
    const server = new TestServer();
    const client = server.client();
    for (const path of ['/ab', '/abc', '/b']) {
      client.get(create(path, { flags: 1 }));
    }
    client.get(create('/persistent'));
    server.client().get(create('/other', { flags: 1 }));
    const list = (prefix: string | null) => client.get(getEphemerals(prefix)).ephemerals.sort();
    expect(list('/ab')).toEqual(['/ab', '/abc']);
    expect(list('/nosuch')).toEqual([]);
    for (const all of [null, '', ' ', '/']) {
      expect(list(all)).toEqual(['/ab', '/abc', '/b']);
    }
  });

  test('whoAmI: one entry per identity; the address alone at first', () => {
    const client = new TestServer().client({ remoteAddress: '10.1.2.3' });
    expect(client.get(whoAmI()).clientInfo).toEqual([{ authScheme: 'ip', user: '10.1.2.3' }]);
    client.get(auth('digest', 'ann:secret'));
    expect(client.get(whoAmI()).clientInfo).toContainEqual({ authScheme: 'digest', user: 'ann' });
  });

  test('sync echoes any path, and waits for what was proposed before it, by anybody', () => {
    const server = new TestServer();
    const [writer, reader] = [server.client(), server.client()];
    writer.send(create('/a'));
    reader.send(sync('no path at all'));
    server.turn();
    expect(reader.lines()).toEqual([]);
    server.settle();
    expect(reader.lines()).toEqual([[1, 3, 0]]);
    expect(reader.get(sync('/nosuch'))).toEqual({ path: '/nosuch' });
  });
});
