/** Sessions that an operator ends: by the ordinary way, at whichever server it is asked for. */
import { ErrorNumber } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { simulatedOptions } from '../../../simulator/src/standalone-world.ts';
import { ReplicaControl } from '../../src/admin/replica-control.ts';
import type { ReplicaView } from '../../src/admin/replica-view.ts';
import type { Replica } from '../../src/replica/replica.ts';
import { expectSameTrees, TestEnsemble, type TestMember } from '../replica/ensemble.ts';
import { create, exists, sync } from '../replica/requests.ts';
import { TestServer } from '../replica/support.ts';

const EPHEMERAL = 1;

/** The operator of one server, who notes what became of what he asked for. */
class Operator {
  readonly ends: string[] = [];
  readonly control: ReplicaControl;

  constructor(replica: () => Replica) {
    this.control = new ReplicaControl({
      view: {} as ReplicaView,
      replica,
      wake: () => {},
      readSnapshot: () => {
        throw new Error('nobody reads it');
      },
      restore: () => Promise.reject(new Error('nothing is restored')),
    });
  }

  /** Asks, and gives what is known without a turn the time to be told. */
  async close(id: bigint): Promise<void> {
    this.control.closeSession(id).then(
      () => this.ends.push('gone'),
      ({ name, message }: Error) => this.ends.push(`${name}: ${message}`),
    );
    await this.#told();
  }

  /** What comes at the end of each turn. */
  async afterTurn(): Promise<void> {
    this.control.afterTurn();
    await this.#told();
  }

  #told(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }
}

const operatorOf = (member: TestMember): Operator => new Operator(() => member.running);

describe('a single server', () => {
  test('the client is cut off, its ephemeral nodes go, and who has asked hears of it then', async () => {
    const server = new TestServer();
    const operator = new Operator(() => server.replica);
    const client = server.client();
    client.get(create('/owned', { flags: EPHEMERAL }));
    await operator.close(client.sessionId);
    await operator.close(client.sessionId);
    server.turn();
    await operator.afterTurn();
    expect(operator.ends, 'not on disk').toEqual([]);
    server.settle();
    await operator.afterTurn();
    expect(operator.ends).toEqual(['gone', 'gone']);
    expect(client.closed).toBe(true);
    expect(server.client().err(exists('/owned'))).toBe(ErrorNumber.NO_NODE);
    const again = server.connect();
    again.shakeHands({ sessionId: client.sessionId, passwd: client.wire.password });
    expect(again.wire.handshake).toMatchObject({ timeOut: 0, sessionId: 0n });
    expect(server.world.metrics.stale_sessions_expired.value, 'it has not expired').toBe(0);
  });

  test('one that nobody is connected for', async () => {
    const server = new TestServer();
    const operator = new Operator(() => server.replica);
    const client = server.client();
    client.get(create('/owned', { flags: EPHEMERAL }));
    client.disconnect();
    await operator.close(client.sessionId);
    server.settle();
    await operator.afterTurn();
    expect(operator.ends).toEqual(['gone']);
    expect(server.client().err(exists('/owned'))).toBe(ErrorNumber.NO_NODE);
  });

  test('one that does not exist, and any while the disk is full', async () => {
    const server = new TestServer({ log: { info: () => {}, warn: () => {}, error: () => {} } });
    const operator = new Operator(() => server.replica);
    const client = server.client();
    await operator.close(-2n);
    expect(operator.ends.pop()).toBe('UnknownSessionError: there is no session 0xfffffffffffffffe');
    server.world.disk.full = true;
    client.send(create('/waits'));
    server.settle();
    await operator.close(client.sessionId);
    expect(operator.ends).toEqual([
      'SessionError: the disk of the log is full, and no session can be ended before there is space',
    ]);
    expect(client.closed).toBe(false);
  });

  test('another replica has taken the place of the one that was asked', async () => {
    const server = new TestServer();
    let { replica } = server;
    const operator = new Operator(() => replica);
    await operator.close(server.client().sessionId);
    replica = new TestServer().replica;
    await operator.afterTurn();
    expect(operator.ends).toEqual([expect.stringContaining('SessionError: this server serves no longer as it did')]);
  });
});

describe('an ensemble', () => {
  test('any member, for the client of any', async () => {
    const ensemble = new TestEnsemble(3, { observers: 1 });
    for (const asked of ensemble.members) {
      for (const home of ensemble.members) {
        const operator = operatorOf(asked);
        const client = home.client();
        client.get(create('/owned', { flags: EPHEMERAL }));
        asked.client().get(sync('/'));
        await operator.close(client.sessionId);
        await operator.afterTurn();
        expect(operator.ends).toEqual([]);
        ensemble.settle();
        await operator.afterTurn();
        const name = `server ${asked.id} is asked for a client of ${home.id}`;
        expect(operator.ends, name).toEqual(['gone']);
        expect(client.closed, name).toBe(true);
        expect(asked.client().err(exists('/owned')), name).toBe(ErrorNumber.NO_NODE);
      }
    }
    expectSameTrees(ensemble);
  });

  test('a follower that loses its leader before says that the session may live on; it does', async () => {
    const ensemble = new TestEnsemble(3);
    const [follower, other] = ensemble.learners;
    const client = other.client(60_000);
    client.get(create('/owned', { flags: EPHEMERAL }));
    follower.client().get(sync('/'));
    const operator = operatorOf(follower);
    ensemble.cut(ensemble.leader.id);
    await operator.close(client.sessionId);
    ensemble.advance(30_000);
    ensemble.untilServing();
    await operator.afterTurn();
    expect(operator.ends).toEqual([expect.stringContaining('the session may live on: ask again')]);
    expect(follower.client().err(exists('/owned'))).toBe(0);
    await operator.close(client.sessionId);
    ensemble.settle();
    await operator.afterTurn();
    expect(operator.ends[1]).toBe('gone');
  });

  test('not while leadership is given away, nor without a quorum', async () => {
    const ensemble = new TestEnsemble(3, { readOnlyDelayMs: 2000 });
    const { leader, learners } = ensemble;
    const client = learners[0].client(60_000);
    expect(leader.running.member?.handOver(learners[0].id)).toBe(true);
    const operator = operatorOf(leader);
    await operator.close(client.sessionId);
    expect(operator.ends.pop()).toBe('SessionError: leadership is being handed over: ask again');
    ensemble.untilServing();
    for (const { id } of learners) {
      ensemble.member(id).kill();
    }
    ensemble.advance(10_000);
    expect(leader.running.serving).toBe(true);
    await operator.close(client.sessionId);
    expect(operator.ends.pop()).toMatch(/^SessionError: there is no quorum/);
  });

  test('a local session, at its server only; and not while it becomes a global one', async () => {
    const rules = { ...simulatedOptions.rules, localSessionsUpgradingEnabled: true };
    const ensemble = new TestEnsemble(3, { replica: { localSessionsEnabled: true, rules } });
    const [follower, other] = ensemble.learners;
    const operator = operatorOf(follower);
    const client = follower.client();
    const elsewhere = operatorOf(other);
    await elsewhere.close(client.sessionId);
    expect(elsewhere.ends).toEqual([
      expect.stringMatching(/^UnknownSessionError: there is no session 0x\w+; a local one is known only to the server/),
    ]);
    const upgrading = follower.client();
    upgrading.send(create('/owned', { flags: EPHEMERAL }));
    follower.turn();
    await operator.close(upgrading.sessionId);
    expect(operator.ends.splice(0)).toEqual(['SessionError: the session is just becoming a global one: ask again']);
    const { lastZxid } = ensemble.leader.running.world.tree;
    await operator.close(client.sessionId);
    await operator.afterTurn();
    expect(operator.ends).toEqual(['gone']);
    expect(ensemble.leader.running.world.tree.lastZxid, 'no transaction').toBe(lastZxid);
    ensemble.settle();
    expect(client.closed).toBe(true);
  });
});
