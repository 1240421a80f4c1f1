/** Local sessions in an ensemble: known to one server only, until they need more (quorum-protocol.md §7.6). */
import { ErrorNumber } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { simulatedOptions } from '../../../simulator/src/standalone-world.ts';
import { expectSameTrees, TestEnsemble, type TestMember } from './ensemble.ts';
import { closeSession, create, exists, getData, multi, setData, sync } from './requests.ts';
import type { TestClient } from './support.ts';

const EPHEMERAL = 1;

function started(localSessionsUpgradingEnabled: boolean): TestEnsemble {
  const rules = { ...simulatedOptions.rules, localSessionsUpgradingEnabled };
  return new TestEnsemble(3, { observers: 1, replica: { localSessionsEnabled: true, rules } });
}

describe('with upgrading', () => {
  const ensemble = started(true);
  ensemble.leader.client().get(create('/the first of the epoch'));
  const servers = ensemble.members.map((member) => [`server ${member.id}`, member] as const);

  test.each(servers)('at %s: a session costs no transaction, and its client writes', (name, member) => {
    const before = ensemble.leader.running.world.tree.lastZxid;
    const client = member.client();
    expect(ensemble.leader.running.world.tree.lastZxid).toBe(before);
    expect(member.running.world.sessions.localCount).toBeGreaterThan(0);
    const { zxid } = client.ask(create(`/of ${name}`));
    expect(zxid).toBe(before + 1);
    expect(client.get(setData(`/of ${name}`, 'x')).stat.version).toBe(1);
    client.close();
  });

  test.each(servers)('at %s: an ephemeral node makes it global, and then it may move', (name, member) => {
    const client = member.client();
    client.get(create(`/ephemeral ${name}`, { flags: EPHEMERAL }));
    client.get(multi(create(`/another ${name}`, { flags: EPHEMERAL })));
    for (const other of ensemble.members) {
      other.client().get(sync('/'));
      expect(other.running.world.sessions.get(client.sessionId)?.local).toBe(false);
    }
    const [elsewhere] = ensemble.members.filter((other) => other !== member);
    const again = elsewhere.resume(client);
    expect(again.get(getData(`/ephemeral ${name}`)).stat.ephemeralOwner).toBe(client.sessionId);
    again.close();
    expect(ensemble.leader.client().err(exists(`/ephemeral ${name}`))).toBe(ErrorNumber.NO_NODE);
  });

  test('one that is local is unknown elsewhere', () => {
    const client = ensemble.members[0].client();
    const again = ensemble.members[1].resume(client);
    expect(again.wire.handshake).toMatchObject({ timeOut: 0, sessionId: 0n });
    expect(client.err(exists('/'))).toBe(0);
  });

  test('all have the same tree', () => {
    expectSameTrees(ensemble);
  });
});

describe('without upgrading', () => {
  const ensemble = started(false);
  const servers = ensemble.members.map((member) => [`server ${member.id}`, member] as const);

  test.each(servers)('at %s: ephemeral nodes are refused, in their place', (name, member) => {
    const client = member.client();
    const lines = client.pipeline(
      create(`/before ${name}`),
      create(`/ephemeral ${name}`, { flags: EPHEMERAL }),
      create(`/after ${name}`),
    );
    expect(lines.map(([, , err]) => err)).toEqual([0, ErrorNumber.EPHEMERAL_ON_LOCAL_SESSION, 0]);
  });

  test('of a session that is over, an ephemeral node is refused for that', () => {
    const [home, other] = ensemble.learners;
    const client = home.client();
    expect(other.resume(client).wire.handshake?.sessionId).toBe(0n);
    expect(client.err(create('/late', { flags: EPHEMERAL }))).toBe(ErrorNumber.SESSION_EXPIRED);
    expect(client.closed).toBe(true);
  });

  test('a session that has ended writes no more', () => {
    const member = ensemble.learners[0];
    const client = member.client(4000);
    ensemble.advance(10_000);
    expect(client.closed).toBe(true);
    expect(member.running.world.sessions.get(client.sessionId)).toBeUndefined();
  });

  test('all have the same tree', () => {
    expectSameTrees(ensemble);
  });
});

/** Time passes, and all do their work but one, with whom it waits. */
function advanceWithout(ensemble: TestEnsemble, slow: TestMember): void {
  for (let i = 0; i < 20; i++) {
    ensemble.clock.advance(1);
    for (const member of ensemble.members) {
      if (member !== slow) {
        member.turn();
      }
    }
  }
}

/** A client comes to a server with a session, and hears nothing yet. */
function comesTo(member: TestMember, { wire }: TestClient<TestMember>): TestClient<TestMember> {
  const again = member.connect();
  again.wire.sendHandshake({ sessionId: wire.sessionId, passwd: wire.password }, false);
  return again;
}

/** What it was told. */
function sessionOf({ wire }: TestClient<TestMember>): bigint | undefined {
  wire.receive();
  return wire.handshake?.sessionId;
}

describe('one that moves while it becomes global', () => {
  const ensemble = started(true);
  const { leader } = ensemble;
  const [learner, other] = ensemble.learners;

  test('goes on at a learner when the leader was its home', () => {
    const client = leader.client();
    client.send(create('/by the leader', { flags: EPHEMERAL }));
    leader.turn();
    const again = comesTo(learner, client);
    ensemble.settle();
    expect(sessionOf(again)).toBe(client.sessionId);
    expect(again.get(getData('/by the leader')).stat.ephemeralOwner).toBe(client.sessionId);
  });

  test('goes on at the leader, if its home was a learner that was slower to ask', () => {
    const client = learner.client();
    client.send(create('/by a learner', { flags: EPHEMERAL }));
    const again = comesTo(leader, client);
    leader.turn(); // knows nothing of it, and asks whether it leads still
    ensemble.settle();
    expect(sessionOf(again)).toBe(client.sessionId);
    expect(again.get(getData('/by a learner')).stat.ephemeralOwner).toBe(client.sessionId);
  });

  test('has one home: what its client had sent where it was is refused, and costs the connection', () => {
    const client = leader.client();
    client.send(create('/once more', { flags: EPHEMERAL }));
    leader.turn();
    const again = comesTo(other, client);
    for (const member of [other, leader]) {
      member.turn();
    }
    client.send(create('/too late'));
    ensemble.settle();
    expect(sessionOf(again)).toBe(client.sessionId);
    expect(again.err(exists('/too late'))).toBe(ErrorNumber.NO_NODE);
    expect(client.closed).toBe(true);
  });

  test('all have the same tree', () => {
    expectSameTrees(ensemble);
  });
});

describe('of one that is over', () => {
  const ensemble = started(true);
  const [home, other] = ensemble.learners;
  const { leader } = ensemble;
  leader.client().get(create('/a'));

  test.each([
    ['a write', setData('/a', 'late'), other],
    ['a multi', multi(setData('/a', 'late')), other],
    ['an ephemeral node', create('/late', { flags: EPHEMERAL }), other],
    ['a write, told by the leader', setData('/a', 'late'), leader],
  ])('nothing is done any more: %s', (_name, request, elsewhere) => {
    const client = home.client();
    client.send(request);
    const again = comesTo(elsewhere, client);
    advanceWithout(ensemble, home);
    expect(sessionOf(again)).toBe(0n);
    ensemble.settle();
    const reader = leader.client();
    expect(reader.get(getData('/a')).stat.version).toBe(0);
    expect(reader.err(exists('/late'))).toBe(ErrorNumber.NO_NODE);
    expect(client.closed).toBe(true);
    for (const member of ensemble.members) {
      expect(member.running.world.sessions.get(client.sessionId)).toBeUndefined();
    }
  });

  test('its home hears of it by the refusal, and tells the client', () => {
    const client = home.client();
    expect(other.resume(client).wire.handshake?.sessionId).toBe(0n);
    expect(client.err(setData('/a', 'late'))).toBe(ErrorNumber.SESSION_EXPIRED);
    expect(client.closed).toBe(true);
    expect(home.resume(client).wire.handshake?.sessionId).toBe(0n);
  });

  test("the leader's own ends with the word that it is gone", () => {
    const client = leader.client();
    expect(other.resume(client).wire.handshake?.sessionId).toBe(0n);
    expect(client.closed).toBe(true);
    expect(leader.running.world.sessions.get(client.sessionId)).toBeUndefined();
  });

  test('nor of one that was global', () => {
    const client = home.client();
    client.get(create('/ephemeral', { flags: EPHEMERAL }));
    const again = other.resume(client);
    const late = comesTo(home, client);
    ensemble.settle();
    expect(sessionOf(late)).toBe(client.sessionId);
    late.send(setData('/a', 'late'), 100);
    const last = comesTo(other, client);
    advanceWithout(ensemble, home);
    last.send(closeSession());
    advanceWithout(ensemble, home);
    expect([again.closed, last.closed]).toEqual([true, true]);
    ensemble.settle();
    expect(leader.client().get(getData('/a')).stat.version).toBe(0);
  });

  test('all have the same tree', () => {
    expectSameTrees(ensemble);
  });
});
