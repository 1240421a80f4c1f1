/** Servers without a quorum that serve reads (quorum-protocol.md §10): to whom, what, and how it ends. */
import { ErrorNumber } from '@treekeeper/protocol';
import { beforeEach, describe, expect, test } from 'vitest';
import { sessionPassword } from '../../src/sessions/password.ts';
import { expectSameTrees, TestEnsemble, type TestMember } from './ensemble.ts';
import {
  check,
  closeSession,
  create,
  exists,
  getData,
  multi,
  reconfig,
  remove,
  setACL,
  setData,
  sync,
} from './requests.ts';
import type { TestClient } from './support.ts';

const DELAY_MS = 2000;

let ensemble: TestEnsemble;
let alone: TestMember;
let global: TestClient<TestMember>;

/** Of three servers two are gone. */
beforeEach(() => {
  ensemble = new TestEnsemble(3, { readOnlyDelayMs: DELAY_MS });
  alone = ensemble.leader;
  global = alone.client(60_000);
  global.get(create('/n', { data: 'old' }));
  for (const member of ensemble.learners) {
    member.kill();
  }
  ensemble.advance(20_000);
});

function readOnlyClient(member = alone, request: Parameters<TestClient<TestMember>['shakeHands']>[0] = {}) {
  const client = member.connect();
  client.shakeHands({ timeOut: 10_000, ...request }, true);
  return client;
}

function back(): void {
  for (const member of ensemble.members) {
    if (member.replica === null) {
      member.start();
    }
  }
  ensemble.untilServing();
}

describe('whom it takes', () => {
  test('those who say that they can do with it, and tells them', () => {
    const client = readOnlyClient();
    expect(client.wire.handshake).toMatchObject({ timeOut: 10_000 });
    expect(client.wire.handshake?.sessionId).not.toBe(0n);
    expect(client.wire.readOnly).toBe(true);
  });

  test('nobody else', () => {
    const client = alone.connect();
    client.shakeHands({ timeOut: 10_000 });
    expect(client.wire.connection.closed).toBe(true);
    const silent = alone.connect();
    silent.shakeHands({ timeOut: 10_000 }, null);
    expect(silent.wire.connection.closed).toBe(true);
  });

  test('no session of the ensemble: it goes on elsewhere, or later', () => {
    const again = readOnlyClient(alone, { sessionId: global.wire.sessionId, passwd: global.wire.password });
    expect(again.wire.connection.closed).toBe(true);
    expect(again.wire.handshake).toBeNull();
    back();
    expect(alone.resume(global).wire.sessionId).toBe(global.wire.sessionId);
  });

  test('nor one that it has never heard of: the others may have begun it, and not have told', () => {
    const sessionId = 0x0200000000001234n;
    const stranger = readOnlyClient(alone, { sessionId, passwd: sessionPassword(sessionId) });
    expect(stranger.wire.connection.closed).toBe(true);
    expect(stranger.wire.handshake, 'it is not told that its session is gone').toBeNull();
    back();
    const asked = readOnlyClient(alone, { sessionId, passwd: sessionPassword(sessionId) });
    ensemble.untilServing();
    expect(asked.wire.handshake, 'a quorum knows').toMatchObject({ sessionId: 0n, timeOut: 0 });
  });

  test('nobody before it has looked for a leader for a while', () => {
    back();
    for (const member of ensemble.members.filter((other) => other !== ensemble.leader)) {
      member.kill();
    }
    const { leader } = ensemble;
    while (leader.running.serving) {
      ensemble.advance(100);
    }
    expect(readOnlyClient(leader).wire.connection.closed).toBe(true);
    ensemble.advance(DELAY_MS);
    expect(readOnlyClient(leader).wire.readOnly).toBe(true);
  });

  test('nobody at all where it is off', () => {
    const strict = new TestEnsemble(3);
    const { leader } = strict;
    for (const member of strict.learners) {
      member.kill();
    }
    strict.advance(20_000);
    expect(readOnlyClient(leader).wire.connection.closed).toBe(true);
    expect(leader.running.serving).toBe(false);
  });
});

test('reads are answered, whatever needs a quorum is refused with the last zxid', () => {
  const client = readOnlyClient();
  expect(Buffer.from(client.get(getData('/n', true)).data ?? []).toString()).toBe('old');
  const { lastZxid } = alone.running.world.tree;
  const refused = [
    create('/new'),
    create('/mine', { flags: 1 }),
    setData('/n', 'new'),
    remove('/n'),
    setACL('/n', []),
    multi(check('/n')),
    sync('/'),
    reconfig(),
  ];
  for (const request of refused) {
    expect(client.ask<unknown>(request)).toMatchObject({ err: ErrorNumber.NOT_READ_ONLY, zxid: lastZxid });
  }
  expect(client.err(exists('/n')), 'the connection stays').toBe(0);
  expect(client.err(closeSession()), 'its own session it may end').toBe(0);
});

test('its sessions live while they are kept alive, and those of the ensemble do not end', () => {
  const client = readOnlyClient();
  const other = readOnlyClient();
  for (let i = 0; i < 5; i++) {
    ensemble.advance(4000);
    expect(client.err(exists('/n'))).toBe(0);
  }
  expect(other.wire.connection.closed, 'it was silent').toBe(true);
  ensemble.advance(100_000);
  expect(alone.running.world.sessions.get(global.wire.sessionId)).toBeDefined();
});

test('a quorum ends it: clients come again, and nothing of it is left', () => {
  const client = readOnlyClient();
  const { sessionId } = client.wire;
  const { lastZxid } = alone.running.world.tree;
  back();
  expect(client.wire.connection.closed).toBe(true);
  expect(alone.running.world.sessions.get(sessionId)).toBeUndefined();
  const writer = readOnlyClient();
  expect(writer.wire.readOnly, 'it takes writes now').toBe(false);
  expect(writer.get(setData('/n', 'new')).stat.version).toBe(1);
  expect(alone.running.world.tree.lastZxid).toBeGreaterThan(lastZxid);
  expectSameTrees(ensemble);
});
