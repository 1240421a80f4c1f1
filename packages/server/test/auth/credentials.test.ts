/** What a connection may be: as many identities as its follower can hand on to the leader, and no more. */
import { AuthPacket, ErrorNumber, GetSaslRequest, JuteReader, JuteWriter, OpCode } from '@treekeeper/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Bearer, Credentials, type SaslConversation, type Verdict } from '../../src/auth/credentials.ts';
import { AUTH_DEFAULTS, type AuthOptions } from '../../src/auth/options.ts';
import { AuthRegistry } from '../../src/auth/registry.ts';
import { encodedBytes, type Identity, type Peer } from '../../src/auth/scheme.ts';
import { PacketStream } from '../../src/zab/packet-stream.ts';
import { writeRequest } from '../../src/zab/packets.ts';

const ADDRESS = { scheme: 'ip', id: '10.1.2.3' };
const PLAIN: Peer = { remoteAddress: '10.1.2.3', certificateSubject: null };
/** What is there around the user: lengths, the scheme, the colon and the hash. */
const AROUND_USER_BYTES = 8 + 'digest'.length + 1 + 28;
const LIMIT = AUTH_DEFAULTS.identitiesBytesMax;
const REFUSED = { answer: true, err: ErrorNumber.AUTH_FAILED, close: true, failure: expect.stringContaining('room') };

function credentialsWith(options: Partial<AuthOptions>, sasl: (() => SaslConversation) | null = null): Credentials {
  return new Credentials(new AuthRegistry({ ...AUTH_DEFAULTS, ...options }), sasl);
}

function bearerOf(credentials: Credentials, connection: Peer = PLAIN): Bearer {
  return { connection, identities: credentials.initialIdentities(connection) };
}

function digest(credentials: Credentials, bearer: Bearer, auth: Uint8Array): Verdict {
  const writer = new JuteWriter();
  AuthPacket.encode(writer, { type: 0, scheme: 'digest', auth });
  return credentials.receive(bearer, OpCode.auth, new JuteReader(writer.copy()));
}

function login(user: string): Buffer {
  return Buffer.from(`${user}:p`);
}

/** The room that is left for the user of one more digest. */
function roomFor({ identities }: Bearer): number {
  return LIMIT - encodedBytes(identities) - AROUND_USER_BYTES;
}

/** What the leader reads of a request that is forwarded with these identities. */
function readByLeader(authinfo: readonly Identity[], fieldBytesMax?: number): unknown {
  const writer = new JuteWriter();
  writeRequest(writer, { sessionId: 1n, cxid: 1, type: OpCode.sync, body: Buffer.from('x'), authinfo });
  const stream = new PacketStream(fieldBytesMax);
  stream.push(writer.copy());
  return stream.next()?.authinfo;
}

describe('auth packets', () => {
  test('identities are taken up to the limit; one more byte: AUTH_FAILED, and nothing is added', () => {
    const credentials = credentialsWith({});
    const bearer = bearerOf(credentials);
    expect(digest(credentials, bearer, login('u'.repeat(1000)))).toMatchObject({ err: 0, close: false });
    const before = bearer.identities;
    const room = roomFor(bearer);
    expect(digest(credentials, bearer, login('v'.repeat(room + 1)))).toMatchObject(REFUSED);
    expect(bearer.identities).toBe(before);
    expect(credentials.failures).toBe(1);
    expect(digest(credentials, bearer, login('v'.repeat(room)))).toMatchObject({ err: 0, close: false });
    expect(encodedBytes(bearer.identities)).toBe(LIMIT);
    expect(bearer.identities.map(({ scheme }) => scheme)).toEqual(['ip', 'digest', 'digest']);
  });

  test('a client that is told again what it knows is not refused: nothing is added', () => {
    const credentials = credentialsWith({});
    const bearer = bearerOf(credentials);
    const full = login('u'.repeat(roomFor(bearer)));
    for (let i = 0; i < 3; i++) {
      expect(digest(credentials, bearer, full)).toMatchObject({ err: 0, close: false });
    }
    expect(digest(credentials, bearer, login(''))).toMatchObject(REFUSED);
  });

  test('bytes that are no UTF-8 count as the three that each becomes', () => {
    const credentials = credentialsWith({});
    const bearer = bearerOf(credentials);
    const third = Math.floor(roomFor(bearer) / 3);
    const garbage = (count: number): Buffer => Buffer.concat([Buffer.alloc(count, 0xff), Buffer.from(':p')]);
    expect(digest(credentials, bearer, garbage(third + 1))).toMatchObject(REFUSED);
    expect(digest(credentials, bearer, garbage(third))).toMatchObject({ err: 0, close: false });
  });

  test('whatever is sent, and whatever jute.maxbuffer, the leader can read what a follower hands on', () => {
    const long = fc.tuple(fc.integer({ min: 0, max: 3000 }), fc.constantFrom(0xff, 0xc3, 0x61));
    const text = fc.oneof(
      fc.uint8Array(),
      long.map(([count, byte]) => new Uint8Array(count).fill(byte)),
    );
    fc.assert(
      fc.property(fc.integer({ min: 1024, max: 6000 }), fc.array(text, { maxLength: 10 }), (bytesMax, texts) => {
        const credentials = credentialsWith({ identitiesBytesMax: bytesMax });
        const bearer = bearerOf(credentials);
        for (const one of texts) {
          digest(credentials, bearer, one);
        }
        expect(readByLeader(bearer.identities, bytesMax)).toEqual(bearer.identities);
      }),
    );
  });

  test('the size is that on the wire', () => {
    const identities = [ADDRESS, { scheme: 'digest', id: 'ä€😀:x' }, { scheme: 'super', id: '' }];
    const writer = new JuteWriter();
    const request = { sessionId: 1n, cxid: 1, type: OpCode.sync, body: new Uint8Array(0) };
    writeRequest(writer, { ...request, authinfo: [] });
    const { length } = writer;
    writer.clear();
    writeRequest(writer, { ...request, authinfo: identities });
    expect(encodedBytes(identities)).toBe(writer.length - length + 4);
  });
});

test('sasl: a name too many is AUTH_FAILED with a body without a token, even if failed clients may stay', () => {
  let name = '';
  const conversation: SaslConversation = {
    receive: () => ({ err: 0, token: null, identities: [{ scheme: 'sasl', id: name }], close: false, failure: null }),
  };
  const credentials = credentialsWith({ authProviders: new Map([['1', 'sasl']]) }, () => conversation);
  const bearer = bearerOf(credentials);
  const send = (user: string): Verdict => {
    name = user;
    const writer = new JuteWriter();
    GetSaslRequest.encode(writer, { token: new Uint8Array(0) });
    return credentials.receive(bearer, OpCode.sasl, new JuteReader(writer.copy()));
  };
  expect(send('bob')).toMatchObject({ err: 0, close: false });
  expect(send('b'.repeat(LIMIT))).toMatchObject({ ...REFUSED, body: Buffer.from('ffffffff', 'hex') });
  expect(bearer.identities).toEqual([ADDRESS, { scheme: 'sasl', id: 'bob' }]);
});

describe('certificates', () => {
  const tls = { tlsEnabled: true };

  test('a subject that has room is an identity from the start', () => {
    const credentials = credentialsWith(tls);
    const subject = `CN=${'a'.repeat(10_000)}`;
    const identities = credentials.initialIdentities({ ...PLAIN, certificateSubject: subject });
    expect(identities).toEqual([ADDRESS, { scheme: 'x509', id: subject }]);
  });

  test('one beyond the limit is none, and does not make a connection super', () => {
    const subject = `CN=${'a'.repeat(LIMIT)}`;
    const credentials = credentialsWith({ ...tls, x509SuperUser: subject });
    const bearer = bearerOf(credentials, { ...PLAIN, certificateSubject: subject });
    expect(bearer.identities).toEqual([ADDRESS]);
    expect(digest(credentials, bearer, login('u'))).toMatchObject({ err: 0, close: false });
  });
});
