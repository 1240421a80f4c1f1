import { crc32 as zlibCrc32 } from 'node:zlib';
import {
  type ACL,
  CONTAINER_OWNER,
  JuteReader,
  JuteWriter,
  OPEN_ACL,
  StatPersisted,
  ttlOwner,
} from '@treekeeper/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Change, DataTree } from '../../src/tree/data-tree.ts';
import { nodeDigest } from '../../src/tree/digest.ts';
import { imageOf, imageOfNaive } from './compare.ts';
import { NaiveTree } from './naive-tree.ts';

const digestACL: ACL[] = [{ perms: 31, id: { scheme: 'digest', id: 'bob:x' } }];
const twoACL: ACL[] = [...OPEN_ACL, ...digestACL];

// Few names, so that operations meet; names that are prefixes of each other; letters of one to three bytes.
const name = fc.constantFrom('a', 'a', 'a', 'b', 'ab', 'é', '木');
const path = fc.oneof(
  name.map((a) => `/${a}`),
  fc.tuple(name, name).map(([a, b]) => `/${a}/${b}`),
  fc.tuple(name, name, name).map(([a, b, c]) => `/${a}/${b}/${c}`),
  fc.constantFrom('/zookeeper/a', '/zookeeper/quota/a', '/zookeeper/quota/a/b', '/zookeeper/quota/ab'),
  fc.constantFrom('/zookeeper/quota/a/zookeeper_limits', '/zookeeper/quota/a/zookeeper_stats'),
  fc.constantFrom('/zookeeper/quota/a/b/zookeeper_limits', '/zookeeper/quota/a/b/zookeeper_stats'),
);
const data = fc.oneof(
  fc.constant(null),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  fc.tuple(fc.integer({ min: 0, max: 3000 }), fc.nat(255)).map(([length, byte]) => Buffer.alloc(length, byte)),
);
const acl = fc.constantFrom<readonly ACL[] | null>(null, OPEN_ACL, digestACL, twoACL, []);
const owner = fc.constantFrom(0n, 0n, 0n, 5n, 0x0100003cdd190000n, CONTAINER_OWNER, ttlOwner(1000n), -77n);

const cversion = fc.integer({ min: -1, max: 12 });
const anyPath = fc.oneof({ weight: 9, arbitrary: path }, { weight: 1, arbitrary: fc.constant('') });

const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ op: fc.constant('create'), path, data, acl, owner, cversion, isCreate: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('remove'), path }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('setData'), path: anyPath, data, version: fc.integer() }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('setAcl'), path, acl, aversion: fc.integer() }) },
) as fc.Arbitrary<Step>;

type Step =
  | {
      op: 'create';
      path: string;
      data: Buffer | null;
      acl: readonly ACL[] | null;
      owner: bigint;
      cversion: number;
      isCreate: boolean;
    }
  | { op: 'remove'; path: string }
  | { op: 'setData'; path: string; data: Buffer | null; version: number }
  | { op: 'setAcl'; path: string; acl: readonly ACL[] | null; aversion: number };

function apply(step: Step, tree: DataTree | NaiveTree, zxid: number): number {
  const timeMs = zxid * 1000;
  switch (step.op) {
    case 'create':
      return tree.create(step.path, step.data, step.acl, step.owner, step.cversion, zxid, timeMs, step.isCreate);
    case 'remove':
      return tree.remove(step.path, zxid);
    case 'setData':
      return tree.setData(step.path, step.data, step.version, zxid, timeMs);
    case 'setAcl':
      return tree.setAcl(step.path, step.acl, step.aversion);
  }
}

const rules = fc.record({ extendedTypesEnabled: fc.boolean(), emulate353TtlNodes: fc.boolean() });

/** Removed subtrees may go in any order, children first. */
function sorted(changes: readonly Change[]): string[] {
  return changes.map((change) => JSON.stringify({ ...change, path: change.path === '' ? '/' : change.path })).sort();
}

describe('the compact tree behaves as the naive one', () => {
  test('under random operations', { timeout: 60_000 }, () => {
    const run = fc.property(
      rules,
      fc.array(step, { minLength: 1, maxLength: 80, size: 'max' }),
      (ownerRules, steps) => {
        const tree = new DataTree({ digestEnabled: true, ownerRules });
        const naive = new NaiveTree(ownerRules);
        // zxids repeat now and then: replay applies what is applied already.
        for (const [i, each] of steps.entries()) {
          const zxid = 2 ** 33 + Math.floor(i / 2);
          expect(apply(each, tree, zxid)).toBe(apply(each, naive, zxid));
          expect(tree.digest).toBe(naive.digest);
          expect(sorted(tree.changes)).toEqual(sorted(naive.changes));
          tree.changes.length = 0;
          naive.changes = [];
        }
        expect(imageOf(tree)).toEqual(imageOfNaive(naive));
        expect(imageOf(reloaded(tree))).toEqual(withStatisticsCounted(tree, imageOfNaive(naive)));
      },
    );
    fc.assert(run, { numRuns: 120 });
  });

  test('and the pure digest functions give what the tree keeps', () => {
    const ownerRules = { extendedTypesEnabled: true, emulate353TtlNodes: false };
    const run = fc.property(fc.array(step, { minLength: 1, maxLength: 30, size: 'max' }), (steps) => {
      const tree = new DataTree({ digestEnabled: true, ownerRules });
      steps.forEach((each, i) => {
        apply(each, tree, i + 1);
      });
      const walk = tree.walk(steps.length);
      for (let node = walk.next(); node !== 0; node = walk.next()) {
        const nodePath = tree.path(node);
        const crc = zlibCrc32(tree.data(node) ?? '', zlibCrc32(nodePath === '/' ? '' : nodePath));
        expect(crc).toBe(tree.contentCrc(node));
        const { czxid, mzxid, pzxid, ctime, mtime } = tree.stat(node) as Record<string, number>;
        const cversion = tree.cversion(node);
        const aversion = tree.aversion(node);
        expect(
          nodeDigest(
            nodePath,
            crc,
            czxid,
            mzxid,
            pzxid,
            ctime,
            mtime,
            tree.version(node),
            cversion,
            aversion,
            tree.owner(node),
          ),
        ).toBe(tree.nodeDigest(node));
      }
    });
    fc.assert(run, { numRuns: 50 });
  });
});

/** A tree loaded from what `writeNode` and the ACL table give. */
function reloaded(tree: DataTree): DataTree {
  const copy = new DataTree({ digestEnabled: true, ownerRules: tree.ownerRules });
  for (const [id, list] of tree.acls.entries()) {
    copy.acls.load(id, list);
  }
  const walk = tree.walk(Number.MAX_SAFE_INTEGER);
  const writer = new JuteWriter();
  for (let node = walk.next(); node !== 0; node = walk.next()) {
    writer.clear();
    tree.writeNode(node, writer);
    const reader = new JuteReader(writer.copy());
    copy.loadNode(reader.ustring(), reader.nullableBuffer(), reader.long(), StatPersisted.decode(reader));
    expect(reader.remaining).toBe(0);
  }
  copy.finishLoading();
  return copy;
}

/** Loading counts quotas anew, which puts text into statistics that a client had overwritten. */
function withStatisticsCounted(tree: DataTree, image: ReturnType<typeof imageOf>): ReturnType<typeof imageOf> {
  for (const { prefix, count, bytes } of tree.quota.usages()) {
    const stats = image.nodes.find((node) => node.path === `/zookeeper/quota${prefix}/zookeeper_stats`);
    if (stats !== undefined) {
      const counted = Buffer.from(`count=${count},bytes=${bytes}`);
      image.dataSize += counted.length - Number(stats.stat.dataLength);
      stats.data = counted.toString('base64');
      stats.stat = { ...stats.stat, dataLength: counted.length };
    }
  }
  return image;
}
