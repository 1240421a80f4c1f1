/** Leadership that is given away where not everybody knows of that, or where there is nobody to give it to. */
import { makeZxid } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { Configuration } from '../../src/zab/configuration.ts';
import { parseMember } from '../../src/zab/members.ts';
import { makeApache } from './cluster/apache.ts';
import { Cluster, configurationWith } from './cluster/cluster.ts';
import { LoneLeader } from './cluster/one-side.ts';
import type { Server } from './cluster/server.ts';
import { Disk } from './cluster/storage.ts';

/** So long that nobody waits for it in vain without being noticed. */
const PATIENT = { initLimitTicks: 100 };
const SOON_MS = 1500;
const E1 = makeZxid(1, 0);

function ahead(acceptedEpoch: number): Disk {
  const disk = new Disk();
  disk.epochs.acceptedEpoch = acceptedEpoch;
  return disk;
}

/** Server 2 leads an epoch with server 1, which is of Apache ZooKeeper; a member that has accepted epoch 7 comes. */
function visited(options: { readonly voters: number; readonly observers: number }, visitor: number): Cluster {
  const cluster = new Cluster(1, { ...options, ...PATIENT });
  makeApache(cluster, 1);
  cluster.start(1, 2);
  expect(cluster.untilWhole().serverId).toBe(2);
  cluster.disks.set(visitor, ahead(7));
  cluster.start(visitor);
  return cluster;
}

function elections(cluster: Cluster, serverId: number): number {
  return cluster.trace.filter((line) => line.includes(` ${serverId} looking for a leader`)).length;
}

describe('a server with a later epoch than its leader, whose followers are of Apache ZooKeeper', () => {
  test.each([
    ['a voter', { voters: 3, observers: 0 }, 3],
    ['an observer', { voters: 3, observers: 1 }, 4],
  ])('%s: one election, and it can join', (_what, options, visitor) => {
    const cluster = visited(options, visitor);
    cluster.untilWhole(SOON_MS);
    expect(cluster.leader?.database.currentEpoch).toBe(8);
    expect([1, 2].map((id) => elections(cluster, id))).toEqual([2, 2]);
  });

  test('an observer that followers feed goes to the leader for that: nobody else can make a later epoch', () => {
    const cluster = new Cluster(1, { voters: 3, observers: 1, hasObserverMasters: true, ...PATIENT });
    cluster.start(1, 2, 3);
    cluster.untilWhole();
    cluster.disks.set(4, ahead(7));
    cluster.start(4);
    cluster.untilWhole(SOON_MS);
    expect(cluster.leader?.database.currentEpoch).toBe(8);
  });

  test('what it needs is not forgotten when the next leadership comes to nothing', () => {
    const cluster = visited({ voters: 3, observers: 1 }, 4);
    cluster.until(
      'server 2 leads again',
      () => elections(cluster, 2) === 2 && cluster.server(2).peer.leadership !== null,
    );
    cluster.crash(1, 4);
    cluster.until('server 2 gives up', () => elections(cluster, 2) === 3);
    cluster.start(1);
    expect(cluster.untilWhole().database.currentEpoch).toBe(8);
  });
});

describe('leadership is given away', () => {
  test('without an election only where those who know of that are a quorum', () => {
    const cluster = new Cluster(1, { voters: 5, ...PATIENT });
    makeApache(cluster, 1, 2);
    cluster.start(1, 2, 3, 4);
    const leader = cluster.untilWhole();
    expect(leader.serverId).toBe(4);
    leader.handOver(null);
    cluster.until('it is given away', () => leader.peer.leader === null);
    cluster.untilWhole(SOON_MS);
    expect(cluster.leader?.database.currentEpoch).toBe(2);
  });

  test('by one that leaves only to whom a quorum follows without it', () => {
    const cluster = new Cluster(1, { voters: 3, ...PATIENT });
    makeApache(cluster, 1);
    cluster.start(1, 2, 3);
    const leader = cluster.untilWhole();
    expect(leader.serverId).toBe(3);
    leader.handOver(null, true);
    cluster.until('it is given away', () => leader.peer.leader === null);
    cluster.crash(3);
    cluster.untilWhole(SOON_MS);
  });

  test('by a leader without followers to itself, when the counter of its epoch runs out', () => {
    const cluster = new Cluster(1, { voters: 1, ...PATIENT });
    cluster.start(1);
    const leader = cluster.untilWhole();
    Object.defineProperty(leader.peer.leader, 'lastProposed', { get: () => E1 + 0xfffffff0 });
    cluster.until('it leads the next epoch', () => leader.peer.leader?.lastProposed === makeZxid(2, 0), SOON_MS);
    leader.write('goes on');
    cluster.until('it is written', () => cluster.order.length === 1);
  });

  test('and nothing is proposed behind the last number of an epoch', () => {
    const lone = new LoneLeader(1, configurationWith([1], []));
    lone.run();
    const { leader } = lone.leadership;
    expect(leader?.open).toBe(true);
    Object.defineProperty(leader, 'nextZxid', { value: () => E1 + 0xfffffffe });
    lone.propose(Buffer.from('the last one'));
    expect(leader?.open).toBe(false);
    lone.run();
    expect(lone.leadership.endReason).toBe('the epoch has no more zxids');
  });
});

describe('a change of members that the leader before could not complete', () => {
  /** Of servers 1, 2 and 3, where number 3 has another address from the change on. */
  function moved(): Configuration {
    const kept = configurationWith([1, 2], []).members;
    return new Configuration({ members: [...kept, parseMember(3, '10.0.1.3:2888:3888:participant')], version: E1 + 1 });
  }

  test('is completed by one whose address it changes, and who waits for nobody that is off', () => {
    const cluster = new Cluster(1, { voters: 3, reconfigEnabled: true, ...PATIENT });
    cluster.network.turnOff(1);
    for (const id of [2, 3]) {
      cluster.configurations.set(id, configurationWith([1, 2, 3], [], E1));
      cluster.proposedConfigurations.set(id, moved());
      cluster.disks.set(id, ahead(1));
    }
    cluster.start(2, 3);
    cluster.until('it is completed', () => cluster.trace.some((line) => line.endsWith(' 3 leads epoch 2')));
    const isMoved = ({ peer }: Server): boolean => peer.membership.committed.version === E1 + 1;
    cluster.until('both have it', () => cluster.isWhole && cluster.up.every(isMoved), SOON_MS);
  });
});
