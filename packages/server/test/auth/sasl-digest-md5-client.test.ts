import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DigestMd5Server } from '../../src/auth/sasl-digest-md5.ts';
import { DigestMd5Client, QUORUM_REALM, QUORUM_SERVICE } from '../../src/auth/sasl-digest-md5-client.ts';

const NONCE = (sizeBytes: number): Uint8Array => new Uint8Array(sizeBytes).fill(7);

function clientOf(user: string, password: string): DigestMd5Client {
  return new DigestMd5Client({
    user,
    password,
    service: QUORUM_SERVICE,
    serverName: QUORUM_REALM,
    randomBytes: NONCE,
  });
}

function serverOf(users: Readonly<Record<string, string>>): DigestMd5Server {
  const passwordOf = (user: string) => (Object.hasOwn(users, user) ? users[user] : undefined);
  return new DigestMd5Server({ service: QUORUM_SERVICE, realm: QUORUM_REALM, passwordOf, randomBytes: NONCE });
}

/** The tokens of an exchange as text, and how it ended. */
function exchange(client: DigestMd5Client, server: DigestMd5Server): string[] {
  const said: string[] = [];
  let token: Uint8Array = new Uint8Array(0);
  for (;;) {
    const one = client.step(token);
    said.push(one.kind === 'response' ? Buffer.from(one.token).toString('latin1') : one.kind);
    if (one.kind !== 'response') {
      return said;
    }
    const other = server.step(one.token);
    if (other.kind === 'failed') {
      return [...said, other.reason];
    }
    said.push(Buffer.from(other.token).toString('latin1'));
    token = other.token;
  }
}

test('the exchange has the form of that between Apache ZooKeeper servers', () => {
  const said = exchange(clientOf('zkq', 'secret'), serverOf({ zkq: 'secret' }));
  const nonce = Buffer.from(NONCE(30)).toString('base64');
  expect(said[0]).toBe('');
  expect(said[1]).toBe(`realm="zk-quorum-sasl-md5",nonce="${nonce}",charset=utf-8,algorithm=md5-sess`);
  expect(said[2].replace(/response=[0-9a-f]{32}/, 'response=…')).toBe(
    `charset=utf-8,username="zkq",realm="zk-quorum-sasl-md5",nonce="${nonce}",nc=00000001,cnonce="${nonce}",` +
      'digest-uri="zookeeper-quorum/zk-quorum-sasl-md5",maxbuf=65536,response=…,qop=auth,authzid="zkq"',
  );
  expect(said[3]).toMatch(/^rspauth=[0-9a-f]{32}$/);
  expect(said[4]).toBe('done');
});

test('any user with the right password is let in, with another one not', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.string(), fc.string(), (user, password, other) => {
      fc.pre(password !== other && !user.includes('\0'));
      expect(exchange(clientOf(user, password), serverOf({ [user]: password })).at(-1)).toBe('done');
      expect(exchange(clientOf(user, other), serverOf({ [user]: password })).at(-1)).toContain('is wrong');
    }),
  );
});

describe('a server that is none', () => {
  test.each([
    ['no challenge', ['realm="x"'], 'no DIGEST-MD5 challenge'],
    ['no list', ['=='], 'does not know our password'],
    ['a wrong proof', ['nonce="x",algorithm=md5-sess', 'rspauth=00'], 'does not know our password'],
    ['no proof', ['nonce="x",algorithm=md5-sess', ''], 'does not know our password'],
  ])('%s', (_name, tokens, reason) => {
    const client = clientOf('u', 'p');
    client.step(new Uint8Array(0));
    const steps = tokens.map((token) => client.step(Buffer.from(token)));
    expect(steps.at(-1)).toMatchObject({ kind: 'failed', reason: expect.stringContaining(reason) });
  });
});
