/** A snapshot that is whole, and holds another tree: only the digests in the log tell. */
import { describe, expect, test } from 'vitest';
import { TestEnsemble, type TestMember } from './ensemble.ts';
import { create, getData } from './requests.ts';

/** An ensemble whose last snapshot at one member has a value that nobody wrote, and transactions behind it. */
function withAltered(): { ensemble: TestEnsemble; member: TestMember } {
  const ensemble = new TestEnsemble(3);
  const client = ensemble.leader.client(100_000);
  for (let i = 0; i < 20; i++) {
    client.get(create(`/before-${i}`, { data: `${i}` }));
  }
  const [member] = ensemble.learners;
  const { tree } = member.running.world;
  tree.setData('/before-7', Buffer.from('wrong'), 7, tree.lastZxid, 1);
  tree.changes.length = 0;
  member.running.snapshots.start();
  ensemble.settle();
  return { ensemble, member };
}

function snapshotsOf(member: TestMember): string[] {
  const files = member.disk.list('data').map(({ name }) => name);
  return files.filter((name) => name.startsWith('snapshot.'));
}

function valueAt(member: TestMember): string {
  return Buffer.from(member.client().get(getData('/before-7')).data ?? []).toString();
}

describe('a snapshot with another tree', () => {
  test('is passed over where the digests agree with an older one, and a new one is written', () => {
    const { ensemble, member } = withAltered();
    ensemble.leader.client().get(create('/next'));
    member.kill();
    const before = snapshotsOf(member);
    member.start();
    const said = member.messages.join('\n');
    expect(said).toMatch(/snapshot\.\w+ holds another tree than it should: snapshot\.0 and the logs are taken instead/);
    ensemble.untilServing();
    expect(valueAt(member)).toBe('7');
    expect(member.metrics.digest_mismatches_count.value).toBe(0);
    expect(snapshotsOf(member).length).toBeGreaterThan(before.length);
  });

  test('does not become the tree of all, when its server loses the leader that would give it the right one', () => {
    const { ensemble, member } = withAltered();
    const { leader } = ensemble;
    leader.client().get(create('/next'));
    expect(member.messages.join('\n')).toContain("is not the leader's");
    leader.kill();
    ensemble.advance(30_000);
    leader.start();
    ensemble.untilServing();
    for (const each of ensemble.members) {
      expect(valueAt(each)).toBe('7');
    }
  });

  test('is taken, with a warning, where all older ones say the same: digests may be counted in another way', () => {
    const { ensemble, member } = withAltered();
    ensemble.leader.client().get(create('/next'));
    member.kill();
    const [oldest, ...newer] = snapshotsOf(member);
    member.disk.remove('data', oldest);
    member.start();
    expect(member.messages.join('\n')).toMatch(/differs from the one its writer had/);
    expect(member.messages.join('\n')).not.toMatch(/holds another tree/);
    expect(newer.length).toBeGreaterThan(0);
  });
});

test('a follower that has the leader’s tree again does not speak against it any more', () => {
  const ensemble = new TestEnsemble(3);
  const { leader } = ensemble;
  leader.client(100_000).get(create('/before-7', { data: '7' }));
  for (const [i, member] of ensemble.learners.entries()) {
    const { tree } = member.running.world;
    tree.setData('/before-7', Buffer.from('wrong'), 7, tree.lastZxid, 1);
    tree.changes.length = 0;
    leader.client().get(create(`/next-${i}`));
    ensemble.advance(2000);
    ensemble.untilServing();
    expect(valueAt(member)).toBe('7');
  }
  expect(leader.messages.filter((message) => message.includes('another tree'))).toHaveLength(2);
  expect(leader.messages.join('\n')).not.toContain('a majority');
  expect(ensemble.leader).toBe(leader);
});
