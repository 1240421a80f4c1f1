/** Members whose files are damaged, or whose tree is not the leader's: they say so, and heal. */
import { describe, expect, test } from 'vitest';
import type { Area } from '../../src/io/disk.ts';
import { Divergence } from '../../src/replica/divergence.ts';
import { expectSameTrees, TestEnsemble, type TestMember } from './ensemble.ts';
import { create, exists, getData, setData } from './requests.ts';

/** A member with a few snapshots and logs. */
function withHistory(options: ConstructorParameters<typeof TestEnsemble>[1] = {}): {
  ensemble: TestEnsemble;
  member: TestMember;
} {
  const ensemble = new TestEnsemble(3, options);
  const client = ensemble.leader.client(100_000);
  for (let i = 0; i < 60; i++) {
    client.get(create(`/before-${i}`, { data: `${i}` }));
  }
  return { ensemble, member: ensemble.learners[0] };
}

function names(member: TestMember, area: Area): string[] {
  return member.disk.list(area).map(({ name }) => name);
}

const logsOf = (member: TestMember): string[] => names(member, 'log').filter((name) => name.startsWith('log.'));
const snapshotsOf = (member: TestMember): string[] =>
  names(member, 'data').filter((name) => name.startsWith('snapshot.'));

function asideOf(member: TestMember): string[] {
  const all = new Set([...names(member, 'data'), ...names(member, 'log')]);
  return [...all].filter((name) => name.startsWith('damaged.')).sort();
}

/** A bit in a record that others follow. */
function damageLog(member: TestMember): string {
  const name = logsOf(member)[0];
  member.disk.damage('log', name, 300);
  return name;
}

function damageSnapshots(member: TestMember): void {
  for (const name of snapshotsOf(member)) {
    member.disk.damage('data', name, 60);
  }
}

const DAMAGES: [string, (member: TestMember) => void][] = [
  ['a record in the middle of its log', damageLog],
  ['all its snapshots', damageSnapshots],
  ['no snapshot left', (member) => snapshotsOf(member).forEach((name) => member.disk.remove('data', name))],
];

describe('a member with damaged files', () => {
  test.each(DAMAGES)('%s: says so, gets everything from the leader, and keeps what was damaged', (_, damage) => {
    const { ensemble, member } = withHistory();
    member.kill();
    damage(member);
    const files = new Map(logsOf(member).map((name) => [name, member.disk.get('log', name)]));
    ensemble.leader.client().get(create('/meanwhile'));
    member.start();
    expect(member.messages.at(-2)).toMatch(/This server does not vote and serves nobody until a leader has given/);
    expect(member.running.member?.report.damage).toMatch(/damaged|snapshot/);
    ensemble.untilServing();
    expect(member.running.member?.report.damage).toBeNull();
    expect(member.client().err(exists('/meanwhile'))).toBe(0);
    expect(member.metrics.data_damaged_count.value).toBe(1);
    expect(member.metrics.data_healed_count.value).toBe(1);
    for (const [name, bytes] of files) {
      expect(member.disk.get('log', `damaged.1.${name}`)).toEqual(bytes);
    }
    expectSameTrees(ensemble);
    member.kill();
    member.start();
    ensemble.untilServing();
    expectSameTrees(ensemble);
    expect(member.running.member?.report.damage).toBeNull();
  });

  test('that is damaged a second time keeps both', () => {
    const { ensemble, member } = withHistory();
    for (let time = 1; time <= 2; time++) {
      member.kill();
      damageSnapshots(member);
      member.start();
      ensemble.untilServing();
      ensemble.leader.client().get(create(`/after-${time}`));
    }
    const series = new Set(asideOf(member).map((name) => name.split('.')[1]));
    expect([...series].sort()).toEqual(['1', '2']);
    expectSameTrees(ensemble);
  });

  test('leaves its files as they are while there is no leader, whatever happens', () => {
    const { ensemble, member } = withHistory({ readOnlyDelayMs: 2000 });
    for (const one of ensemble.members) {
      one.kill();
    }
    damageLog(member);
    const before = [...names(member, 'log'), ...names(member, 'data')];
    member.start();
    ensemble.advance(60_000);
    expect(member.running.serving).toBe(false); // nor to read-only clients: it has nothing to show
    expect(member.running.member?.isReadOnly).toBe(false);
    expect([...names(member, 'log'), ...names(member, 'data')]).toEqual(before);
  });

  test('that is one of two: it is not started, for the other alone is no majority', () => {
    const ensemble = new TestEnsemble(2);
    ensemble.leader.client().get(create('/a'));
    const [member] = ensemble.learners;
    member.kill();
    member.disk.damage('data', snapshotsOf(member)[0], 60);
    expect(() => member.start()).toThrow(/none of the 1 snapshots can be loaded/);
  });

  test('without the file of the epoch that it has promised is not started: it could promise another', () => {
    const { member } = withHistory();
    member.kill();
    damageLog(member);
    member.disk.remove('data', 'acceptedEpoch');
    member.disk.remove('data', 'currentEpoch');
    expect(() => member.start()).toThrow(/acceptedEpoch is missing, too/);
  });

  test('that observes heals as well', () => {
    const ensemble = new TestEnsemble(3, { observers: 1 });
    ensemble.leader.client().get(create('/a'));
    const observer = ensemble.member(4);
    observer.kill();
    damageSnapshots(observer);
    observer.start();
    ensemble.untilServing();
    expect(observer.client().err(exists('/a'))).toBe(0);
    expect(asideOf(observer).length).toBeGreaterThan(0);
    expectSameTrees(ensemble);
  });
});

/** A bit of memory falls over. */
function corruptMemory(member: TestMember, path: string): void {
  const { tree } = member.running.world;
  const { lastZxid } = tree;
  tree.setData(path, Buffer.from('wrong'), 7, lastZxid, 1);
  tree.changes.length = 0;
}

describe('a member whose tree is not the leader’s', () => {
  test('leaves when the digests tell, gets the tree anew, and keeps what it had', () => {
    const { ensemble, member } = withHistory();
    corruptMemory(member, '/before-7');
    ensemble.leader.client().get(create('/next'));
    expect(member.messages.join('\n')).toContain("is not the leader's");
    ensemble.advance(100);
    ensemble.untilServing();
    const client = member.client();
    expect(Buffer.from(client.get(getData('/before-7')).data ?? []).toString()).toBe('7');
    expect(client.err(exists('/next'))).toBe(0);
    expect(member.metrics.digest_mismatches_count.value).toBeGreaterThan(0);
    const { digest } = member;
    ensemble.leader.client().get(setData('/before-7', 'right'));
    expect(member.digest).not.toBe(digest);
    expect(member.digest).toBe(ensemble.leader.digest);
  });

  test('and whose disk says the same gets a snapshot, and sets aside what it had', () => {
    const { ensemble, member } = withHistory();
    corruptMemory(member, '/before-7');
    member.running.snapshots.start();
    ensemble.settle();
    for (const name of snapshotsOf(member).slice(0, -1)) {
      member.disk.remove('data', name);
    }
    ensemble.leader.client().get(create('/next'));
    ensemble.advance(100);
    ensemble.untilServing();
    expect(Buffer.from(member.client().get(getData('/before-7')).data ?? []).toString()).toBe('7');
    expect(asideOf(member).length).toBeGreaterThan(0);
    expect(member.digest).toBe(ensemble.leader.digest);
  });

  test('a leader of whom a majority says so leads no more, and gets the tree of the others', () => {
    const { ensemble, member: leader } = withHistory();
    const tree = leader.running.world.tree as unknown as { readonly digestSum: { add(digest: number): void } };
    tree.digestSum.add(1);
    ensemble.leader.running.member?.handOver(leader.id); // it promises what it has, and notices nothing itself
    ensemble.advance(1000);
    expect(ensemble.leader).toBe(leader);
    leader.client(); // its session is a transaction
    ensemble.advance(2000);
    ensemble.untilServing();
    expect(leader.messages.join('\n')).toMatch(/a majority, have another tree than this one/);
    expect(ensemble.leader).not.toBe(leader);
    for (const member of ensemble.members) {
      const again = member.client();
      expect(Buffer.from(again.get(getData('/before-7')).data ?? []).toString()).toBe('7');
    }
    expect(leader.metrics.data_healed_count.value).toBe(1);
    expect(asideOf(leader).length).toBeGreaterThan(0);
    expectTreesAlike(ensemble);
  });

  test('a leader whose own tree is not what it has promised gives leadership away', () => {
    const { ensemble } = withHistory();
    const { leader } = ensemble;
    const { tree } = leader.running.world;
    const client = leader.client(60_000);
    // Between the promise and its fulfilment something changes.
    client.send(create('/promised'));
    leader.turn();
    tree.setData('/before-7', Buffer.from('wrong'), 7, tree.lastZxid, 1);
    ensemble.settle();
    ensemble.advance(1000);
    ensemble.untilServing();
    expect(ensemble.leader).not.toBe(leader);
    ensemble.leader.client().get(create('/later'));
    ensemble.advance(1000);
    ensemble.untilServing();
    expect(Buffer.from(leader.client().get(getData('/before-7')).data ?? []).toString()).toBe('7');
    expectTreesAlike(ensemble);
  });
});

describe('when a server leaves because of a digest', () => {
  test('one that agreed before: always', () => {
    const divergence = new Divergence();
    for (let i = 0; i < 10; i++) {
      expect(divergence.found({ hasAgreed: true, isFromSnapshot: i % 2 === 0 })).toBe(true);
    }
  });

  test('a tree that has come from the leader, and never agreed with it: not', () => {
    expect(new Divergence().found({ hasAgreed: false, isFromSnapshot: true })).toBe(false);
  });

  test('where the leader sends no snapshot: three times', () => {
    const divergence = new Divergence();
    const found = Array.from({ length: 5 }, () => divergence.found({ hasAgreed: false, isFromSnapshot: false }));
    expect(found).toEqual([true, true, true, false, false]);
  });
});

function expectTreesAlike(ensemble: TestEnsemble): void {
  const [first, ...others] = ensemble.members.map(({ digest }) => digest);
  for (const other of others) {
    expect(other).toBe(first);
  }
}
