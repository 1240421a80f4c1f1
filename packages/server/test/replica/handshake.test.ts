/** Handshakes and the ends of connections (client-protocol.md §2). */
import { ConnectRequest, OpCode, RequestHeader } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { sessionPassword } from '../../src/sessions/password.ts';
import { auth, closeSession, create, exists, getData, ping, type Request, raw, setData } from './requests.ts';
import { bytesOf, frame, TestServer } from './support.ts';

function requestFrame(xid: number, request: Request): Buffer {
  const payload = bytesOf((writer) => {
    RequestHeader.encode(writer, { xid, type: request.opcode });
    request.encode(writer);
  });
  return frame(payload);
}

const GONE = { protocolVersion: 0, timeOut: 0, sessionId: 0n, passwd: new Uint8Array(16) };

describe('the records (§2.2)', () => {
  test('a new session gets an id, a password that follows from it, and the negotiated timeout', () => {
    const client = new TestServer().connect();
    const answer = client.shakeHands({ timeOut: 10_000 });
    expect(answer).toEqual({
      protocolVersion: 0,
      timeOut: 10_000,
      sessionId: client.sessionId,
      passwd: sessionPassword(client.sessionId),
    });
    expect(client.sessionId >> 56n).toBe(1n); // the server's id in the top byte
  });

  test.each([
    [true, 41],
    [false, 41],
    [null, 40],
  ])('trap 1: the read-only byte is in the answer iff it was in the request (%s)', (readOnly, sizeBytes) => {
    const server = new TestServer();
    const client = server.connect();
    client.wire.sendHandshake({}, readOnly);
    server.settle();
    const bytes = client.wire.connection.take();
    expect(bytes.length).toBe(sizeBytes);
    expect(bytes.readInt32BE(0)).toBe(sizeBytes - 4);
    expect(bytes.subarray(20, 24).readInt32BE()).toBe(16); // always 16 bytes of password
    expect(bytes[40] ?? 0).toBe(0);
  });

  test('trap 1: the "gone" answer keeps to the same rule', () => {
    const server = new TestServer();
    const sizes = [true, null].map((readOnly) => {
      const client = server.connect();
      client.wire.sendHandshake({ sessionId: 77n }, readOnly);
      server.settle();
      return client.wire.connection.take().length;
    });
    expect(sizes).toEqual([41, 40]);
  });

  test('protocol version, password of a new session and trailing bytes do not matter', () => {
    const server = new TestServer();
    for (const passwd of [null, new Uint8Array(0), new Uint8Array(99)]) {
      expect(server.connect().shakeHands({ protocolVersion: 77, passwd })?.timeOut).toBe(10_000);
    }
    const client = server.connect();
    const request = { protocolVersion: 0, lastZxidSeen: 0n, timeOut: 5000, sessionId: 0n, passwd: null };
    const record = bytesOf((writer) => ConnectRequest.encode(writer, request));
    client.wire.sendBytes(frame(Buffer.concat([record, Buffer.from([1, 9, 9, 9])])));
    server.settle();
    client.wire.receive();
    expect(client.wire.handshake?.timeOut).toBe(5000);
    expect(client.wire.handshakeRest).toBe(1);
  });

  test('too short for the length of the password: closed', () => {
    const server = new TestServer();
    const client = server.connect();
    client.wire.sendBytes(frame(Buffer.alloc(27)));
    server.settle();
    expect(client.closed).toBe(true);
    expect(client.wire.connection.take().length).toBe(0);
  });
});

describe('the order of decisions (§2.3)', () => {
  test.each([
    [1, 4000],
    [0, 4000],
    [-5, 4000],
    [3999, 4000],
    [4001, 4001],
    [40_001, 40_000],
    [2 ** 31 - 1, 40_000],
  ])('row 5: a wish of %i ms becomes %i', (wish, timeoutMs) => {
    expect(new TestServer().connect().shakeHands({ timeOut: wish })?.timeOut).toBe(timeoutMs);
  });

  test('row 6: creating a session takes a zxid, and the answer comes after it is applied', () => {
    const server = new TestServer();
    const client = server.connect();
    client.wire.sendHandshake();
    server.turn();
    client.wire.receive();
    expect(client.wire.handshake).toBeNull();
    server.settle();
    client.wire.receive();
    expect(client.wire.handshake).not.toBeNull();
    expect(server.lastZxid).toBe(1);
  });

  test('trap 26: row 4: a client that has seen more than the server is turned away without a word', () => {
    const server = new TestServer();
    const first = server.client();
    expect(server.lastZxid).toBe(1);
    const ahead = first.resume({ lastZxidSeen: 2n });
    expect(ahead.closed).toBe(true);
    expect(ahead.wire.handshake).toBeNull();
    expect(first.closed).toBe(false); // row 4 is before row 8
    expect(first.resume({ lastZxidSeen: 1n }).sessionId).toBe(first.sessionId);
  });

  test('rows 8 and 11: a resume closes the older connection and keeps id, password and ephemerals', () => {
    const server = new TestServer();
    const first = server.client();
    first.get(create('/e', { flags: 1 }));
    const second = first.resume();
    expect(first.closed).toBe(true);
    expect(second.wire.handshake).toEqual({ ...first.wire.handshake });
    expect(second.get(exists('/e')).stat.ephemeralOwner).toBe(first.sessionId);
    expect(server.lastZxid).toBe(2); // a resume is no transaction
  });

  test('a resume may ask for another timeout, which later touches use', () => {
    const server = new TestServer();
    const first = server.client({ timeoutMs: 10_000 });
    const second = first.resume({ timeOut: 7000 });
    expect(second.wire.handshake?.timeOut).toBe(7000);
    server.advance(9001);
    expect(second.closed).toBe(true);
    expect(second.resume().wire.handshake).toEqual(GONE);
  });

  test.each([new Uint8Array(16), new Uint8Array(15), null])(
    'trap 24: row 9: a wrong password (%s) closes the older connection all the same; the session lives',
    (passwd) => {
      const server = new TestServer();
      const first = server.client();
      const thief = first.resume({ passwd });
      expect(thief.wire.handshake).toEqual(GONE);
      expect(thief.wire.handshakeRest).toBe(1);
      expect(thief.closed).toBe(true);
      expect(first.closed).toBe(true);
      expect(first.resume().sessionId).toBe(first.sessionId);
    },
  );

  test('row 10: unknown and closed sessions get the "gone" answer', () => {
    const server = new TestServer();
    const stranger = server.connect();
    expect(stranger.shakeHands({ sessionId: 42n, passwd: sessionPassword(42n) })).toEqual(GONE);
    expect(stranger.closed).toBe(true);
    const client = server.client();
    client.get(closeSession());
    expect(client.resume().wire.handshake).toEqual(GONE);
  });

  test('row 10: a session whose end is on its way is gone', () => {
    const server = new TestServer();
    const client = server.client();
    client.send(closeSession());
    server.turn();
    const again = server.connect();
    again.wire.sendHandshake({ sessionId: client.sessionId, passwd: client.wire.password });
    server.settle();
    again.wire.receive();
    expect(again.wire.handshake).toEqual(GONE);
  });

  test('a resume without a session id is a new session, and with session id 0 no password is right', () => {
    const server = new TestServer();
    const client = server.client();
    const other = client.resume({ sessionId: 0n, passwd: client.wire.password });
    expect(other.sessionId).not.toBe(client.sessionId);
    expect(client.closed).toBe(false);
  });

  test('what is pipelined behind the handshake is answered after it', () => {
    const server = new TestServer();
    const client = server.connect();
    client.wire.sendHandshake();
    client.send(create('/a'));
    client.send(getData('/a'));
    server.settle();
    expect(client.lines()).toEqual([
      [1, 2, 0],
      [2, 2, 0],
    ]);
    expect(client.wire.handshake).not.toBeNull();
  });

  test('all of it in one segment, or byte by byte, for global and local sessions', () => {
    for (const localSessionsEnabled of [false, true]) {
      for (const bytewise of [false, true]) {
        const server = new TestServer({ replica: { localSessionsEnabled } });
        const client = server.connect();
        const connect = { protocolVersion: 0, lastZxidSeen: 0n, timeOut: 5000, sessionId: 0n, passwd: null };
        const stream = Buffer.concat([
          frame(bytesOf((writer) => ConnectRequest.encode(writer, connect))),
          requestFrame(1, create('/a')),
          requestFrame(2, exists('/a')),
        ]);
        for (const piece of bytewise ? Array.from(stream, (byte) => Uint8Array.of(byte)) : [stream]) {
          client.wire.sendBytes(piece);
        }
        server.settle();
        const zxid = localSessionsEnabled ? 1 : 2;
        expect(client.lines()).toEqual([
          [1, zxid, 0],
          [2, zxid, 0],
        ]);
      }
    }
  });

  test('what is pipelined behind a handshake that finds its session gone is dropped', () => {
    const server = new TestServer();
    const client = server.connect();
    client.wire.sendHandshake({ sessionId: 42n });
    client.send(create('/a'));
    server.settle();
    expect(client.lines()).toEqual([]);
    expect(client.wire.handshake).toEqual(GONE);
    expect(server.lastZxid).toBe(0);
  });

  test('a client that leaves before its session is made leaves a session that expires', () => {
    const server = new TestServer();
    const client = server.connect();
    client.wire.sendHandshake({ timeOut: 4000 });
    server.turn();
    client.disconnect();
    expect(server.replica.world.sessions.size).toBe(1);
    server.advance(6001);
    expect(server.replica.world.sessions.size).toBe(0);
  });
});

describe('the order of closing (§2.9)', () => {
  test('closeSession: the reply, then the end; pipelined requests get nothing', () => {
    const server = new TestServer();
    const client = server.client();
    expect(client.pipeline(create('/a'), closeSession(), create('/b'), ping())).toEqual([
      [1, 2, 0],
      [2, 3, 0],
    ]);
    expect(client.closed).toBe(true);
    expect(server.client().err(exists('/b'))).toBe(-101);
  });

  test('a refusal does not cost the events and answers that come before it, and the socket is read on', () => {
    const server = new TestServer();
    const client = server.client();
    client.get(create('/a'));
    client.get(getData('/a', true));
    client.send(setData('/a', 'x'));
    client.send(auth('nosuch', 'x'), -4);
    server.turn();
    client.send(create('/b')); // comes while the answers wait: read, and dropped
    expect(client.wire.connection.paused).toBe(false);
    server.settle();
    expect(client.lines()).toEqual([
      ['event', 3, '/a', 3],
      [3, 3, 0],
      [-4, 0, -115],
    ]);
    expect(client.closed).toBe(true);
    expect(server.lastZxid).toBe(3);
  });

  test('an expired session: closed without a message', () => {
    const server = new TestServer();
    const client = server.client({ timeoutMs: 4000 });
    server.advance(6001);
    expect(client.closed).toBe(true);
    expect(client.lines()).toEqual([]);
    expect(client.resume().wire.handshake).toEqual(GONE);
  });

  test('trap 25: bad auth ends the connection, not the session', () => {
    const server = new TestServer();
    const client = server.client();
    expect(client.ask(auth('nosuch', 'x'), -4)).toMatchObject({ xid: -4, zxid: 0, err: -115 });
    expect(client.closed).toBe(true);
    expect(client.resume().sessionId).toBe(client.sessionId);
  });

  test.each([0, 10, 13, 20, 99, 108, -1, -10, -12, 1000, 2 ** 31 - 1, -(2 ** 31)])(
    'trap 27: opcode %i is answered with -6 and zxid -1, and the connection ends; the session lives on',
    (opcode) => {
      const server = new TestServer();
      const client = server.client();
      expect(client.ask(raw(opcode))).toMatchObject({ xid: 1, zxid: -1, err: -6 });
      expect(client.closed).toBe(true);
      expect(server.lastZxid).toBe(1);
      expect(client.resume().sessionId).toBe(client.sessionId);
    },
  );

  test('trap 27: nothing behind an unknown opcode is looked at', () => {
    const server = new TestServer();
    const client = server.client();
    expect(client.pipeline(create('/a'), raw(OpCode.notification), create('/b'))).toEqual([
      [1, 2, 0],
      [2, -1, -6],
    ]);
    expect(server.client().err(exists('/b'))).toBe(-101);
  });

  test('the process stops: what is in flight is finished, and the log is quiet then', () => {
    const server = new TestServer();
    const client = server.client();
    client.send(setData('/', 'x'));
    server.turn();
    server.replica.stop();
    expect(server.replica.stopped).toBe(false);
    client.send(setData('/', 'y'));
    server.settle();
    expect(server.replica.stopped).toBe(true);
    expect(client.lines()).toEqual([[1, 2, 0]]);
  });
});
