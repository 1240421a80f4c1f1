import { type ACL, EventType, OPEN_ACL, READ_ACL, WatcherType } from '@treekeeper/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Change } from '../../src/tree/data-tree.ts';
import { type WatchKind, WatchTable } from '../../src/watches/watch-table.ts';
import { type Delivered, NaiveWatches } from './naive-watches.ts';

class Client {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
  toString(): string {
    return this.name;
  }
}

const a = new Client('a');
const b = new Client('b');

function change(kind: Change['kind'], path: string): Change {
  return { kind, path, acl: OPEN_ACL, parentAcl: READ_ACL };
}

function fire(table: WatchTable<Client>, ...changes: Change[]): string[] {
  const events: string[] = [];
  for (const each of changes) {
    table.trigger(each, (watcher, type, path) => events.push(`${watcher} ${type} ${path}`));
  }
  return events;
}

const created = (path: string) => change('created', path);
const deleted = (path: string) => change('deleted', path);
const dataChanged = (path: string) => change('dataChanged', path);

/** A table with these watches of client a. */
function watching(...watches: [path: string, kind: WatchKind][]): WatchTable<Client> {
  const table = new WatchTable<Client>();
  for (const [path, kind] of watches) {
    table.add(path, a, kind);
  }
  return table;
}

describe('what fires what (client-protocol.md §7.3)', () => {
  test('create: type 1 on the node, then type 4 on the parent', () => {
    const table = watching(['/p/n', 'data'], ['/p', 'child'], ['/p/n', 'child']);
    expect(fire(table, created('/p/n'))).toEqual(['a 1 /p/n', 'a 4 /p']);
    expect(table.has('/p/n', a, WatcherType.children)).toBe(true);
  });

  test('setData: type 3 for data watches only', () => {
    const table = watching(['/p/n', 'data'], ['/p/n', 'child'], ['/p', 'child'], ['/p', 'persistent']);
    expect(fire(table, dataChanged('/p/n'))).toEqual(['a 3 /p/n']);
  });

  test('delete: type 2 on the node, then type 4 on the parent', () => {
    const table = watching(['/p/n', 'persistent'], ['/p', 'persistent']);
    expect(fire(table, deleted('/p/n'))).toEqual(['a 2 /p/n', 'a 4 /p']);
  });

  test('trap 11: one type 2 per connection for the node even with data, child and persistent watches', () => {
    const kinds = ['data', 'child', 'persistent', 'recursive'] as const;
    const table = watching(...kinds.map((kind): [string, WatchKind] => ['/p/n', kind]), ['/p', 'recursive']);
    expect(fire(table, deleted('/p/n'))).toEqual(['a 2 /p/n']);
    expect(table.has('/p/n', a, WatcherType.data)).toBe(false);
    expect(table.has('/p/n', a, WatcherType.children)).toBe(false);
    expect(table.has('/p/n', a, WatcherType.persistent)).toBe(true);
    expect(table.has('/p/n', a, WatcherType.persistentRecursive)).toBe(true);
  });

  test('a child watch alone hears of the deletion of its node', () => {
    expect(fire(watching(['/p/n', 'child']), deleted('/p/n'))).toEqual(['a 2 /p/n']);
  });

  test('trap 12: a recursive watch never gets NodeChildrenChanged', () => {
    const table = watching(['/p', 'recursive']);
    expect(fire(table, created('/p/n'), created('/p/n/m'), deleted('/p/n/m'), dataChanged('/p'))).toEqual([
      'a 1 /p/n',
      'a 1 /p/n/m',
      'a 2 /p/n/m',
      'a 3 /p',
    ]);
  });

  test('a recursive and a persistent watch of one connection: the type 4 is sent for the persistent one', () => {
    const table = watching(['/p', 'recursive'], ['/p', 'persistent']);
    expect(fire(table, created('/p/n'))).toEqual(['a 1 /p/n', 'a 4 /p']);
  });

  test('a recursive watch covers whole components; one on / covers everything', () => {
    expect(fire(watching(['/a', 'recursive']), created('/ab'), created('/a/b'))).toEqual(['a 1 /a/b']);
    expect(fire(watching(['/', 'recursive']), created('/x'), dataChanged('/'), deleted('/x/y'))).toEqual([
      'a 1 /x',
      'a 3 /',
      'a 2 /x/y',
    ]);
  });

  test('recursive watches on several ancestors give one event', () => {
    const table = watching(['/', 'recursive'], ['/a', 'recursive'], ['/a/b', 'recursive'], ['/a/b', 'data']);
    table.add('/a', b, 'recursive');
    expect(fire(table, dataChanged('/a/b')).sort()).toEqual(['a 3 /a/b', 'b 3 /a/b']);
  });

  test("the root's children are watched at /", () => {
    expect(fire(watching(['/', 'child']), created('/n'))).toEqual(['a 4 /']);
    expect(fire(watching(['', 'child'], ['', 'data']), created('/n'), dataChanged('/'))).toEqual([]);
  });

  test('one-shot watches fire once, persistent ones until removed', () => {
    const table = watching(['/n', 'data'], ['/m', 'persistent']);
    const twice = [dataChanged('/n'), dataChanged('/n'), dataChanged('/m'), dataChanged('/m')];
    expect(fire(table, ...twice)).toEqual(['a 3 /n', 'a 3 /m', 'a 3 /m']);
  });

  test('setting a watch twice is one watch and one event', () => {
    const table = watching(['/n', 'data'], ['/n', 'data']);
    expect(table.watchCount).toBe(1);
    expect(fire(table, dataChanged('/n'), dataChanged('/n'))).toEqual(['a 3 /n']);
  });

  test('a node created and deleted in one multi: both events for a persistent watch, the first for a one-shot', () => {
    const table = watching(['/n', 'persistent']);
    table.add('/n', b, 'data');
    expect(fire(table, created('/n'), deleted('/n')).sort()).toEqual(['a 1 /n', 'a 2 /n', 'b 1 /n']);
  });

  test('any string may be watched, and most never fire', () => {
    const table = watching(['relative', 'persistent'], ['/a/', 'recursive'], ['', 'persistent']);
    expect(fire(table, created('/a/b'), created('/relative'))).toEqual([]);
    expect(table.remove('/a/', a, WatcherType.persistentRecursive)).toBe(true);
  });
});

describe('delivery', () => {
  test('trap 32: each event names the list that must be readable; a one-shot is consumed whatever comes of it', () => {
    const table = watching(['/p/n', 'data'], ['/p', 'child']);
    const lists: (readonly ACL[])[] = [];
    table.trigger(created('/p/n'), (_watcher, _type, _path, acl) => lists.push(acl));
    expect(lists).toEqual([OPEN_ACL, READ_ACL]);
    expect(table.watchCount).toBe(0);
  });

  test('the receiver may drop watchers in the middle of a delivery', () => {
    const table = watching(['/n', 'persistent']);
    table.add('/n', b, 'persistent');
    table.add('/', b, 'recursive');
    const events: string[] = [];
    table.trigger(dataChanged('/n'), (watcher, type) => {
      events.push(`${watcher} ${type}`);
      table.removeWatcher(a);
      table.removeWatcher(b);
    });
    expect(events).toEqual(['a 3']);
    expect(table.watchCount).toBe(0);
    expect(fire(table, dataChanged('/n'))).toEqual([]);
  });

  test('a session with several ephemerals under one parent: the one-shot child watch fires at the first', () => {
    const table = watching(['/p', 'child'], ['/p/1', 'data'], ['/p/2', 'data']);
    expect(fire(table, deleted('/p/1'), deleted('/p/2'))).toEqual(['a 2 /p/1', 'a 4 /p', 'a 2 /p/2']);
  });
});

describe('checking and removing (client-protocol.md §7.7)', () => {
  const all: [string, WatchKind][] = [
    ['/n', 'data'],
    ['/n', 'child'],
    ['/n', 'persistent'],
    ['/n', 'recursive'],
  ];

  test.each([
    [WatcherType.children, 'child'],
    [WatcherType.data, 'data'],
    [WatcherType.persistent, 'persistent'],
    [WatcherType.persistentRecursive, 'recursive'],
  ] as const)('type %i matches %s watches only', (type, kind) => {
    for (const [path, present] of all) {
      expect(watching([path, present]).has(path, a, type)).toBe(present === kind);
    }
    const table = watching(...all);
    expect(table.remove('/n', a, type)).toBe(true);
    expect(table.remove('/n', a, type)).toBe(false);
    expect(table.has('/n', a, WatcherType.any)).toBe(true);
  });

  test('type 3 matches every kind, on the exact path, of this watcher', () => {
    const table = watching(...all);
    expect(table.has('/n/m', a, WatcherType.any)).toBe(false);
    expect(table.remove('/n', b, WatcherType.any)).toBe(false);
    expect(table.remove('/n', a, WatcherType.any)).toBe(true);
    expect(table.watchCount).toBe(0);
    expect(fire(table, deleted('/n'), created('/n/x'))).toEqual([]);
  });

  test('trap 15: removal is silent, trap 16: checking leaves the watch in place', () => {
    const table = watching(['/n', 'data']);
    expect(table.has('/n', a, WatcherType.data)).toBe(true);
    expect(fire(table, dataChanged('/n'))).toEqual(['a 3 /n']);
  });

  test('other type numbers match nothing', () => {
    expect(watching(...all).has('/n', a, 6)).toBe(false);
    expect(watching(...all).remove('/n', a, 0)).toBe(false);
  });

  test("removing a watcher takes all its watches and nobody else's", () => {
    const table = watching(...all, ['/', 'recursive']);
    table.add('/n', b, 'data');
    table.removeWatcher(a);
    table.removeWatcher(a);
    expect(fire(table, deleted('/n'))).toEqual(['b 2 /n']);
    expect(table.watchCount).toBe(0);
  });
});

describe('counts and listings (client-protocol.md §11)', () => {
  test('watchCount counts both tables, the listings the data table', () => {
    const table = watching(['/n', 'persistent'], ['/n', 'data'], ['/c', 'child'], ['/r', 'recursive']);
    table.add('/n', b, 'data');
    expect(table.watchCount).toBe(5);
    expect(table.summary()).toEqual({ watchers: 2, paths: 2, watches: 3 });
    expect([...table.byPath()]).toEqual([
      ['/n', [a, b]],
      ['/r', [a]],
    ]);
    expect([...table.byWatcher()]).toEqual([
      [a, ['/n', '/r']],
      [b, ['/n']],
    ]);
  });
});

describe('against plain lists of watches', () => {
  const clients = ['a', 'b', 'c', 'd'].map((name) => new Client(name));
  const path = fc.constantFrom('/', '/p', '/p/n', '/p/n/m', '/p/o', '/pn', '/q', '', 'p');
  const nodePath = fc.constantFrom('/p', '/p/n', '/p/n/m', '/p/o', '/pn', '/q');
  const client = fc.constantFrom(...clients);
  const step = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('add' as const),
        path,
        client,
        kind: fc.constantFrom<WatchKind>('data', 'child', 'persistent', 'recursive'),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('remove' as const), path, client, type: fc.integer({ min: 1, max: 5 }) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), client }) },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('change' as const),
        path: nodePath,
        kind: fc.constantFrom<Change['kind']>('created', 'deleted', 'dataChanged'),
      }),
    },
  );

  /** Order matters for each watcher, not between watchers. */
  function byWatcher(events: Delivered<Client>[]): Delivered<Client>[][] {
    return clients.map((each) => events.filter((event) => event.watcher === each));
  }

  test('same answers, same events in the same order for each watcher, same counts', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const table = new WatchTable<Client>();
        const naive = new NaiveWatches<Client>();
        for (const each of steps) {
          if (each.do === 'add') {
            table.add(each.path, each.client, each.kind);
            naive.add(each.path, each.client, each.kind);
          } else if (each.do === 'remove') {
            expect(table.has(each.path, each.client, each.type)).toBe(naive.has(each.path, each.client, each.type));
            expect(table.remove(each.path, each.client, each.type)).toBe(
              naive.remove(each.path, each.client, each.type),
            );
          } else if (each.do === 'leave') {
            table.removeWatcher(each.client);
            naive.removeWatcher(each.client);
          } else {
            const events: Delivered<Client>[] = [];
            table.trigger(change(each.kind, each.path), (watcher, type, path, acl) =>
              events.push({ watcher, type, path, acl }),
            );
            expect(byWatcher(events)).toEqual(byWatcher(naive.trigger(change(each.kind, each.path))));
          }
          expect(table.watchCount).toBe(naive.watchCount);
        }
        expect(table.summary()).toEqual(naive.summary());
        const listed = (entries: Iterable<[string, string]>) => new Set([...entries].map((entry) => entry.join(' ')));
        expect(
          listed([...table.byPath()].flatMap(([p, watchers]) => watchers.map((w): [string, string] => [p, `${w}`]))),
        ).toEqual(naive.pairs());
        expect(
          listed([...table.byWatcher()].flatMap(([w, paths]) => paths.map((p): [string, string] => [p, `${w}`]))),
        ).toEqual(naive.pairs());
      }),
      { numRuns: 500 },
    );
  });

  test('EventType numbers are the ones on the wire', () => {
    expect([
      EventType.nodeCreated,
      EventType.nodeDeleted,
      EventType.nodeDataChanged,
      EventType.nodeChildrenChanged,
    ]).toEqual([1, 2, 3, 4]);
  });
});
