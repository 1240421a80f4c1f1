import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HierarchicalQuorum, JointQuorum, MajorityQuorum, type Quorum } from '../../src/zab/quorum.ts';

const NINE = [1, 2, 3, 4, 5, 6, 7, 8, 9];

/** The slow and obvious reading: the largest watermark that a quorum has reached. */
function committedByTrying(quorum: Quorum, acked: ReadonlyMap<number, number>): number {
  const candidates = [...acked.values()].sort((one, other) => other - one);
  const found = candidates.find((zxid) =>
    quorum.hasQuorum(new Set(NINE.filter((id) => (acked.get(id) ?? -1) >= zxid))),
  );
  return found ?? -1;
}

const someVoters = fc.subarray(NINE, { minLength: 1 });
const watermarks = fc.uniqueArray(fc.tuple(fc.constantFrom(...NINE), fc.nat(20)), { selector: ([id]) => id });

const majority = someVoters.map((voters) => new MajorityQuorum(voters));
const hierarchical = fc
  .record({
    weights: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 9, maxLength: 9 }),
    groupOf: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 9, maxLength: 9 }),
    voters: someVoters,
  })
  .filter(({ weights, voters }) => voters.some((voter) => weights[voter - 1] > 0))
  .map(({ weights, groupOf, voters }) => {
    const groups = [0, 1, 2, 3].map(
      (group) =>
        new Map(voters.filter((voter) => groupOf[voter - 1] === group).map((voter) => [voter, weights[voter - 1]])),
    );
    return new HierarchicalQuorum(voters, groups);
  });
const joint = fc.tuple(majority, hierarchical).map((parts) => new JointQuorum(parts));

describe('a majority', () => {
  test.each([
    [[1], 1],
    [[1, 2], 2],
    [[1, 2, 3], 2],
    [[1, 2, 3, 4], 3],
    [[1, 2, 3, 4, 5], 3],
  ])('of %j is %i', (voters, needed) => {
    const quorum = new MajorityQuorum(voters);
    expect(quorum.hasQuorum(new Set(voters.slice(0, needed)))).toBe(true);
    expect(quorum.hasQuorum(new Set(voters.slice(0, needed - 1)))).toBe(false);
  });

  test('does not count strangers', () => {
    expect(new MajorityQuorum([1, 2, 3]).hasQuorum(new Set([1, 7, 8, 9]))).toBe(false);
  });

  test('needs a voter', () => {
    expect(() => new MajorityQuorum([])).toThrow('at least one voter');
  });
});

describe('groups and weights', () => {
  const groups = [
    new Map([
      [1, 1],
      [2, 1],
      [3, 1],
    ]),
    new Map([
      [4, 3],
      [5, 1],
      [6, 1],
    ]),
    new Map([
      [7, 1],
      [8, 0],
    ]),
  ];
  const quorum = new HierarchicalQuorum([1, 2, 3, 4, 5, 6, 7, 8], groups);

  test.each([
    [[1, 2, 4], true],
    [[1, 2], false],
    [[4, 7], true],
    [[1, 4, 5, 6], false],
    [[5, 6, 1, 2], false],
    [[4, 8], false],
    [[], false],
    [[4, 7, 99], true],
  ])('%j: %s', (servers, expected) => {
    expect(quorum.hasQuorum(new Set(servers))).toBe(expected);
  });

  test('a group without weight does not count', () => {
    const two = new HierarchicalQuorum([1, 2], [new Map([[1, 1]]), new Map([[2, 0]])]);
    expect(two.hasQuorum(new Set([1]))).toBe(true);
    expect(two.hasQuorum(new Set([2]))).toBe(false);
  });

  test('nobody whose vote weighs anything: refused', () => {
    expect(() => new HierarchicalQuorum([1], [new Map([[1, 0]])])).toThrow('no quorum');
  });
});

describe('two rules at once', () => {
  const quorum = new JointQuorum([new MajorityQuorum([1, 2, 3]), new MajorityQuorum([3, 4, 5])]);

  test('need both', () => {
    expect(quorum.voters).toEqual([1, 2, 3, 4, 5]);
    expect(quorum.hasQuorum(new Set([1, 2]))).toBe(false);
    expect(quorum.hasQuorum(new Set([1, 2, 4]))).toBe(false);
    expect(quorum.hasQuorum(new Set([1, 3, 4]))).toBe(true);
  });
});

describe('what is committed', () => {
  test.each([
    ['a majority', majority],
    ['groups', hierarchical],
    ['both', joint],
  ])('is the most that a quorum has acknowledged: %s', (_name, quorums) => {
    fc.assert(
      fc.property(quorums as fc.Arbitrary<Quorum>, watermarks, (quorum, entries) => {
        const acked = new Map(entries);
        expect(quorum.committedThrough(acked)).toBe(committedByTrying(quorum, acked));
      }),
    );
  });
});

test('any two quorums have a server in common', () => {
  fc.assert(
    fc.property(fc.oneof(majority, hierarchical), fc.subarray(NINE), fc.subarray(NINE), (quorum, one, other) => {
      fc.pre(quorum.hasQuorum(new Set(one)) && quorum.hasQuorum(new Set(other)));
      expect(one.some((server) => other.includes(server))).toBe(true);
    }),
  );
});
