import { readFileSync } from 'node:fs';
import { type ACL, type StatPersisted, ttlOfOwner } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { DataTree, type TreeWalk } from '../../src/tree/data-tree.ts';
import { loadSnapshot, readLog, replay } from './replay.ts';

interface GoldenNode {
  path: string;
  data: string | null;
  acl: { perms: number; scheme: string; id: string }[];
  czxid: string;
  mzxid: string;
  pzxid: string;
  ctime: number;
  mtime: number;
  version: number;
  cversion: number;
  aversion: number;
  ephemeralOwner: string;
  type: string;
  ttl?: number;
  digest: number;
  client?: { cversion: number; ephemeralOwner: string; dataLength: number; numChildren: number };
  /** Remarks for the reader. */
  note?: string;
  dataOnDisk?: string;
}

interface Golden {
  treeDigest: string;
  nodeCount: number;
  znodes: GoldenNode[];
}

const extended = { extendedTypesEnabled: true, emulate353TtlNodes: false };
const file = (name: string) => readFileSync(new URL(`../golden/${name}`, import.meta.url));
const golden = (name: string): Golden => JSON.parse(file(name).toString());
const newTree = () => new DataTree({ digestEnabled: true, ownerRules: extended });

/** Every field of every node, and the totals. */
function expectGolden(tree: DataTree, { treeDigest, nodeCount, znodes }: Golden, except: string[] = []): void {
  expect(tree.digest).toBe(BigInt(treeDigest));
  expect(tree.nodeCount).toBe(nodeCount);
  for (const { note: _, dataOnDisk: __, ...znode } of znodes.filter(({ path }) => !except.includes(path))) {
    expect(described(tree, znode)).toEqual(znode);
  }
}

function described(tree: DataTree, { path, client }: GoldenNode): GoldenNode {
  const node = tree.find(path);
  const stat = { ...tree.stat(node) };
  const data = tree.data(node);
  const kind = tree.ownerKind(node);
  const hex = (value: bigint | number) => `0x${BigInt.asUintN(64, BigInt(value)).toString(16)}`;
  return {
    path: tree.path(node),
    data: data === null ? null : Buffer.from(data).toString('base64'),
    acl: tree.acl(node).map(({ perms, id }) => ({ perms, ...id })),
    czxid: hex(stat.czxid),
    mzxid: hex(stat.mzxid),
    pzxid: hex(stat.pzxid),
    ctime: Number(stat.ctime),
    mtime: Number(stat.mtime),
    version: stat.version,
    cversion: tree.cversion(node),
    aversion: stat.aversion,
    ephemeralOwner: hex(tree.owner(node)),
    type: kind,
    ...(kind === 'ttl' ? { ttl: ttlOfOwner(tree.owner(node)) } : {}),
    digest: tree.nodeDigest(node),
    ...(client === undefined
      ? {}
      : {
          client: {
            cversion: stat.cversion,
            ephemeralOwner: hex(stat.ephemeralOwner),
            dataLength: stat.dataLength,
            numChildren: stat.numChildren,
          },
        }),
  };
}

function loadExpected(tree: DataTree, { znodes }: Golden): void {
  const byDepth = (path: string) => (path === '/' ? 0 : path.split('/').length);
  const acls = new Map<string, bigint>();
  const aclId = (list: GoldenNode['acl']): bigint => {
    const acl: ACL[] = list.map(({ perms, scheme, id }) => ({ perms, id: { scheme, id } }));
    const key = JSON.stringify(acl);
    const id = acls.get(key) ?? BigInt(100 + acls.size);
    if (!acls.has(key)) {
      acls.set(key, id);
      tree.acls.load(id, acl);
    }
    return id;
  };
  const ids = znodes.map(({ acl }) => aclId(acl));
  const order = znodes.map((znode, i) => ({ znode, id: ids[i] }));
  for (const { znode, id } of order.sort((a, b) => byDepth(a.znode.path) - byDepth(b.znode.path))) {
    const stat: StatPersisted = {
      czxid: BigInt(znode.czxid),
      mzxid: BigInt(znode.mzxid),
      ctime: BigInt(znode.ctime),
      mtime: BigInt(znode.mtime),
      version: znode.version,
      cversion: znode.cversion,
      aversion: znode.aversion,
      ephemeralOwner: BigInt.asIntN(64, BigInt(znode.ephemeralOwner)),
      pzxid: BigInt(znode.pzxid),
    };
    const data = znode.data === null ? null : Buffer.from(znode.data, 'base64');
    tree.loadNode(znode.path === '/' ? '' : znode.path, data, id, stat);
  }
  tree.finishLoading();
}

describe('states of Apache ZooKeeper', () => {
  test.each(['standalone-basic', 'standalone-fuzzy', 'ensemble-node1'])('%s, loaded node by node', (name) => {
    const expected = golden(`${name}/expected.json`);
    const tree = newTree();
    loadExpected(tree, expected);
    expectGolden(tree, expected);
    expect(countWalk(tree.walk(Number.MAX_SAFE_INTEGER))).toBe(expected.nodeCount);
  });

  test('standalone-basic from its first transaction on: every digest in the logs', () => {
    const tree = newTree();
    let compared = 0;
    for (const name of ['log.1', 'log.3a']) {
      for (const record of readLog(file(`standalone-basic/version-2/${name}`))) {
        const digest = replay(tree, record);
        if (digest !== null) {
          expect(tree.digest, `after ${record.zxid.toString(16)}`).toBe(digest);
          compared += 1;
        }
        if (record.zxid === 0x39) {
          expectGolden(tree, golden('standalone-basic/expected-snapshot.39.json'));
        }
      }
    }
    expect(compared).toBeGreaterThan(50);
    expectGolden(tree, golden('standalone-basic/expected.json'));
  });

  test('standalone-basic from its snapshot', () => {
    const tree = newTree();
    const { zxid, digest } = loadSnapshot(tree, file('standalone-basic/version-2/snapshot.39'));
    expect(zxid).toBe(0x39);
    expect(tree.digest).toBe(digest);
    expectGolden(tree, golden('standalone-basic/expected-snapshot.39.json'));
  });

  test('standalone-fuzzy: a snapshot taken under load comes right with the log', () => {
    const tree = newTree();
    const target = loadSnapshot(tree, file('standalone-fuzzy/version-2/snapshot.229'));
    expect(tree.digest).toBe(1332800434498n);
    const records = ['log.e0', 'log.22b'].flatMap((name) => readLog(file(`standalone-fuzzy/version-2/${name}`)));
    for (const record of records.filter(({ zxid }) => zxid > 0x229)) {
      const digest = replay(tree, record);
      if (record.zxid === target.zxid) {
        expect(tree.digest).toBe(target.digest);
      }
      if (record.zxid >= target.zxid && digest !== null) {
        expect(tree.digest, `after ${record.zxid.toString(16)}`).toBe(digest);
      }
    }
    expectGolden(tree, golden('standalone-fuzzy/expected.json'));
  });

  test('ensemble-node1: snapshot and logs of three epochs', () => {
    const tree = newTree();
    loadSnapshot(tree, file('ensemble-node1/data/version-2/snapshot.100000010'));
    for (const name of ['log.100000001', 'log.300000001']) {
      for (const record of readLog(file(`ensemble-node1/log/version-2/${name}`))) {
        const digest = record.zxid > 0x100000010 ? replay(tree, record) : null;
        if (digest !== null) {
          expect(tree.digest, `after ${record.zxid.toString(16)}`).toBe(digest);
        }
      }
    }
    // A server writes its configuration into that node itself, when it starts.
    expectGolden(tree, golden('ensemble-node1/expected.json'), ['/zookeeper/config']);
  });
});

function countWalk(walk: TreeWalk): number {
  let count = 0;
  while (walk.next() !== 0) {
    count += 1;
  }
  return count;
}
