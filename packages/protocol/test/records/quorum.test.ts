import { readFileSync } from 'node:fs';
import {
  AckEpoch,
  CloseSessionTxn,
  CreateSessionTxn,
  CreateTxn,
  DesignatedLeader,
  decodeInit,
  decodeLearnerInfo,
  decodeNotification,
  ErrorTxn,
  ForwardedRequest,
  INIT_ADDRESSES_BYTES_MAX,
  Init,
  JuteError,
  JuteReader,
  JuteWriter,
  LeaderInfo,
  LearnerInfo,
  Notification,
  NotificationV33,
  NotificationV34,
  PacketType,
  QUORUM_AUTH_MAGIC,
  QuorumAuthPacket,
  QuorumPacket,
  type RecordType,
  RevalidateRequest,
  RevalidateResponse,
  SessionTouch,
  SetDataTxn,
  SNAP_STREAM_END,
  SnapshotAcl,
  SnapshotNode,
  SnapshotSession,
  TxnDigest,
  TxnHeader,
} from '@treekeeper/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bytesOf, encodedHex, readerOf } from '../support/hex.ts';

interface Captured {
  readonly kind: string;
  /** What the capture says of the message. */
  readonly told: string;
  readonly hex: string;
}

const captured: Captured[] = readFileSync(new URL('../golden/quorum-messages.txt', import.meta.url), 'utf8')
  .split(/^(?=[A-Z])/m)
  .slice(1)
  .map((entry) => {
    const [told, ...hex] = entry.split('\n');
    return { kind: told.split(/[ (]/)[0], told, hex: hex.join('').replaceAll(' ', '') };
  });

function of(kind: string): Captured[] {
  const found = captured.filter((message) => message.kind === kind);
  expect(found.length).toBeGreaterThan(0);
  return found;
}

/** The value of `name=` in what the capture says; hex, decimal or LONG_MIN. */
function toldNumber(told: string, name: string): bigint {
  const value = new RegExp(`\\b${name}=(-?\\w+)`).exec(told)?.[1];
  if (value === undefined) {
    throw new Error(`no ${name} in ${told}`);
  }
  return value === 'LONG_MIN' ? -(2n ** 63n) : BigInt.asIntN(64, BigInt(value));
}

/** Decodes all of `bytes` as these records and checks that they write the same again. */
function exactly(bytes: Uint8Array, ...types: RecordType[]): unknown[] {
  const reader = new JuteReader(bytes);
  const values = types.map((type) => type.decode(reader));
  expect(reader.remaining).toBe(0);
  const written = types.map((type, i) => encodedHex(type, values[i])).join('');
  expect(written).toBe(Buffer.from(bytes).toString('hex'));
  return values;
}

const packetNames = new Map<number, string>(
  Object.entries(PacketType).map(([name, type]) => [type, name.toUpperCase()]),
);

describe('captured packets', () => {
  const packets = captured.filter((message) => /^\w+\(\d+\) zxid=/.test(message.told));

  test('are of every type', () => {
    const types = packets.map((message) => QuorumPacket.decode(readerOf(message.hex)).type);
    expect([...new Set(types)].toSorted((a, b) => a - b)).toEqual(Object.values(PacketType));
  });

  test.each(packets)('$told', ({ kind, told, hex }) => {
    const [packet] = exactly(bytesOf(hex), QuorumPacket) as [QuorumPacket];
    expect(packetNames.get(packet.type)).toBe(kind);
    expect(packet.zxid).toBe(toldNumber(told, 'zxid'));
    expect(packet.data?.length).toBe(told.includes('data=null') ? undefined : dataLengthTold(told));
    const authinfo = told.includes("[('ip', '127.0.0.1')]") ? [{ scheme: 'ip', id: '127.0.0.1' }] : null;
    expect(packet.authinfo).toEqual(authinfo);
  });

  function dataLengthTold(told: string): number {
    return Number(/data\[(\d+)\]/.exec(told)?.[1]);
  }
});

function dataOf(message: Captured): Uint8Array {
  const { data } = QuorumPacket.decode(readerOf(message.hex));
  if (data === null) {
    throw new Error(`no data: ${message.told}`);
  }
  return data;
}

describe('data of captured packets', () => {
  test('LearnerInfo', () => {
    for (const message of [...of('FOLLOWERINFO'), ...of('OBSERVERINFO')]) {
      const introduction = decodeLearnerInfo(dataOf(message));
      expect(introduction.serverId).toBe(toldNumber(message.told, 'sid'));
      expect(introduction.protocolVersion).toBe(0x10000);
      if (message.told.includes('configVersion')) {
        const [info] = exactly(dataOf(message), LearnerInfo) as [LearnerInfo];
        expect(introduction).toEqual(info);
        expect(introduction.configVersion).toBe(toldNumber(message.told, 'configVersion'));
      }
    }
  });

  test('LEADERINFO, ACKEPOCH', () => {
    for (const message of of('LEADERINFO')) {
      expect(exactly(dataOf(message), LeaderInfo)).toEqual([{ protocolVersion: 0x10000 }]);
    }
    for (const message of of('ACKEPOCH')) {
      expect(exactly(dataOf(message), AckEpoch)).toEqual([
        { currentEpoch: Number(toldNumber(message.told, 'currentEpoch')) },
      ]);
    }
  });

  test('PROPOSAL, INFORM, INFORMANDACTIVATE: the transaction as it stands in a log', () => {
    const bodies: Record<string, RecordType> = {
      '-10': CreateSessionTxn,
      '-11': CloseSessionTxn,
      '-1': ErrorTxn,
      '1': CreateTxn,
      '5': SetDataTxn,
      '16': SetDataTxn,
    };
    for (const message of [...of('PROPOSAL'), ...of('INFORM'), ...of('INFORMANDACTIVATE')]) {
      let data = dataOf(message);
      if (message.kind === 'INFORMANDACTIVATE') {
        expect(exactly(data.slice(0, 8), DesignatedLeader)).toEqual([{ serverId: 3n }]);
        data = data.slice(8);
      }
      const { type } = TxnHeader.decode(new JuteReader(data));
      expect(BigInt(type)).toBe(toldNumber(message.told, 'type'));
      const digestType = type === -1 ? [] : [TxnDigest];
      const parts = exactly(data, TxnHeader, bodies[type], ...digestType);
      const [header, , digest] = parts as [TxnHeader, unknown, TxnDigest?];
      expect(header.clientId).toBe(toldNumber(message.told, 'clientId'));
      expect(header.time).toBe(toldNumber(message.told, 'time'));
      expect(digest?.treeDigest).toBe(type === -1 ? undefined : toldNumber(message.told, 'treeDigest'));
    }
  });

  test('REQUEST', () => {
    for (const message of of('REQUEST')) {
      const reader = new JuteReader(dataOf(message));
      const request = ForwardedRequest.decode(reader);
      expect([request.sessionId, BigInt(request.cxid), BigInt(request.type)]).toEqual(
        ['sessionId', 'cxid', 'type'].map((name) => toldNumber(message.told, name)),
      );
    }
  });

  test('REVALIDATE, COMMITANDACTIVATE', () => {
    for (const message of of('REVALIDATE')) {
      const sessionId = toldNumber(message.told, 'sessionId');
      const expected = message.told.includes('valid')
        ? [RevalidateResponse, { sessionId, valid: message.told.includes('valid=True') }]
        : [RevalidateRequest, { sessionId, timeoutMs: Number(toldNumber(message.told, 'timeout')) }];
      expect(exactly(dataOf(message), expected[0] as RecordType)).toEqual([expected[1]]);
    }
    for (const message of of('COMMITANDACTIVATE')) {
      expect(exactly(dataOf(message), DesignatedLeader)).toEqual([
        { serverId: toldNumber(message.told, 'designatedLeader') },
      ]);
    }
  });

  test('PING: null from the leader, any number of touches from the learner', () => {
    const touches = of('PING').map((message) => {
      const { data } = QuorumPacket.decode(readerOf(message.hex));
      const reader = new JuteReader(data ?? new Uint8Array(0));
      const list: SessionTouch[] = [];
      while (reader.remaining > 0) {
        list.push(SessionTouch.decode(reader));
      }
      return data === null ? null : list;
    });
    expect(touches).toEqual([
      null,
      [
        { sessionId: 0x400003e8fd70000n, timeoutMs: 10000 },
        { sessionId: 0x100003e8bc30000n, timeoutMs: 10000 },
      ],
      [],
    ]);
  });

  test('the stream behind SNAP: sessions, ACLs, nodes, the end mark', () => {
    for (const message of of('SNAPSHOT-STREAM')) {
      const reader = readerOf(message.hex);
      const list = <T>(type: RecordType<T>) => Array.from({ length: reader.int() }, () => type.decode(reader));
      expect(list(SnapshotSession)).toEqual([]);
      expect(list(SnapshotAcl)).toEqual([{ id: 1n, acl: [{ perms: 1, id: { scheme: 'world', id: 'anyone' } }] }]);
      const nodes = new Map<string, SnapshotNode>();
      for (let path = reader.ustring(); path !== '/'; path = reader.ustring()) {
        nodes.set(path, SnapshotNode.decode(reader));
      }
      expect([...nodes.keys()].toSorted()).toEqual(['', '/zookeeper', '/zookeeper/config', '/zookeeper/quota']);
      expect(reader.ustring()).toBe(SNAP_STREAM_END);
      expect(reader.remaining).toBe(0);
    }
  });

  test('SASL', () => {
    for (const message of of('QuorumAuthPacket')) {
      const [packet] = exactly(bytesOf(message.hex), QuorumAuthPacket) as [QuorumAuthPacket];
      expect(packet.magic).toBe(QUORUM_AUTH_MAGIC);
      expect(BigInt(packet.status)).toBe(toldNumber(message.told, 'status'));
    }
  });
});

test.each([
  ['nothing at all', null, { serverId: null, protocolVersion: 1, configVersion: 0n }],
  ['too short for an id', '00000000000000', { serverId: null, protocolVersion: 1, configVersion: 0n }],
  ['an id', '0000000000000007', { serverId: 7n, protocolVersion: 1, configVersion: 0n }],
  ['of 3.4', '0000000000000007 00010000', { serverId: 7n, protocolVersion: 65536, configVersion: 0n }],
  ['half a version', '0000000000000007 00010000 00000001', { serverId: 7n, protocolVersion: 65536, configVersion: 0n }],
  [
    'whole',
    '0000000000000007 00010000 0000000100000000',
    { serverId: 7n, protocolVersion: 65536, configVersion: 2n ** 32n },
  ],
])('LearnerInfo: %s', (_name, hex, expected) => {
  expect(decodeLearnerInfo(hex === null ? null : bytesOf(hex))).toEqual(expected);
});

describe('INIT', () => {
  test.each(of('INIT'))('$told', ({ told, hex }) => {
    const received = decodeInit(readerOf(hex));
    const addresses = /addr='(.*)'/.exec(told)?.[1].split('|') ?? [];
    expect(received).toEqual({ serverId: toldNumber(told, 'sid'), addresses });
    if (addresses.length > 0) {
      const protocolVersion = toldNumber(told, 'protocolVersion');
      expect(
        encodedHex(Init, { protocolVersion, serverId: toldNumber(told, 'sid'), addresses: addresses.join('|') }),
      ).toBe(hex);
    }
  });

  test('of any age is waited for until it is whole', () => {
    const whole = bytesOf('ffffffffffff0000 0000000000000002 0000000f 3132372e302e302e313a3331323432');
    for (let length = 0; length < whole.length; length++) {
      expect(decodeInit(new JuteReader(whole.subarray(0, length)))).toBeNull();
    }
    const old = readerOf('0000000000000003 00000028');
    expect(decodeInit(old)).toEqual({ serverId: 3n, addresses: [] });
    expect(old.position).toBe(8);
  });

  test.each([
    ['another version', 'fffffffffffefffe 0000000000000002 00000001 31'],
    ['no address', 'ffffffffffff0000 0000000000000002 00000000'],
    ['a negative length', 'ffffffffffff0000 0000000000000002 ffffffff'],
    ['too long an address', 'ffffffffffff0000 0000000000000002 00000801'],
  ])('with %s closes the connection', (_name, hex) => {
    expect(INIT_ADDRESSES_BYTES_MAX).toBe(0x800);
    expect(() => decodeInit(readerOf(hex))).toThrow(JuteError);
  });
});

describe('notifications', () => {
  test.each(of('NOTIFICATION'))('$told', ({ told, hex }) => {
    const body = bytesOf(hex).slice(4);
    expect(body.length).toBe(Number(toldNumber(told, 'frame')));
    const received = decodeNotification(new JuteReader(body));
    expect(received).toMatchObject({
      state: Number(/state=(\d)/.exec(told)?.[1]),
      leader: toldNumber(told, 'leader'),
      zxid: toldNumber(told, 'zxid'),
      round: toldNumber(told, 'electionEpoch'),
      peerEpoch: toldNumber(told, 'peerEpoch'),
    });
    if (body.length === 40) {
      expect(received.config).toBeNull();
      exactly(body, NotificationV34);
    } else {
      const [notification] = exactly(body, Notification) as [Notification];
      expect(received.config).toBe(notification.config);
      expect(received.config?.length).toBe(Number(/config\[(\d+)\]/.exec(told)?.[1]));
    }
  });

  const vote = '00000001 0000000000000003 0000000500000009 0000000000000002';

  test('of 28 bytes: the epoch is that of the zxid', () => {
    const expected = { state: 1, leader: 3n, zxid: 0x500000009n, round: 2n, peerEpoch: 5n, config: null };
    expect(decodeNotification(readerOf(vote))).toEqual(expected);
    exactly(bytesOf(vote), NotificationV33);
  });

  test('of 40 bytes: the version is not looked at', () => {
    expect(decodeNotification(readerOf(`${vote} 0000000000000006 00000002`))).toMatchObject({
      peerEpoch: 6n,
      config: null,
    });
  });

  test.each([
    ['27 bytes', vote.slice(0, -2)],
    ['36 bytes, as 3.4.0 to 3.4.5 sent', `${vote} 0000000000000006`],
    ['no length of the configuration', `${vote} 0000000000000006 00000002 0000`],
    ['a negative length', `${vote} 0000000000000006 00000002 ffffffff`],
    ['a length beyond the message', `${vote} 0000000000000006 00000002 00000003 6161`],
    ['an unknown state', `00000004${vote.slice(8)}`],
    ['a negative state', `ffffffff${vote.slice(8)}`],
  ])('%s: dropped', (_name, hex) => {
    expect(() => decodeNotification(readerOf(hex))).toThrow(JuteError);
  });

  test('random bytes are decoded or dropped, never worse', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.integer({ min: 0, max: 4 }), (bytes, state) => {
        if (bytes.length >= 4) {
          bytes.set([0, 0, 0, state]);
        }
        for (const decode of [decodeNotification, decodeInit]) {
          try {
            decode(new JuteReader(bytes));
          } catch (error) {
            expect(error).toBeInstanceOf(JuteError);
          }
        }
        decodeLearnerInfo(bytes);
      }),
    );
  });

  test('any notification is read as it was written', () => {
    const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    const any = fc.record({
      state: fc.integer({ min: 0, max: 3 }),
      leader: long,
      zxid: long,
      round: long,
      peerEpoch: long,
      config: fc.string({ maxLength: 300 }),
    });
    fc.assert(
      fc.property(any, (notification) => {
        const writer = new JuteWriter();
        Notification.encode(writer, { ...notification, version: 2 });
        expect(decodeNotification(new JuteReader(writer.copy()))).toEqual(notification);
      }),
    );
  });
});
