/** Observers that a follower feeds (observerMasterPort), and observers that keep no log (syncEnabled=false). */
import { JuteWriter, LearnerInfo, PacketType } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { packetBytes } from '../zab/cluster/one-side.ts';
import { expectSameTrees, serverLine, TestEnsemble, type TestMember } from './ensemble.ts';
import { create, exists, getData, multi, reconfig, remove, setData, sync } from './requests.ts';

const EPHEMERAL = 1;

/** Three voters and observers behind them. */
function fedByFollowers(observers: number, options: ConstructorParameters<typeof TestEnsemble>[1] = {}): TestEnsemble {
  return new TestEnsemble(3, { ...options, observers, zab: { hasObserverMasters: true, ...options.zab } });
}

/** Who feeds an observer. */
function masterOf(ensemble: TestEnsemble, observer: TestMember): TestMember | undefined {
  return ensemble.members.find(({ replica }) => {
    const { leadership, learner } = replica?.member?.peer ?? {};
    const fed = [...(leadership?.learners ?? learner?.master?.observers ?? [])];
    return fed.some(({ serverId, stage }) => serverId === observer.id && stage === 'active');
  });
}

function text(member: TestMember, path: string): string {
  return Buffer.from(member.client().get(getData(path)).data ?? []).toString();
}

describe('an observer that a follower feeds', () => {
  test('gets the history and what is written, and its clients read, write and wait for a sync', () => {
    const ensemble = fedByFollowers(2);
    const [one, other] = [ensemble.member(4), ensemble.member(5)];
    for (const observer of [one, other]) {
      expect(masterOf(ensemble, observer)).not.toBe(ensemble.leader);
      expect(observer.running.member?.peer.state).toBe('observing');
    }
    const client = one.client();
    client.get(create('/a', { data: 'from an observer' }));
    client.get(multi(create('/a/b'), setData('/a', 'changed')));
    expect(client.err(remove('/nothing'))).toBe(-101);
    ensemble.leader.client().get(create('/c'));
    expect(client.get(sync('/')).path).toBe('/');
    expect(client.err(exists('/c'))).toBe(0);
    expect(text(other, '/a')).toBe('changed');
    expectSameTrees(ensemble);
  });

  test('syncs and questions of several of them are not mixed up, nor with those of the follower itself', () => {
    const ensemble = fedByFollowers(3);
    const homes = ensemble.members.filter((member) => member !== ensemble.leader);
    const clients = homes.map((member) => member.client());
    for (let round = 0; round < 5; round++) {
      clients.forEach((client, i) => {
        client.send(setData('/', `${i}`));
        client.send(sync(`/from-${i}`));
      });
      ensemble.settle();
      ensemble.advance(10);
      for (const client of clients) {
        expect(client.lines()).toHaveLength(2);
      }
    }
    const moved = clients.map((client, i) => homes[(i + 1) % homes.length].resume(client));
    moved.forEach((client, i) => client.get(create(`/moved-${i}`)));
    expectSameTrees(ensemble);
  });

  test('writes nothing for a session that has gone on at another observer of the same follower, or at the follower', () => {
    const ensemble = new TestEnsemble(2, { observers: 2, zab: { hasObserverMasters: true } });
    const [follower] = ensemble.learners;
    const [one, other] = [ensemble.member(3), ensemble.member(4)];
    expect([masterOf(ensemble, one), masterOf(ensemble, other)]).toEqual([follower, follower]);
    const first = one.client();
    expect(first.err(create('/a'))).toBe(0);
    const second = other.resume(first);
    expect(second.err(setData('/a', 'later'))).toBe(0);
    first.send(setData('/a', 'too late'));
    ensemble.settle();
    expect(first.wire.connection.closed).toBe(true);
    const third = follower.resume(second);
    expect(third.err(setData('/a', 'last'))).toBe(0);
    second.send(setData('/a', 'too late'));
    ensemble.settle();
    expect(second.wire.connection.closed).toBe(true);
    expect(text(one, '/a')).toBe('last');
    const fourth = one.resume(third);
    expect(fourth.err(setData('/a', 'back'))).toBe(0);
    expectSameTrees(ensemble);
  });

  test('keeps the sessions of its clients alive, and they end when the clients are silent', () => {
    const ensemble = fedByFollowers(1);
    const observer = ensemble.member(4);
    const client = observer.client(4000);
    client.get(create('/owned', { flags: EPHEMERAL }));
    for (let i = 0; i < 10; i++) {
      ensemble.advance(1000);
      client.err(exists('/owned'));
    }
    expect(ensemble.leader.client().err(exists('/owned'))).toBe(0);
    ensemble.advance(20_000);
    expect(ensemble.leader.client().err(exists('/owned'))).toBe(-101);
    expectSameTrees(ensemble);
  });

  test('finds another when its follower dies, and the leader when there is no other', () => {
    const ensemble = fedByFollowers(1);
    const observer = ensemble.member(4);
    const first = masterOf(ensemble, observer);
    first?.kill();
    ensemble.untilServing();
    const second = masterOf(ensemble, observer);
    expect(second).not.toBe(first);
    expect(second).not.toBe(ensemble.leader);
    ensemble.leader.client().get(create('/by two'));
    expect(observer.client().err(exists('/by two'))).toBe(0);
    first?.start();
    ensemble.untilServing();
    expectSameTrees(ensemble);

    const alone = new TestEnsemble(1, { observers: 1, votersMin: 1, zab: { hasObserverMasters: true } });
    alone.leader.client().get(create('/alone'));
    expect(masterOf(alone, alone.member(2))).toBe(alone.leader);
    expectSameTrees(alone);
  });

  test('catches up after it was away: with a difference, and with a snapshot', () => {
    const ensemble = fedByFollowers(1);
    const observer = ensemble.member(4);
    const client = ensemble.leader.client(100_000);
    for (const count of [20, 700]) {
      observer.kill();
      for (let i = 0; i < count; i++) {
        client.get(create(`/away-${count}-${i}`));
      }
      observer.start();
      ensemble.untilServing();
      expect(observer.client().err(exists(`/away-${count}-${count - 1}`))).toBe(0);
    }
    expectSameTrees(ensemble);
  });

  test('5088: comes while the follower has proposals that are not committed, and is told when they are', () => {
    const ensemble = fedByFollowers(1);
    const observer = ensemble.member(4);
    const [follower, other] = ensemble.learners.filter((member) => member !== observer);
    other.kill();
    observer.kill();
    follower.disk.full = true; // it takes the proposal, and cannot acknowledge it
    const writer = ensemble.leader.client(60_000);
    writer.send(create('/outstanding'));
    ensemble.settle();
    observer.start();
    ensemble.advance(1500);
    expect(masterOf(ensemble, observer)).toBe(follower);
    const { nodeCount } = observer.running.world.tree;
    follower.disk.full = false;
    ensemble.advance(2000);
    expect(observer.running.world.tree.nodeCount).toBe(nodeCount + 1);
    expect(observer.client().err(exists('/outstanding'))).toBe(0);
    other.start();
    ensemble.untilServing();
    expectSameTrees(ensemble);
  });

  test('learns of changed members, and follows when it becomes a voter', () => {
    const ensemble = fedByFollowers(2, { reconfigEnabled: true });
    const root = ensemble.leader.superuser();
    root.get(reconfig({ joining: serverLine(4) }));
    ensemble.advance(1000);
    ensemble.untilServing();
    expect(ensemble.member(4).running.member?.peer.state).toBe('following');
    const five = ensemble.member(5).running.member?.peer;
    expect(five?.state).toBe('observing');
    expect(five?.membership.committed.isVoter(4)).toBe(true);
    expectSameTrees(ensemble);
  });

  test.each([
    { ahead: 0, isSentAway: false },
    { ahead: 1, isSentAway: true },
  ])('an observer that knows $ahead more of this epoch than the follower', ({ ahead, isSentAway }) => {
    const ensemble = fedByFollowers(1);
    const [follower] = ensemble.learners;
    ensemble.leader.client().get(create('/a'));
    ensemble.settle();
    const { peer } = follower.running.member ?? {};
    const lastZxid = follower.running.world.tree.lastZxid;
    const said = follower.messages.length;
    const info = new JuteWriter();
    LearnerInfo.encode(info, { serverId: 9, protocolVersion: 0x10000, configVersion: 0 });
    const link = { remoteAddress: 'x', unsentBytes: 0, isOpen: true, write() {}, close: () => {} };
    peer?.linkOpen(link, false);
    peer?.linkData(link, packetBytes(PacketType.observerInfo, 0, info.copy()));
    peer?.linkData(link, packetBytes(PacketType.ackEpoch, lastZxid + ahead, Buffer.alloc(4)));
    expect(follower.messages.slice(said).join().includes('it is to try another')).toBe(isSentAway);
    expect([...(peer?.learner?.master?.observers ?? [])].some(({ serverId }) => serverId === 9)).toBe(!isSentAway);
  });

  test('a voter that comes to the port for observers is sent away', () => {
    const ensemble = fedByFollowers(1);
    const [follower] = ensemble.learners;
    const { peer } = follower.running.member ?? {};
    const said = follower.messages.length;
    const link = { remoteAddress: 'x', unsentBytes: 0, isOpen: true, write() {}, close: () => {} };
    peer?.linkOpen(link, false);
    peer?.linkData(
      link,
      Buffer.from('0000000b0000000000000000000000140000000000000009000100000000000000000000ffffffff', 'hex'),
    );
    expect(follower.messages.slice(said).join()).toContain('wants to follow, and this is the port for observers');
    expect([...(peer?.learner?.master?.observers ?? [])].some(({ serverId }) => serverId === 9)).toBe(false);
  });
});

describe('an observer that keeps no log', () => {
  const options = { observers: 1, zab: { observerLogs: false } };
  const logs = (member: TestMember) => member.disk.list('log').filter(({ name }) => name.startsWith('log.'));

  test('serves what is written, and writes nothing of it', () => {
    const ensemble = new TestEnsemble(3, options);
    const observer = ensemble.member(4);
    ensemble.leader.client().get(create('/a', { data: 'x' }));
    expect(text(observer, '/a')).toBe('x');
    expect(logs(observer)).toEqual([]);
    expect(logs(ensemble.leader)).not.toEqual([]);
    expectSameTrees(ensemble);
  });

  test('gets everything again after a restart, and keeps it when only its leader changes', () => {
    const ensemble = new TestEnsemble(3, options);
    const observer = ensemble.member(4);
    const client = ensemble.leader.client(100_000);
    for (let i = 0; i < 40; i++) {
      client.get(create(`/n-${i}`));
    }
    ensemble.leader.kill();
    ensemble.advance(5000);
    ensemble.untilServing();
    expect(observer.messages.join()).not.toContain('SNAP');
    expect(observer.client().err(exists('/n-39'))).toBe(0);
    ensemble.members.find(({ replica }) => replica === null)?.start();
    observer.kill();
    observer.start();
    expect(observer.running.world.tree.nodeCount).toBeLessThan(20);
    ensemble.untilServing();
    expect(observer.client().err(exists('/n-39'))).toBe(0);
    expect(logs(observer)).toEqual([]);
    expectSameTrees(ensemble);
  });

  test('has everything on its disk before it votes', () => {
    const ensemble = new TestEnsemble(3, { ...options, reconfigEnabled: true });
    const observer = ensemble.member(4);
    const root = ensemble.leader.superuser();
    for (let i = 0; i < 10; i++) {
      root.get(create(`/n-${i}`));
    }
    root.get(reconfig({ joining: serverLine(4) }));
    ensemble.advance(2000);
    ensemble.untilServing();
    expect(observer.running.member?.peer.state).toBe('following');
    observer.kill();
    observer.start();
    expect(observer.running.world.tree.nodeCount).toBeGreaterThan(10);
    ensemble.untilServing();
    expectSameTrees(ensemble);
  });
});
