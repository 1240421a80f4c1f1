/** What a learner takes for the outcome of a request: clients choose their xids, and may share a session. */
import { describe, expect, test } from 'vitest';
import { expectSameTrees, TestEnsemble, type TestMember } from './ensemble.ts';
import { closeSession, create, create2, exists, getData, type Request, remove, setACL, setData } from './requests.ts';
import { worldAcl } from './support.ts';

const CONNECTION_LOSS = 'closed without a word';
const SEQUENTIAL = 2;

/** Answers to its request, or that it was closed without any. */
function fateOf(client: { closed: boolean; lines(): unknown[] }): unknown {
  const lines = client.lines();
  return lines.length === 0 && client.closed ? CONNECTION_LOSS : lines;
}

/** Two connections with one session: the leader takes the session to be at the second. */
class Shared {
  readonly ensemble: TestEnsemble;
  readonly first: ReturnType<TestMember['client']>;
  readonly second: ReturnType<TestMember['client']>;
  readonly #home: TestMember;
  readonly #elsewhere: TestMember;

  constructor(observers = 0) {
    this.ensemble = new TestEnsemble(3, { observers });
    const { learners } = this.ensemble;
    this.#home = observers === 0 ? learners[0] : learners[learners.length - 1];
    this.#elsewhere = learners[1];
    this.first = this.#home.client();
    this.first.get(create('/n'));
    this.second = this.#elsewhere.resume(this.first);
    expect(this.second.sessionId).toBe(this.first.sessionId);
    expect(this.first.closed).toBe(false);
  }

  /** Asks on both, with one xid: what becomes of the second comes to the server of the first when that has asked. */
  ask(ofFirst: Request, ofSecond: Request, xid = 7): void {
    const { ensemble, first, second } = this;
    second.send(ofSecond, xid);
    this.#elsewhere.turn();
    first.send(ofFirst, xid);
    ensemble.leader.turn();
    this.#home.turn();
    ensemble.settle();
  }
}

const requests: [string, Request, Request][] = [
  ['create and closeSession', create('/a'), closeSession()],
  ['create and setData', create('/a'), setData('/n', 'x')],
  ['create2 and remove', create2('/a'), remove('/n')],
  ['remove and create', remove('/q'), create('/new')],
  ['setData and remove', setData('/q', 'x'), remove('/n')],
  ['setACL and setData', setACL('/n', [worldAcl(1)]), setData('/n', 'x')],
  ['setData of two nodes', setData('/q', 'x'), setData('/n', 'x')],
  ['create of two nodes', create('/a'), create('/b')],
  ['remove of two nodes', remove('/q'), remove('/n')],
];

describe.each([
  ['a follower', 0],
  ['an observer', 1],
])('at %s', (_, observers) => {
  test.each(requests)('%s with one xid: the connection that the session has left is told nothing', (__, one, other) => {
    const shared = new Shared(observers);
    shared.ask(one, other);
    expect(fateOf(shared.first)).toBe(CONNECTION_LOSS);
    expect(shared.second.lines()).toEqual([[7, expect.any(Number), 0]]);
    expectSameTrees(shared.ensemble);
  });

  test('requests of all kinds find their transactions', () => {
    const shared = new Shared(observers);
    const client = shared.second;
    for (const request of [create('/s-', { flags: SEQUENTIAL }), create2('/s-', { flags: SEQUENTIAL }), create('/c')]) {
      expect(client.err(request)).toBe(0);
    }
    expect([setData('/c', 'x'), remove('/missing'), remove('/c')].map((request) => client.err(request))).toEqual([
      0, -101, 0,
    ]);
    expect(client.err(closeSession())).toBe(0);
  });
});

test('xid 0 of a client whose session the leader has just ended: the end is not its answer', () => {
  const ensemble = new TestEnsemble(3);
  const { leader } = ensemble;
  const [follower] = ensemble.learners;
  const client = follower.client();
  leader.running.expireSession(client.sessionId);
  client.send(create('/a'), 0);
  leader.turn(); // the end of the session comes to the follower behind the request
  ensemble.settle();
  expect(fateOf(client)).toBe(CONNECTION_LOSS);
  expect(follower.client().err(exists('/a'))).toBe(-101);
});

test('a follower whose leader has lost a request joins it again, and is as good as new', () => {
  const ensemble = new TestEnsemble(3);
  const { leader } = ensemble;
  const [follower, other] = ensemble.learners;
  const { member } = leader.running;
  const client = follower.client(60_000);
  const forwarded = member?.forwarded;
  Object.assign(member as object, { forwarded: () => {} });
  client.send(create('/lost'));
  ensemble.settle();
  Object.assign(member as object, { forwarded });
  const writer = other.client(60_000);
  const { tickTimeMs } = ensemble.options;
  ensemble.advance(15 * tickTimeMs);
  writer.get(create('/in time'));
  expect(follower.messages.join()).not.toContain('has lost a request');
  ensemble.advance(20);
  writer.get(create('/too late'));
  expect(follower.messages.join()).toMatch(/the leader has lost a request that was sent \d+ ms ago/);
  expect(client.closed).toBe(true);
  ensemble.untilServing();
  const again = follower.resume(client);
  expect(again.sessionId).toBe(client.sessionId);
  expect(again.err(create('/lost'))).toBe(0);
  expect(again.err(getData('/too late'))).toBe(0);
  expect(ensemble.leader).toBe(leader);
  expectSameTrees(ensemble);
});
