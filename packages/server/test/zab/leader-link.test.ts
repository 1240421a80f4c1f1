/** How a learner reaches a leader that opens its port a moment later. */
import { makeZxid, PacketType } from '@treekeeper/protocol';
import { expect, test } from 'vitest';
import { configurationWith } from './cluster/cluster.ts';
import { LoneLearner, packetBytes } from './cluster/one-side.ts';

const E1 = makeZxid(1, 0);
const THREE = configurationWith([1, 2, 3], []);

test('a leader that does not listen yet is dialled again, though a proxy in front of it takes the link', () => {
  const lone = new LoneLearner(1, 3, THREE);
  lone.learner.gone(0);
  expect([lone.learner.phase, lone.learner.endReason]).toEqual(['connecting', null]);
  lone.learner.tick(lone.learner.deadlineMs);
  expect(lone.dialled).toHaveLength(2);
  lone.learner.opened(3);
  lone.receive(packetBytes(PacketType.leaderInfo, E1, Buffer.from('00010000', 'hex')));
  lone.run();
  expect(lone.dialled[1].packets().map((packet) => packet.split(' ')[0])).toEqual(['FOLLOWERINFO', 'ACKEPOCH']);
  lone.learner.gone(4);
  expect(lone.learner.endReason).toBe('the link to the leader is gone');

  const vain = new LoneLearner(1, 3, THREE);
  for (let nowMs = 0; vain.learner.endReason === null; nowMs = vain.learner.deadlineMs) {
    vain.learner.tick(nowMs);
    vain.learner.opened(nowMs);
    vain.learner.gone(nowMs);
  }
  expect([vain.dialled.length, vain.learner.endReason]).toEqual([10, 'the leader cannot be reached']);
});
