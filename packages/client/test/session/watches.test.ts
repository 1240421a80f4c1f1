/** Which watches an event concerns: the tables against the rules written down plainly. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { WatchTableName } from '../../src/session/types.ts';
import { Watches } from '../../src/session/watches.ts';
import { type NamedWatcher, watcher } from './desk.ts';

const tables: readonly WatchTableName[] = ['data', 'exist', 'child', 'persistent', 'recursive'];
const types = ['created', 'deleted', 'data-changed', 'children-changed'] as const;
const paths = ['/', '/a', '/a/b', '/ab', '/a/b/c'];
const watchers = ['A', 'B', 'C'].map(watcher);

interface Entry {
  readonly table: WatchTableName;
  readonly path: string;
  readonly watcher: NamedWatcher;
}

/** client-protocol.md §7.3 and §14, over a list. */
function concerns({ table, path }: Entry, type: (typeof types)[number], changed: string): boolean {
  const below = path === '/' || changed === path || changed.startsWith(`${path}/`);
  switch (table) {
    case 'data':
    case 'exist':
      return path === changed && type !== 'children-changed';
    case 'child':
      return path === changed && (type === 'children-changed' || type === 'deleted');
    case 'persistent':
      return path === changed;
    case 'recursive':
      return below && type !== 'children-changed';
  }
}

const step = fc.oneof(
  fc.record({
    kind: fc.constant('add' as const),
    table: fc.constantFrom(...tables),
    path: fc.constantFrom(...paths),
    watcher: fc.constantFrom(...watchers),
  }),
  fc.record({ kind: fc.constant('fire' as const), type: fc.constantFrom(...types), path: fc.constantFrom(...paths) }),
  fc.record({
    kind: fc.constant('remove' as const),
    table: fc.constantFrom(...tables),
    path: fc.constantFrom(...paths),
    watcher: fc.constantFrom(...watchers),
  }),
);

test('the tables tell whom a plain list tells', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const fast = new Watches();
      let slow: Entry[] = [];
      for (const each of steps) {
        if (each.kind === 'add') {
          fast.add(each.table, each.path, each.watcher);
          slow = [...slow.filter((entry) => !same(entry, each)), each];
        } else if (each.kind === 'remove') {
          const wasThere = slow.some((entry) => same(entry, each));
          slow = slow.filter((entry) => !same(entry, each));
          const wasLast = wasThere && !slow.some(({ table, path }) => table === each.table && path === each.path);
          expect(fast.remove(each.table, each.path, each.watcher)).toBe(wasLast);
        } else {
          const told = slow.filter((entry) => concerns(entry, each.type, each.path));
          slow = slow.filter((entry) => !told.includes(entry) || /persistent|recursive/.test(entry.table));
          expect(names(fast.fire(each.type, each.path, true))).toEqual(names(told.map((entry) => entry.watcher)));
        }
      }
      expect(fast.clear().length).toBe(slow.length);
    }),
  );
});

function same(a: Entry, b: Entry): boolean {
  return a.table === b.table && a.path === b.path && a.watcher === b.watcher;
}

function names(list: Iterable<unknown>): string[] {
  return [...new Set([...list].map((each) => (each as NamedWatcher).name))].sort();
}

test('an event of what is no path ends, with recursive watches too', () => {
  const watches = new Watches();
  watches.add('recursive', '/', watcher('A'));
  expect(watches.fire('data-changed', 'x', true)).toEqual(new Set());
  expect(watches.fire('deleted', '', true)).toEqual(new Set());
});
