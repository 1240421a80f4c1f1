/** A learner, and what a leader should not send it, or need not send again (quorum-protocol.md §5.8, §16). */
import { makeZxid, PacketType } from '@treekeeper/protocol';
import { expect, test } from 'vitest';
import { Cluster, configurationWith } from './cluster/cluster.ts';
import { LoneLearner, packetBytes } from './cluster/one-side.ts';
import { Disk } from './cluster/storage.ts';

const THREE = configurationWith([1, 2, 3], []);
const E1 = makeZxid(1, 0);
const bytes = (text: string): Buffer => Buffer.from(text);

test('2418, 4925: a hole in what a leader sends is passed over neither behind DIFF nor behind TRUNC', () => {
  const four = makeZxid(0, 4);
  const learner = (kind: number): LoneLearner => {
    const disk = new Disk();
    disk.log.push({ zxid: makeZxid(0, 1), payload: bytes('a') }, { zxid: makeZxid(0, 2), payload: bytes('b') });
    const lone = new LoneLearner(1, 3, THREE, disk);
    lone.receive(packetBytes(PacketType.leaderInfo, E1, Buffer.from('00010000', 'hex')));
    lone.run();
    lone.receive(packetBytes(kind, makeZxid(0, kind === PacketType.trunc ? 1 : 4)));
    lone.run();
    lone.receive(
      Buffer.concat([packetBytes(PacketType.proposal, four, bytes('d')), packetBytes(PacketType.commit, four)]),
    );
    return lone;
  };
  for (const [kind, end] of [
    [PacketType.trunc, 1],
    [PacketType.diff, 2],
  ]) {
    const { learner: role, database } = learner(kind);
    expect(role.endReason).toBe(`the leader proposed zxid 0x4 after 0x${end}`);
    expect(database.lastZxid).toBe(end);
    expect(role.needsSnapshot).toBe(true); // another DIFF would have the same hole
  }
});

test('who has got a snapshot needs none for the next link to the same leader', () => {
  const cluster = new Cluster(1, { voters: 3 });
  cluster.start(1, 2, 3);
  const leader = cluster.untilWhole();
  leader.write('one');
  cluster.until('all have it', () => cluster.up.every(({ database }) => database.history().length === 1));
  const { peer } = cluster.up.find((server) => server !== leader) as typeof leader;
  peer.diverged(leader.database.lastZxid);
  cluster.until('it needs a snapshot', () => peer.learner?.needsSnapshot === true);
  cluster.until('it has one', () => peer.learner?.isFromSnapshot === true && peer.learner.phase === 'following');
  expect(peer.learner?.needsSnapshot).toBe(false);
});
