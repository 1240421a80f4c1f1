/** How many observers a leader brings up to date at once, and how long it waits for voters that have left. */
import { JuteWriter, LearnerInfo, makeZxid, PacketType } from '@treekeeper/protocol';
import { expect, test } from 'vitest';
import type { ZabOptions } from '../../src/zab/options.ts';
import { configurationWith } from './cluster/cluster.ts';
import { LoneLeader, packetBytes, type TestLink } from './cluster/one-side.ts';
import { Disk } from './cluster/storage.ts';

const E1 = makeZxid(1, 0);

function introduce(lone: LoneLeader, serverId: number, type: number): TestLink {
  const link = lone.accept();
  const info = new JuteWriter();
  LearnerInfo.encode(info, { serverId, protocolVersion: 0x10000, configVersion: 0 });
  lone.receive(link, packetBytes(type, 0, info.copy()));
  lone.run();
  return link;
}

/** It comes with this history, and is brought up to date, or sent away. */
function join(lone: LoneLeader, serverId: number, lastZxid: number, type: number = PacketType.observerInfo): TestLink {
  const link = introduce(lone, serverId, type);
  acceptEpoch(lone, link, lastZxid);
  lone.run();
  return link;
}

function acceptEpoch(lone: LoneLeader, link: TestLink, lastZxid: number): void {
  const currentEpoch = new JuteWriter();
  currentEpoch.int(0);
  lone.receive(link, packetBytes(PacketType.ackEpoch, lastZxid, currentEpoch.copy()));
}

/** Server 1 leads 2 and 3, and has proposed nothing. */
function leader(options: Partial<ZabOptions>): LoneLeader {
  const lone = new LoneLeader(1, configurationWith([1, 2, 3], [4, 5, 6]), new Disk(), options);
  const follower = join(lone, 2, 0, PacketType.followerInfo);
  lone.receive(follower, packetBytes(PacketType.ack, E1));
  lone.run();
  expect(lone.leadership.phase).toBe('leading');
  return lone;
}

test('no more observers than allowed get a snapshot at once; voters do', () => {
  const lone = leader({ concurrentSnapSyncsMax: 1 });
  const unknown = makeZxid(7, 0);
  const first = join(lone, 4, unknown);
  const second = join(lone, 5, unknown);
  expect([first.isClosed, second.isClosed]).toEqual([false, true]);
  lone.leadership.gone(second);
  expect(join(lone, 6, 0).isClosed, 'no snapshot').toBe(false);
  lone.receive(first, packetBytes(PacketType.ack, E1));
  expect(join(lone, 5, unknown).isClosed, 'the first is in step').toBe(false);
  expect(join(lone, 3, unknown, PacketType.followerInfo).isClosed, 'a voter').toBe(false);
});

test('no more observers than allowed get a difference at once', () => {
  const lone = leader({ concurrentDiffSyncsMax: 2 });
  const links = [4, 5, 6].map((id) => join(lone, id, 0));
  expect(links.map(({ isClosed }) => isClosed)).toEqual([false, false, true]);
});

test('a leader that a voter has left waits no longer than it is told for a quorum', () => {
  for (const [epochWaitMsMax, afterMs] of [
    [300, 300],
    [-1, 20_000],
  ]) {
    const configuration = configurationWith([1, 2, 3, 4, 5], []);
    const lone = new LoneLeader(1, configuration, new Disk(), { epochWaitMsMax, tickTimeMs: 2000 });
    lone.run(100);
    lone.leadership.gone(introduce(lone, 2, PacketType.followerInfo));
    const beganMs = lone.events.nowMs;
    lone.run(afterMs - beganMs - 1);
    expect(lone.leadership.endReason, 'it waits').toBeNull();
    lone.run(2);
    expect(lone.leadership.endReason).toBe('no quorum of learners in time, while discovery');
    expect(lone.told.includes('deserted')).toBe(epochWaitMsMax >= 0);
  }
});

test('a learner that does not keep up is cut off, and the others go on', () => {
  const lone = leader({ linkUnsentBytesMax: 10_000 });
  const slow = join(lone, 4, 0);
  lone.receive(slow, packetBytes(PacketType.ack, E1));
  lone.run();
  slow.unsentBytes = 10_000;
  lone.run();
  expect(slow.isClosed).toBe(false);
  slow.unsentBytes = 10_001;
  lone.run();
  expect(slow.isClosed).toBe(true);
  expect(lone.told.at(-1)).toMatch(
    /^warn learner 4 at .* does not keep up, 10001 bytes are waiting for it: link closed$/,
  );
  expect(lone.leadership.learners.size).toBe(1);
  expect(join(lone, 4, 0).isClosed, 'it comes again').toBe(false);
});

test('while a learner catches up it is not asked to acknowledge what it has not been sent', () => {
  const lone = leader({ linkUnsentBytesPause: 1000 });
  const link = introduce(lone, 3, PacketType.followerInfo);
  link.unsentBytes = 999; // one piece goes out in a turn
  acceptEpoch(lone, link, makeZxid(7, 0));
  for (let turn = 0; turn < 50; turn++) {
    lone.propose(new Uint8Array(100_000));
    lone.run();
    if (turn === 5) {
      lone.receive(link, packetBytes(PacketType.ack, E1));
    }
  }
  expect(link.isClosed, 'a second later').toBe(false);
  for (let turn = 0; turn < 10; turn++) {
    lone.run();
  }
  lone.run(250);
  expect(link.isClosed, 'it has not had all of it for long').toBe(false);
  lone.receive(link, packetBytes(PacketType.ping, E1)); // it is there
  lone.run(300);
  expect(lone.told.at(-1)).toMatch(/^warn learner 3 at .* has not acknowledged zxid/);
});
