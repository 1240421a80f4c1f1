/** Limits and throttles (client-protocol.md §12), the first four bytes (§2.1), and what a full disk means. */
import { OpCode } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { simulatedOptions } from '../../../simulator/src/standalone-world.ts';
import { WordWhitelist } from '../../src/admin/four-letter.ts';
import { probeAnswerer } from '../../src/admin/probe.ts';
import type { ServerControl } from '../../src/admin/view.ts';
import { fakeView } from '../admin/fake-view.ts';
import {
  addWatch,
  auth,
  create,
  exists,
  getChildren,
  getData,
  multi,
  multiRead,
  ping,
  raw,
  remove,
  setACL,
  setData,
} from './requests.ts';
import { type TestClient, TestServer } from './support.ts';

function withRequests(limits: Partial<typeof simulatedOptions.requests>): TestServer {
  return new TestServer({ replica: { requests: { ...simulatedOptions.requests, ...limits } } });
}

function writes(client: TestClient, count: number): void {
  for (let i = 0; i < count; i++) {
    client.send(create('/s-', { flags: 2 }));
  }
}

describe('the outstanding limit', () => {
  test('stops reading from busy connections, and nothing is lost', () => {
    const server = withRequests({ outstandingRequestsMax: 10 });
    const [busy, quiet] = [server.client(), server.client()];
    writes(busy, 30);
    server.turn();
    expect(busy.wire.connection.paused).toBe(true);
    expect(server.replica.outstandingRequests).toBe(11);
    quiet.send(exists('/')); // has nothing outstanding: is read
    server.turn();
    expect(quiet.lines()).toEqual([[1, 2, 0]]);
    server.settle();
    expect(busy.wire.connection.paused).toBe(false);
    const lines = busy.lines();
    expect(lines.map(([xid]) => xid)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
    expect(server.replica.outstandingRequests).toBe(0);
  });

  test('of 0: one request after the other', () => {
    const server = withRequests({ outstandingRequestsMax: 0 });
    const client = server.client();
    writes(client, 3);
    client.send(exists('/'));
    server.settle();
    expect(client.lines().map(([xid]) => xid)).toEqual([1, 2, 3, 4]);
    expect(client.wire.connection.paused).toBe(false);
  });

  test('auth packets behind a write count as well', () => {
    const server = withRequests({ outstandingRequestsMax: 10 });
    const busy = server.client();
    writes(busy, 1);
    for (let i = 0; i < 30; i++) {
      busy.send(auth('digest', 'u:p'));
    }
    server.turn();
    expect(busy.wire.connection.paused).toBe(true);
    expect(server.replica.outstandingRequests).toBe(11);
    server.settle();
    expect(busy.lines().map(([xid]) => xid)).toEqual(Array.from({ length: 31 }, (_, i) => i + 1));
  });

  test('a quiet connection may have one request in, not two', () => {
    const server = withRequests({ outstandingRequestsMax: 5 });
    const [busy, other] = [server.client(), server.client()];
    writes(busy, 6);
    writes(other, 2);
    server.turn();
    expect(server.replica.outstandingRequests).toBe(7);
    expect([busy, other].map((client) => client.wire.connection.paused)).toEqual([true, true]);
    server.settle();
    expect(other.lines().length).toBe(2);
  });

  test('a connection that goes away frees its share', () => {
    const server = withRequests({ outstandingRequestsMax: 5 });
    const [gone, stays] = [server.client(), server.client()];
    writes(gone, 20);
    writes(stays, 3);
    server.turn();
    gone.disconnect();
    server.settle();
    expect(server.replica.outstandingRequests).toBe(0);
    expect(stays.lines().length).toBe(3);
    expect(stays.wire.connection.paused).toBe(false);
  });

  test('requests held back for too long are answered with -127, in their places; pings are not', () => {
    const server = withRequests({ outstandingRequestsMax: 2, throttledAfterMs: 500 });
    const client = server.client({ timeoutMs: 40_000 });
    writes(client, 3);
    client.send(create('/late'));
    client.send(ping());
    client.send(exists('/'));
    server.turn();
    server.world.clock.advance(501);
    server.settle();
    expect(client.lines()).toEqual([
      [1, 2, 0],
      [2, 3, 0],
      [3, 4, 0],
      [4, 4, -127],
      [-2, 4, 0],
      [6, 4, -127],
    ]);
    expect(client.err(exists('/late'))).toBe(-101); // not held back any more
  });
});

describe('large requests', () => {
  const limits = { largeRequestThresholdBytes: 100, largeRequestBytesMax: 1000 };
  const big = (path: string, sizeBytes: number) => setData(path, Buffer.alloc(sizeBytes));

  test('beyond the sum in flight the connection is closed without a reply', () => {
    const server = withRequests(limits);
    const [one, other] = [server.client(), server.client()];
    one.send(big('/', 600));
    other.send(big('/', 600));
    server.turn();
    expect(other.closed).toBe(true);
    server.settle();
    expect(one.lines()).toEqual([[1, 3, 0]]);
    expect(other.lines()).toEqual([]);
    expect(other.resume().sessionId).toBe(other.sessionId);
  });

  test('small ones do not count', () => {
    const server = withRequests(limits);
    const client = server.client();
    for (let i = 0; i < 30; i++) {
      client.send(big('/', 50));
    }
    server.settle();
    expect(client.lines().length).toBe(30);
  });

  test('each is released with its own answer, though the connection is never idle', () => {
    const server = withRequests(limits);
    const client = server.client();
    client.send(big('/', 600));
    server.turn();
    for (let i = 0; i < 20; i++) {
      const [completion] = server.world.disk.drain();
      server.world.push(completion); // answers the one before
      client.send(setData('/', 'small'));
      server.turn();
      client.send(i % 2 === 0 ? big('/', 600) : setData('/', 'small'));
      const [next] = server.world.disk.drain();
      server.world.push(next);
      server.turn();
    }
    server.settle();
    expect(client.closed).toBe(false);
    expect(client.lines().length).toBe(41);
  });

  test('refused, malformed and abandoned ones are released as well', () => {
    const server = withRequests(limits);
    const client = server.client();
    for (let i = 0; i < 5; i++) {
      expect(client.err(big('/nosuch', 600))).toBe(-101);
      expect(client.err(raw(OpCode.setData, Buffer.alloc(600, 0x7f)))).toBe(-5);
      expect(client.err(raw(OpCode.multi, Buffer.alloc(600)))).toBe(-5);
    }
    client.send(big('/', 900));
    server.turn();
    client.disconnect();
    expect(server.client().err(big('/', 900))).toBe(0);
  });
});

describe('the length of a transaction (§1.3)', () => {
  const byEveryone = (perms: number) => ({ perms, id: { scheme: 'auth', id: '' } });

  function withManyIdentities(): TestClient {
    const client = new TestServer().client();
    for (let i = 0; i < 60; i++) {
      client.get(auth('digest', `a user with quite a long name ${i}:p`));
    }
    return client;
  }

  test('an ACL that expands to more than a server could read back: -5, for one write and for a multi', () => {
    const client = withManyIdentities();
    const long = Array.from({ length: 1000 }, (_, i) => byEveryone(i));
    expect(client.err(create('/n', { acl: long }))).toBe(-5);
    expect(client.err(setACL('/', long))).toBe(-5);
    const parts = Array.from({ length: 1000 }, (_, i) => create(`/n${i}`, { acl: [byEveryone(31)] }));
    expect(client.err(multi(...parts))).toBe(-5);
    expect(client.get(multi(...parts.slice(0, 100))).length).toBe(100);
    expect(client.err(create('/after', { flags: 2 }))).toBe(0);
    expect(client.get(getChildren('/')).children).toContain('after0000000100');
    client.server.restart();
    expect(client.server.client().err(exists('/after0000000100'))).toBe(0);
  });

  test('an ACL that would fill the memory is not even expanded', () => {
    const client = withManyIdentities();
    const long = Array.from({ length: 20_000 }, (_, i) => byEveryone(i));
    expect(client.err(create('/n', { acl: long }))).toBe(-5);
  });

  test('a session ends however many nodes it has', () => {
    const server = new TestServer({ replica: { storage: { ...simulatedOptions.storage, fieldBytesMax: 2000 } } });
    const client = server.client();
    for (let i = 0; i < 200; i++) {
      client.get(create(`/ephemeral-${i}`, { flags: 1 }));
    }
    client.close();
    expect(server.client().get(getChildren('/')).children).toEqual(['zookeeper']);
    server.restart();
    expect(server.client().get(getChildren('/')).children).toEqual(['zookeeper']);
  });
});

describe('the connection throttle', () => {
  const throttle = (changes: Partial<typeof simulatedOptions.connectionThrottle>) =>
    new TestServer({ replica: { connectionThrottle: { ...simulatedOptions.connectionThrottle, ...changes } } });

  test('out of tokens: closed without an answer; tokens come back with time', () => {
    const server = throttle({ tokens: 2, fillTimeMs: 1000, fillCount: 1 });
    expect([server.client().closed, server.client().closed]).toEqual([false, false]);
    const third = server.connect();
    expect(third.shakeHands()).toBeNull();
    expect(third.closed).toBe(true);
    server.world.clock.advance(1000);
    expect(server.client().closed).toBe(false);
    expect(server.connect().shakeHands()).toBeNull();
  });

  test('a resume takes a token, too, and none was taken from the session by the refusal', () => {
    const server = throttle({ tokens: 1, fillTimeMs: 1000, fillCount: 1 });
    const client = server.client();
    const again = client.resume();
    expect(again.wire.handshake).toBeNull();
    expect(client.closed).toBe(false); // decided before the older connection is looked for
    server.world.clock.advance(1000);
    expect(client.resume().sessionId).toBe(client.sessionId);
  });

  test('with weights a new session costs three of three times as many, a resume two', () => {
    const server = throttle({ tokens: 2, fillTimeMs: 1_000_000, weightEnabled: true });
    const client = server.client(); // 6 − 3
    expect(client.resume().sessionId).toBe(client.sessionId); // − 2
    expect(server.connect().shakeHands()).toBeNull();
  });
});

describe('clients that do not read', () => {
  test('their requests wait, then they are cut off', () => {
    const server = new TestServer({ replica: { unsentBytesPause: 1000, unsentBytesMax: 10_000 } });
    const client = server.client();
    client.get(create('/a', { data: Buffer.alloc(500) }));
    const { connection } = client.wire;
    connection.unsentBytes = 1001;
    client.send(getData('/a'));
    server.turn();
    expect(connection.paused).toBe(true);
    client.send(getData('/a'));
    server.settle();
    expect(client.lines().length).toBe(1);
    connection.unsentBytes = 0;
    server.world.push({ kind: 'client-drained', connection });
    server.settle();
    expect(client.lines().length).toBe(1);
    expect(connection.paused).toBe(false);
    client.get(addWatch('/a', 1));
    connection.unsentBytes = 5000; // what it has asked for
    client.send(getData('/a'));
    server.settle();
    const other = server.client();
    const eventAt = (unsentBytes: number) => {
      connection.unsentBytes = unsentBytes;
      other.get(setData('/a', ''));
    };
    eventAt(15_000);
    expect(client.closed).toBe(false);
    eventAt(15_001);
    expect(client.closed).toBe(true);
    expect(server.warnings.join()).toContain('does not read');
  });

  test('one answer of any size gets through', () => {
    const server = new TestServer({ replica: { unsentBytesPause: 1000, unsentBytesMax: 10_000 } });
    const client = server.client();
    client.get(create('/a', { data: Buffer.alloc(500_000) }));
    const { connection } = client.wire;
    for (const request of [getData('/a'), multiRead(getData('/a'), getData('/a'), getData('/a'))]) {
      connection.blocked = true;
      client.send(request);
      server.settle();
      expect(client.closed).toBe(false);
      connection.unblock();
      server.world.push({ kind: 'client-drained', connection });
      server.settle();
      expect(client.lines().length).toBe(1);
    }
  });
});

describe('requests that ask for much', () => {
  /** Sizes of the writes to a connection. */
  function writesTo(client: TestClient): number[] {
    const { connection } = client.wire;
    const sizes: number[] = [];
    const write = connection.write.bind(connection);
    connection.write = (bytes) => {
      sizes.push(bytes.length);
      return write(bytes);
    };
    return sizes;
  }

  test('a pipeline of reads is answered bit by bit, in order', () => {
    const server = new TestServer();
    const client = server.client();
    client.get(create('/big', { data: Buffer.alloc(100_000) }));
    const sizes = writesTo(client);
    for (let i = 0; i < 300; i++) {
      client.send(getData('/big'));
    }
    client.send(setData('/big', ''));
    client.send(getData('/big'));
    server.turn();
    server.settle();
    expect(client.lines().map(([xid]) => xid)).toEqual(Array.from({ length: 302 }, (_, i) => i + 2));
    expect(Math.max(...sizes)).toBeLessThan(2 * (1 << 20));
    expect(client.wire.connection.paused).toBe(false);
  });

  test('a client that does not read gets no more than it can be expected to take, and loses nothing', () => {
    const server = new TestServer({ replica: { unsentBytesPause: 300_000, unsentBytesMax: 1_000_000 } });
    const client = server.client();
    client.get(create('/big', { data: Buffer.alloc(100_000) }));
    const { connection } = client.wire;
    connection.blocked = true;
    for (let i = 0; i < 30; i++) {
      client.send(getData('/big'));
    }
    server.settle();
    expect(connection.unsentBytes).toBeLessThan(500_000);
    expect(client.closed).toBe(false);
    for (let i = 0; i < 10; i++) {
      connection.unblock();
      server.world.push({ kind: 'client-drained', connection });
      server.settle();
    }
    expect(client.lines().length).toBe(30);
  });

  test('reads that wait for a write: no more are taken than a client that reads slowly can be sent', () => {
    const server = new TestServer({ replica: { unsentBytesPause: 1 << 20, unsentBytesMax: 128 << 20 } });
    const client = server.client();
    client.get(create('/big'));
    client.get(create('/small'));
    const { connection } = client.wire;
    const total = 1 + 300;
    connection.blocked = true;
    client.send(setData('/big', Buffer.alloc(1_000_000))); // the reads behind it do not look large yet
    for (let i = 1; i < total; i++) {
      client.send(getData(i % 10 === 0 ? '/small' : '/big'));
    }
    let answered = 0;
    for (let round = 0; answered < total; round++) {
      server.settle();
      expect(connection.unsentBytes).toBeLessThan(68 << 20);
      expect(client.closed).toBe(false);
      expect(round).toBeLessThan(total);
      connection.unblock();
      connection.blocked = true;
      server.world.push({ kind: 'client-drained', connection });
      answered += client.lines().length;
    }
  });

  test('reads of large nodes that wait for a write are few', () => {
    const server = new TestServer({ replica: { unsentBytesPause: 300_000, unsentBytesMax: 1_000_000 } });
    const client = server.client();
    client.get(create('/big', { data: Buffer.alloc(100_000) }));
    const { connection } = client.wire;
    connection.blocked = true;
    client.send(setData('/big', Buffer.alloc(100_000)));
    for (let i = 0; i < 30; i++) {
      client.send(i % 2 === 0 ? getData('/big') : multiRead(getData('/big')));
    }
    server.settle();
    expect(connection.unsentBytes).toBeLessThan(600_000);
    for (let i = 0; i < 12; i++) {
      connection.unblock();
      server.world.push({ kind: 'client-drained', connection });
      server.settle();
    }
    expect(client.lines().length).toBe(31);
    expect(client.closed).toBe(false);
  });

  test('a multiRead that asks for more than 64 MB: -5', () => {
    const client = new TestServer().client();
    client.get(create('/big', { data: Buffer.alloc(1_000_000) }));
    expect(client.err(multiRead(...Array.from({ length: 70 }, () => getData('/big'))))).toBe(-5);
    expect(client.err(exists('/big'))).toBe(0);
  });
});

describe('a full disk', () => {
  test('writes are refused with -119, reads go on, and sessions do not expire', () => {
    const errors: string[] = [];
    const log = { info: () => {}, warn: () => {}, error: (message: string) => void errors.push(message) };
    const server = new TestServer({ log });
    const client = server.client({ timeoutMs: 4000 });
    client.get(create('/a'));
    server.world.disk.full = true;
    client.send(setData('/a', Buffer.alloc(10_000)));
    server.settle();
    expect(client.lines()).toEqual([]); // it waits for room
    client.send(setData('/a', 'x'));
    client.send(multi(remove('/a')));
    server.settle();
    expect(client.closed).toBe(false);
    const reader = server.connect();
    expect(reader.shakeHands()).toBeNull(); // no session can be logged
    server.advance(20_000, 500);
    expect(client.closed).toBe(false);
    client.send(ping());
    server.world.disk.full = false;
    server.advance(1000, 500);
    expect(client.lines()).toEqual([
      [2, 3, 0],
      [3, 3, -119],
      [4, 3, -119],
      [-2, 3, 0],
    ]);
    expect(client.err(setData('/a', 'y'))).toBe(0);
    expect(errors.length).toBe(1);
    expect(errors[0]).toContain('full');
  });
});

describe('the first four bytes (§2.1)', () => {
  const control: ServerControl = {
    resetStatistics: () => {},
    resetConnectionStatistics: () => {},
  } as unknown as ServerControl;

  function answers(words: string[] | null, ...chunks: string[]): { text: string; closed: boolean } {
    const whitelist = new WordWhitelist(words?.join() ?? null, false);
    const server = new TestServer({ probe: probeAnswerer(whitelist, fakeView(), control) });
    const client = server.connect();
    for (const chunk of chunks) {
      client.wire.sendBytes(Buffer.from(chunk, 'latin1'));
      server.settle();
    }
    return { text: client.wire.connection.take().toString(), closed: client.closed };
  }

  test('trap 39: a word may come in pieces, without a newline; what follows is ignored; then the close', () => {
    for (const chunks of [['ruok'], ['ruok\n'], ['r', 'u', 'o', 'k'], ['ru', 'ok\r\n'], ['ruokruok']]) {
      expect(answers(['ruok'], ...chunks)).toEqual({ text: 'imok', closed: true });
    }
  });

  test('trap 40: only srvr is open by default; the others get the refusal', () => {
    expect(answers(null, 'srvr').text).toContain('Zookeeper version');
    expect(answers(null, 'ruok')).toEqual({
      text: 'ruok is not executed because it is not in the whitelist.\n',
      closed: true,
    });
  });

  test.each(['lsnr', 'GET ', 'xxxx'])('%j is no word but a frame too long: closed without a byte', (text) => {
    expect(answers(['*'], text)).toEqual({ text: '', closed: true });
  });

  test('after the handshake a word is a frame too long', () => {
    const whitelist = new WordWhitelist('*', false);
    const server = new TestServer({ probe: probeAnswerer(whitelist, fakeView(), control) });
    const client = server.client();
    client.wire.sendBytes(Buffer.from('ruok'));
    server.settle();
    expect(client.closed).toBe(true);
    expect(client.wire.connection.take().length).toBe(0);
  });
});
