/** What comes over the wire, decoder by decoder. */
import { PassThrough } from 'node:stream';
import { isDeepStrictEqual } from 'node:util';
import * as protocol from '@treekeeper/protocol';
import {
  decodeFields,
  type Fields,
  FrameLengthError,
  FrameReader,
  JuteError,
  JuteReader,
  JuteWriter,
  type RecordType,
} from '@treekeeper/protocol';
import { DigestMd5Server, parseDirectives } from '../../src/auth/sasl-digest-md5.ts';
import { DigestMd5Client, QUORUM_REALM, QUORUM_SERVICE } from '../../src/auth/sasl-digest-md5-client.ts';
import {
  authenticatePeer,
  authenticateToPeer,
  encodeInit,
  HandshakeReader,
  PeerRefusal,
  readInit,
} from '../../src/host/peer-handshake.ts';
import { txnKindOf } from '../../src/operations/index.ts';
import { TxnSplitter, UnknownTxnTypeError } from '../../src/storage/txn-body.ts';
import { type Packet, PacketStream } from '../../src/zab/packet-stream.ts';
import { encodeNotification, readNotification } from '../../src/zab/vote.ts';
import { configurationOf, goldenText } from '../zab/support.ts';
import type { Target } from './fuzzer.ts';

/** The error, if it is one of these; anything else goes on. */
export function expecting<T>(kinds: readonly (abstract new (...args: never) => Error)[], act: () => T): T | Error {
  try {
    return act();
  } catch (error) {
    if (error instanceof Error && kinds.some((kind) => error instanceof kind)) {
      return error;
    }
    throw error;
  }
}

export function expectSame(one: unknown, other: unknown, what: string): void {
  if (!isDeepStrictEqual(one, other)) {
    throw new Error(`${what}: ${JSON.stringify(one, jsonSafe)} and ${JSON.stringify(other, jsonSafe)}`);
  }
}

function jsonSafe(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

const records: [string, RecordType & { readonly fields: Fields }][] = Object.entries(protocol)
  .flatMap(([name, value]) => (isRecord(value) ? [[name, value] as [string, RecordType & { fields: Fields }]] : []))
  .sort(([one], [other]) => (one < other ? -1 : 1));

function isRecord(value: unknown): value is RecordType & { readonly fields: Fields } {
  return typeof value === 'object' && value !== null && 'decode' in value && 'fields' in value;
}

/** The first byte says which record. */
const recordTarget: Target = {
  name: 'records',
  seeds: () => records.map((_, i) => Uint8Array.of(i, ...new Uint8Array(120))),
  run(bytes) {
    const [, record] = records[(bytes[0] ?? 0) % records.length];
    const body = bytes.subarray(1);
    const fast = expecting([JuteError], () => record.decode(new JuteReader(body)));
    const slow = expecting([JuteError], () => decodeFields(new JuteReader(body), record.fields));
    if (fast instanceof JuteError || slow instanceof JuteError) {
      expectSame(fast instanceof JuteError, slow instanceof JuteError, 'compiled and interpreted do not agree');
      return;
    }
    expectSame(fast, slow, 'compiled and interpreted do not agree');
    const writer = new JuteWriter();
    record.encode(writer, fast as never);
    expectSame(record.decode(new JuteReader(writer.copy())), fast, 'what is written is not what was read');
  },
};

const FRAME_BYTES_MAX = 1000;

/** In pieces of so many bytes, as the first byte says. */
function inPieces(bytes: Uint8Array, take: (piece: Uint8Array) => void): void {
  const size = 1 + ((bytes[0] ?? 0) % 64);
  for (let at = 1; at < bytes.length; at += size) {
    take(bytes.slice(at, at + size));
  }
}

const frames: Target = {
  name: 'frames',
  seeds: () => [Uint8Array.of(3, 0, 0, 0, 2, 1, 2, 0, 0, 0, 0, 0, 0, 0, 1, 9)],
  run(bytes) {
    const read = (feed: (push: (piece: Uint8Array) => void) => void): unknown[] => {
      const reader = new FrameReader(FRAME_BYTES_MAX);
      const found: unknown[] = [];
      const end = expecting([FrameLengthError], () =>
        feed((piece) =>
          reader.push(Buffer.from(piece), (all, start, stop) => {
            found.push([...all.subarray(start, stop)]);
            return true;
          }),
        ),
      );
      return [...found, end instanceof FrameLengthError ? end.length : null];
    };
    const whole = read((push) => push(bytes.slice(1)));
    const cut = read((push) => inPieces(bytes, push));
    expectSame(cut, whole, 'frames in pieces are others');
  },
};

function packetsIn(feed: (stream: PacketStream) => void): unknown[] {
  const stream = new PacketStream(FRAME_BYTES_MAX);
  const found: (Packet | string)[] = [];
  const end = expecting([JuteError], () => {
    feed(stream);
    for (let packet = stream.next(); packet !== null; packet = stream.next()) {
      found.push({ ...packet, data: packet.data === null ? null : new Uint8Array(packet.data) });
    }
  });
  return [...found, end instanceof JuteError ? end.code : null];
}

function hexLines(name: string): Uint8Array[] {
  const lines = goldenText(name).split('\n');
  return lines.flatMap((line) => {
    const hex = /(?:^|\s)([0-9a-f]{24,})$/.exec(line)?.[1];
    return hex !== undefined && hex.length % 2 === 0 ? [new Uint8Array(Buffer.from(hex, 'hex'))] : [];
  });
}

const packets: Target = {
  name: 'quorum packets',
  seeds: () =>
    hexLines('packets.txt')
      .slice(0, 60)
      .map((bytes) => Uint8Array.of(7, ...bytes)),
  run(bytes) {
    const whole = packetsIn((stream) => stream.push(bytes.slice(1)));
    const cut = packetsIn((stream) => inPieces(bytes, (piece) => stream.push(piece)));
    expectSame(cut, whole, 'packets in pieces are others');
  },
};

const notifications: Target = {
  name: 'notifications',
  seeds: () => {
    const vote = { leader: 3, zxid: 0x100000005, peerEpoch: 1 };
    const whole = encodeNotification(0, vote, 7, configurationOf([1, 2, 3], [4]).text);
    return [whole, whole.slice(0, 28), whole.slice(0, 36), whole.slice(0, 40), whole.slice(0, 44)];
  },
  run(bytes) {
    expecting([JuteError], () => {
      const heard = readNotification(2, bytes);
      if (heard.config !== null) {
        const again = encodeNotification(heard.state, heard, heard.round, heard.config);
        expectSame(readNotification(2, again), heard, 'a notification changes on its way');
      }
    });
  },
};

/** A socket from which these bytes come, and then nothing any more. */
function socketWith(bytes: Uint8Array): never {
  const stream = new PassThrough();
  stream.end(Buffer.from(bytes));
  const socket = Object.assign(stream, { write: () => true });
  return socket as unknown as never;
}

const PASSWORD = 'secret';
const randomBytes = (sizeBytes: number): Uint8Array => new Uint8Array(sizeBytes).fill(7);

function saslServer(): DigestMd5Server {
  return new DigestMd5Server({
    service: QUORUM_SERVICE,
    realm: QUORUM_REALM,
    passwordOf: (user) => (user === 'ana' ? PASSWORD : undefined),
    randomBytes,
  });
}

function saslClient(): DigestMd5Client {
  return new DigestMd5Client({
    user: 'ana',
    password: PASSWORD,
    service: QUORUM_SERVICE,
    serverName: QUORUM_REALM,
    randomBytes,
  });
}

/** The first byte says which part of it: who has dialled says who it is, proves it, or has it proved. */
const handshakes: Target = {
  name: 'peer handshakes',
  seeds: () => {
    const addresses = [
      { host: '10.0.0.1', port: 3888 },
      { host: '::1', port: 3889 },
    ];
    const inits = [encodeInit(3, addresses.slice(0, 1), false), encodeInit(3, addresses, true)];
    const auth = new JuteWriter();
    for (let i = 0; i < 2; i++) {
      const token = i === 0 ? null : Buffer.from(`username="ana",nonce="x",realm="${QUORUM_REALM}",nc=00000001`);
      protocol.QuorumAuthPacket.encode(auth, { magic: protocol.QUORUM_AUTH_MAGIC, status: 0, token });
    }
    const challenge = saslServer().step(new Uint8Array(0));
    const answer = new JuteWriter();
    const token = challenge.kind === 'failed' ? null : challenge.token;
    protocol.QuorumAuthPacket.encode(answer, { magic: protocol.QUORUM_AUTH_MAGIC, status: 0, token });
    return [
      ...inits.map((bytes) => Uint8Array.of(0, ...bytes)),
      Uint8Array.of(1, ...auth.copy()),
      Uint8Array.of(2, ...answer.copy(), ...answer.copy()),
    ];
  },
  async run(bytes) {
    const socket = socketWith(bytes.subarray(1));
    const reader = new HandshakeReader(socket, 60_000);
    try {
      const part = (bytes[0] ?? 0) % 3;
      if (part === 0) {
        await readInit(reader);
      } else if (part === 1) {
        await authenticatePeer(socket, reader, { startClient: null, startServer: saslServer, isRequired: true });
      } else {
        await authenticateToPeer(socket, reader, saslClient());
      }
    } catch (error) {
      if (!(error instanceof PeerRefusal)) {
        throw error;
      }
    } finally {
      reader.release();
    }
  },
};

/** Two tokens, cut where the first byte says. */
const sasl: Target = {
  name: 'sasl tokens',
  seeds: () =>
    [
      `username="ana",realm="${QUORUM_REALM}",nonce="x",cnonce="y",nc=00000001,qop=auth,digest-uri="a/b",response=00`,
      'charset=utf-8,username="a\\"b",realm="",qop="auth,auth-int",maxbuf=65536',
      'nonce="x",algorithm=md5-sess,realm="r",qop="auth"',
    ].map((text) => Uint8Array.of(0, ...Buffer.from(text))),
  run(bytes) {
    const cut = 1 + (bytes[0] ?? 0);
    const tokens = [bytes.subarray(1, cut), bytes.subarray(cut)];
    parseDirectives(bytes.subarray(1));
    const server = saslServer();
    const client = saslClient();
    client.step(new Uint8Array(0));
    server.step(new Uint8Array(0));
    for (const token of tokens) {
      const step = server.step(token);
      client.step(token);
      if (step.kind === 'done') {
        throw new Error('somebody has got in without the password');
      }
    }
  },
};

const transactions: Target = {
  name: 'transactions',
  seeds: () => {
    const stream = new PacketStream();
    const found: Uint8Array[] = [];
    for (const bytes of hexLines('packets.txt')) {
      stream.push(bytes);
      const packet = stream.next();
      if (packet?.type === protocol.PacketType.proposal && packet.data !== null) {
        found.push(new Uint8Array(packet.data));
      }
    }
    return found.slice(0, 40);
  },
  run(bytes) {
    expecting([JuteError, UnknownTxnTypeError, RangeError], () => {
      const splitter = new TxnSplitter();
      const { header } = splitter.split(bytes, 0, bytes.length);
      const kind = txnKindOf(header.type);
      if (kind !== undefined) {
        expecting([JuteError], () => kind.record.decode(splitter.txn));
      }
    });
  },
};

export const wireTargets: readonly Target[] = [
  recordTarget,
  frames,
  packets,
  notifications,
  handshakes,
  sasl,
  transactions,
];
