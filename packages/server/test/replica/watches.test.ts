/** Watches over the wire (client-protocol.md §7). */
import { AddWatchMode, WatcherType } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import {
  addWatch,
  auth,
  checkWatches,
  closeSession,
  create,
  createContainer,
  exists,
  getChildren,
  getChildren2,
  getData,
  multi,
  type Request,
  remove,
  removeWatches,
  setACL,
  setData,
  setWatches,
  setWatches2,
} from './requests.ts';
import { digestAcl, type TestClient, TestServer, worldAcl } from './support.ts';

const { persistent, persistentRecursive } = AddWatchMode;

/** A writer and a watcher; the watcher's requests may fail with -101, as exists does. */
function pair(...prepare: Request[]): { server: TestServer; writer: TestClient; watcher: TestClient } {
  const server = new TestServer();
  const [writer, watcher] = [server.client(), server.client()];
  for (const request of prepare) {
    writer.get(request);
  }
  return { server, writer, watcher };
}

describe('which operation fires what (§7.3)', () => {
  const watches: [string, Request][] = [
    ['data', getData('/p/n', true)],
    ['exist', exists('/p/n', true)],
    ['child', getChildren('/p/n', true)],
    ['child2', getChildren2('/p/n', true)],
    ['child of the parent', getChildren('/p', true)],
    ['persistent', addWatch('/p/n', persistent)],
    ['persistent on the parent', addWatch('/p', persistent)],
    ['recursive', addWatch('/p/n', persistentRecursive)],
    ['recursive on the parent', addWatch('/p', persistentRecursive)],
    ['recursive on the root', addWatch('/', persistentRecursive)],
  ];
  type Row = [operation: string, request: Request, existsBefore: boolean, fires: (number | string)[][]];
  const operations: Row[] = [
    ['create', create('/p/n'), false, [[], [1], [], [], [4], [1], [4], [1], [1], [1]]],
    ['create of an ephemeral', create('/p/n', { flags: 1 }), false, [[], [1], [], [], [4], [1], [4], [1], [1], [1]]],
    ['create of a container', createContainer('/p/n'), false, [[], [1], [], [], [4], [1], [4], [1], [1], [1]]],
    ['setData', setData('/p/n', 'x'), true, [[3], [3], [], [], [], [3], [], [3], [3], [3]]],
    ['delete', remove('/p/n'), true, [[2], [2], [2], [2], [4], [2], [4], [2], [2], [2]]],
    ['setACL', setACL('/p/n', [worldAcl(31)]), true, [[], [], [], [], [], [], [], [], [], []]],
    ['a failed setData', setData('/p/n', 'x', 9), true, [[], [], [], [], [], [], [], [], [], []]],
    ['a failed multi', multi(setData('/p/n', 'x'), remove('/no')), true, [[], [], [], [], [], [], [], [], [], []]],
  ];
  const cases = operations.flatMap(([operation, request, existsBefore, fires]) =>
    watches.map(([kind, watch], i) => ({ operation, request, existsBefore, kind, watch, types: fires[i] })),
  );

  test.each(cases)('$operation, $kind watch: $types', ({ request, existsBefore, watch, types }) => {
    const { writer, watcher } = pair(create('/p'), ...(existsBefore ? [create('/p/n')] : []));
    watcher.ask(watch);
    writer.ask(request);
    expect(watcher.eventNames()).toEqual(types.map((type) => [type, type === 4 ? '/p' : '/p/n']));
  });

  test('every row with its transaction’s zxid', () => {
    const { writer, watcher } = pair(create('/p'));
    watcher.get(addWatch('/p', persistent));
    writer.get(create('/p/n'));
    writer.get(setData('/p', 'x'));
    expect(watcher.events()).toEqual([
      ['event', 4, '/p', 4],
      ['event', 3, '/p', 5],
    ]);
  });

  test('create: type 1 on the node, then type 4 on the parent; delete: type 2, then type 4', () => {
    const { writer, watcher } = pair(create('/p'));
    watcher.get(addWatch('/p', persistent));
    watcher.get(addWatch('/p/n', persistent));
    writer.get(create('/p/n'));
    writer.get(remove('/p/n'));
    expect(watcher.eventNames()).toEqual([
      [1, '/p/n'],
      [4, '/p'],
      [2, '/p/n'],
      [4, '/p'],
    ]);
  });

  test('the end of a session fires for its ephemerals, one-shot child watches at the first', () => {
    const { server, writer, watcher } = pair(create('/p'));
    const owner = server.client();
    owner.get(create('/p/e1', { flags: 1 }));
    owner.get(create('/p/e2', { flags: 1 }));
    watcher.get(getChildren('/p', true));
    watcher.get(exists('/p/e1', true));
    watcher.get(exists('/p/e2', true));
    owner.get(closeSession());
    const events = watcher.events();
    expect(events.map(([, type, path]) => `${type} ${path}`).sort()).toEqual(['2 /p/e1', '2 /p/e2', '4 /p']);
    expect(events[1].slice(1, 3)).toEqual([4, '/p']);
    expect(new Set(events.map(([, , , zxid]) => zxid)).size).toBe(1);
    expect(writer.get(exists('/p')).stat.pzxid).toBe(BigInt(events[0][3]));
  });

  test('a created and deleted node in one multi: types 1 and 2 for a persistent watch; a one-shot is used up', () => {
    const { server, writer, watcher } = pair();
    const oneShot = server.client();
    watcher.get(addWatch('/n', persistent));
    oneShot.err(exists('/n', true));
    writer.get(multi(create('/n'), remove('/n')));
    expect(watcher.eventNames()).toEqual([
      [1, '/n'],
      [2, '/n'],
    ]);
    expect(oneShot.eventNames()).toEqual([[1, '/n']]);
  });
});

describe('kinds (§7.1)', () => {
  test('one entry per connection, path and kind: set twice, fired once, gone', () => {
    const { writer, watcher } = pair(create('/n'));
    watcher.get(getData('/n', true));
    watcher.get(getData('/n', true));
    watcher.get(exists('/n', true));
    writer.get(setData('/n', '1'));
    writer.get(setData('/n', '2'));
    expect(watcher.eventNames()).toEqual([[3, '/n']]);
  });

  test('trap 11: one type 2 for a deleted node, whatever watches the connection has on it', () => {
    const { writer, watcher } = pair(create('/n'));
    watcher.get(getData('/n', true));
    watcher.get(exists('/n', true));
    watcher.get(getChildren('/n', true));
    watcher.get(addWatch('/n', persistent));
    watcher.get(addWatch('/n', persistentRecursive));
    writer.get(remove('/n'));
    expect(watcher.eventNames()).toEqual([[2, '/n']]);
  });

  test('trap 12: a recursive watch never makes type 4, but the same connection’s child watch does', () => {
    const { writer, watcher } = pair(create('/p'));
    watcher.get(addWatch('/p', persistentRecursive));
    writer.get(create('/p/a'));
    expect(watcher.eventNames()).toEqual([[1, '/p/a']]);
    watcher.get(getChildren('/p', true));
    writer.get(create('/p/b'));
    writer.get(create('/p/c'));
    expect(watcher.eventNames()).toEqual([
      [1, '/p/b'],
      [4, '/p'],
      [1, '/p/c'],
    ]);
  });

  test('kinds on one path are independent: a one-shot beside a persistent one', () => {
    const { writer, watcher } = pair(create('/n'));
    watcher.get(addWatch('/n', persistentRecursive));
    watcher.get(addWatch('/n', persistent));
    watcher.get(getData('/n', true));
    writer.get(setData('/n', '1'));
    writer.get(setData('/n', '2'));
    writer.get(create('/n/c'));
    expect(watcher.eventNames()).toEqual([
      [3, '/n'],
      [3, '/n'],
      [1, '/n/c'],
      [4, '/n'],
    ]);
  });

  test('a call that fails sets no watch; only exists of a missing node does', () => {
    const { writer, watcher } = pair(create('/closed', { acl: [digestAcl('nobody:x')] }));
    for (const read of [
      getData('/n', true),
      getChildren('/n', true),
      getChildren2('/n', true),
      exists('/closed', true),
    ]) {
      expect(watcher.err(read)).toBeLessThan(0);
    }
    expect(watcher.err(getData('/closed', true))).toBe(-102);
    writer.get(create('/n'));
    writer.get(create('/n/c'));
    writer.get(remove('/closed'));
    expect(watcher.eventNames()).toEqual([]);
    expect(watcher.err(exists('/m', true))).toBe(-101);
    writer.get(create('/m'));
    expect(watcher.eventNames()).toEqual([[1, '/m']]);
  });

  test('watches belong to the connection, not to the session', () => {
    const { writer, watcher } = pair(create('/n'));
    watcher.get(getData('/n', true));
    const again = watcher.resume();
    writer.get(setData('/n', 'x'));
    expect(again.eventNames()).toEqual([]);
    expect(watcher.server.replica.world.watches.watchCount).toBe(0);
  });

  test('trap 46: addWatch takes any path, and answers with four bytes of zero', () => {
    const { watcher } = pair();
    for (const path of ['', 'relative', '/trailing/', '/a//b', '/.', '/nosuch', '/\0', null]) {
      expect(watcher.get(addWatch(path, persistent))).toEqual({ err: 0 });
      expect(watcher.get(addWatch(path, persistentRecursive))).toEqual({ err: 0 });
    }
    expect(watcher.err(addWatch('/', 2))).toBe(-5);
    expect(watcher.err(addWatch('/', -1))).toBe(-5);
  });
});

describe('who may hear of it (§7.4)', () => {
  const closed = [digestAcl('nobody:x')];

  test('trap 32: an event on a node the watcher may not read is dropped, and the one-shot is used up', () => {
    const { writer, watcher } = pair(create('/n'));
    watcher.get(getData('/n', true));
    writer.get(multi(setData('/n', 'x')));
    expect(watcher.eventNames().length).toBe(1);
    watcher.get(getData('/n', true));
    writer.get(setACL('/n', closed));
    const admin = watcher.server.client();
    expect(admin.err(setData('/n', 'y'))).toBe(-102);
    writer.get(remove('/n'));
    expect(watcher.eventNames()).toEqual([]); // type 2 asks the list that the node had
    writer.get(create('/n'));
    writer.get(setData('/n', 'z'));
    expect(watcher.eventNames()).toEqual([]); // it was used up
  });

  test('type 1 asks the new node’s list, type 4 the parent’s', () => {
    const { writer, watcher } = pair(create('/p'));
    watcher.get(addWatch('/', persistentRecursive));
    watcher.get(addWatch('/p', persistent));
    writer.get(create('/p/secret', { acl: closed }));
    expect(watcher.eventNames()).toEqual([[4, '/p']]);
    writer.get(create('/p/open'));
    expect(watcher.eventNames()).toEqual([
      [1, '/p/open'],
      [4, '/p'],
    ]);
    writer.get(setACL('/p', [worldAcl(4)]));
    writer.get(create('/p/open2'));
    expect(watcher.eventNames()).toEqual([[1, '/p/open2']]);
  });

  test('the identities are those at the time of the event; super hears everything', () => {
    const auths = { superDigest: 'super:D/InIHSb7yEEbrWz8b9l71RjZJU=' };
    const server = new TestServer({ auth: auths });
    const [writer, root, owner] = [server.client(), server.client(), server.client()];
    for (const watcher of [root, owner]) {
      watcher.get(addWatch('/', persistentRecursive));
    }
    root.get(auth('digest', 'super:test'));
    owner.get(auth('digest', 'u:p'));
    writer.get(create('/n', { acl: [digestAcl('u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=', 1)] }));
    writer.get(create('/m', { acl: closed }));
    expect(root.eventNames()).toEqual([
      [1, '/n'],
      [1, '/m'],
    ]);
    expect(owner.eventNames()).toEqual([[1, '/n']]);
  });

  test('skipACL lets everything through', () => {
    const server = new TestServer({ auth: { skipAcl: true } });
    const [writer, watcher] = [server.client(), server.client()];
    watcher.get(addWatch('/', persistentRecursive));
    writer.get(create('/n', { acl: closed }));
    expect(watcher.eventNames()).toEqual([[1, '/n']]);
  });

  test('trap 32: events that setWatches makes are not filtered', () => {
    const { watcher } = pair(create('/n', { acl: closed }));
    watcher.get(setWatches(0, { data: ['/n'], exist: ['/n'] }));
    expect(watcher.eventNames()).toEqual([
      [3, '/n'],
      [1, '/n'],
    ]);
  });
});

describe('setWatches (§7.6)', () => {
  test('the table, list by list', () => {
    const { server, writer } = pair(create('/same'), create('/changed'), create('/gone'));
    const since = server.lastZxid;
    writer.get(setData('/changed', 'x'));
    writer.get(create('/changed/child'));
    writer.get(remove('/gone'));
    const watcher = server.client();
    const all = ['/gone', '/changed', '/same'];
    watcher.get(setWatches(since, { data: all, exist: all, child: all }));
    expect(watcher.events()).toEqual([
      ['event', 2, '/gone', -1],
      ['event', 3, '/changed', -1],
      ['event', 1, '/changed', -1],
      ['event', 1, '/same', -1],
      ['event', 2, '/gone', -1],
      ['event', 4, '/changed', -1],
    ]);
    // Set: data and child on /same, exist on /gone; what was answered by an event is not.
    writer.get(setData('/same', 'x'));
    writer.get(create('/same/child'));
    writer.get(create('/gone'));
    writer.get(setData('/changed', 'y'));
    expect(watcher.eventNames()).toEqual([
      [3, '/same'],
      [4, '/same'],
      [1, '/gone'],
    ]);
  });

  test('trap 14: an exist watch on a node that is there fires type 1, whatever the zxid', () => {
    const { watcher } = pair(create('/n'));
    watcher.get(setWatches(2 ** 40, { exist: ['/n'] }));
    expect(watcher.eventNames()).toEqual([[1, '/n']]);
  });

  test('trap 13: persistent watches are only set; what they missed stays missed', () => {
    const { writer, watcher } = pair(create('/n'));
    watcher.get(setWatches2(0, { persistent: ['/n', '/no'], recursive: ['/'] }));
    expect(watcher.eventNames()).toEqual([]);
    writer.get(setData('/n', 'x'));
    writer.get(create('/m'));
    expect(watcher.eventNames()).toEqual([
      [3, '/n'],
      [1, '/m'],
    ]);
  });

  test('neither paths nor permissions are checked', () => {
    const { watcher } = pair(create('/closed', { acl: [digestAcl('nobody:x')] }));
    watcher.get(setWatches(2 ** 40, { data: ['bad path', '/closed'], child: ['/a//b'] }));
    expect(watcher.eventNames()).toEqual([
      [2, 'bad path'],
      [2, '/a//b'],
    ]);
  });
});

describe('checkWatches and removeWatches (§7.7)', () => {
  const kinds: [string, Request, number][] = [
    ['child', getChildren('/n', true), WatcherType.children],
    ['data', getData('/n', true), WatcherType.data],
    ['exist', exists('/n', true), WatcherType.data],
    ['persistent', addWatch('/n', persistent), WatcherType.persistent],
    ['recursive', addWatch('/n', persistentRecursive), WatcherType.persistentRecursive],
  ];

  test.each(kinds)('a %s watch is found under its own type and Any, and no other', (_, watch, type) => {
    const { watcher } = pair(create('/n'));
    watcher.get(watch);
    for (const asked of [1, 2, 3, 4, 5]) {
      const found = asked === type || asked === WatcherType.any;
      expect(watcher.err(checkWatches('/n', asked))).toBe(found ? 0 : -121);
    }
    expect(watcher.err(checkWatches('/', WatcherType.any))).toBe(-121);
  });

  test('only this connection’s watches count; other codes are -5', () => {
    const { writer, watcher } = pair(create('/n'));
    watcher.get(getData('/n', true));
    expect(writer.err(checkWatches('/n', WatcherType.any))).toBe(-121);
    expect(writer.err(removeWatches('/n', WatcherType.any))).toBe(-121);
    expect(watcher.err(checkWatches('/n', 0))).toBe(-5);
    expect(watcher.err(removeWatches('/n', 6))).toBe(-5);
    expect(watcher.err(checkWatches('/n', WatcherType.data))).toBe(0);
  });

  test('trap 15: removeWatches removes silently: "removed" events are the client’s own', () => {
    const { writer, watcher } = pair(create('/n'));
    for (const [, watch] of kinds) {
      watcher.get(watch);
    }
    expect(watcher.err(removeWatches('/n', WatcherType.any))).toBe(0);
    expect(watcher.err(removeWatches('/n', WatcherType.any))).toBe(-121);
    writer.get(setData('/n', 'x'));
    writer.get(remove('/n'));
    expect(watcher.eventNames()).toEqual([]);
  });

  test('trap 16: checkWatches leaves the watch: it fires on', () => {
    const { writer, watcher } = pair(create('/n'));
    watcher.get(getData('/n', true));
    watcher.get(checkWatches('/n', WatcherType.data));
    writer.get(setData('/n', 'x'));
    expect(watcher.eventNames()).toEqual([[3, '/n']]);
  });

  test('one kind is removed, the others stay', () => {
    const { writer, watcher } = pair(create('/n'));
    watcher.get(getData('/n', true));
    watcher.get(addWatch('/n', persistent));
    watcher.get(removeWatches('/n', WatcherType.persistent));
    writer.get(setData('/n', 'x'));
    writer.get(setData('/n', 'y'));
    expect(watcher.eventNames()).toEqual([[3, '/n']]);
  });
});
