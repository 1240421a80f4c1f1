import { makeZxid } from '@treekeeper/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Leader } from '../../src/zab/leader.ts';
import { JointQuorum, MajorityQuorum } from '../../src/zab/quorum.ts';

const E1 = makeZxid(1, 0);
const nothing = { append: () => undefined };

function proposing(leader: Leader, count: number): void {
  for (let i = 0; i < count; i++) {
    leader.propose(leader.nextZxid(), new Uint8Array(0));
  }
}

test('commits what a majority has, as the obvious count says', () => {
  const acks = fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 20 })), { maxLength: 40 });
  fc.assert(
    fc.property(acks, (list) => {
      const leader = new Leader(1, new MajorityQuorum([1, 2, 3, 4, 5]), E1, nothing);
      proposing(leader, 20);
      const have = new Map<number, number>();
      for (const [server, count] of list) {
        if (count <= (have.get(server) ?? 0)) {
          continue;
        }
        have.set(server, count);
        leader.acknowledged(server, E1 + count);
        let committed = 0;
        while ([...have.values()].filter((acked) => acked > committed).length >= 3) {
          committed++;
        }
        expect(leader.committed).toBe(E1 + committed);
      }
    }),
  );
});

test('a transaction is judged by the quorum of its time: the change and what follows it by both', () => {
  const before = new MajorityQuorum([1, 2, 3]);
  const after = new MajorityQuorum([3, 4, 5]);
  const leader = new Leader(3, before, E1, nothing);
  proposing(leader, 1);
  leader.useQuorum(new JointQuorum([before, after]));
  leader.limitCommits(E1 + 2);
  proposing(leader, 2); // the change, and one behind it
  leader.synced(E1 + 3);
  leader.acknowledged(1, E1 + 3);
  expect(leader.committed).toBe(E1 + 1);
  leader.acknowledged(4, E1 + 3);
  expect(leader.committed).toBe(E1 + 2); // and no further, before it is in force
  leader.replaceQuorum(after);
  leader.limitCommits(Number.POSITIVE_INFINITY);
  expect(leader.committed).toBe(E1 + 3);
});

test('the new members decide alone once the change is in force, also on what was proposed before that', () => {
  const before = new MajorityQuorum([1, 2, 3]);
  const after = new MajorityQuorum([3]);
  const leader = new Leader(3, before, E1, nothing);
  leader.useQuorum(new JointQuorum([before, after]));
  leader.limitCommits(E1 + 1);
  proposing(leader, 2);
  leader.acknowledged(1, E1 + 1);
  leader.synced(E1 + 2);
  expect(leader.committed).toBe(E1 + 1);
  leader.forget(1);
  leader.replaceQuorum(after);
  leader.limitCommits(Number.POSITIVE_INFINITY);
  expect(leader.committed).toBe(E1 + 2);
});

test('what was committed stays so, whoever leaves', () => {
  const leader = new Leader(1, new MajorityQuorum([1, 2, 3]), E1, nothing);
  proposing(leader, 2);
  leader.synced(E1 + 2);
  leader.acknowledged(2, E1 + 1);
  leader.forget(2);
  expect(leader.committed).toBe(E1 + 1);
  leader.acknowledged(3, E1 + 2);
  expect(leader.committed).toBe(E1 + 2);
});
