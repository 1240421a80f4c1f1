/**
 * Situations in which releases of Apache ZooKeeper are known to have gone wrong (quorum-protocol.md §16), by the number
 * of the report, and others like them. Here they go right.
 */
import { JuteWriter, LearnerInfo, makeZxid, PacketType } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { HAND_OVER_PACKET_TYPE } from '../../src/zab/packets.ts';
import { Cluster, configurationWith } from './cluster/cluster.ts';
import { LoneLeader, LoneLearner, packetBytes, packetsIn, type TestLink } from './cluster/one-side.ts';
import { Disk } from './cluster/storage.ts';

const THREE = configurationWith([1, 2, 3], []);
const E1 = makeZxid(1, 0);
const bytes = (text: string): Buffer => Buffer.from(text);

function proposal(zxid: number): Buffer {
  return packetBytes(PacketType.proposal, zxid, bytes(`txn ${zxid - E1}`));
}

function commit(zxid: number): Buffer {
  return packetBytes(PacketType.commit, zxid);
}

const newLeader = packetBytes(PacketType.newLeader, E1, bytes(THREE.text));
const upToDate = packetBytes(PacketType.upToDate, -1);

/** A follower that has accepted epoch 1 and waits for its synchronisation. */
function acceptingLearner(disk = new Disk()): LoneLearner {
  const lone = new LoneLearner(1, 3, THREE, disk);
  lone.run();
  lone.receive(packetBytes(PacketType.leaderInfo, E1, Buffer.from('00010000', 'hex')));
  expect(lone.run()).toEqual(['ACKEPOCH 0x0 current epoch 0']);
  return lone;
}

function int(value: number): Buffer {
  const writer = new JuteWriter();
  writer.int(value);
  return writer.copy();
}

function introduce(lone: LoneLeader, serverId: number, type: number = PacketType.followerInfo, epoch = 0): TestLink {
  const link = lone.accept();
  const info = new JuteWriter();
  LearnerInfo.encode(info, { serverId, protocolVersion: 0x10000, configVersion: 0 });
  lone.receive(link, packetBytes(type, makeZxid(epoch, 0), info.copy()));
  lone.run();
  return link;
}

/** A learner of epoch 1 that has joined with this history, and has acknowledged NEWLEADER. */
function join(lone: LoneLeader, serverId: number, lastZxid = 0, type: number = PacketType.followerInfo): TestLink {
  const link = introduce(lone, serverId, type);
  lone.receive(link, packetBytes(PacketType.ackEpoch, lastZxid, int(0)));
  lone.run();
  lone.receive(link, packetBytes(PacketType.ack, E1));
  lone.run();
  return link;
}

describe('a follower that joins', () => {
  test('4646, 4643, 4785, 3023: has the transactions on disk and applied, then its epoch on disk, and then says so', () => {
    const lone = acceptingLearner();
    const { disk, database } = lone;
    disk.delayMs = () => 10;
    lone.receive(Buffer.concat([packetBytes(PacketType.diff, E1 + 2), proposal(E1 + 1), commit(E1 + 1)]));
    lone.receive(Buffer.concat([proposal(E1 + 2), commit(E1 + 2), newLeader]));
    expect(lone.run(9)).toEqual([]);
    expect([database.lastZxid, disk.log.length, disk.epochs.currentEpoch]).toEqual([E1 + 2, 0, 0]);
    expect(lone.run(2)).toEqual([]);
    expect([disk.log.length, disk.epochs.currentEpoch]).toEqual([2, 0]);
    expect(lone.run(10)).toEqual(['ACK 0x100000000']);
    expect(disk.epochs.currentEpoch).toBe(1);
  });

  test('4394: outstanding proposals may be committed between NEWLEADER and UPTODATE', () => {
    const lone = acceptingLearner();
    lone.receive(Buffer.concat([packetBytes(PacketType.diff, 0), proposal(E1 + 1), proposal(E1 + 2), newLeader]));
    expect(lone.run()).toEqual(['ACK 0x100000000']);
    lone.receive(Buffer.concat([commit(E1 + 1), upToDate]));
    expect(lone.run()).toEqual(['ACK 0x100000000', 'ACK 0x100000001', 'ACK 0x100000002']);
    expect(lone.told.filter((line) => /^(proposed|committed)/.test(line))).toEqual([
      `proposed ${E1 + 1}`,
      `proposed ${E1 + 2}`,
      `committed ${E1 + 1}`,
    ]);
  });

  test('4925: what was applied on the way in is in the window afterwards; a gap in a DIFF is refused', () => {
    const lone = acceptingLearner();
    const pieces = [packetBytes(PacketType.diff, E1 + 2), proposal(E1 + 1), commit(E1 + 1), proposal(E1 + 2)];
    lone.receive(Buffer.concat([...pieces, newLeader]));
    lone.run();
    lone.receive(Buffer.concat([commit(E1 + 2), upToDate]));
    lone.run();
    expect(lone.committedLog.after(0).map(({ zxid }) => zxid)).toEqual([E1 + 1, E1 + 2]);

    const gap = acceptingLearner();
    gap.receive(Buffer.concat([packetBytes(PacketType.diff, E1 + 3), proposal(E1 + 1), proposal(E1 + 3)]));
    expect(gap.learner.endReason).toBe('the leader proposed zxid 0x100000003 after 0x100000001');
  });

  test('a configuration that is only proposed is not in force because NEWLEADER carries it', () => {
    const next = configurationWith([1], [2, 3], E1 + 1).text;
    const join = (commits: boolean): number => {
      const lone = new LoneLearner(1, 3, THREE, new Disk(), { reconfigEnabled: true });
      lone.run();
      lone.receive(packetBytes(PacketType.leaderInfo, E1, Buffer.from('00010000', 'hex')));
      lone.run();
      lone.receive(Buffer.concat([packetBytes(PacketType.diff, 0), proposal(E1 + 1)]));
      if (commits) {
        lone.receive(commit(E1 + 1));
      }
      lone.receive(Buffer.concat([packetBytes(PacketType.newLeader, E1, bytes(next))]));
      lone.run();
      lone.receive(upToDate);
      expect(lone.membership.lastSeen.version).toBe(E1 + 1);
      return lone.membership.committed.version;
    };
    expect(join(false)).toBe(0);
    expect(join(true)).toBe(E1 + 1);
  });

  test('a gap in live traffic is not acknowledged either', () => {
    const lone = acceptingLearner();
    lone.receive(Buffer.concat([packetBytes(PacketType.diff, 0), newLeader]));
    lone.run();
    lone.receive(Buffer.concat([upToDate, proposal(E1 + 1), proposal(E1 + 3)]));
    expect(lone.learner.endReason).toBe('the leader proposed zxid 0x100000003 after 0x100000001');
  });

  test('3642, 5094: a database that is only in memory is dropped when the link is lost', () => {
    const snap = acceptingLearner();
    snap.receive(packetBytes(PacketType.snap, E1 + 2));
    expect(snap.learner.mustReload).toBe(true);

    const disk = new Disk();
    disk.log.push({ zxid: makeZxid(0, 1), payload: bytes('a') }, { zxid: makeZxid(0, 2), payload: bytes('b') });
    const trunc = new LoneLearner(1, 3, THREE, disk);
    trunc.receive(packetBytes(PacketType.leaderInfo, E1, Buffer.from('00010000', 'hex')));
    trunc.run();
    trunc.receive(Buffer.concat([packetBytes(PacketType.trunc, makeZxid(0, 1)), proposal(E1 + 1), commit(E1 + 1)]));
    trunc.run();
    expect(trunc.database.lastZxid).toBe(E1 + 1);
    expect(trunc.learner.mustReload).toBe(true);
    trunc.receive(newLeader);
    expect(trunc.run()).toEqual(['ACK 0x100000000']);
    expect(trunc.learner.mustReload).toBe(false);

    const diff = acceptingLearner();
    diff.receive(Buffer.concat([packetBytes(PacketType.diff, E1 + 1), proposal(E1 + 1), commit(E1 + 1)]));
    expect(diff.learner.mustReload).toBe(false);
  });

  test('4409, 4541: a link that is lost, and closed twice, while the disk is at work: the log gets it all', () => {
    const lone = acceptingLearner();
    lone.receive(Buffer.concat([packetBytes(PacketType.diff, 0), newLeader, upToDate]));
    lone.run();
    lone.disk.delayMs = () => 10;
    lone.receive(Buffer.concat([proposal(E1 + 1), proposal(E1 + 2)]));
    lone.learner.gone(lone.events.nowMs);
    lone.learner.close();
    lone.learner.close();
    lone.run();
    expect(lone.disk.log.map(({ zxid }) => zxid)).toEqual([E1 + 1, E1 + 2]);
    expect([lone.learner.phase, lone.learner.endReason]).toEqual(['ended', 'the link to the leader is gone']);
  });

  test('a history that cannot be cut, as it came in a snapshot, is replaced by a snapshot', () => {
    const cluster = new Cluster(1, { voters: 3 });
    cluster.start(1, 2, 3);
    const leader = cluster.untilWhole();
    leader.write('one');
    cluster.until('all have it', () => cluster.up.every(({ database }) => database.history().length === 1));
    cluster.crash(3);
    cluster.untilWhole();
    // What server 3 got from a leader that came to nothing, as a snapshot.
    const disk = cluster.disks.get(3) as Disk;
    const state = new Map([...disk.recover().state, [E1 + 2, bytes('never committed')]]);
    Object.assign(disk, { log: [], snapshots: [{ zxid: E1 + 2, state }] });
    cluster.wiretap.isTranscribing = true;
    cluster.start(3);
    cluster.untilWhole();
    const told = cluster.trace.filter((line) => /(TRUNC|SNAP|ACKEPOCH)/.test(line)).map((line) => line.slice(9));
    expect(told.map((line) => line.replace(/^→ \d /, ''))).toEqual([
      'ACKEPOCH 0x100000002 current epoch 1',
      'TRUNC 0x100000001',
      'ACKEPOCH 0x300000000 current epoch -1',
      'SNAP 0x100000001',
    ]);
    expect(cluster.server(3).database.history()).toEqual([E1 + 1]);
  });

  test('what is no packet ends the link, and nothing else', () => {
    const lone = acceptingLearner();
    lone.receive(Buffer.from('0000000d00000000000000007fffffff', 'hex'));
    expect(lone.learner.endReason).toMatch(/^what the leader sent cannot be read: length 2147483647/);
  });
});

describe('a leader', () => {
  test('4685: an ACK of a proposal is not taken for that of NEWLEADER, and counts when that has come', () => {
    const lone = new LoneLeader(3, THREE);
    join(lone, 2);
    const zxid = lone.propose(bytes('one'));
    lone.run();
    const late = introduce(lone, 1);
    lone.receive(late, packetBytes(PacketType.ackEpoch, 0, int(0)));
    lone.run();
    lone.receive(late, packetBytes(PacketType.ack, zxid));
    lone.run();
    expect(late.packets()).not.toContain('UPTODATE');
    expect(lone.leadership.leader?.committed).toBe(E1);
    lone.receive(late, packetBytes(PacketType.ack, E1));
    lone.run();
    expect(late.packets()).toContain('UPTODATE');
    expect(lone.leadership.leader?.committed).toBe(zxid);
  });

  test('3104: NEWLEADER comes behind the snapshot and all that was proposed while it was sent', () => {
    const lone = new LoneLeader(3, THREE, new Disk(), { committedLogEntriesMax: 1, transferBytesPerTurn: 20 });
    const other = join(lone, 2);
    for (let i = 1; i <= 3; i++) {
      const zxid = lone.propose(bytes(`txn ${i}`));
      lone.receive(other, packetBytes(PacketType.ack, zxid));
      lone.run();
      lone.database.apply(zxid, bytes(`txn ${i}`));
    }
    lone.disk.log.length = 0; // purged
    const link = introduce(lone, 1);
    lone.receive(link, packetBytes(PacketType.ackEpoch, 0, int(0)));
    lone.leadership.flush(lone.events.nowMs);
    lone.propose(bytes('meanwhile'));
    const sent: Buffer[] = [];
    for (let i = 0; i < 20; i++) {
      lone.run(1);
      sent.push(link.take());
    }
    const all = Buffer.concat(sent);
    const at = (text: string): number => all.indexOf(text);
    expect(at('BenWasHere')).toBeGreaterThan(0);
    expect(at('version=0')).toBeGreaterThan(at('BenWasHere'));
    expect(at('meanwhile')).toBeGreaterThan(at('version=0'));
  });

  test('what is committed and not applied is not in a snapshot, and goes behind it', () => {
    const lone = new LoneLeader(3, THREE, new Disk(), { committedLogEntriesMax: 1 });
    const other = join(lone, 2);
    const zxids = [1, 2, 3].map((i) => lone.propose(bytes(`txn ${i}`)));
    for (const zxid of zxids) {
      lone.receive(other, packetBytes(PacketType.ack, zxid));
    }
    lone.database.apply(zxids[0], bytes('txn 1'));
    const link = introduce(lone, 1);
    lone.receive(link, packetBytes(PacketType.ackEpoch, makeZxid(0, 7), int(0)));
    const stream = link.take();
    lone.run();
    const all = Buffer.concat([stream, link.take()]);
    const behind = packetsIn(all.subarray(all.indexOf(bytes('BenWasHere')) + 10)).slice(0, 5);
    expect(behind.map(({ type, zxid }) => [type, zxid])).toEqual([
      [PacketType.proposal, zxids[1]],
      [PacketType.commit, zxids[1]],
      [PacketType.proposal, zxids[2]],
      [PacketType.commit, zxids[2]],
      [PacketType.newLeader, E1],
    ]);
  });

  test('2959: observers count for nothing', () => {
    const lone = new LoneLeader(3, THREE);
    introduce(lone, 4, PacketType.observerInfo);
    introduce(lone, 5, PacketType.observerInfo);
    expect(lone.leadership.phase).toBe('discovery');
    introduce(lone, 2, PacketType.observerInfo); // a voter, but not on this link
    expect(lone.leadership.phase).toBe('discovery');
    introduce(lone, 1);
    expect(lone.leadership.phase).toBe('acknowledging');
  });

  test('does not lead a server that has more of the history', () => {
    const lone = new LoneLeader(3, THREE);
    const ahead = introduce(lone, 1);
    lone.receive(ahead, packetBytes(PacketType.ackEpoch, 1, int(0)));
    expect(ahead.isClosed).toBe(true);
    expect(lone.leadership.phase).toBe('acknowledging');
    const again = introduce(lone, 2);
    lone.receive(again, packetBytes(PacketType.ackEpoch, 0, int(-1))); // accepted before: must not count again
    expect(lone.leadership.phase).toBe('acknowledging');
  });

  test('1277: leaves the epoch before its counter is used up, and refuses nobody', () => {
    const lone = new LoneLeader(3, THREE);
    const follower = join(lone, 1);
    const { leader } = lone.leadership;
    expect(leader?.open).toBe(true);
    Object.defineProperty(leader, 'lastProposed', { get: () => E1 + 0xfffffff0 });
    lone.run();
    expect(leader?.open).toBe(false);
    expect(follower.packets().at(-1)).toBe('HANDOVER');
    lone.receive(follower, packetBytes(HAND_OVER_PACKET_TYPE, -1));
    lone.run();
    expect(follower.packets().at(-1)).toMatch(/HANDOVER .* to server 1/);
    lone.leadership.gone(follower);
    lone.run();
    expect(lone.leadership.successor).toBe(1);
  });

  test('gives leadership up when its followers do not know of handing over, as those of Apache ZooKeeper', () => {
    const lone = new LoneLeader(3, THREE);
    const follower = join(lone, 1);
    const zxid = lone.propose(bytes('one'));
    lone.run();
    expect(lone.leadership.handOver(null)).toBe(true);
    lone.run();
    follower.take();
    lone.run(150);
    expect(lone.leadership.endReason).toBeNull(); // not before everything is committed
    lone.receive(follower, packetBytes(PacketType.ack, zxid));
    lone.run();
    expect(follower.packets()).toContain('COMMIT 0x100000001');
    lone.run(30);
    expect(lone.leadership.endReason).toBe('leadership goes to whoever is elected');
    expect(lone.leadership.successor).toBeNull();
  });

  test('an acknowledgement of a link that is gone does not count: its server may be told to cut that transaction', () => {
    const lone = new LoneLeader(5, configurationWith([1, 2, 3, 4, 5], []));
    const [one, two] = [introduce(lone, 1), introduce(lone, 2)];
    for (const link of [one, two]) {
      lone.receive(link, packetBytes(PacketType.ackEpoch, 0, int(0)));
    }
    lone.run();
    for (const link of [one, two]) {
      lone.receive(link, packetBytes(PacketType.ack, E1));
    }
    lone.run();
    const first = lone.propose(bytes('one'));
    lone.run();
    lone.receive(one, packetBytes(PacketType.ack, first));
    lone.receive(two, packetBytes(PacketType.ack, first));
    const second = lone.propose(bytes('two'));
    lone.run();
    lone.receive(one, packetBytes(PacketType.ack, second));
    lone.leadership.gone(one);
    const again = introduce(lone, 1, PacketType.followerInfo, 1);
    lone.receive(again, packetBytes(PacketType.ackEpoch, second, int(-1)));
    lone.run();
    expect(again.packets()).toContain('TRUNC 0x100000001');
    lone.receive(two, packetBytes(PacketType.ack, second));
    expect(lone.leadership.leader?.committed).toBe(first);
    lone.receive(again, packetBytes(PacketType.ack, E1));
    lone.receive(again, packetBytes(PacketType.ack, second));
    expect(lone.leadership.leader?.committed).toBe(second);
  });

  test('1675, 2136: a leader that has been replaced without noticing answers no sync', () => {
    const lone = new LoneLeader(3, THREE);
    const follower = join(lone, 1);
    follower.take();
    lone.leadership.sync(null);
    lone.leadership.flush(lone.events.nowMs);
    expect(follower.packets()).toEqual(['PING 0x100000000']); // at once, and once for all syncs of a turn
    expect(lone.told).not.toContain('syncDone');
    lone.receive(follower, packetBytes(PacketType.ping, E1, Buffer.alloc(0)));
    expect(lone.told).toContain('syncDone');
  });

  test('a PING that was sent before the sync confirms nothing', () => {
    const lone = new LoneLeader(3, THREE);
    const follower = join(lone, 1);
    lone.events.step(lone.events.nowMs + 50);
    lone.run(50); // a PING is under way
    lone.leadership.sync(null);
    lone.leadership.flush(lone.events.nowMs);
    lone.receive(follower, packetBytes(PacketType.ping, E1, Buffer.alloc(0)));
    expect(lone.told).not.toContain('syncDone');
    lone.receive(follower, packetBytes(PacketType.ping, E1, Buffer.alloc(0)));
    expect(lone.told).toContain('syncDone');
  });

  test('a sync of a learner is answered behind the commits of what was outstanding', () => {
    const lone = new LoneLeader(3, THREE);
    const follower = join(lone, 1);
    const zxid = lone.propose(bytes('one'));
    lone.leadership.sync({ serverId: 1, link: follower });
    lone.leadership.flush(lone.events.nowMs);
    follower.take();
    lone.receive(follower, packetBytes(PacketType.ping, zxid, Buffer.alloc(0)));
    lone.leadership.flush(lone.events.nowMs);
    expect(follower.packets()).toEqual([]);
    lone.receive(follower, packetBytes(PacketType.ack, zxid));
    lone.run();
    expect(follower.packets().slice(0, 2)).toEqual(['COMMIT 0x100000001', 'SYNC 0x0']);
  });

  test('an ensemble of one waits for nobody', () => {
    const lone = new LoneLeader(1, configurationWith([1], []));
    lone.run();
    expect(lone.told).toContain('lead 1');
    lone.leadership.sync(null);
    expect(lone.told).toContain('syncDone');
  });

  test('what a turn brings leaves in one write', () => {
    const lone = new LoneLeader(3, THREE);
    const follower = join(lone, 1);
    follower.take();
    for (let i = 0; i < 10; i++) {
      lone.propose(bytes(`txn ${i}`));
    }
    lone.leadership.flush(lone.events.nowMs);
    expect(follower.writes).toBe(1);
    expect(follower.packets()).toHaveLength(10);
  });

  test.each([
    ['nonsense', Buffer.from('ffffffffffffffffffffffff7fffffff', 'hex')],
    ['a packet out of turn', packetBytes(PacketType.ack, 1)],
    ['an epoch behind which there is none', packetBytes(PacketType.followerInfo, makeZxid(2 ** 21 - 1, 0), null)],
    ['a release before 3.4', packetBytes(PacketType.followerInfo, 0, null)],
  ])('cuts off a learner that sends %s', (_what, packet) => {
    const lone = new LoneLeader(3, THREE);
    const link = lone.accept();
    lone.receive(link, packet);
    expect(link.isClosed).toBe(true);
    introduce(lone, 1);
    expect(lone.leadership.phase).toBe('acknowledging');
  });

  test('cuts off who acknowledges what was not proposed', () => {
    const lone = new LoneLeader(3, THREE);
    const follower = join(lone, 1);
    lone.receive(follower, packetBytes(PacketType.ack, E1 + 1));
    expect(follower.isClosed).toBe(true);
  });
});

describe('an ensemble', () => {
  test('2845, 4712: who leaves a role votes with all that is in its log, committed or not', () => {
    const cluster = new Cluster(1, { voters: 3 });
    cluster.start(1, 2, 3);
    const leader = cluster.untilWhole();
    expect(leader.serverId).toBe(3);
    cluster.network.cut(3, 2); // only server 1 gets the proposal
    cluster.network.cut(1, 3); // and its acknowledgement does not arrive
    leader.write('logged by 1 and 3');
    cluster.run(20);
    cluster.crash(3);
    cluster.network.heal();
    const next = cluster.untilWhole();
    expect(next.serverId).toBe(1);
    expect(cluster.order).toEqual([makeZxid(1, 1)]);
  });

  test('a server that has accepted a later epoch than its leader has: a new epoch is made, and it can join', () => {
    const cluster = new Cluster(1, { voters: 3 });
    cluster.start(1, 2);
    cluster.untilWhole();
    const disk = new Disk();
    disk.epochs.acceptedEpoch = 7;
    cluster.disks.set(3, disk);
    cluster.start(3);
    cluster.untilWhole();
    expect(cluster.leader?.database.currentEpoch).toBe(8);
  });

  test('steps down within a tick when its followers are gone, and within syncLimit ticks when they are silent', () => {
    const cluster = new Cluster(1, { voters: 3, syncLimitTicks: 5 });
    cluster.start(1, 2, 3);
    const leader = cluster.untilWhole();
    cluster.crash(1, 2);
    cluster.run(101);
    expect(leader.peer.state).toBe('looking');
    cluster.start(1, 2);
    const next = cluster.untilWhole();
    for (const other of [1, 2, 3].filter((id) => id !== next.serverId)) {
      cluster.network.cut(other, next.serverId);
      cluster.network.cut(next.serverId, other);
    }
    cluster.run(450);
    expect(next.peer.state).toBe('leading');
    cluster.run(200);
    expect(next.peer.state).toBe('looking');
    expect(cluster.up.map(({ peer }) => peer.leaderId)).not.toContain(next.serverId); // nor do they wait longer for it
  });

  test('leadership is handed over without an election', () => {
    const cluster = new Cluster(1, { voters: 3 });
    cluster.start(1, 2, 3);
    const leader = cluster.untilWhole();
    leader.handOver(1);
    const fromMs = cluster.events.nowMs;
    cluster.until('server 1 leads', () => cluster.server(1).peer.leader !== null);
    expect(cluster.events.nowMs - fromMs).toBeLessThan(50); // no wait of 200 ms for better votes
    cluster.untilWhole();
  });
});
