/** Frames from client-protocol.md, byte for byte. */
import {
  AuthPacket,
  ConnectRequest,
  ConnectResponse,
  CreateRequest,
  ErrorResult,
  FrameReader,
  JuteError,
  JuteReader,
  MultiHeader,
  ReplyHeader,
  RequestHeader,
  SetDataRequest,
  SetWatches,
  Stat,
  WatchedPathRequest,
  WatcherEvent,
} from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { bytesOf, encodedHex, hexOf, readerOf, text } from '../support/hex.ts';

/** A reader on the payload of the only frame in these bytes. */
function payloadOf(hex: string): JuteReader {
  const readers: JuteReader[] = [];
  new FrameReader(1_048_575).push(bytesOf(hex), (bytes, start, end) => {
    readers.push(new JuteReader(new Uint8Array(bytes.subarray(start, end))));
    return true;
  });
  expect(readers).toHaveLength(1);
  return readers[0];
}

describe('the handshake (§1.2)', () => {
  test('a new session is asked for', () => {
    const zeros = '00'.repeat(16);
    const reader = payloadOf(`0000002d 00000000 0000000000000000 00002710 0000000000000000 00000010 ${zeros} 00`);
    const request = ConnectRequest.decode(reader);
    expect(request).toEqual({
      protocolVersion: 0,
      lastZxidSeen: 0n,
      timeOut: 10000,
      sessionId: 0n,
      passwd: new Uint8Array(16),
    });
    expect([reader.remaining, reader.boolean()]).toEqual([1, false]);
    expect(encodedHex(ConnectRequest, request)).toHaveLength(2 * 44);
  });

  test('and granted', () => {
    const password = '1c2fbf8e79681f0e5afdc820ea03cdb9';
    const reader = payloadOf(`00000025 00000000 00002710 0100001b5d920000 00000010 ${password} 00`);
    const response = ConnectResponse.decode(reader);
    expect(response).toEqual({
      protocolVersion: 0,
      timeOut: 10000,
      sessionId: 0x100001b5d920000n,
      passwd: bytesOf(password),
    });
    expect(reader.remaining).toBe(1);
    expect(encodedHex(ConnectResponse, response)).toHaveLength(2 * 36);
  });
});

test('getData /a with a watch (§1.2)', () => {
  const hex = '00000001 00000004 00000002 2f61 01';
  const reader = payloadOf(`0000000f ${hex}`);
  expect(RequestHeader.decode(reader)).toEqual({ xid: 1, type: 4 });
  expect(WatchedPathRequest.decode(reader)).toEqual({ path: '/a', watch: true });
  expect(reader.remaining).toBe(0);
  const written = hexOf((writer) => {
    RequestHeader.encode(writer, { xid: 1, type: 4 });
    WatchedPathRequest.encode(writer, { path: '/a', watch: true });
  });
  expect(written).toBe(hex.replaceAll(' ', ''));
});

test('a watch event (§1.2)', () => {
  const hex = 'ffffffff 00000000000004d4 00000000 00000003 00000003 00000002 2f61';
  const reader = payloadOf(`0000001e ${hex}`);
  expect(ReplyHeader.decode(reader)).toEqual({ xid: -1, zxid: 0x4d4n, err: 0 });
  expect(WatcherEvent.decode(reader)).toEqual({ type: 3, state: 3, path: '/a' });
  const written = hexOf((writer) => {
    ReplyHeader.encode(writer, { xid: -1, zxid: 0x4d4, err: 0 });
    WatcherEvent.encode(writer, { type: 3, state: 3, path: '/a' });
  });
  expect(written).toBe(hex.replaceAll(' ', ''));
});

describe('sizes that the protocol tells', () => {
  test('a Stat has 68 bytes, a MultiHeader 9, the headers 8 and 16, the answer to addWatch 4', () => {
    const stat = Stat.decode(readerOf('00'.repeat(68)));
    expect(encodedHex(Stat, stat)).toHaveLength(2 * 68);
    expect(encodedHex(MultiHeader, { type: -1, done: true, err: -1 })).toBe('ffffffff01ffffffff');
    expect(encodedHex(RequestHeader, { xid: -2, type: 11 })).toBe('fffffffe0000000b');
    expect(encodedHex(ReplyHeader, { xid: -2, zxid: 1n, err: 0 })).toBe('fffffffe000000000000000100000000');
    expect(encodedHex(ErrorResult, { err: 0 })).toBe('00000000');
  });
});

describe('null (§3.4, §8.3)', () => {
  test('is kept where the server must judge it', () => {
    expect(SetDataRequest.decode(readerOf('ffffffff ffffffff ffffffff'))).toEqual({
      path: null,
      data: null,
      version: -1,
    });
    expect(CreateRequest.decode(readerOf('00000002 2f61 ffffffff ffffffff 00000000'))).toEqual({
      path: '/a',
      data: null,
      acl: null,
      flags: 0,
    });
    expect(AuthPacket.decode(readerOf('00000000 ffffffff ffffffff'))).toEqual({ type: 0, scheme: null, auth: null });
    const withNullScheme = '00000002 2f61 00000000 00000001 0000001f ffffffff 00000000 00000000';
    expect(CreateRequest.decode(readerOf('ffffffff 00000000 00000000 00000000')).path).toBeNull();
    const withNullId = '00000002 2f61 00000000 00000001 0000001f 00000000 ffffffff 00000000';
    expect(CreateRequest.decode(readerOf(withNullId)).acl).toEqual([{ perms: 31, id: { scheme: '', id: null } }]);
    expect(CreateRequest.decode(readerOf(withNullScheme)).acl).toEqual([{ perms: 31, id: { scheme: null, id: '' } }]);
  });

  test('does not decode where it is an error of the request', () => {
    for (const action of [
      () => WatchedPathRequest.decode(readerOf('ffffffff 01')),
      () => SetWatches.decode(readerOf('0000000000000000 ffffffff 00000000 00000000')),
    ]) {
      expect(action).toThrow(JuteError);
    }
  });

  test('null data and empty data are two things', () => {
    expect(encodedHex(SetDataRequest, { path: '/', data: null, version: -1 })).toBe('000000012fffffffffffffffff');
    expect(encodedHex(SetDataRequest, { path: '/', data: text(''), version: -1 })).toBe('000000012f00000000ffffffff');
  });
});
