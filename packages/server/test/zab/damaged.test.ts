/**
 * A server that has lost what it acknowledged, and knows it (docs/decisions/0017-damaged-members.md): it has no say in
 * who leads before a leader that was made without it has given it everything.
 */
import { PacketType } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { Cluster, configurationWith } from './cluster/cluster.ts';
import { LoneLearner, packetBytes } from './cluster/one-side.ts';
import { Disk } from './cluster/storage.ts';

/** Two of three have a transaction, the leader among them; the third is down. Which ones? */
function writtenByTwo(): { cluster: Cluster; leader: number; follower: number; absent: number } {
  const cluster = new Cluster(7, { voters: 3 });
  cluster.start(1, 2, 3);
  const leader = cluster.untilWhole().serverId;
  const [follower, absent] = [1, 2, 3].filter((id) => id !== leader);
  cluster.crash(absent);
  cluster.server(leader).write('only two have it');
  cluster.until('it is committed', () => cluster.order.length === 1);
  cluster.until('both have it', () => cluster.server(follower).database.history().length === 1);
  return { cluster, leader, follower, absent };
}

describe('who has lost what it acknowledged', () => {
  test('elects nobody with one that never had it; with one that has, all have it', () => {
    const { cluster, leader, follower, absent } = writtenByTwo();
    cluster.crash(leader, follower);
    cluster.server(follower).disk.isDamaged = true;
    cluster.start(follower, absent);
    cluster.run(30_000);
    expect(cluster.leader).toBeUndefined();
    expect(cluster.trace.filter((line) => line.includes('leads epoch'))).toHaveLength(1);
    cluster.start(leader);
    expect(cluster.untilWhole().serverId).toBe(leader);
    cluster.until('all have it', () => cluster.up.every(({ database }) => database.history().length === 1));
    expect(cluster.server(follower).disk.isDamaged).toBe(false);
  });

  test('would lose it for all, if it voted: the invariants show it', () => {
    const { cluster, leader, follower, absent } = writtenByTwo();
    cluster.crash(leader, follower);
    const { disk } = cluster.server(follower);
    disk.log = [];
    cluster.start(follower, absent);
    const goOn = (): void => {
      cluster.run(30_000);
      cluster.leader?.write('over it');
      cluster.run(30_000);
    };
    expect(goOn).toThrow(/^(10|11)|: .* is not delivered|lost|delivered/);
  });

  test('asks so often that others would never tell their votes again, if that kept them from it', () => {
    const { cluster, leader, follower, absent } = writtenByTwo();
    cluster.crash(leader, follower);
    cluster.start(absent);
    cluster.run(60_000); // it tells its vote ever less often
    cluster.server(follower).disk.isDamaged = true;
    cluster.start(follower);
    cluster.run(5000);
    cluster.start(leader);
    cluster.untilWhole(60_000);
  });

  test('votes again, and leads, when it has got everything', () => {
    const { cluster, leader, follower, absent } = writtenByTwo();
    cluster.start(absent);
    cluster.untilWhole();
    cluster.crash(follower);
    cluster.server(follower).disk.isDamaged = true;
    cluster.start(follower);
    cluster.untilWhole();
    expect(cluster.server(follower).disk.isDamaged).toBe(false);
    cluster.crash(leader);
    cluster.until('another leads', () => cluster.leader !== undefined);
    cluster.crash(cluster.leader?.serverId === absent ? follower : absent);
    cluster.start(leader);
    cluster.untilWhole.call(cluster, 60_000);
  });

  test('does not vouch for its leader’s history, and takes nothing but a snapshot', () => {
    const disk = new Disk();
    disk.isDamaged = true;
    Object.assign(disk.epochs, { acceptedEpoch: 4, currentEpoch: 4 });
    const lone = new LoneLearner(1, 3, configurationWith([1, 2, 3], []), disk);
    lone.run();
    lone.receive(packetBytes(PacketType.leaderInfo, 5 * 2 ** 32, Buffer.from('00010000', 'hex')));
    expect(lone.run()).toEqual(['ACKEPOCH 0x600000000 current epoch -1']);
    lone.receive(packetBytes(PacketType.diff, 0));
    expect(lone.learner.endReason).toBe('the leader did not send a snapshot, and the history here is damaged');
  });

  test('does not join a leader of an epoch before the one that it has promised to', () => {
    const disk = new Disk();
    disk.isDamaged = true;
    Object.assign(disk.epochs, { acceptedEpoch: 4, currentEpoch: 3 });
    const lone = new LoneLearner(1, 3, configurationWith([1, 2, 3], []), disk);
    lone.run();
    lone.receive(packetBytes(PacketType.leaderInfo, 3 * 2 ** 32, Buffer.from('00010000', 'hex')));
    expect(lone.run()).toEqual([]);
    expect(lone.learner.isRefused).toBe(true);
  });
});
