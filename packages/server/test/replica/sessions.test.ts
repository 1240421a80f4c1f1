/** The life of sessions (client-protocol.md §10), and local ones (§2.7). */
import { OpCode } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { simulatedOptions } from '../../../simulator/src/standalone-world.ts';
import {
  auth,
  closeSession,
  create,
  create2,
  createContainer,
  createTTL,
  exists,
  getChildren,
  getData,
  multi,
  ping,
  type Request,
  remove,
  setData,
} from './requests.ts';
import { type TestClient, TestServer } from './support.ts';

const TICK_MS = 2000;
const { rules } = simulatedOptions;

/** How long a session lives after what happens to it at 3000 ms. */
function lifeAfter(action: (client: TestClient) => void, timeoutMs = 4000): number {
  const server = new TestServer();
  const client = server.client({ timeoutMs });
  server.advance(3000, 100);
  action(client);
  let lived = 0;
  while (server.replica.world.sessions.size > 0) {
    server.advance(100);
    lived += 100;
  }
  return lived;
}

describe('expiry', () => {
  test.each([4000, 5000, 5999, 6000, 7001, 39_999])(
    'trap 42: %i ms: never earlier, at most a tick later',
    (timeoutMs) => {
      for (const offsetMs of [0, 1, 999, 1999]) {
        const server = new TestServer();
        server.world.clock.advance(offsetMs);
        const client = server.client({ timeoutMs });
        server.advance(timeoutMs, 250);
        expect(client.closed).toBe(false);
        server.advance(TICK_MS, 250);
        expect(client.closed).toBe(true);
      }
    },
  );

  test.each<[string, (client: TestClient) => void, boolean]>([
    ['ping', (client) => client.get(ping()), true],
    ['a read', (client) => client.get(exists('/')), true],
    ['a failed read', (client) => client.err(exists('/nosuch')), true],
    ['a write', (client) => client.get(setData('/', '')), true],
    ['a resume', (client) => client.resume({ timeOut: 4000 }), true],
    ['auth', (client) => client.get(auth('digest', 'u:p')), false],
    ['nothing', () => {}, false],
    ['a broken connection', (client) => client.disconnect(), false],
  ])('touched by %s: %s', (_, action, touches) => {
    const lived = lifeAfter(action);
    if (touches) {
      expect(lived).toBeGreaterThanOrEqual(4000);
      expect(lived).toBeLessThanOrEqual(4000 + TICK_MS);
    } else {
      expect(lived).toBeLessThanOrEqual(1000 + TICK_MS);
    }
  });

  test('its ephemerals go with it, in one transaction that is the session’s', () => {
    const server = new TestServer();
    const client = server.client({ timeoutMs: 4000 });
    client.get(create('/p'));
    client.get(create('/p/a', { flags: 1 }));
    client.get(create('/p/b', { flags: 1 }));
    const other = server.client({ timeoutMs: 40_000 });
    const { lastZxid } = server;
    server.advance(6001);
    expect(server.lastZxid).toBe(lastZxid + 1);
    expect(other.get(exists('/p')).stat).toMatchObject({ numChildren: 0, pzxid: BigInt(lastZxid + 1), cversion: 4 });
  });

  test('below whichever nodes its ephemerals are, with those on their way', () => {
    const server = new TestServer();
    const client = server.client({ timeoutMs: 4000 });
    const other = server.client({ timeoutMs: 40_000 });
    for (const path of ['/p', '/p/q']) {
      client.get(create(path));
    }
    for (const path of ['/p/q/a', '/a', '/p/a', '/b', '/p/q/b', '/p/b', '/p/q/c']) {
      client.get(create(path, { flags: 1 }));
    }
    const before = other.get(exists('/')).stat.numChildren;
    client.send(create('/p/c', { flags: 1 }));
    client.send(remove('/p/q/c'));
    client.send(closeSession());
    server.settle();
    const { pzxid } = other.get(exists('/')).stat;
    expect(pzxid).toBe(BigInt(server.lastZxid));
    expect(other.get(exists('/')).stat.numChildren).toBe(before - 2);
    expect(other.get(exists('/p')).stat).toMatchObject({ numChildren: 1, pzxid });
    expect(other.get(exists('/p/q')).stat).toMatchObject({ numChildren: 0, pzxid });
    expect(server.replica.world.tree.ephemeralsCount).toBe(0);
  });

  test('sessions that own thousands of nodes end one after the other, small ones together', () => {
    const server = new TestServer();
    const crowd = Array.from({ length: 5000 }, (_, i) => i);
    const owners = ['/a', '/b'].map((name) => {
      const client = server.client({ timeoutMs: 4000 });
      client.get(create(name));
      client.get(multi(...crowd.map((i) => create(`${name}/${i}`, { flags: 1 }))));
      return client;
    });
    const small = [1, 2, 3].map(() => server.client({ timeoutMs: 8000 }));
    const { sessions, tree } = server.replica.world;
    const closing = () => [...owners, ...small].map((client) => sessions.get(client.sessionId)?.closing);
    server.world.clock.advance(6001);
    server.turn();
    expect(closing()).toEqual([true, false, false, false, false]);
    server.turn();
    expect(closing()).toEqual([true, false, false, false, false]);
    server.advance(100);
    expect(closing()).toEqual([undefined, undefined, false, false, false]);
    expect(tree.ephemeralsCount).toBe(0);
    server.world.clock.advance(4000);
    server.turn();
    expect(closing()).toEqual([undefined, undefined, true, true, true]);
  });

  test('a session that is expiring: its writes are refused with -112 and take a zxid', () => {
    const server = new TestServer();
    const client = server.client({ timeoutMs: 4000 });
    const watcher = server.client({ timeoutMs: 40_000 });
    server.world.clock.advance(6001);
    server.turn(); // the closeSession is on its way
    client.send(create('/a'));
    client.send(multi(create('/b')));
    server.turn();
    expect(server.replica.world.sessions.get(client.sessionId)?.closing).toBe(true);
    server.settle();
    expect(client.closed).toBe(true);
    expect(client.lines()).toEqual([]);
    expect(server.lastZxid).toBe(5);
    expect(watcher.get(getChildren('/')).children).toEqual(['zookeeper']);
  });

  test('a disconnected client may come back in time', () => {
    const server = new TestServer();
    const client = server.client({ timeoutMs: 4000 });
    client.get(create('/e', { flags: 1 }));
    client.disconnect();
    server.advance(3900);
    const again = client.resume({ timeOut: 4000 });
    expect(again.sessionId).toBe(client.sessionId);
    server.advance(3900);
    expect(again.err(exists('/e'))).toBe(0);
  });

  test('a restart gives everyone a full timeout', () => {
    const server = new TestServer();
    const client = server.client({ timeoutMs: 10_000 });
    client.get(create('/e', { flags: 1 }));
    server.advance(9000);
    server.restart();
    server.advance(9900);
    expect(server.client().err(exists('/e'))).toBe(0);
    expect(client.resume().sessionId).toBe(client.sessionId);
  });

  test('a restart between an expiry and its transaction: the session lives on', () => {
    const server = new TestServer();
    const client = server.client({ timeoutMs: 4000 });
    server.world.clock.advance(6001);
    server.turn();
    server.world.disk.kill(); // nothing of it was written
    server.restart();
    expect(client.resume().sessionId).toBe(client.sessionId);
  });
});

describe('closeSession', () => {
  test('takes creates and deletes in flight into account', () => {
    const server = new TestServer();
    const client = server.client();
    client.get(create('/old', { flags: 1 }));
    client.get(create('/gone', { flags: 1 }));
    const lines = client.pipeline(
      create('/new', { flags: 1 }),
      remove('/gone'),
      multi(create('/m', { flags: 1 }), remove('/m'), create('/m2', { flags: 1 })),
      multi(create('/never', { flags: 1 }), remove('/nosuch')),
      create('/stays'),
      closeSession(),
    );
    expect(lines.map(([, , err]) => err)).toEqual([0, 0, 0, 0, 0, 0]);
    const other = server.client();
    expect(other.get(getChildren('/')).children.sort()).toEqual(['stays', 'zookeeper']);
    server.restart();
    expect(server.client().get(getChildren('/')).children.sort()).toEqual(['stays', 'zookeeper']);
  });

  test('a node of the session deleted and made anew by another stays', () => {
    const server = new TestServer();
    const [client, other] = [server.client(), server.client()];
    client.get(create('/n', { flags: 1 }));
    other.get(multi(remove('/n'), create('/n')));
    client.close();
    expect(other.get(exists('/n')).stat.ephemeralOwner).toBe(0n);
  });

  test('nor does one go that another has deleted and made anew a moment before, all in flight', () => {
    for (const flags of [0, 1]) {
      const server = new TestServer();
      const [client, other] = [server.client(), server.client()];
      client.get(create('/n', { flags: 1 }));
      other.send(remove('/n'));
      other.send(create('/n', { flags }));
      client.send(closeSession());
      server.settle();
      expect(other.lines().map(([, , err]) => err)).toEqual([0, 0]);
      expect(other.err(exists('/n'))).toBe(0);
    }
  });

  test('ephemerals made and given up in flight, by turns of two sessions', () => {
    const server = new TestServer();
    const [a, b] = [server.client(), server.client()];
    a.send(create('/n', { flags: 1 }));
    b.send(remove('/n'));
    b.send(create('/n', { flags: 1 }));
    a.send(remove('/n'));
    a.send(create('/n', { flags: 1 }));
    b.send(multi(remove('/n'), create('/n', { flags: 1 }), remove('/nosuch')));
    b.send(create('/m', { flags: 1 }));
    b.send(closeSession());
    server.settle();
    expect(a.get(exists('/n')).stat.ephemeralOwner).toBe(a.sessionId);
    expect(a.err(exists('/m'))).toBe(-101);
    a.close();
    expect(server.client().get(getChildren('/')).children).toEqual(['zookeeper']);
  });

  test('an ephemeral that another deletes at the same time: no harm', () => {
    const server = new TestServer();
    const [client, other] = [server.client(), server.client()];
    client.get(create('/n', { flags: 1 }));
    other.send(remove('/n'));
    client.send(closeSession());
    other.send(create('/n'));
    server.settle();
    expect(other.lines().map(([, , err]) => err)).toEqual([0, 0]);
    expect(other.get(exists('/n')).stat.ephemeralOwner).toBe(0n);
  });

  test.each([true, false])('the list of paths in the transaction may be turned off: %s', (closeSessionTxnEnabled) => {
    const server = new TestServer({ replica: { rules: { ...rules, closeSessionTxnEnabled } } });
    const client = server.client();
    client.get(create('/e', { flags: 1 }));
    client.close();
    expect(server.client().err(exists('/e'))).toBe(-101);
    server.restart();
    expect(server.client().err(exists('/e'))).toBe(-101);
  });

  test('each new session takes a zxid, each end another; ids rise', () => {
    const server = new TestServer();
    const first = server.client();
    const second = server.client();
    expect(second.sessionId).toBe(first.sessionId + 1n);
    expect(second.ask(closeSession())).toMatchObject({ zxid: 3, err: 0 });
    expect(server.lastZxid).toBe(3);
  });

  test('trap 44: ids are exact, 64 bits wide', () => {
    const server = new TestServer({ replica: { serverId: 255 } });
    const client = server.client();
    expect(BigInt.asUintN(64, client.sessionId) >> 56n).toBe(255n);
    client.get(create('/e', { flags: 1 }));
    expect(client.get(exists('/e')).stat.ephemeralOwner).toBe(client.sessionId);
    expect(client.resume().sessionId).toBe(client.sessionId);
  });
});

describe('connections without a session', () => {
  test('closed after 10 to 20 s', () => {
    const server = new TestServer();
    const silent = server.connect();
    const half = server.connect();
    half.wire.sendBytes(Buffer.from('0000', 'hex'));
    server.advance(9900);
    expect([silent.closed, half.closed]).toEqual([false, false]);
    server.advance(10_200);
    expect([silent.closed, half.closed]).toEqual([true, true]);
    expect(server.client({ timeoutMs: 40_000 }).closed).toBe(false);
  });
});

describe('trap 23: a session that moves', () => {
  test('to another connection here: the old one is closed without a word, and its pipeline ends', () => {
    const server = new TestServer();
    const client = server.client();
    client.send(create('/a'));
    const again = client.resume();
    expect(again.sessionId).toBe(client.sessionId);
    client.send(create('/b'));
    server.settle();
    expect(client.closed).toBe(true);
    expect(again.err(exists('/b'))).toBe(-101);
  });
});

describe('local sessions (§2.7)', () => {
  const local = (upgrading: boolean) =>
    new TestServer({
      replica: { localSessionsEnabled: true, rules: { ...rules, localSessionsUpgradingEnabled: upgrading } },
    });
  const ephemerals: [string, Request][] = [
    ['create', create('/e', { flags: 1 })],
    ['create2', create2('/e', { flags: 3 })],
    ['a multi', multi(create('/x'), create('/e', { flags: 1 }))],
  ];

  test('begin and end without a transaction', () => {
    const server = local(false);
    const client = server.client();
    expect(client.ask(create('/a'))).toMatchObject({ zxid: 1, err: 0 });
    expect(client.pipeline(setData('/a', 'x'), getData('/a'), closeSession())).toEqual([
      [2, 2, 0],
      [3, 2, 0],
      [4, 2, 0],
    ]);
    expect(client.closed).toBe(true);
    expect(server.lastZxid).toBe(2);
    expect(client.resume().wire.handshake?.sessionId).toBe(0n);
  });

  test('resume here works, not after a restart', () => {
    const server = local(false);
    const client = server.client();
    const again = client.resume();
    expect(again.sessionId).toBe(client.sessionId);
    server.restart();
    expect(again.resume().wire.handshake?.sessionId).toBe(0n);
  });

  test('expire like others, without a transaction', () => {
    const server = local(false);
    const client = server.client({ timeoutMs: 4000 });
    server.advance(6001);
    expect(client.closed).toBe(true);
    expect(server.lastZxid).toBe(0);
    expect(server.replica.world.sessions.size).toBe(0);
  });

  test.each(ephemerals.slice(0, 2))('no ephemerals without upgrading: %s is -120, a refused write', (_, request) => {
    const server = local(false);
    const client = server.client();
    expect(client.ask(request)).toMatchObject({ zxid: 1, err: -120 });
    expect(server.lastZxid).toBe(1);
    expect(client.err(createContainer('/c'))).toBe(0);
    expect(client.err(createTTL('/t', 5n))).toBe(0);
  });

  test('no ephemerals without upgrading, nor in a multi', () => {
    const client = local(false).client();
    expect(client.get(multi(create('/x'), create('/e', { flags: 1 })))).toEqual([
      { type: -1, err: 0 },
      { type: -1, err: -120 },
    ]);
    expect(client.err(exists('/x'))).toBe(-101);
  });

  test('-120 has its place in the order of checks: after flags, before path and ACL', () => {
    const client = local(false).client();
    expect(client.err(create('/e', { flags: 7 }))).toBe(-8);
    expect(client.err(create('nopath', { flags: 1, acl: null }))).toBe(-120);
  });

  test.each(ephemerals)('with upgrading the session becomes global first, under the same id: %s', (_, request) => {
    const server = local(true);
    const client = server.client();
    expect(client.ask(request)).toMatchObject({ zxid: 2, err: 0 }); // zxid 1 is the createSession
    expect(server.replica.world.sessions.get(client.sessionId)?.local).toBe(false);
    expect(client.ask(create('/f', { flags: 1 }))).toMatchObject({ zxid: 3, err: 0 });
    server.restart();
    const again = client.resume();
    expect(again.sessionId).toBe(client.sessionId);
    expect(again.get(exists('/f')).stat.ephemeralOwner).toBe(client.sessionId);
    again.close();
    expect(server.client().err(exists('/f'))).toBe(-101);
  });

  test('a pipeline of ephemerals upgrades once', () => {
    const server = local(true);
    const client = server.client();
    expect(client.pipeline(create('/a', { flags: 1 }), create('/b', { flags: 1 }), closeSession())).toEqual([
      [1, 2, 0],
      [2, 3, 0],
      [3, 4, 0],
    ]);
    expect(server.client().get(getChildren('/')).children).toEqual(['zookeeper']);
    expect(server.lastZxid).toBe(4);
  });

  test('an upgrade keeps the timeout, and the session expires as a global one', () => {
    const server = local(true);
    const client = server.client({ timeoutMs: 6000 });
    client.get(create('/e', { flags: 1 }));
    server.advance(8001);
    expect(client.closed).toBe(true);
    expect(server.client().err(exists('/e'))).toBe(-101);
  });
});

test('opcodes of sessions from outside: createSession is not for clients', () => {
  const client = new TestServer().client();
  client.send({ opcode: OpCode.createSession, encode: (writer) => writer.int(5000), decode: () => null });
  client.server.settle();
  expect(client.lines()).toEqual([[1, -1, -6]]);
});
