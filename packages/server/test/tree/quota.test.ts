import { ErrorNumber, OPEN_ACL } from '@treekeeper/protocol';
import { beforeEach, describe, expect, test } from 'vitest';
import { DataTree } from '../../src/tree/data-tree.ts';
import { parseLimits, ROOT_LIMITS_PATH } from '../../src/tree/quota.ts';

let tree: DataTree;
let zxid = 0;

beforeEach(() => {
  tree = new DataTree({ digestEnabled: true, ownerRules: { extendedTypesEnabled: false, emulate353TtlNodes: false } });
  zxid = 0;
});

function put(path: string, data = ''): void {
  zxid += 1;
  expect(tree.create(path, Buffer.from(data), OPEN_ACL, 0n, -1, zxid, zxid, true), path).toBe(0);
}

function set(path: string, data: string): void {
  zxid += 1;
  expect(tree.setData(path, Buffer.from(data), 1, zxid, zxid)).toBe(0);
}

/** Creates limits and statistics for a prefix, with the nodes above them. */
function quota(prefix: string, limits: string): void {
  let path = '/zookeeper/quota';
  for (const name of prefix.split('/').slice(1)) {
    path += `/${name}`;
    if (tree.find(path) === 0) {
      put(path);
    }
  }
  put(`${path}/zookeeper_limits`, limits);
  put(`${path}/zookeeper_stats`, 'count=0,bytes=0');
}

const text = (path: string) => Buffer.from(tree.data(tree.find(path)) ?? 'null').toString();
const statistics = (prefix: string) => text(`/zookeeper/quota${prefix}/zookeeper_stats`);

describe('statistics', () => {
  test('are the real totals from the moment they are created', () => {
    put('/a', 'xx');
    put('/a/b', 'yyy');
    put('/ab', 'not counted');
    quota('/a', 'count=10,bytes=100');
    expect(statistics('/a')).toBe('count=2,bytes=5');
  });

  test('follow creates, deletes and setData of the subtree, in place', () => {
    put('/a', 'xx');
    quota('/a', 'count=10,bytes=100');
    const before = { ...tree.stat(tree.find('/zookeeper/quota/a/zookeeper_stats')) };
    tree.changes.length = 0;
    put('/a/b', 'yyy');
    expect(statistics('/a')).toBe('count=2,bytes=5');
    set('/a', 'longer text');
    expect(statistics('/a')).toBe('count=2,bytes=14');
    zxid += 1;
    tree.setData('/a', null, 2, zxid, zxid);
    expect(statistics('/a')).toBe('count=2,bytes=3');
    tree.remove('/a/b', ++zxid);
    expect(statistics('/a')).toBe('count=1,bytes=0');
    tree.remove('/a', ++zxid);
    expect(statistics('/a')).toBe('count=0,bytes=0');
    expect({ ...tree.stat(tree.find('/zookeeper/quota/a/zookeeper_stats')) }).toEqual(before);
    expect(tree.changes.filter(({ path }) => path.startsWith('/zookeeper'))).toEqual([]);
  });

  test('are outside the digest', () => {
    const without = new DataTree({ digestEnabled: true, ownerRules: tree.ownerRules });
    put('/zookeeper/quota/a');
    put('/zookeeper/quota/a/zookeeper_limits');
    put('/zookeeper/quota/a/zookeeper_stats');
    tree.create('/a', Buffer.from('xyz'), OPEN_ACL, 0n, -1, 9, 9, true);
    without.create('/a', Buffer.from('xyz'), OPEN_ACL, 0n, -1, 9, 9, true);
    expect(statistics('/a')).toBe('count=1,bytes=3');
    expect(tree.digest).toBe(without.digest);
    expect(tree.nodeDigest(tree.find('/zookeeper/quota/a/zookeeper_stats'))).toBe(0);
  });

  test('of every prefix above a change are kept', () => {
    put('/a');
    put('/a/b');
    quota('/a', 'count=100');
    quota('/a/b', 'count=100');
    put('/a/b/c', 'x');
    expect(statistics('/a')).toBe('count=3,bytes=1');
    expect(statistics('/a/b')).toBe('count=2,bytes=1');
  });

  test('that a client overwrote are the real totals again after the next change', () => {
    put('/a');
    quota('/a', 'count=2');
    for (const nonsense of ['not a number', '', 'count=7,bytes=9223372036854775808', 'count']) {
      set('/zookeeper/quota/a/zookeeper_stats', nonsense);
      set('/a', text('/a'));
      expect(statistics('/a')).toBe(nonsense);
      set('/a', nonsense);
      expect(statistics('/a')).toBe(`count=1,bytes=${nonsense.length}`);
      set('/a', 'something else');
    }
  });

  test('are the real totals when limits come back', () => {
    put('/a');
    quota('/a', 'count=100');
    tree.remove('/zookeeper/quota/a/zookeeper_limits', ++zxid);
    put('/a/b');
    put('/zookeeper/quota/a/zookeeper_limits', 'count=100');
    expect(statistics('/a')).toBe('count=2,bytes=0');
  });

  test('without limits are totals once; without statistics nothing is enforced', () => {
    put('/a');
    put('/zookeeper/quota/a');
    put('/zookeeper/quota/a/zookeeper_stats');
    expect(statistics('/a')).toBe('count=1,bytes=0');
    put('/a/b');
    expect(statistics('/a')).toBe('count=1,bytes=0');
    tree.remove('/zookeeper/quota/a/zookeeper_stats', ++zxid);
    put('/zookeeper/quota/a/zookeeper_limits', 'countHardLimit=2');
    expect(tree.quota.check('/a/c', 1, 0)).toBe('ok');
    put('/zookeeper/quota/a/zookeeper_stats');
    expect(tree.quota.check('/a/c', 1, 0)).toBe('exceeded');
  });

  test('are counted anew when limits come back, and at the end of loading', () => {
    put('/a');
    quota('/a', 'count=1');
    tree.remove('/zookeeper/quota/a/zookeeper_limits', ++zxid);
    put('/a/b', 'xyz');
    expect(statistics('/a')).toBe('count=1,bytes=0');
    put('/zookeeper/quota/a/zookeeper_limits', 'count=1');
    put('/a/c');
    expect(statistics('/a')).toBe('count=3,bytes=3');
    set('/zookeeper/quota/a/zookeeper_stats', 'stale');
    tree.finishLoading();
    expect(statistics('/a')).toBe('count=3,bytes=3');
    expect([...tree.quota.usages()]).toEqual([
      { prefix: '/a', count: 3, bytes: 3, limits: { count: 1, bytes: -1, countHard: -1, bytesHard: -1 } },
    ]);
  });
});

describe('check', () => {
  beforeEach(() => {
    put('/a', '12345');
    put('/a/b', '12345');
  });

  test('without limits everything goes', () => {
    expect(tree.quota.check('/a/x', 1, 1e9)).toBe('ok');
    expect(tree.quota.violations).toEqual([]);
  });

  test('hard limits refuse what would bring the total above them', () => {
    quota('/a', 'count=-1,bytes=-1=;byteHardLimit=20;countHardLimit=3');
    expect(tree.quota.check('/a/c', 1, 10)).toBe('ok');
    expect(tree.quota.check('/a/c', 1, 11)).toBe('exceeded');
    expect(tree.quota.check('/a/c', 2, 0)).toBe('exceeded');
    expect(tree.quota.violations).toEqual([{ prefix: '/a', kind: 'count', hard: true, limit: 3, total: 4 }]);
    expect(tree.quota.check('/a', 0, 10)).toBe('ok');
    expect(tree.quota.check('/ab', 1, 100)).toBe('ok');
  });

  test('soft limits are reported only, and not at all where a hard one is', () => {
    quota('/a', 'count=2,bytes=10');
    expect(tree.quota.check('/a/c', 1, 1)).toBe('ok');
    expect(tree.quota.violations.map(({ kind, hard }) => [kind, hard])).toEqual([
      ['count', false],
      ['bytes', false],
    ]);
    set('/zookeeper/quota/a/zookeeper_limits', 'count=2,bytes=10=;countHardLimit=5');
    expect(tree.quota.check('/a/c', 1, 0)).toBe('ok');
    expect(tree.quota.violations).toEqual([]);
  });

  test('a shrinking write passes unless the total still exceeds', () => {
    quota('/a', 'byteHardLimit=4');
    expect(tree.quota.check('/a', 0, -5)).toBe('exceeded');
    expect(tree.quota.check('/a', 0, -6)).toBe('ok');
    expect(tree.quota.check('/a', 0, 0)).toBe('ok');
  });

  test('the deepest prefix by whole components decides', () => {
    quota('/a', 'countHardLimit=1');
    quota('/a/b', 'countHardLimit=50');
    expect(tree.quota.check('/a/b/c', 1, 0)).toBe('ok');
    expect(tree.quota.check('/a/bc', 1, 0)).toBe('exceeded');
    expect(tree.quota.check('/a/b', 1, 0)).toBe('ok');
  });

  test('limits that do not parse refuse every guarded write', () => {
    quota('/a', 'what?');
    expect(tree.quota.check('/a/c', 1, 0)).toBe('unparsable');
    expect(tree.quota.refusal('/a/c', 1, 0, true)).toBe(ErrorNumber.MARSHALLING_ERROR);
    expect(tree.quota.refusal('/a/c', 1, 0, false)).toBe(0);
    expect(tree.quota.refusal('/b', 1, 0, true)).toBe(0);
    zxid += 1;
    tree.setData('/zookeeper/quota/a/zookeeper_limits', null, 1, zxid, zxid);
    expect(tree.quota.check('/a/c', 1, 0)).toBe('unparsable');
  });

  test('refusal as an error number', () => {
    quota('/a', 'countHardLimit=2');
    expect(tree.quota.refusal('/a/c', 1, 0, true)).toBe(ErrorNumber.QUOTA_EXCEEDED);
    expect(tree.quota.refusal('/a/c', 1, 0, false)).toBe(0);
  });

  test('limits gone, quota gone', () => {
    quota('/a', 'countHardLimit=2');
    tree.remove('/zookeeper/quota/a/zookeeper_limits', ++zxid);
    expect(tree.quota.check('/a/c', 1, 0)).toBe('ok');
  });
});

test('limits for the root and for /zookeeper are not tracked, whatever their text', () => {
  put(ROOT_LIMITS_PATH, 'countHardLimit=1');
  put('/zookeeper/quota/zookeeper_stats', 'nonsense');
  put('/zookeeper/quota/zookeeper');
  put('/zookeeper/quota/zookeeper/zookeeper_limits', 'countHardLimit=1');
  put('/zookeeper/quota/zookeeper/zookeeper_stats');
  put('/a');
  expect([...tree.quota.usages()]).toEqual([]);
  expect(tree.quota.check('/b', 1, 0)).toBe('ok');
});

describe('the grammar of limits', () => {
  const limits = (count: number, bytes: number, countHard = -1, bytesHard = -1) => ({
    count,
    bytes,
    countHard,
    bytesHard,
  });

  test.each([
    ['count=5,bytes=7', limits(5, 7)],
    ['count=5,bytes=7=;byteHardLimit=9;countHardLimit=8', limits(5, 7, 8, 9)],
    ['bytes=3', limits(-1, 3)],
    ['count==5,bytes==x', limits(-1, -1)],
    ['count=1,;;,bytes=2,', limits(1, 2)],
    ['count=-1,bytes=+4,colour=6', limits(-1, 4)],
    ['count=1,count=2', limits(2, -1)],
    ['count=9223372036854775807', limits(2 ** 63, -1)],
    ['', limits(-1, -1)],
    [',;;,', limits(-1, -1)],
  ])('%s', (input, expected) => {
    expect(parseLimits(input)).toEqual(expected);
  });

  test.each([
    '=',
    ',count=5',
    'count',
    'count=',
    'count==',
    'count=x',
    'count=1.5',
    'count= 1',
    'count=0x10',
    'bytes=9223372036854775808',
    'colour=red',
  ])('%s does not parse', (input) => {
    expect(parseLimits(input)).toBeNull();
  });
});
