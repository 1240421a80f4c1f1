/** What clients see when servers fail: another leader, members that come back, histories that have parted. */
import { ErrorNumber, EventType } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { sessionPassword } from '../../src/sessions/password.ts';
import { expectSameTrees, TestEnsemble, type TestMember } from './ensemble.ts';
import { create, exists, getData, remove, setData, sync } from './requests.ts';
import type { TestClient } from './support.ts';

const EPHEMERAL = 1;

function text(client: TestClient<TestMember>, path: string): string {
  client.get(sync('/'));
  return Buffer.from(client.get(getData(path)).data ?? []).toString();
}

function writeMany(member: TestMember, count: number, prefix: string): void {
  const client = member.client();
  const requests = Array.from({ length: count }, (_, i) => create(`/${prefix}-${i}`, { data: `${i}` }));
  for (const [, , err] of client.pipeline(...requests)) {
    expect(err).toBe(0);
  }
  client.close();
}

describe('when the leader dies', () => {
  test('another leads, and sessions, ephemerals and everything acknowledged are there', () => {
    const ensemble = new TestEnsemble(3);
    const { leader } = ensemble;
    const [follower, other] = ensemble.learners;
    const atLeader = leader.client();
    const atFollower = follower.client();
    atLeader.get(create('/at the leader', { flags: EPHEMERAL, data: 'l' }));
    atFollower.get(create('/at the follower', { flags: EPHEMERAL, data: 'f' }));
    leader.kill();
    ensemble.untilServing();
    expect(ensemble.leader).not.toBe(leader);
    expect(atFollower.closed).toBe(true);

    const first = other.resume(atLeader);
    const second = other.resume(atFollower);
    expect(text(first, '/at the follower')).toBe('f');
    expect(text(second, '/at the leader')).toBe('l');
    expect(first.get(create('/and goes on')).path).toBe('/and goes on');
    expectSameTrees(ensemble);

    leader.start();
    ensemble.untilServing();
    expect(text(leader.client(), '/and goes on')).toBe('');
    expectSameTrees(ensemble);
  });

  test('sessions whose clients do not come back end a full timeout later', () => {
    const ensemble = new TestEnsemble(3);
    const client = ensemble.leader.client(4000);
    client.get(create('/gone soon', { flags: EPHEMERAL }));
    ensemble.leader.kill();
    ensemble.untilServing();
    const watcher = ensemble.leader.client(20_000);
    watcher.ask(exists('/gone soon', true));
    ensemble.advance(3000);
    expect(watcher.eventNames()).toEqual([]);
    ensemble.advance(4000);
    expect(watcher.eventNames()).toEqual([[EventType.nodeDeleted, '/gone soon']]);
    expectSameTrees(ensemble);
  });

  test('what it had proposed and nobody else has is gone when it comes back', () => {
    const ensemble = new TestEnsemble(3);
    const { leader } = ensemble;
    leader.client().get(create('/common'));
    const client = leader.client();
    ensemble.cut(leader.id);
    client.send(create('/only here'));
    client.send(setData('/common', 'only here'));
    ensemble.settle();
    expect(client.lines()).toEqual([]);
    leader.kill();
    ensemble.heal();
    ensemble.untilServing();
    writeMany(ensemble.leader, 3, 'meanwhile');
    leader.start();
    ensemble.untilServing();
    const reader = leader.client();
    reader.get(sync('/'));
    expect(reader.err(exists('/only here'))).toBe(ErrorNumber.NO_NODE);
    expect(text(reader, '/common')).toBe('');
    expect(text(reader, '/meanwhile-2')).toBe('2');
    expectSameTrees(ensemble);
  });

  test('what it had proposed and a quorum has logged is kept', () => {
    const ensemble = new TestEnsemble(3);
    const { leader } = ensemble;
    const [follower, other] = ensemble.learners;
    const client = leader.client();
    other.kill();
    client.send(create('/logged by two', { data: 'kept' }));
    leader.turn(); // it is proposed, and logged here
    follower.turn(); // and there, but the answer does not come back
    follower.turn();
    leader.kill();
    other.start();
    ensemble.untilServing();
    expect(text(other.client(), '/logged by two')).toBe('kept');
    leader.start();
    ensemble.untilServing();
    expectSameTrees(ensemble);
  });
});

describe('a leader that is cut off', () => {
  test('does not tell a client that its session is gone: another leader may have opened it', () => {
    const ensemble = new TestEnsemble(3);
    const { leader } = ensemble;
    const unknown = { sessionId: 0x77n, passwd: sessionPassword(0x77n) };
    expect(leader.connect().shakeHands(unknown)?.sessionId).toBe(0n);
    expect(ensemble.learners[0].connect().shakeHands(unknown)?.sessionId).toBe(0n);

    ensemble.cut(leader.id);
    const client = leader.connect();
    expect(client.shakeHands(unknown)).toBeNull();
    ensemble.advance(30_000);
    expect(client.closed).toBe(true);
    client.wire.receive();
    expect(client.wire.handshake).toBeNull();
  });

  test('steps down, and its clients go on elsewhere', () => {
    const ensemble = new TestEnsemble(3);
    const { leader } = ensemble;
    const client = leader.client(30_000);
    client.get(create('/before', { flags: EPHEMERAL }));
    ensemble.cut(leader.id);
    client.send(create('/never acknowledged'));
    ensemble.advance(30_000);
    expect(leader.running.serving).toBe(false);
    expect(client.closed).toBe(true);
    const again = ensemble.leader.resume(client);
    expect(again.get(create('/after')).path).toBe('/after');
    ensemble.heal();
    ensemble.untilServing();
    const reader = leader.client();
    reader.get(sync('/'));
    expect(reader.err(exists('/never acknowledged'))).toBe(ErrorNumber.NO_NODE);
    expect(reader.err(exists('/after'))).toBe(0);
    expectSameTrees(ensemble);
  });

  test('answers no sync: who reads after one reads what is newest', () => {
    const ensemble = new TestEnsemble(3);
    const { leader } = ensemble;
    const client = leader.client(30_000);
    ensemble.cut(leader.id);
    client.send(sync('/'));
    ensemble.settle();
    expect(client.lines()).toEqual([]);
    ensemble.advance(30_000);
    expect(client.lines()).toEqual([]);
    expect(client.closed).toBe(true);
  });
});

describe('a member that was away', () => {
  test.each([
    ['a little', 5],
    ['for longer than the leader remembers', 700],
  ])('%s gets what it has missed', (_, count) => {
    const ensemble = new TestEnsemble(3);
    const [follower] = ensemble.learners;
    writeMany(follower, 3, 'early');
    follower.kill();
    writeMany(ensemble.leader, count, 'missed');
    follower.start();
    ensemble.untilServing();
    expect(text(follower.client(), `/missed-${count - 1}`)).toBe(`${count - 1}`);
    expectSameTrees(ensemble);
    follower.kill(); // and what it has got is on its disk
    follower.start();
    ensemble.untilServing();
    expectSameTrees(ensemble);
  });

  test('and has lost its disk gets everything, sessions too', () => {
    const ensemble = new TestEnsemble(3, { observers: 1 });
    const observer = ensemble.member(4);
    for (const member of [ensemble.learners[0], observer]) {
      const client = member.client(30_000);
      client.get(create(`/ephemeral of ${member.id}`, { flags: EPHEMERAL, data: 'e' }));
      writeMany(ensemble.leader, 600, `many-${member.id}`);
      member.wipe();
      member.start();
      ensemble.untilServing();
      const again = member.resume(client);
      expect(text(again, `/ephemeral of ${member.id}`)).toBe('e');
      expect(again.get(create(`/later of ${member.id}`)).path).toBe(`/later of ${member.id}`);
      expectSameTrees(ensemble);
    }
  });

  /** A member without a disk comes back while others write, and goes on until it has come so far. */
  function loadWhileWriting(hasComeSoFar: (member: TestMember) => boolean) {
    const ensemble = new TestEnsemble(3);
    const [member] = ensemble.learners;
    const writer = ensemble.leader.client(40_000);
    // So many that a digest is remembered soon, while the snapshot still changes.
    const paths = Array.from({ length: 745 }, (_, i) => `/large-${i}`);
    writer.pipeline(...paths.map((path) => create(path, { data: 'x'.repeat(4096) })));
    member.wipe();
    member.start();
    // The snapshot takes many turns, and shows some of what is written meanwhile.
    for (let i = 0; !hasComeSoFar(member); i++) {
      writer.send(setData(paths[(i * 7) % 700], `${i}`));
      writer.send(remove(paths[699 - (i % 600)]));
      writer.send(create(`/new-${i}`));
      ensemble.round();
      expect(i).toBeLessThan(10_000);
    }
    return { ensemble, member };
  }

  test('and has lost its disk gets everything while others write', () => {
    const { ensemble, member } = loadWhileWriting(({ running }) => running.serving);
    expect(member.messages.join('\n')).toMatch(/wrote snapshot\.1/);
    expectSameTrees(ensemble);
    // Of a tree that was ahead of its zxid nobody is told the digest.
    const known = new Map(ensemble.leader.running.digestHistory.map(({ zxid, digest }) => [zxid, digest]));
    const differing = member.running.digestHistory.filter(({ zxid, digest }) => known.get(zxid) !== digest);
    expect(differing).toEqual([]);
    member.kill();
    member.start();
    ensemble.untilServing();
    expectSameTrees(ensemble);
  });

  test('and is killed before it has what its snapshot is ahead with: no digest is taken to be wrong', () => {
    let turns = 0;
    const { ensemble, member } = loadWhileWriting(({ running }) => running.serving && turns++ === 1);
    // It has logged something behind the snapshot, and written no other yet.
    expect(member.messages.filter((text) => /^wrote snapshot\.1/.test(text)).length).toBe(1);
    member.kill();
    member.start();
    expect(member.metrics.digest_mismatches_count.value).toBe(0);
    ensemble.untilServing();
    expectSameTrees(ensemble);
    const before = member.messages.length;
    member.kill();
    member.start();
    ensemble.untilServing();
    expectSameTrees(ensemble);
    expect(member.messages.slice(before).join()).not.toContain('digest');
  });

  test('is no loss while a quorum is there, and is one when it is not', () => {
    const ensemble = new TestEnsemble(3);
    const [follower, other] = ensemble.learners;
    const client = ensemble.leader.client(40_000);
    follower.kill();
    expect(client.get(create('/with two')).path).toBe('/with two');
    other.kill();
    client.send(create('/with one'));
    ensemble.advance(30_000);
    expect(client.lines()).toEqual([]);
    expect(client.closed).toBe(true);
    expect(ensemble.members.some(({ replica }) => replica?.serving)).toBe(false);
    follower.start();
    other.start();
    ensemble.untilServing();
    expect(follower.client().err(exists('/with two'))).toBe(0);
    expectSameTrees(ensemble);
  });
});

describe('a member whose disk is full', () => {
  test('serves nobody when it has lost its leader, and votes again when there is space', () => {
    const ensemble = new TestEnsemble(3);
    const { leader, learners } = ensemble;
    const [follower] = learners;
    follower.disk.full = true;
    expect(leader.client().get(create('/by the others')).path).toBe('/by the others');
    expect(follower.running.serving).toBe(true);
    leader.kill();
    ensemble.advance(1000);
    expect(follower.running.serving).toBe(false);
    follower.disk.full = false;
    ensemble.untilServing();
    expect(text(follower.client(), '/by the others')).toBe('');
    leader.start();
    ensemble.untilServing();
    expectSameTrees(ensemble);
  });
});

test('after a power failure everywhere, everything acknowledged is there', () => {
  const ensemble = new TestEnsemble(3);
  const client = ensemble.leader.client(30_000);
  client.get(create('/owned', { flags: EPHEMERAL, data: 'owned' }));
  writeMany(ensemble.learners[0], 50, 'durable');
  for (const member of ensemble.members) {
    member.crash();
  }
  for (const member of ensemble.members) {
    member.start();
  }
  ensemble.untilServing();
  for (const member of ensemble.members) {
    expect(text(member.client(), '/durable-49')).toBe('49');
  }
  expect(text(ensemble.learners[0].resume(client), '/owned')).toBe('owned');
  expectSameTrees(ensemble);
});
