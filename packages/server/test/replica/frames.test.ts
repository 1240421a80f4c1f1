/** Encoding and framing at the server's end of the wire (client-protocol.md §1). */
import { MultiHeader, OpCode } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import {
  create,
  create2,
  exists,
  getChildren,
  getData,
  multi,
  ping,
  raw,
  remove,
  setData,
  withJunk,
} from './requests.ts';
import { bytesOf, frame, TestServer } from './support.ts';

const FRAME_BYTES_MAX = 1_048_575;

describe('primitives (§1.1)', () => {
  test('trap 2: null and empty data are distinct, and both survive', () => {
    const server = new TestServer();
    const client = server.client();
    client.get(create('/null', { data: null }));
    client.get(create('/empty', { data: '' }));
    const look = (who = client) =>
      ['/null', '/empty'].map((path) => {
        const { data, stat } = who.get(getData(path));
        return [data === null ? null : data.length, stat.dataLength];
      });
    expect(look()).toEqual([
      [null, 0],
      [0, 0],
    ]);
    client.get(setData('/null', ''));
    client.get(setData('/empty', null));
    expect(look()).toEqual([
      [0, 0],
      [null, 0],
    ]);
    server.restart();
    expect(look(server.client())).toEqual([
      [0, 0],
      [null, 0],
    ]);
  });

  test('bytes after the last field are ignored', () => {
    const client = new TestServer().client();
    const junk = Buffer.from('junk');
    expect(client.err(withJunk(create('/a'), junk))).toBe(0);
    expect(client.err(withJunk(getData('/a'), junk))).toBe(0);
    expect(client.err(withJunk(multi(setData('/a', 'x')), junk))).toBe(0);
    expect(client.err(withJunk(ping(), junk))).toBe(0);
    expect(client.err(withJunk(remove('/a'), junk))).toBe(0);
  });

  test.each([1, 2, 0xff])('a boolean is true for any byte but 0: %i', (byte) => {
    const server = new TestServer();
    const client = server.client();
    const body = Buffer.concat([bytesOf((writer) => writer.ustring('/a')), Buffer.from([byte])]);
    expect(client.err(raw(OpCode.exists, body))).toBe(-101);
    server.client().get(create('/a'));
    expect(client.eventNames()).toEqual([[1, '/a']]);
  });

  test.each([
    ['a path of length −2', 'fffffffe 00'],
    ['a path longer than the frame', '000000ff 2f 00'],
    ['no watch flag', '00000002 2f61'],
    ['a null path', 'ffffffff 00'],
    ['nothing', ''],
  ])('a body that does not decode is answered with -5, and the connection stays: %s', (_, hex) => {
    const client = new TestServer().client();
    const body = Buffer.from(hex.replaceAll(' ', ''), 'hex');
    expect(client.ask(raw(OpCode.getData, body))).toMatchObject({ xid: 1, zxid: 1, err: -5 });
    expect(client.err(exists('/'))).toBe(0);
  });

  test('a negative count other than −1 is an empty list', () => {
    const client = new TestServer().client();
    const list = (count: number) => bytesOf((writer) => [0, 0, count, -7, -9].forEach((word) => writer.int(word)));
    expect(client.err(raw(OpCode.setWatches, list(-2)))).toBe(0);
    expect(client.err(raw(OpCode.setWatches, list(-1)))).toBe(-5);
  });

  test('malformed UTF-8 becomes U+FFFD: reads miss, writes are refused', () => {
    const client = new TestServer().client();
    const path = Buffer.from('000000032f61ff', 'hex');
    expect(client.err(raw(OpCode.getData, Buffer.concat([path, Buffer.from([0])])))).toBe(-101);
    expect(client.err(raw(OpCode.delete, Buffer.concat([path, Buffer.alloc(4)])))).toBe(-101);
    const rest = create('').encode;
    const body = bytesOf((writer) => rest(writer)).subarray(4);
    expect(client.err(raw(OpCode.create, Buffer.concat([path, body])))).toBe(-8);
  });
});

describe('frames (§1.2, §1.3)', () => {
  test.each([0, 4, 7])('a frame of %i bytes has no header: closed without an answer', (sizeBytes) => {
    const server = new TestServer();
    const client = server.client();
    client.wire.sendBytes(frame(Buffer.alloc(sizeBytes)));
    server.settle();
    expect(client.closed).toBe(true);
    expect(client.lines()).toEqual([]);
  });

  test('a request may come byte by byte, and many in one piece', () => {
    const server = new TestServer();
    const client = server.client();
    const request = create('/a');
    const payload = bytesOf((writer) => {
      writer.int(9);
      writer.int(request.opcode);
      request.encode(writer);
    });
    for (const byte of frame(payload)) {
      client.wire.sendBytes(Uint8Array.of(byte));
    }
    server.settle();
    const header = bytesOf((writer) => {
      writer.int(10);
      writer.int(OpCode.ping);
    });
    client.wire.sendBytes(Buffer.concat([frame(header), frame(header), frame(header)]));
    server.settle();
    expect(client.lines()).toEqual([[9, 2, 0], ...Array(3).fill([-2, 2, 0])]);
  });

  test('trap 41: the limit is the frame’s, 1048575 bytes inclusive, and is judged on the prefix alone', () => {
    const server = new TestServer();
    const client = server.client();
    client.get(create('/abc'));
    const overhead = 8 + 4 + 4 + 4 + 4; // header, path, lengths, version
    expect(client.err(setData('/abc', Buffer.alloc(FRAME_BYTES_MAX - overhead)))).toBe(0);
    expect(client.get(exists('/abc')).stat.dataLength).toBe(1_048_551);
    const prefix = Buffer.alloc(4);
    prefix.writeInt32BE(FRAME_BYTES_MAX + 1);
    client.wire.sendBytes(prefix);
    server.settle();
    expect(client.closed).toBe(true);
    expect(client.lines()).toEqual([]);
    expect(client.resume().sessionId).toBe(client.sessionId); // the session survives
  });

  test.each([-1, -(2 ** 31), FRAME_BYTES_MAX + 1, 0x72756f6b])(
    'a frame length of %i closes the connection',
    (length) => {
      const server = new TestServer();
      const client = server.client();
      const prefix = Buffer.alloc(4);
      prefix.writeInt32BE(length);
      client.wire.sendBytes(prefix);
      server.settle();
      expect(client.closed).toBe(true);
    },
  );

  test('trap 41: replies are of any size', () => {
    const client = new TestServer().client();
    client.get(create('/abc', { data: Buffer.alloc(FRAME_BYTES_MAX - 100) }));
    client.get(setData('/abc', Buffer.alloc(FRAME_BYTES_MAX - 24)));
    expect(client.get(getData('/abc')).data?.length).toBe(1_048_551);
    const read = (writer: Parameters<typeof MultiHeader.encode>[0]) => {
      MultiHeader.encode(writer, { type: OpCode.getData, done: false, err: -1 });
      getData('/abc').encode(writer);
    };
    const body = bytesOf((writer) => {
      [1, 2, 3].forEach(() => read(writer));
      MultiHeader.encode(writer, { type: -1, done: true, err: -1 });
    });
    client.send(raw(OpCode.multiRead, body));
    client.server.settle();
    expect(client.wire.connection.take().length).toBeGreaterThan(3 * 1_048_551);
  });

  test('what was received before a bad length is answered', () => {
    const server = new TestServer();
    const client = server.client();
    client.send(getChildren('/'));
    client.wire.sendBytes(Buffer.from('ffffffff', 'hex'));
    server.settle();
    expect(client.lines()).toEqual([[1, 1, 0]]);
    expect(client.closed).toBe(true);
  });

  test('the samples of §1.2, byte for byte', () => {
    const server = new TestServer();
    const client = server.connect();
    const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
    client.wire.sendBytes(
      hex(`0000002d 00000000 0000000000000000 00002710 0000000000000000 00000010 ${'00'.repeat(17)}`),
    );
    server.settle();
    const answer = client.wire.connection.take();
    expect(answer.subarray(0, 12).toString('hex')).toBe('000000250000000000002710');
    expect(answer.subarray(20, 24).toString('hex')).toBe('00000010');
    server.client().get(create2('/a'));
    client.wire.sendBytes(hex('0000000f 00000001 00000004 00000002 2f61 01'));
    server.settle();
    client.wire.connection.take();
    server.client().get(setData('/a', 'x'));
    const zxid = server.lastZxid.toString(16).padStart(16, '0');
    const event = `0000001e ffffffff ${zxid} 00000000 00000003 00000003 00000002 2f61`;
    expect(client.wire.connection.take().toString('hex')).toBe(event.replaceAll(' ', ''));
  });
});
