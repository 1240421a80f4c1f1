import { type ACL, OPEN_ACL, READ_ACL } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { AclTable, OPEN_SLOT } from '../../src/tree/acl-table.ts';

const list = (name: string, perms = 31): ACL[] => [{ perms, id: { scheme: 'digest', id: name } }];
const ids = (table: AclTable) => Array.from(table.entries(), ([id]) => id);

describe('ids (disk-format.md §3.2)', () => {
  test('null is the open ACL with id -1, never in the table and never released', () => {
    const table = new AclTable();
    expect(table.take(null)).toBe(OPEN_SLOT);
    table.release(OPEN_SLOT);
    expect(table.list(OPEN_SLOT)).toEqual(OPEN_ACL);
    expect(table.id(OPEN_SLOT)).toBe(-1n);
    expect(table.takeById(-1n)).toBe(OPEN_SLOT);
    expect(ids(table)).toEqual([]);
  });

  test('the open ACL as a list gets an id of its own', () => {
    const table = new AclTable();
    expect(table.id(table.take(OPEN_ACL))).toBe(1n);
    expect(table.id(table.take(READ_ACL))).toBe(2n);
  });

  test('equal lists share an id; order, perms, scheme and id all tell lists apart', () => {
    const table = new AclTable();
    const [a, b] = [list('a')[0], list('b')[0]];
    const slots = [[a], [b], [a, b], [b, a], list('a', 1), [], [a, b, a]].map((acl) => table.take(acl));
    expect(new Set(slots).size).toBe(7);
    expect(table.take([{ perms: 31, id: { scheme: 'digest', id: 'b' } }])).toBe(slots[1]);
    expect(ids(table)).toEqual([1n, 2n, 3n, 4n, 5n, 6n, 7n]);
  });

  test('no two lists are confused whatever characters they hold', () => {
    const table = new AclTable();
    const one = table.take([{ perms: 1, id: { scheme: 'x', id: 'a"],[2,"y","b' } }]);
    const two = table.take([
      { perms: 1, id: { scheme: 'x', id: 'a' } },
      { perms: 2, id: { scheme: 'y', id: 'b' } },
    ]);
    expect(one).not.toBe(two);
  });

  test('each use counts; at none the id leaves and is not used again', () => {
    const table = new AclTable();
    const slot = table.take(list('a'));
    table.take(list('a'));
    table.release(slot);
    expect(ids(table)).toEqual([1n]);
    table.release(slot);
    expect(ids(table)).toEqual([]);
    expect(table.id(table.take(list('a')))).toBe(2n);
    expect(table.id(table.take(list('b')))).toBe(3n);
  });
});

describe('loading a table', () => {
  test('ids of any size in any order; new ones go on after the highest', () => {
    const table = new AclTable();
    table.load(900n, list('a'));
    table.load(3n, list('b'));
    expect(table.list(table.takeById(900n))).toEqual(list('a'));
    table.takeById(3n);
    table.finishLoading();
    expect(table.id(table.take(list('c')))).toBe(901n);
    expect(table.id(table.take(list('b')))).toBe(3n);
  });

  test('unused ids are dropped at the end', () => {
    const table = new AclTable();
    table.load(5n, list('a'));
    table.load(6n, list('b'));
    table.takeById(6n);
    table.finishLoading();
    expect(ids(table)).toEqual([6n]);
    expect(table.id(table.take(list('a')))).toBe(7n);
  });

  test('two ids may have one list', () => {
    const table = new AclTable();
    table.load(5n, list('a'));
    table.load(6n, list('a'));
    const [five, six] = [table.takeById(5n), table.takeById(6n)];
    table.finishLoading();
    expect(ids(table).sort()).toEqual([5n, 6n]);
    table.release(five);
    expect(table.id(table.take(list('a')))).toBe(6n);
    table.release(six);
    table.release(six);
    expect(ids(table)).toEqual([]);
  });

  test('a lost id is not in the table, and no new list comes under it', () => {
    const table = new AclTable();
    table.load(5n, list('a'));
    const lost = table.takeById(40n);
    expect(table.takeById(40n)).toBe(lost);
    table.takeById(5n);
    table.finishLoading();
    expect(table.id(lost)).toBe(40n);
    expect(ids(table)).toEqual([5n]);
    expect(table.id(table.take(list('b')))).toBe(41n);
    table.release(lost);
    table.release(lost);
    expect(ids(table)).toEqual([5n, 41n]);
  });
});
