import {
  type ACL,
  CONTAINER_OWNER,
  ErrorNumber,
  JuteReader,
  JuteWriter,
  OPEN_ACL,
  READ_ACL,
  StatPersisted,
  ttlOwner,
} from '@treekeeper/protocol';
import { beforeEach, describe, expect, test } from 'vitest';
import { DataTree } from '../../src/tree/data-tree.ts';

const extended = { extendedTypesEnabled: true, emulate353TtlNodes: false };
const bobACL: ACL[] = [{ perms: 31, id: { scheme: 'digest', id: 'bob:x' } }];
const bytes = (text: string) => Buffer.from(text);
const NO_STAT = { version: 0, cversion: 0, aversion: 0, ephemeralOwner: 0n };

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

describe('setData and setAcl', () => {
  test('setData replaces data, version, mzxid and mtime, as the transaction says', () => {
    create('/a', 1, bytes('x'));
    tree.changes.length = 0;
    const root = stat('/');
    expect(tree.setData('/a', bytes('longer'), 41, 7, 70)).toBe(0);
    expect(stat('/a')).toMatchObject({
      version: 41,
      mzxid: 7,
      mtime: 70,
      czxid: 1,
      ctime: 10,
      pzxid: 1,
      dataLength: 6,
    });
    expect(stat('/')).toEqual(root);
    expect(tree.changes).toEqual([{ kind: 'dataChanged', path: '/a', acl: OPEN_ACL, parentAcl: OPEN_ACL }]);
    expect(tree.setData('/missing', null, 1, 8, 80)).toBe(ErrorNumber.NO_NODE);
  });

  test('setData of the root, under either name', () => {
    expect(tree.setData('/', bytes('r'), 1, 7, 70)).toBe(0);
    expect(tree.setData('', bytes('root'), 2, 8, 80)).toBe(0);
    expect(stat('/')).toMatchObject({ version: 2, dataLength: 4, mzxid: 8 });
    expect(tree.approximateDataSize).toBe(48);
  });

  test('setAcl replaces ACL and aversion, and no zxid', () => {
    create('/a', 1);
    tree.changes.length = 0;
    const before = stat('/a');
    expect(tree.setAcl('/a', bobACL, 3)).toBe(0);
    expect(stat('/a')).toEqual({ ...before, aversion: 3 });
    expect(tree.acl(tree.find('/a'))).toEqual(bobACL);
    expect(tree.changes).toEqual([]);
    expect(tree.setAcl('/missing', null, 1)).toBe(ErrorNumber.NO_NODE);
  });

  test('trap 21: setAcl with the list it has moves its only user to a new id', () => {
    create('/a', 1, null, bobACL);
    expect(tree.aclId(tree.find('/a'))).toBe(2n);
    tree.setAcl('/a', bobACL, 1);
    expect(tree.aclId(tree.find('/a'))).toBe(3n);
    create('/b', 2, null, bobACL);
    tree.setAcl('/a', bobACL, 2);
    expect(tree.aclId(tree.find('/a'))).toBe(3n);
  });

  test.each([0, 1, 47, 48, 49, 5000, 70000, 1048575, 3 << 20])('data of %i bytes, up and down again', (length) => {
    const data = Buffer.alloc(length, 0xa5);
    data.fill('end', Math.max(0, length - 3));
    create('/a', 1, data);
    create('/b', 1, bytes('neighbour'));
    for (const next of [data, Buffer.alloc(length + 1, 1), Buffer.alloc(10, 2), data]) {
      tree.setData('/a', next, 1, 2, 20);
      expect(Buffer.compare(tree.data(tree.find('/a')) ?? bytes('null'), next)).toBe(0);
      const writer = new JuteWriter();
      tree.writeData(tree.find('/a'), writer);
      expect(Buffer.compare(new JuteReader(writer.copy(), 1 << 23).buffer(), next)).toBe(0);
    }
    expect(tree.name(tree.find('/a'))).toBe('a');
    expect(Buffer.from(tree.data(tree.find('/b')) ?? '').toString()).toBe('neighbour');
  });

  test('data may come from the tree itself', () => {
    create('/a', 1, bytes('0123456789'));
    const view = tree.data(tree.find('/a')) as Uint8Array;
    tree.setData('/a', view.subarray(2), 1, 2, 20);
    expect(Buffer.from(tree.data(tree.find('/a')) ?? '').toString()).toBe('23456789');
  });
});

describe('children', () => {
  test('of one parent come and go in any order', () => {
    create('/p', 1);
    const expected = new Set<string>();
    for (let i = 0; i < 1000; i++) {
      create(`/p/c${i}`, i + 2);
      expected.add(`c${i}`);
      if (i % 3 === 2) {
        const gone = `c${(i * 7) % (i + 1)}`;
        expect(tree.remove(`/p/${gone}`, i + 2)).toBe(expected.delete(gone) ? 0 : ErrorNumber.NO_NODE);
      }
    }
    const parent = tree.find('/p');
    expect(tree.children(parent).sort()).toEqual([...expected].sort());
    expect(tree.childCount(parent)).toBe(expected.size);
    expect(tree.cversion(parent)).toBe(1000);
    const writer = new JuteWriter();
    tree.writeChildren(parent, writer);
    const reader = new JuteReader(writer.copy());
    expect(Array.from({ length: reader.count() }, () => reader.ustring())).toEqual(tree.children(parent));
  });

  test('countDescendants counts all below', () => {
    for (const path of ['/p', '/p/a', '/p/a/b', '/p/c', '/pq']) {
      create(path, 1);
    }
    expect(tree.countDescendants(tree.find('/p'))).toBe(3);
    expect(tree.countDescendants(tree.find('/pq'))).toBe(0);
    expect(tree.countDescendants(tree.find('/'))).toBe(8);
  });
});

describe('changes', () => {
  test('are kept in order, unless they are not wanted', () => {
    create('/a', 1);
    tree.setData('/a', null, 1, 2, 2);
    tree.remove('/a', 3);
    expect(tree.changes.map(({ kind }) => kind)).toEqual(['created', 'dataChanged', 'deleted']);
    tree.changes.length = 0;
    tree.recordChanges = false;
    create('/a', 4);
    expect(tree.changes).toEqual([]);
  });
});

describe('loading', () => {
  /** As it lies in a snapshot, in the middle of other bytes. */
  function loadEncoded(path: string, data: Uint8Array | null, aclId = -1n, stat = persisted): void {
    const writer = new JuteWriter();
    writer.long(-1n);
    writer.ustring(path);
    writer.buffer(data);
    writer.long(aclId);
    StatPersisted.encode(writer, stat);
    tree.loadEncodedNode(writer.bytes, 8);
  }

  const persisted = { czxid: 1n, mzxid: 2n, ctime: 3n, mtime: 4n, pzxid: 5n, ...NO_STAT };

  test('refuses a node without its parent', () => {
    expect(() => tree.loadNode('/a/b', null, -1n, persisted)).toThrow('/a/b comes without its parent');
  });

  test('a path looked up before is not taken for the one loaded', () => {
    loadEncoded('/a', bytes('1'));
    expect(tree.find('/a/b')).toBe(0);
    loadEncoded('/c', bytes('2'));
    expect(tree.find('/a/b')).toBe(0);
    loadEncoded('/a/b', null);
    expect(tree.path(tree.find('/a/b'))).toBe('/a/b');
  });

  test('encoded or not, names of any script: the same', () => {
    const paths = ['', '/é', '/é/木星', '/zookeeper', '/zookeeper/x', '/zookeeperx', '/\u{1f4a9}'];
    const other = new DataTree({ digestEnabled: true, ownerRules: tree.ownerRules });
    for (const [i, path] of paths.entries()) {
      const stat = { ...persisted, czxid: -1n - BigInt(i), cversion: i, ephemeralOwner: BigInt(i % 2) << 33n };
      loadEncoded(path, bytes(`data ${path}`), BigInt(i % 3), stat);
      other.loadNode(path, bytes(`data ${path}`), BigInt(i % 3), stat);
    }
    for (const path of paths) {
      const [node, twin] = [tree.find(path), other.find(path)];
      expect(tree.path(node)).toBe(path === '' ? '/' : path);
      expect(tree.stat(node)).toEqual(other.stat(twin));
      expect(tree.aclId(node)).toBe(other.aclId(twin));
    }
    expect(tree.digest).toBe(other.digest);
    expect(tree.approximateDataSize).toBe(other.approximateDataSize);
  });

  test('replaces the built-in nodes, and the root by its name ""', () => {
    tree.acls.load(1n, bobACL);
    tree.loadNode('', bytes('root'), 1n, { ...persisted, cversion: 12 });
    tree.loadNode('/zookeeper', null, -1n, persisted);
    tree.finishLoading();
    expect(tree.nodeCount).toBe(4);
    expect(stat('/')).toMatchObject({ czxid: 1, mzxid: 2, ctime: 3, mtime: 4, pzxid: 5, cversion: 23, dataLength: 4 });
    expect(tree.acl(tree.find('/'))).toEqual(bobACL);
    expect(tree.data(tree.find('/zookeeper'))).toBeNull();
    // The config node was not in that snapshot: its list made room for the loaded one's id.
    expect(tree.acl(tree.find('/zookeeper/config'))).toEqual(READ_ACL);
    expect(new Map(tree.acls.entries())).toEqual(
      new Map([
        [1n, bobACL],
        [2n, READ_ACL],
      ]),
    );
  });

  test('indexes ephemerals, containers and TTL nodes', () => {
    tree.loadNode('/e', null, -1n, { ...persisted, ephemeralOwner: 5n });
    tree.loadNode('/c', null, -1n, { ...persisted, ephemeralOwner: CONTAINER_OWNER });
    tree.loadNode('/t', null, -1n, { ...persisted, ephemeralOwner: ttlOwner(9n) });
    tree.finishLoading();
    expect(tree.ephemeralsOf(5n)).toEqual(['/e']);
    expect([...tree.containers(), ...tree.ttlNodes()]).toEqual(['/c', '/t']);
    expect(tree.ephemeralsCount).toBe(1);
  });

  test('a node that comes twice is as it came last', () => {
    for (const path of ['/e1', '/e2', '/e3']) {
      tree.loadNode(path, bytes('first'), -1n, { ...persisted, ephemeralOwner: 5n });
    }
    tree.loadNode('/e2', null, -1n, persisted);
    expect(tree.ephemeralsOf(5n).sort()).toEqual(['/e1', '/e3']);
    tree.loadNode('/e2', null, -1n, { ...persisted, ephemeralOwner: 5n });
    tree.loadNode('/e1', null, -1n, { ...persisted, ephemeralOwner: 6n });
    expect(tree.ephemeralsOf(5n).sort()).toEqual(['/e2', '/e3']);
    tree.remove('/e2', 9);
    expect(tree.ephemeralsOf(5n)).toEqual(['/e3']);
    expect(tree.ephemeralsOf(6n)).toEqual(['/e1']);
    expect(tree.data(tree.find('/e1'))).toBeNull();
    expect(tree.nodeCount).toBe(6);
  });

  test('an ACL id that the table lacks is kept, closes the node, and is repaired by replay', () => {
    tree.acls.load(7n, bobACL);
    tree.loadNode('/lost', null, 88n, persisted);
    tree.loadNode('/lost2', null, 88n, persisted);
    tree.loadNode('/found', null, 7n, persisted);
    tree.finishLoading();
    expect(tree.aclId(tree.find('/lost'))).toBe(88n);
    expect(tree.acl(tree.find('/lost')).every(({ perms }) => perms === 0)).toBe(true);
    expect([...tree.acls.entries()].map(([id]) => id).sort()).toEqual([1n, 7n]);
    create('/lost', 9, null, OPEN_ACL);
    expect(tree.acl(tree.find('/lost'))).toEqual(OPEN_ACL);
    expect(tree.aclId(tree.find('/lost'))).toBe(89n);
    tree.setAcl('/lost2', bobACL, 1);
    expect(tree.aclId(tree.find('/lost2'))).toBe(7n);
  });
});
