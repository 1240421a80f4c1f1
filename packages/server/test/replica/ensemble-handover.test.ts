/** What clients see of leadership that is given away: they wait a moment, where after a failure they are sent off. */
import { describe, expect, test } from 'vitest';
import { expectSameTrees, TestEnsemble, type TestMember } from './ensemble.ts';
import { create, exists } from './requests.ts';

const EPHEMERAL = 1;

/** Turns one server after the other until this one serves no more. */
function untilCeased(ensemble: TestEnsemble, { running }: TestMember): void {
  for (let turn = 0; running.serving; turn++) {
    for (const member of ensemble.members) {
      member.turn();
    }
    if (turn > 1000) {
      throw new Error('it goes on serving');
    }
  }
}

describe('while leadership is given away', () => {
  test('who connects waits for the new leader, and is served', () => {
    const cases = (['leader', 'heir', 'other'] as const).flatMap((who) => [0, 1].map((place) => ({ who, place })));
    for (const { who, place } of cases) {
      const ensemble = new TestEnsemble(3);
      const { leader } = ensemble;
      // One of the two acknowledges the last transaction when the other has committed it already.
      const heir = ensemble.learners[place];
      const other = ensemble.learners[1 - place];
      const member = { leader, heir, other }[who];
      const client = other.client();
      client.get(create('/owned', { flags: EPHEMERAL }));
      expect(leader.running.member?.handOver(heir.id)).toBe(true);
      untilCeased(ensemble, member);
      const again = member.resume(client);
      ensemble.untilServing();
      again.wire.receive();
      expect(again.wire.sessionId, who).toBe(client.wire.sessionId);
      expect(again.err(exists('/owned')), who).toBe(0);
      expect(again.err(create('/written')), who).toBe(0);
      expect(ensemble.leader.id).toBe(heir.id);
      expectSameTrees(ensemble);
    }
  });

  test('who connects is closed when there is no new leader in time', () => {
    const ensemble = new TestEnsemble(3);
    const [heir, other] = ensemble.learners;
    ensemble.leader.running.member?.handOver(heir.id);
    untilCeased(ensemble, other);
    ensemble.cut(heir.id);
    const client = other.connect();
    client.shakeHands({ timeOut: 10_000 });
    expect(client.wire.connection.closed, 'it waits').toBe(false);
    ensemble.advance(2000);
    expect(client.wire.connection.closed).toBe(true);
  });
});

test('after a failure nobody waits: another server may serve', () => {
  const ensemble = new TestEnsemble(3);
  const [follower] = ensemble.learners;
  ensemble.leader.kill();
  untilCeased(ensemble, follower);
  const client = follower.connect();
  client.shakeHands({ timeOut: 10_000 });
  expect(client.wire.connection.closed).toBe(true);
});

test('a leader that does not serve sends clients to the others, and takes them when it leads no more', () => {
  const ensemble = new TestEnsemble(3, { leaderServes: false });
  const { leader } = ensemble;
  const [follower] = ensemble.learners;
  const turnedAway = leader.connect();
  turnedAway.shakeHands({ timeOut: 10_000 });
  expect(turnedAway.wire.connection.closed).toBe(true);
  const client = follower.client();
  expect(client.err(create('/by a follower'))).toBe(0);
  expect(leader.running.member?.handOver(ensemble.learners[1].id)).toBe(true);
  untilCeased(ensemble, leader);
  ensemble.untilServing();
  expect(leader.client().err(exists('/by a follower'))).toBe(0);
  expectSameTrees(ensemble);
});
