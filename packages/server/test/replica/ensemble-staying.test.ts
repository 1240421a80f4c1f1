/** Leadership that was to be given away and stays: what came meanwhile has its place before what comes later. */
import { describe, expect, test } from 'vitest';
import { expectSameTrees, TestEnsemble, type TestMember } from './ensemble.ts';
import { create, exists, type Request } from './requests.ts';
import type { TestClient } from './support.ts';

/** Of the ensembles here. */
const SYNC_LIMIT_TICKS = 5;
const OWN = 'a client of the leader';
const OTHERS = 'a client of a follower';
const KILLED = 'is killed';
const SLOW = 'is too slow';

const cases = [OWN, OTHERS].flatMap((who) => [KILLED, SLOW].map((end) => [who, end] as const));

/** Leadership is being given to a server that has everything, and not yet on its disk. */
class Giving {
  readonly ensemble = new TestEnsemble(3, { zab: { syncLimitTicks: SYNC_LIMIT_TICKS } });
  readonly leader = this.ensemble.leader;
  readonly follower = this.ensemble.learners[0];
  readonly heir = this.ensemble.learners[1];
  readonly at: TestMember;
  readonly client: TestClient<TestMember>;

  constructor(who: string) {
    this.at = who === OWN ? this.leader : this.follower;
    this.client = this.at.client(60_000);
    this.heir.disk.drain = () => [];
    this.client.get(create('/before'));
    expect(this.#member?.handOver(this.heir.id)).toBe(true);
  }

  get #member() {
    return this.leader.running.member;
  }

  get isUnderWay(): boolean {
    return this.#member?.isHandingOver === true;
  }

  restartHeir(): void {
    const { heir } = this;
    heir.kill();
    Reflect.deleteProperty(heir.disk, 'drain');
    heir.start();
    this.ensemble.untilServing();
  }

  /** The leader has this in front of it, and has not looked at it. */
  send(request: Request): number {
    const xid = this.client.send(request);
    if (this.at !== this.leader) {
      this.at.turn();
    }
    return xid;
  }

  /** It comes to nothing just before the leader looks at the request. */
  stays(end: string, request: Request): number {
    const { ensemble, heir, leader } = this;
    if (end === KILLED) {
      heir.kill();
      leader.turn();
      return this.send(request);
    }
    const syncLimitMs = SYNC_LIMIT_TICKS * ensemble.options.tickTimeMs;
    ensemble.advance(0.5 * syncLimitMs);
    expect(this.isUnderWay).toBe(true);
    const xid = this.send(request);
    ensemble.clock.advance(0.75 * syncLimitMs);
    leader.turn();
    return xid;
  }
}

describe.each(cases)('%s writes on while leadership is given away, and the heir %s', (who, end) => {
  test('the writes are done in the order in which they were asked for, and everybody is served', () => {
    const giving = new Giving(who);
    const { ensemble, client, at } = giving;
    const first = giving.send(create('/first'));
    ensemble.settle();
    expect(client.lines()).toEqual([]);
    expect(giving.isUnderWay).toBe(true);
    const second = giving.stays(end, create('/second'));
    expect(giving.isUnderWay).toBe(false);
    ensemble.settle();
    const lines = client.lines();
    expect(lines).toEqual([
      [first, expect.any(Number), 0],
      [second, Number(lines[0]?.[1]) + 1, 0],
    ]);
    expect(client.err(create('/third'))).toBe(0);
    expect(at.client().err(exists('/second'))).toBe(0);
    giving.restartHeir();
    expectSameTrees(ensemble);
  });

  test('a session that was asked for meanwhile begins before the later write', () => {
    const giving = new Giving(who);
    const { ensemble, at, client } = giving;
    const newcomer = at.connect();
    newcomer.wire.sendHandshake({ timeOut: 60_000 });
    ensemble.settle();
    newcomer.wire.receive();
    expect(newcomer.wire.handshake).toBeNull();
    const { lastZxid } = giving.leader.running.world.tree;
    const xid = giving.stays(end, create('/second'));
    ensemble.settle();
    expect(client.lines()).toEqual([[xid, lastZxid + 2, 0]]);
    newcomer.wire.receive();
    expect(newcomer.wire.handshake?.sessionId).not.toBe(0n);
    expect(newcomer.err(create('/of the newcomer'))).toBe(0);
  });
});

test('a leader that stays, and has lost its quorum in that moment, proposes nothing more', () => {
  const ensemble = new TestEnsemble(5);
  const { leader } = ensemble;
  const [heir, ...others] = ensemble.learners;
  const client = leader.client();
  const halfTickMs = ensemble.options.tickTimeMs / 2;
  ensemble.advance(halfTickMs); // the leader counts its followers with every second PING: with the next one
  for (const { disk } of [heir, leader]) {
    disk.drain = () => [];
  }
  client.send(create('/logged'));
  ensemble.settle();
  expect(client.lines()).toHaveLength(1); // three servers have it: it is committed
  leader.running.member?.handOver(heir.id);
  ensemble.settle();
  client.send(create('/held'));
  ensemble.settle();
  expect(leader.running.member?.isHandingOver).toBe(true);
  for (const member of [heir, ...others.slice(1)]) {
    member.kill();
  }
  leader.turn();
  expect(leader.running.member?.isHandingOver).toBe(false);
  ensemble.clock.advance(halfTickMs);
  leader.turn();
  expect(leader.running.serving).toBe(false);
  for (const member of [heir, leader]) {
    Reflect.deleteProperty(member.disk, 'drain');
  }
  for (const member of [heir, ...others.slice(1)]) {
    member.start();
  }
  ensemble.untilServing();
  expect(leader.client().err(exists('/logged'))).toBe(0);
  expect(leader.client().err(exists('/held'))).toBe(-101);
  expectSameTrees(ensemble);
});

test('what was held does not wait for anything else to happen', () => {
  const giving = new Giving(OWN);
  const { ensemble, client } = giving;
  const xid = giving.send(create('/held'));
  ensemble.settle();
  giving.heir.kill();
  ensemble.settle();
  expect(client.lines()).toEqual([[xid, expect.any(Number), 0]]);
});
