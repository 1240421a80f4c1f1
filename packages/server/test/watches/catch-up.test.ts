import { describe, expect, test } from 'vitest';
import { catchUp, type WatchedTree, type WatchLists } from '../../src/watches/catch-up.ts';

/** /old was last changed by zxid 5, /new by zxid 15; ids 1 and 2. */
const tree: WatchedTree = {
  find: (path) => ({ '/old': 1, '/new': 2 })[path] ?? 0,
  mzxid: (node) => (node === 1 ? 5 : 15),
  pzxid: (node) => (node === 1 ? 5 : 15),
};

function run(lists: Partial<WatchLists>): string[] {
  const log: string[] = [];
  catchUp(
    tree,
    { relativeZxid: 10n, dataWatches: [], existWatches: [], childWatches: [], ...lists },
    (type, path) => log.push(`event ${type} ${path}`),
    (path, kind) => log.push(`watch ${kind} ${path}`),
  );
  return log;
}

const paths = ['/gone', '/new', '/old'];

describe('setWatches after a reconnect (client-protocol.md §7.6)', () => {
  test('data watches: 2 for a missing node, 3 for a newer one, else set', () => {
    expect(run({ dataWatches: paths })).toEqual(['event 2 /gone', 'event 3 /new', 'watch data /old']);
  });

  test('trap 14: an exist watch on an existing node fires type 1 whatever the zxid', () => {
    expect(run({ existWatches: paths })).toEqual(['watch data /gone', 'event 1 /new', 'event 1 /old']);
  });

  test('child watches: 2 for a missing node, 4 for newer children, else set', () => {
    expect(run({ childWatches: paths })).toEqual(['event 2 /gone', 'event 4 /new', 'watch child /old']);
  });

  test('trap 13: persistent watches are only registered', () => {
    expect(run({ persistentWatches: paths, persistentRecursiveWatches: ['/new'] })).toEqual([
      'watch persistent /gone',
      'watch persistent /new',
      'watch persistent /old',
      'watch recursive /new',
    ]);
  });

  test('lists are handled in order; a missing node in two lists gives two events', () => {
    expect(
      run({ childWatches: ['/gone'], dataWatches: ['/gone'], existWatches: ['/old'], persistentWatches: ['/old'] }),
    ).toEqual(['event 2 /gone', 'event 1 /old', 'event 2 /gone', 'watch persistent /old']);
  });

  test('a change at the very zxid the client has seen is not news', () => {
    expect(run({ relativeZxid: 15n, dataWatches: ['/new'], childWatches: ['/new'] })).toEqual([
      'watch data /new',
      'watch child /new',
    ]);
    expect(run({ relativeZxid: 14n, dataWatches: ['/new'] })).toEqual(['event 3 /new']);
  });

  test('a client may claim any 64-bit zxid', () => {
    expect(run({ relativeZxid: 0x7fffffffffffffffn, dataWatches: ['/new'] })).toEqual(['watch data /new']);
    expect(run({ relativeZxid: -0x8000000000000000n, childWatches: ['/old'] })).toEqual(['event 4 /old']);
  });
});
