import { OPEN_ACL } from '@treekeeper/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DataTree } from '../../src/tree/data-tree.ts';

const ownerRules = { extendedTypesEnabled: false, emulate353TtlNodes: false };

function treeOf(paths: string[], zxid: number): DataTree {
  const tree = new DataTree({ digestEnabled: false, ownerRules });
  for (const path of paths) {
    tree.create(path, null, OPEN_ACL, 0n, -1, zxid, 0, true);
  }
  return tree;
}

function rest(tree: DataTree, walk: ReturnType<DataTree['walk']>): string[] {
  const paths: string[] = [];
  for (let node = walk.next(); node !== 0; node = walk.next()) {
    paths.push(tree.path(node));
  }
  return paths;
}

describe('TreeWalk', () => {
  test('begins at the root, parents before children, each once, and says 0 ever after', () => {
    const tree = treeOf(['/a', '/a/b', '/a/b/c', '/d', '/a/e'], 1);
    const walk = tree.walk(1);
    const paths = rest(tree, walk);
    expect(paths[0]).toBe('/');
    expect([...paths].sort()).toEqual(
      ['/', '/a', '/a/b', '/a/b/c', '/a/e', '/d', '/zookeeper', '/zookeeper/config', '/zookeeper/quota'].sort(),
    );
    for (const path of paths.slice(1)) {
      expect(paths.indexOf(path.slice(0, path.lastIndexOf('/')) || '/')).toBeLessThan(paths.indexOf(path));
    }
    expect(walk.next()).toBe(0);
  });

  test('leaves out nodes created after the zxid, and all below them', () => {
    const tree = treeOf(['/old', '/old/a'], 5);
    for (const path of ['/new', '/new/b', '/old/c']) {
      tree.create(path, null, OPEN_ACL, 0n, -1, 6, 0, true);
    }
    const paths = rest(tree, tree.walk(5));
    expect(paths.filter((path) => !path.startsWith('/zookeeper')).sort()).toEqual(['/', '/old', '/old/a']);
  });

  test('knows the ACL ids of the beginning, also of nodes whose ACL is set while it goes on', () => {
    const tree = treeOf(['/a', '/b'], 1);
    const acl = (id: string) => [{ perms: 31, id: { scheme: 'digest', id } }];
    tree.setAcl('/a', acl('u:before'), 1);
    const idOf = (path: string) => tree.aclId(tree.find(path));
    const before = idOf('/a');
    const walk = tree.walk(1);
    tree.setAcl('/a', acl('u:after'), 2);
    tree.setAcl('/a', acl('u:later'), 3);
    expect(idOf('/a')).not.toBe(before);
    expect(walk.aclIdBefore(tree.find('/a'))).toBe(before);
    expect(walk.aclIdBefore(tree.find('/b'))).toBeUndefined();
  });

  test('end gives it up', () => {
    const tree = treeOf(['/a'], 1);
    const walk = tree.walk(1);
    walk.next();
    walk.end();
    expect(walk.next()).toBe(0);
    expect(tree.remove('/a', 2)).toBe(0);
  });

  test('survives any removals and creations between steps', { timeout: 60_000 }, () => {
    const path = fc
      .array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 4 })
      .map((names) => `/${names.join('/')}`);
    const paths = fc.array(path, { minLength: 5, maxLength: 40, size: 'max' });
    const change = fc.record({ path, remove: fc.boolean() });
    const changes = fc.array(fc.array(change, { maxLength: 3 }), { maxLength: 60, size: 'max' });
    const run = fc.property(paths, changes, (initial, steps) => {
      const tree = treeOf([...initial].sort(), 1);
      const atStart = new Set(rest(tree, tree.walk(1)));
      const [walk, other] = [tree.walk(1), tree.walk(1)];
      const seen: string[] = [];
      const removed = new Set<string>();
      other.next();
      for (let step = 0, node = walk.next(); node !== 0; step += 1, node = walk.next()) {
        seen.push(tree.path(node));
        for (const { path: changed, remove } of steps[step] ?? []) {
          if (remove) {
            const before = new Set(rest(tree, tree.walk(99)));
            tree.remove(changed, 2);
            const after = new Set(rest(tree, tree.walk(99)));
            [...before].filter((each) => !after.has(each)).forEach((each) => removed.add(each));
          } else {
            tree.create(changed, null, OPEN_ACL, 0n, -1, 2, 0, true);
          }
        }
      }
      expect(new Set(seen).size).toBe(seen.length);
      // Seen: only nodes of the beginning; not seen of these: only such as were removed meanwhile.
      expect(seen.filter((each) => !atStart.has(each))).toEqual([]);
      expect([...atStart].filter((each) => !seen.includes(each) && !removed.has(each))).toEqual([]);
      const late = rest(tree, other);
      expect([...atStart].filter((each) => each !== '/' && !late.includes(each) && !removed.has(each))).toEqual([]);
    });
    fc.assert(run, { numRuns: 150 });
  });
});
