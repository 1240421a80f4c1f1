/** What clients see of an ensemble: sessions, writes, reads and watches by way of any member. */
import { ErrorNumber, EventType } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { expectSameTrees, TestEnsemble, type TestMember } from './ensemble.ts';
import { check, closeSession, create, exists, getData, multi, raw, remove, setData, sync } from './requests.ts';
import type { TestClient } from './support.ts';

const EPHEMERAL = 1;
const SEQUENTIAL = 2;

const ensemble = new TestEnsemble(3, { observers: 1 });
const { leader } = ensemble;
const [follower, otherFollower] = ensemble.learners;
const observer = ensemble.member(4);
const everyone: [string, TestMember][] = [
  ['the leader', leader],
  ['a follower', follower],
  ['an observer', observer],
];

function text(data: Uint8Array | null): string {
  return Buffer.from(data ?? []).toString();
}

/** What every member has at the path, as a client of it reads it after a sync. */
function everywhere(path: string): string[] {
  return ensemble.members.map((member) => {
    const client = member.client();
    client.get(sync('/'));
    const { err, value } = client.ask(getData(path));
    return err === 0 ? text(value?.data ?? null) : `error ${err}`;
  });
}

describe.each(everyone)('writes through %s', (name, member) => {
  test('are answered there, and read by all after a sync', () => {
    const client = member.client();
    expect(client.get(create(`/of ${name}`)).path).toBe(`/of ${name}`);
    expect(client.get(setData(`/of ${name}`, 'new')).stat.version).toBe(1);
    expect(everywhere(`/of ${name}`)).toEqual(['new', 'new', 'new', 'new']);
  });

  test('are refused with the error and the zxid of their own transaction', () => {
    const client = member.client();
    const { zxid } = client.ask(create(`/refused ${name}`));
    expect(client.ask(create(`/refused ${name}`))).toMatchObject({ err: ErrorNumber.NODE_EXISTS, zxid: zxid + 1 });
    expect(client.ask(remove('/missing'))).toMatchObject({ err: ErrorNumber.NO_NODE, zxid: zxid + 2 });
    expect(client.ask(setData(`/refused ${name}`, 'x', 7))).toMatchObject({ err: ErrorNumber.BAD_VERSION });
  });

  test('of a multi are all done or none, each with its result', () => {
    const client = member.client();
    client.get(create(`/multi ${name}`));
    const done = client.get(
      multi(create(`/multi ${name}/a`), check(`/multi ${name}`), setData(`/multi ${name}/a`, 'x')),
    );
    expect(done.map(({ err }) => err)).toEqual([0, 0, 0]);
    const refused = client.get(multi(create(`/multi ${name}/b`), check(`/multi ${name}`, 9), remove('/multi')));
    expect(refused.map(({ err }) => err)).toEqual([0, ErrorNumber.BAD_VERSION, ErrorNumber.RUNTIME_INCONSISTENCY]);
    expect(client.err(exists(`/multi ${name}/b`))).toBe(ErrorNumber.NO_NODE);
  });

  test('have their place among the reads of their connection', () => {
    const client = member.client();
    const lines = client.pipeline(
      create(`/order ${name}`),
      getData(`/order ${name}`),
      setData(`/order ${name}`, 'second'),
      exists('/missing'),
      getData(`/order ${name}`),
      sync('/'),
      remove(`/order ${name}`),
      exists(`/order ${name}`),
    );
    const errs = lines.map(([, , err]) => err);
    expect(errs).toEqual([0, 0, 0, ErrorNumber.NO_NODE, 0, 0, 0, ErrorNumber.NO_NODE]);
    const zxids = lines.map(([, zxid]) => zxid as number);
    expect(zxids).toEqual([...zxids].sort((a, b) => a - b));
  });

  test('give the events of a watch before their own answer', () => {
    const client = member.client();
    client.get(create(`/watched ${name}`));
    client.get(getData(`/watched ${name}`, true));
    const lines = client.pipeline(setData(`/watched ${name}`, 'x'));
    expect(lines).toEqual([
      ['event', EventType.nodeDataChanged, `/watched ${name}`, expect.any(Number)],
      [expect.any(Number), expect.any(Number), 0],
    ]);
  });

  test('fire the watches at all members', () => {
    const watchers = ensemble.members.map((one) => one.client());
    for (const watcher of watchers) {
      watcher.ask(exists(`/fires ${name}`, true));
    }
    member.client().get(create(`/fires ${name}`));
    for (const watcher of watchers) {
      expect(watcher.eventNames()).toEqual([[EventType.nodeCreated, `/fires ${name}`]]);
    }
  });

  test('that do not decode, or that nobody knows, are refused at once', () => {
    const client = member.client();
    expect(client.err(raw(5, Buffer.from('short')))).toBe(ErrorNumber.MARSHALLING_ERROR);
    expect(client.err(raw(14, Buffer.from('short')))).toBe(ErrorNumber.MARSHALLING_ERROR);
    expect(client.get(create(`/after ${name}`)).path).toBe(`/after ${name}`);
    expect(client.err(raw(13, Buffer.from([0, 0, 0, 1, 0x2f, 0, 0, 0, 0])))).toBe(ErrorNumber.UNIMPLEMENTED);
    expect(client.closed).toBe(true);
  });

  test('count sequence numbers on, whoever else writes', () => {
    const [first, second] = [member.client(), leader.client()];
    first.get(create(`/sequence ${name}`));
    const paths = [first, second, first, second].map(
      (client) => client.get(create(`/sequence ${name}/n-`, { flags: SEQUENTIAL })).path,
    );
    expect(paths.map((path) => path.slice(-2))).toEqual(['00', '01', '02', '03']);
  });
});

describe.each(everyone)('sessions at %s', (name, member) => {
  test('own ephemerals, which go with them everywhere', () => {
    const client = member.client();
    client.get(create(`/ephemeral ${name}`, { flags: EPHEMERAL, data: 'here' }));
    expect(everywhere(`/ephemeral ${name}`)).toEqual(['here', 'here', 'here', 'here']);
    client.close();
    expect(client.closed).toBe(true);
    expect(everywhere(`/ephemeral ${name}`)).toEqual(Array(4).fill(`error ${ErrorNumber.NO_NODE}`));
  });

  test('live as long as they show life there, and no longer', () => {
    const quiet = member.client(4000);
    const alive = member.client(4000);
    quiet.get(create(`/quiet ${name}`, { flags: EPHEMERAL }));
    alive.get(create(`/alive ${name}`, { flags: EPHEMERAL }));
    for (let waitedMs = 0; waitedMs < 20_000; waitedMs += 1000) {
      ensemble.advance(1000);
      expect(alive.err(exists(`/alive ${name}`))).toBe(0);
    }
    expect(alive.err(exists(`/quiet ${name}`))).toBe(ErrorNumber.NO_NODE);
    expect(quiet.closed).toBe(true);
    const again = member.resume(quiet);
    expect(again.wire.handshake).toMatchObject({ timeOut: 0, sessionId: 0n });
    expect(again.closed).toBe(true);
  });

  test('go on at every other member', () => {
    let client = member.client();
    client.get(create(`/moving ${name}`, { flags: EPHEMERAL }));
    for (const other of [...ensemble.members, member]) {
      const again = other.resume(client);
      expect(again.wire.sessionId).toBe(client.wire.sessionId);
      expect(again.get(getData(`/moving ${name}`)).stat.ephemeralOwner).toBe(client.wire.sessionId);
      again.get(setData(`/moving ${name}`, `at ${other.id}`));
      client = again;
    }
    client.close();
  });

  test('are not to be had with a wrong password', () => {
    const client = member.client();
    const thief = (member === observer ? leader : observer).connect();
    thief.shakeHands({ sessionId: client.wire.sessionId, passwd: Buffer.alloc(16, 7) });
    expect(thief.wire.handshake).toMatchObject({ timeOut: 0, sessionId: 0n });
    expect(client.err(exists('/'))).toBe(0);
  });
});

describe('a session that has moved', () => {
  test.each([
    ['from the leader to a follower', leader, follower],
    ['from a follower to the leader', follower, leader],
    ['from a follower to another', follower, otherFollower],
    ['from an observer to a follower', observer, follower],
  ])('%s: reads are answered at the old place, the next write ends it there', (name, from, to) => {
    const before = from.client();
    before.get(create(`/moved ${name}`));
    const after = to.resume(before);
    expect(before.err(exists('/'))).toBe(0);
    expect(before.pipeline(setData(`/moved ${name}`, 'lost'))).toEqual([]);
    expect(before.closed).toBe(true);
    expect(after.get(setData(`/moved ${name}`, 'kept')).stat.version).toBe(1);
    after.close();
  });

  test('a write that was on its way does not answer one of the new connection', () => {
    const before = follower.client();
    before.get(create('/same xid'));
    const xid = 77;
    before.send(setData('/same xid', 'old'), xid);
    follower.turn(); // it is on its way to the leader
    const after = otherFollower.resume(before);
    const answer = after.ask(setData('/same xid', 'new', 1), xid);
    expect(answer.value?.stat.version).toBe(2);
    after.close();
  });
});

describe('a client that knows more', () => {
  test('than the server it comes to is sent away', () => {
    const client = leader.client();
    const { zxid } = client.ask(create('/known'));
    const ahead = follower.connect();
    ahead.shakeHands({ lastZxidSeen: BigInt(zxid + 1) });
    expect(ahead.wire.handshake).toBeNull();
    expect(ahead.closed).toBe(true);
  });
});

describe('syncs', () => {
  test('are answered in their place, those of all members at once', () => {
    const clients = ensemble.members.map((member) => member.client());
    const sent = clients.map((client: TestClient<TestMember>) => {
      client.lines();
      return [create(`/synced by ${client.sessionId}`), sync('/'), exists('/')].map((request) => client.send(request));
    });
    ensemble.settle();
    expect(clients.map((client) => client.lines().map(([xid]) => xid))).toEqual(sent);
  });
});

test('closing twice, and what is sent behind a close, harm nobody', () => {
  const client = follower.client();
  const lines = client.pipeline(closeSession(), create('/behind a close'), closeSession());
  expect(lines).toHaveLength(1);
  expect(leader.client().err(exists('/behind a close'))).toBe(ErrorNumber.NO_NODE);
});

test('after all this, all members have the same tree', () => {
  expectSameTrees(ensemble);
});
