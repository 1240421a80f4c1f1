/** Order on one connection, and the xids of answers (client-protocol.md §3.1, §3.7). */
import { describe, expect, test } from 'vitest';
import {
  addWatch,
  auth,
  create,
  exists,
  getChildren,
  getData,
  multi,
  multiRead,
  ping,
  raw,
  remove,
  setData,
  setWatches,
  setWatches2,
  sync,
  whoAmI,
} from './requests.ts';
import { digestAcl, type TestClient, TestServer } from './support.ts';

function errs(lines: ReturnType<TestClient['lines']>): number[] {
  return lines.flatMap((line) => (line[0] === 'event' ? [] : [line[2] as number]));
}

describe('xids (§3.1)', () => {
  test.each([0, 1, -1, -3, -4, -8, 2 ** 31 - 1, -(2 ** 31)])('xid %i is echoed, for reads and writes', (xid) => {
    const server = new TestServer();
    const client = server.client();
    client.send(exists('/'), xid);
    client.send(create('/a'), xid);
    client.send(getData('/a'), xid);
    server.settle();
    // By hand: −1 looks like an event to the client.
    const bytes = client.wire.connection.take();
    const xids: number[] = [];
    for (let at = 0; at < bytes.length; at += 4 + bytes.readInt32BE(at)) {
      xids.push(bytes.readInt32BE(at + 4));
    }
    expect(xids).toEqual([xid, xid, xid]);
  });

  test('xids need be neither unique nor rising', () => {
    const server = new TestServer();
    const client = server.client();
    for (const xid of [7, 7, 3]) {
      client.send(create(`/n${xid}`), xid);
    }
    server.settle();
    expect(client.lines()).toEqual([
      [7, 2, 0],
      [7, 3, -110],
      [3, 4, 0],
    ]);
  });

  test('trap 5: the reply to a ping has xid -2, whatever the ping’s', () => {
    const server = new TestServer();
    const client = server.client();
    for (const xid of [-2, 0, 5]) {
      client.send(ping(), xid);
    }
    client.send(create('/a'));
    client.send(ping(), 9); // in its place behind the write
    server.settle();
    expect(client.lines()).toEqual([...Array(3).fill([-2, 1, 0]), [1, 2, 0], [-2, 2, 0]]);
  });

  test('trap 9: setWatches is answered under the xid it came with', () => {
    const client = new TestServer().client();
    expect(client.ask(setWatches(0, {}), -8).xid).toBe(-8);
    expect(client.ask(setWatches2(0, {}), 77).xid).toBe(77);
  });
});

describe('order (§3.7)', () => {
  test('answers leave in request order, reads and writes mixed, errors included', () => {
    const client = new TestServer().client();
    const lines = client.pipeline(
      exists('/a'),
      create('/a'),
      exists('/a'),
      create('/a'),
      getData('/a'),
      raw(4, Buffer.from('ff')),
      multi(setData('/a', 'x')),
      multiRead(getData('/a')),
      sync('/'),
      remove('/a', 7),
      getChildren('/nosuch'),
      remove('/a'),
      exists('/a'),
    );
    expect(lines.map(([xid]) => xid)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    expect(errs(lines)).toEqual([-101, 0, 0, -110, 0, -5, 0, 0, 0, -103, -101, 0, -101]);
    const zxids = lines.map(([, zxid]) => zxid as number);
    expect(zxids).toEqual([1, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 6, 6]);
  });

  test('writes are pipelined in send order; one that fails does not stop the others', () => {
    const client = new TestServer().client();
    const lines = client.pipeline(
      create('/a'),
      create('/nosuch/x'),
      create('/a/b'),
      remove('/a'),
      remove('/a/b'),
      remove('/a'),
    );
    expect(errs(lines)).toEqual([0, -101, 0, -111, 0, 0]);
  });

  test('a read behind a write of the same connection sees it, one of another connection does not yet', () => {
    const server = new TestServer();
    const [writer, other] = [server.client(), server.client()];
    writer.send(create('/a'));
    writer.send(exists('/a'));
    other.send(exists('/a'));
    server.turn();
    expect(errs(other.lines())).toEqual([-101]);
    expect(writer.lines()).toEqual([]);
    server.settle();
    expect(errs(writer.lines())).toEqual([0, 0]);
  });

  test('a read is not overtaken by a later write', () => {
    const client = new TestServer().client();
    client.get(create('/a', { data: 'old' }));
    client.lines();
    client.send(setData('/a', '1'));
    const read = client.send(getData('/a'));
    client.send(setData('/a', 'much longer'));
    client.server.settle();
    const reply = client.wire.receive().find((message) => message.kind === 'reply' && message.xid === read);
    expect(reply).toMatchObject({ zxid: 3n });
    expect((reply as { body: Buffer }).body.readInt32BE(0)).toBe(1); // the length of '1'
  });

  test('trap 10: a session’s own event comes before the reply of the write that fired it', () => {
    const client = new TestServer().client();
    client.get(create('/a'));
    client.get(getData('/a', true));
    expect(client.pipeline(setData('/a', 'x'), getData('/a', true), remove('/a'), exists('/a'))).toEqual([
      ['event', 3, '/a', 3],
      [3, 3, 0],
      [4, 3, 0],
      ['event', 2, '/a', 4],
      [5, 4, 0],
      [6, 4, -101],
    ]);
  });

  test('another’s event comes before the reply of any later read', () => {
    const server = new TestServer();
    const [writer, reader] = [server.client(), server.client()];
    writer.get(create('/a'));
    reader.get(getData('/a', true));
    reader.send(sync('/a'));
    writer.send(setData('/a', 'x'));
    reader.send(sync('/a'));
    reader.send(getData('/a'));
    server.settle();
    expect(reader.lines()).toEqual([
      [2, 3, 0],
      ['event', 3, '/a', 4],
      [3, 4, 0],
      [4, 4, 0],
    ]);
  });

  test('several events of one transaction all come before its reply', () => {
    const client = new TestServer().client();
    client.get(getChildren('/', true));
    client.err(exists('/a', true));
    client.err(exists('/a/b', true));
    expect(client.pipeline(multi(create('/a'), create('/a/b')))).toEqual([
      ['event', 1, '/a', 2],
      ['event', 4, '/', 2],
      ['event', 1, '/a/b', 2],
      [4, 2, 0],
    ]);
  });

  test('the events that setWatches makes come before its reply', () => {
    const client = new TestServer().client();
    expect(client.pipeline(create('/a'), setWatches(0, { exist: ['/a'], data: ['/b'] }))).toEqual([
      [1, 2, 0],
      ['event', 2, '/b', -1],
      ['event', 1, '/a', -1],
      [2, 2, 0],
    ]);
  });

  test('trap 28: auth replies keep their place among the others', () => {
    const server = new TestServer();
    const client = server.client();
    client.send(create('/a'));
    client.send(auth('digest', 'u:p'), -4);
    client.send(create('/b'));
    server.settle();
    expect(client.lines()).toEqual([
      [1, 2, 0],
      [-4, 0, 0],
      [2, 3, 0],
    ]);
  });

  test('a failed auth keeps its place, too: what came before is answered, what comes after is not', () => {
    const server = new TestServer();
    const client = server.client();
    client.send(create('/a'));
    client.send(auth('nosuch', 'u:p'), -4);
    client.send(create('/b'));
    server.settle();
    expect(client.lines()).toEqual([
      [1, 2, 0],
      [-4, 0, -115],
    ]);
    expect(client.closed).toBe(true);
    expect(server.lastZxid).toBe(2);
  });

  test('an auth packet is for the requests behind it, never for those before', () => {
    const server = new TestServer();
    const owner = server.client();
    owner.get(auth('digest', 'u:p'));
    owner.get(create('/mine', { acl: [digestAcl('u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=')] }));
    const client = server.client();
    const lines = client.pipeline(
      create('/x'), // something to wait for
      getData('/mine'),
      setData('/mine', '1'),
      whoAmI(),
      auth('digest', 'u:p'),
      getData('/mine'),
      setData('/mine', '2'),
    );
    expect(errs(lines)).toEqual([0, -102, -102, 0, 0, 0, 0]);
  });

  test('all connections see the same order of events', () => {
    const server = new TestServer();
    const watchers = [server.client(), server.client(), server.client()];
    for (const watcher of watchers) {
      watcher.get(addWatch('/', 1));
    }
    const [a, b] = [server.client(), server.client()];
    for (let i = 0; i < 5; i++) {
      a.send(create(`/a${i}`));
      b.send(create(`/b${i}`));
      a.send(remove(`/a${i}`));
    }
    server.settle();
    const seen = watchers.map((watcher) => watcher.events());
    expect(seen[0].length).toBe(15);
    expect(seen[1]).toEqual(seen[0]);
    expect(seen[2]).toEqual(seen[0]);
  });

  test('one turn’s answers to a connection leave in one write', () => {
    const server = new TestServer();
    const client = server.client();
    const { writes } = client.wire.connection;
    client.pipeline(...Array.from({ length: 20 }, () => exists('/')));
    expect(client.wire.connection.writes).toBe(writes + 1);
  });
});
