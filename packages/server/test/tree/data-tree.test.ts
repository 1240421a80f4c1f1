import { type ACL, CONTAINER_OWNER, ErrorNumber, OPEN_ACL, READ_ACL, ttlOwner } from '@treekeeper/protocol';
import { beforeEach, describe, expect, test } from 'vitest';
import { DataTree } from '../../src/tree/data-tree.ts';

const extended = { extendedTypesEnabled: true, emulate353TtlNodes: false };
const plain = { extendedTypesEnabled: false, emulate353TtlNodes: false };
const bobACL: ACL[] = [{ perms: 31, id: { scheme: 'digest', id: 'bob:x' } }];
const bytes = (text: string) => Buffer.from(text);

let tree: DataTree;

beforeEach(() => {
  tree = new DataTree({ digestEnabled: true, ownerRules: extended });
});

/** A create of type 1 as the leader makes it: the parent's cversion goes on by one. */
function create(path: string, zxid: number, data: Buffer | null = null, acl: readonly ACL[] | null = OPEN_ACL): number {
  const parent = tree.find(path.slice(0, path.lastIndexOf('/')));
  return tree.create(path, data, acl, 0n, tree.cversion(parent) + 1, zxid, zxid * 10, true);
}

const stat = (path: string) => ({ ...tree.stat(tree.find(path)) });

describe('the fresh tree', () => {
  test('has the digest, counts and size of a fresh ZooKeeper', () => {
    expect(tree.digest).toBe(1371985504n);
    expect(tree.nodeCount).toBe(4);
    expect(tree.approximateDataSize).toBe(44);
    expect(tree.ephemeralsCount).toBe(0);
    expect(tree.lastZxid).toBe(0);
    expect(tree.changes).toEqual([]);
  });

  test('shows the quirks of its stats', () => {
    const zeros = { czxid: 0, mzxid: 0, pzxid: 0, ctime: 0, mtime: 0, version: 0, ephemeralOwner: 0n, dataLength: 0 };
    expect(stat('/')).toEqual({ ...zeros, cversion: -1, aversion: 0, numChildren: 1 });
    expect(stat('/zookeeper')).toEqual({ ...zeros, cversion: -2, aversion: 0, numChildren: 2 });
    expect(stat('/zookeeper/quota')).toEqual({ ...zeros, cversion: 0, aversion: 0, numChildren: 0 });
    expect(stat('/zookeeper/config')).toEqual({ ...zeros, cversion: 0, aversion: -1, numChildren: 0 });
  });

  test('has empty data and the built-in ACLs', () => {
    for (const path of ['/', '/zookeeper', '/zookeeper/quota']) {
      expect(tree.data(tree.find(path))).toEqual(new Uint8Array(0));
      expect(tree.acl(tree.find(path))).toEqual(OPEN_ACL);
      expect(tree.aclId(tree.find(path))).toBe(-1n);
    }
    expect(tree.acl(tree.find('/zookeeper/config'))).toEqual(READ_ACL);
    expect([...tree.acls.entries()]).toEqual([[1n, READ_ACL]]);
  });

  test('has no digest when digests are off, then or later', () => {
    tree = new DataTree({ digestEnabled: false, ownerRules: plain });
    create('/a', 1, bytes('x'));
    tree.setData('/a', bytes('y'), 1, 2, 20);
    expect(tree.digest).toBe(0n);
    expect(tree.contentCrc(tree.find('/a'))).toBe(0);
  });
});

describe('find', () => {
  test('takes "" and "/" for the root and every other path exactly as it is', () => {
    create('/a', 1);
    create('/a/b', 2);
    expect(tree.find('')).toBe(tree.find('/'));
    expect(tree.path(tree.find(''))).toBe('/');
    expect(tree.name(tree.find(''))).toBe('');
    expect(tree.path(tree.find('/a/b'))).toBe('/a/b');
    for (const path of ['a', '/a/', '//a', '/a//b', '/a/b/', '/b', '/a/bb', 'a/b', '/A', '/a/b/c', '//', '/ab']) {
      expect(tree.find(path), path).toBe(0);
    }
  });

  test('tells paths apart that have the same CRC-32', () => {
    create('/hqvgrhniq', 1, bytes('first'));
    expect(tree.find('/auoinprnj')).toBe(0);
    create('/auoinprnj', 2, bytes('second'));
    expect(Buffer.from(tree.data(tree.find('/hqvgrhniq')) ?? '').toString()).toBe('first');
    expect(Buffer.from(tree.data(tree.find('/auoinprnj')) ?? '').toString()).toBe('second');
    create('/hqvgrhniq/x', 3);
    expect(tree.find('/auoinprnj/x')).toBe(0);
    // That prefix has the CRC-32 of no bytes: it makes no difference to what follows.
    create('/a', 4);
    expect(tree.find('/aeelinby/a')).toBe(0);
    tree.remove('/hqvgrhniq/x', 5);
    tree.remove('/hqvgrhniq', 6);
    expect(tree.find('/hqvgrhniq')).toBe(0);
    expect(tree.path(tree.find('/auoinprnj'))).toBe('/auoinprnj');
  });

  test('works on names of any script and length', () => {
    const names = ['é', '木星', 'e\u0301', 'x'.repeat(5000), '木'.repeat(2000), ' ', '...'];
    let path = '';
    names.forEach((name, i) => {
      path += `/${name}`;
      expect(create(path, i + 1)).toBe(0);
      expect(create(`/${name}`, i + 100)).toBe(i === 0 ? ErrorNumber.NODE_EXISTS : 0);
    });
    expect(tree.path(tree.find(path))).toBe(path);
    expect(tree.name(tree.find(path))).toBe('...');
    expect(tree.children(tree.find('/')).sort()).toEqual([...names, 'zookeeper'].sort());
    expect(tree.find('/é'.normalize('NFD'))).not.toBe(tree.find('/é'));
  });

  test('finds each of many nodes, also after half of them are gone and others came', { timeout: 60_000 }, () => {
    const path = (i: number) => `/p${i % 7}/node-${i}`;
    for (let i = 0; i < 7; i++) {
      create(`/p${i}`, 1);
    }
    const expected = new Map<string, string>();
    const add = (i: number) => expected.set(path(i), `data ${i}`) && create(path(i), i, bytes(`data ${i}`));
    for (let i = 0; i < 8000; i++) {
      add(i);
    }
    for (let i = 0; i < 8000; i += 2) {
      tree.remove(path(i), 40000);
      expected.delete(path(i));
    }
    for (let i = 8000; i < 11000; i++) {
      add(i);
    }
    const found = new Map<string, string>();
    for (let i = 0; i < 11000; i++) {
      const node = tree.find(path(i));
      if (node !== 0) {
        found.set(tree.path(node), Buffer.from(tree.data(node) ?? '').toString());
      }
    }
    expect(found).toEqual(expected);
    expect(tree.nodeCount).toBe(4 + 7 + 7000);
    expect(tree.countDescendants(tree.find('/'))).toBe(tree.nodeCount - 1);
  });
});

describe('create', () => {
  test('makes a node and counts it at the parent', () => {
    expect(create('/a', 5, bytes('xyz'), bobACL)).toBe(0);
    expect(stat('/a')).toEqual({
      czxid: 5,
      mzxid: 5,
      pzxid: 5,
      ctime: 50,
      mtime: 50,
      version: 0,
      cversion: 0,
      aversion: 0,
      ephemeralOwner: 0n,
      dataLength: 3,
      numChildren: 0,
    });
    expect(tree.acl(tree.find('/a'))).toEqual(bobACL);
    expect(stat('/')).toMatchObject({ cversion: 0, numChildren: 2, pzxid: 5, mzxid: 0, mtime: 0, version: 0 });
    expect(tree.changes).toEqual([{ kind: 'created', path: '/a', acl: bobACL, parentAcl: OPEN_ACL }]);
  });

  test('under a parent that is missing: NO_NODE, nothing happens', () => {
    const before = tree.digest;
    expect(tree.create('/a/b', null, OPEN_ACL, 0n, 1, 5, 50, true)).toBe(ErrorNumber.NO_NODE);
    expect(tree.create('relative', null, OPEN_ACL, 0n, 1, 5, 50, true)).toBe(ErrorNumber.NO_NODE);
    expect(tree.digest).toBe(before);
    expect(tree.nodeCount).toBe(4);
    expect([...tree.acls.entries()]).toHaveLength(1);
    expect(tree.changes).toEqual([]);
  });

  test.each([
    ['larger: taken', 9, 9, 7],
    ['equal: cversion and pzxid stay', 3, 3, 5],
    ['smaller: cversion and pzxid stay', 1, 3, 5],
    ['-1: one more', -1, 4, 7],
  ])('trap 11: parentCversion %s', (_, given, cversion, pzxid) => {
    create('/p', 1);
    tree.create('/p/first', null, OPEN_ACL, 0n, 3, 5, 50, true);
    expect(tree.create('/p/second', null, OPEN_ACL, 0n, given, 7, 70, true)).toBe(0);
    expect(tree.cversion(tree.find('/p'))).toBe(cversion);
    expect(tree.pzxid(tree.find('/p'))).toBe(pzxid);
  });

  test('over a node that exists: NODE_EXISTS, data and stat stay, the ACL is the one of the transaction', () => {
    create('/a', 5, bytes('old'));
    tree.changes.length = 0;
    const before = stat('/a');
    expect(tree.create('/a', bytes('new'), bobACL, 77n, 1, 6, 60, true)).toBe(ErrorNumber.NODE_EXISTS);
    expect(stat('/a')).toEqual(before);
    expect(Buffer.from(tree.data(tree.find('/a')) ?? '').toString()).toBe('old');
    expect(tree.acl(tree.find('/a'))).toEqual(bobACL);
    expect(tree.ownerKind(tree.find('/a'))).toBe('persistent');
    expect(tree.changes).toEqual([]);
  });

  test.each([
    ['type 1, larger', true, 8, 8, 6],
    ['type 1, -1', true, -1, 2, 6],
    ['type 1, not larger', true, 1, 1, 5],
    ['another type', false, 8, 1, 5],
  ])('over a node that exists, the parent: %s', (_, isCreateTxn, given, cversion, pzxid) => {
    create('/a', 5);
    tree.create('/a', null, OPEN_ACL, 0n, given, 6, 60, isCreateTxn);
    expect(tree.cversion(tree.find('/'))).toBe(cversion);
    expect(tree.pzxid(tree.find('/'))).toBe(pzxid);
  });

  test('keeps null and empty data apart, though digest and length shown are equal', () => {
    create('/null', 1, null);
    create('/empty', 1, Buffer.alloc(0));
    expect(tree.data(tree.find('/null'))).toBeNull();
    expect(tree.data(tree.find('/empty'))).toEqual(new Uint8Array(0));
    expect(tree.dataLength(tree.find('/null'))).toBe(0);
    tree.setData('/null', Buffer.alloc(0), 1, 2, 20);
    const digest = tree.digest;
    tree.setData('/null', null, 1, 2, 20);
    expect(tree.digest).toBe(digest);
    expect(tree.data(tree.find('/null'))).toBeNull();
  });

  test('null ACL is the open one with id -1; the open one itself gets an id of the table', () => {
    create('/null', 1, null, null);
    create('/open', 2, null, OPEN_ACL);
    expect(tree.acl(tree.find('/null'))).toEqual(OPEN_ACL);
    expect(tree.aclId(tree.find('/null'))).toBe(-1n);
    expect(tree.aclId(tree.find('/open'))).toBe(2n);
  });

  test('interns lists: equal lists are one array', () => {
    create('/a', 1, null, [...bobACL]);
    create('/b', 2, null, [{ perms: 31, id: { scheme: 'digest', id: 'bob:x' } }]);
    expect(tree.acl(tree.find('/a'))).toBe(tree.acl(tree.find('/b')));
  });
});

describe('owners', () => {
  const session = 0x0100003cdd190000n;

  test('ephemerals, containers and TTL nodes are listed as long as they exist', () => {
    tree.create('/e1', null, OPEN_ACL, session, -1, 1, 1, true);
    tree.create('/e2', null, OPEN_ACL, session, -1, 2, 2, true);
    tree.create('/e3', null, OPEN_ACL, 9n, -1, 3, 3, true);
    tree.create('/c', null, OPEN_ACL, CONTAINER_OWNER, -1, 4, 4, false);
    tree.create('/t', null, OPEN_ACL, ttlOwner(5000n), -1, 5, 5, false);
    expect(tree.ephemeralsOf(session).sort()).toEqual(['/e1', '/e2']);
    expect([...tree.sessionsWithEphemerals()]).toEqual([session, 9n]);
    expect([...tree.containers()]).toEqual(['/c']);
    expect([...tree.ttlNodes()]).toEqual(['/t']);
    expect(tree.ephemeralsCount).toBe(3);
    for (const path of ['/e1', '/e3', '/c', '/t']) {
      tree.remove(path, 6);
    }
    expect(tree.ephemeralsOf(session)).toEqual(['/e2']);
    expect(tree.ephemeralsOf(9n)).toEqual([]);
    expect([...tree.sessionsWithEphemerals()]).toEqual([session]);
    expect([...tree.containers(), ...tree.ttlNodes()]).toEqual([]);
    expect(tree.ephemeralsCount).toBe(1);
  });

  test('clients see the owner of an ephemeral only', () => {
    tree.create('/e', null, OPEN_ACL, session, -1, 1, 1, true);
    tree.create('/c', null, OPEN_ACL, CONTAINER_OWNER, -1, 4, 4, false);
    tree.create('/t', null, OPEN_ACL, ttlOwner(5000n), -1, 5, 5, false);
    expect(['/e', '/c', '/t'].map((path) => stat(path).ephemeralOwner)).toEqual([session, 0n, 0n]);
    expect(['/e', '/c', '/t'].map((path) => tree.owner(tree.find(path)))).toEqual([
      session,
      CONTAINER_OWNER,
      ttlOwner(5000n),
    ]);
    expect(['/e', '/c', '/t'].map((path) => tree.ownerKind(tree.find(path)))).toEqual([
      'ephemeral',
      'container',
      'ttl',
    ]);
  });

  test('without extended types a stored TTL owner is a session', () => {
    tree = new DataTree({ digestEnabled: true, ownerRules: plain });
    tree.create('/t', null, OPEN_ACL, ttlOwner(5000n), -1, 5, 5, false);
    expect(tree.ownerKind(tree.find('/t'))).toBe('ephemeral');
    expect(tree.ephemeralsOf(ttlOwner(5000n))).toEqual(['/t']);
  });
});

describe('remove', () => {
  test('takes the node away and raises the pzxid of the parent, not its cversion', () => {
    create('/a', 1, bytes('x'), bobACL);
    const before = tree.cversion(tree.find('/'));
    tree.changes.length = 0;
    expect(tree.remove('/a', 9)).toBe(0);
    expect(tree.find('/a')).toBe(0);
    expect(stat('/')).toMatchObject({ pzxid: 9, numChildren: 1, cversion: 2 * before - 1 });
    expect(tree.cversion(tree.find('/'))).toBe(before);
    expect(tree.changes).toEqual([{ kind: 'deleted', path: '/a', acl: bobACL, parentAcl: OPEN_ACL }]);
  });

  test('trap 10: of a node that is missing raises the pzxid of the parent too', () => {
    expect(tree.remove('/a', 9)).toBe(ErrorNumber.NO_NODE);
    expect(tree.pzxid(tree.find('/'))).toBe(9);
    expect(tree.changes).toEqual([]);
  });

  test('never lowers the pzxid of the parent', () => {
    create('/a', 9);
    tree.remove('/a', 4);
    expect(tree.pzxid(tree.find('/'))).toBe(9);
  });

  test('with the parent missing: NO_NODE, nothing happens', () => {
    const before = tree.digest;
    expect(tree.remove('/a/b', 9)).toBe(ErrorNumber.NO_NODE);
    expect(tree.digest).toBe(before);
  });

  test('never takes the root', () => {
    expect(tree.remove('/', 9)).toBe(ErrorNumber.BAD_ARGUMENTS);
    expect(tree.remove('', 9)).toBe(ErrorNumber.BAD_ARGUMENTS);
    expect(tree.digest).toBe(1371985504n);
  });

  test('created again, a node begins anew', () => {
    create('/a', 1, bytes('x'));
    tree.setData('/a', bytes('y'), 1, 2, 20);
    tree.setAcl('/a', bobACL, 1);
    create('/a/b', 3);
    tree.remove('/a/b', 4);
    tree.remove('/a', 5);
    create('/a', 6);
    expect(stat('/a')).toMatchObject({ version: 0, cversion: 0, aversion: 0, czxid: 6, pzxid: 6, dataLength: 0 });
  });

  test('in replay over a fuzzy snapshot takes along what was created below later', () => {
    const digest = tree.digest;
    for (const path of ['/a', '/a/b', '/a/b/c', '/a/d']) {
      create(path, 5, bytes(path), bobACL);
    }
    tree.create('/a/b/e', null, OPEN_ACL, 7n, -1, 5, 5, true);
    expect(tree.remove('/a', 4)).toBe(0);
    expect(tree.nodeCount).toBe(4);
    expect(tree.ephemeralsCount).toBe(0);
    expect(tree.approximateDataSize).toBe(44);
    expect([...tree.acls.entries()]).toHaveLength(1);
    // Then the log creates it all again.
    create('/a', 5);
    expect(tree.children(tree.find('/a'))).toEqual([]);
    tree.remove('/a', 6);
    expect(tree.digest).not.toBe(digest);
    expect(tree.children(tree.find('/'))).toEqual(['zookeeper']);
  });
});
