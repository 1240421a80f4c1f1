import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DigestMd5Server, digestMd5Response } from '../../src/auth/sasl-digest-md5.ts';
import { type Transcript, transcripts } from './sasl-transcripts.ts';

const NONCE = Buffer.alloc(30, 'treekeeper').toString('base64');

function serverWith(users: Record<string, string>, nonce = NONCE): DigestMd5Server {
  return new DigestMd5Server({
    service: 'zookeeper',
    realm: 'zk-sasl-md5',
    passwordOf: (user) => (Object.hasOwn(users, user) ? users[user] : undefined),
    randomBytes: () => Buffer.from(nonce, 'base64'),
  });
}

function text(token: Uint8Array): string {
  return Buffer.from(token).toString('latin1');
}

/** The exchange's second step, as text: the token and the user, or the reason of the failure. */
function answer(server: DigestMd5Server, response: string | Buffer): string {
  server.step(new Uint8Array(0));
  const step = server.step(Buffer.from(response));
  return step.kind === 'failed' ? step.reason : `${text(step.token)} ${step.kind === 'done' ? step.user : ''}`;
}

/** A client straight from the RFC's formulas, for ASCII. */
function md5(data: string | Buffer): Buffer {
  return createHash('md5').update(data).digest();
}

function directivesOf(
  user: string,
  password: string,
  changes: Record<string, string | null> = {},
): Map<string, string> {
  const directives = new Map([
    ['charset', 'utf-8'],
    ['username', `"${user}"`],
    ['realm', '"zk-sasl-md5"'],
    ['nonce', `"${NONCE}"`],
    ['nc', '00000001'],
    ['cnonce', '"OA6MHXh6VqTrRk"'],
    ['digest-uri', '"zookeeper/zk-sasl-md5"'],
    ['maxbuf', '65536'],
    ['qop', 'auth'],
  ]);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) {
      directives.delete(name);
    } else {
      directives.set(name, value);
    }
  }
  const plain = (name: string) => (directives.get(name) ?? '').replaceAll('"', '');
  const a1 = Buffer.concat([
    md5(`${user}:${plain('realm')}:${password}`),
    Buffer.from(`:${plain('nonce')}:${plain('cnonce')}`),
    Buffer.from(directives.has('authzid') ? `:${plain('authzid')}` : ''),
  ]);
  const a2 = `AUTHENTICATE:${plain('digest-uri')}`;
  const kd = [md5(a1).toString('hex'), plain('nonce'), '00000001', plain('cnonce'), 'auth', md5(a2).toString('hex')];
  if (!('response' in changes)) {
    directives.set('response', md5(kd.join(':')).toString('hex'));
  }
  return directives;
}

function written(directives: Map<string, string>, comma = ',', equals = '='): string {
  return [...directives].map(([name, value]) => name + equals + value).join(comma);
}

function response(changes: Record<string, string | null> = {}): string {
  return written(directivesOf('bob', 'secret', changes));
}

describe('the examples of RFC 2831', () => {
  const chris = { user: 'chris', realm: 'elwood.innosoft.com', password: 'secret', authorizationId: null };
  test.each([
    [
      'OA6MG9tEQGm2hh',
      'OA6MHXh6VqTrRk',
      'imap',
      'd388dad90d4bbd760a152321f2143af7',
      'ea40f60335c427b5527b84dbabcdfffd',
    ],
    [
      'OA9BSXrbuRhWay',
      'OA9BSuZWMSpW8m',
      'acap',
      '6084c6db3fede7352c551284490fd0fc',
      '2f0b3d7c3c2e486600ef710726aa2eae',
    ],
  ])('nonce %s', (nonce, clientNonce, service, client, server) => {
    const exchange = { ...chris, nonce, clientNonce, digestUri: `${service}/elwood.innosoft.com` };
    expect(digestMd5Response(exchange, 'client')).toBe(client);
    expect(digestMd5Response(exchange, 'server')).toBe(server);
  });
});

describe("Java's client", () => {
  const quoted = (value: string) => `"${value.replace(/["\\]/g, '\\$&')}"`;
  const javaResponse = ({ user, authorizationId, nonce, clientNonce, response: proof }: Transcript) =>
    `charset=utf-8,username=${quoted(user)},realm="zk-sasl-md5",nonce="${nonce}",nc=00000001,cnonce="${clientNonce}",` +
    `digest-uri="zookeeper/zk-sasl-md5",maxbuf=65536,response=${proof},qop=auth` +
    (authorizationId === null ? '' : `,authzid="${authorizationId}"`);

  test.each(transcripts)('$user for $authorizationId', (transcript) => {
    const server = serverWith({ [transcript.user]: transcript.password }, transcript.nonce);
    const challenge = server.step(new Uint8Array(0));
    expect(challenge.kind === 'challenge' && text(challenge.token)).toBe(
      `realm="zk-sasl-md5",nonce="${transcript.nonce}",charset=utf-8,algorithm=md5-sess`,
    );
    const done = server.step(Buffer.from(javaResponse(transcript)));
    // Whoever the client wants to act for, it is the user that it has proved to be.
    expect(done).toMatchObject({ kind: 'done', user: transcript.user });
    expect(done.kind === 'done' && text(done.token)).toBe(`rspauth=${transcript.rspauth}`);
  });
});

describe('the response', () => {
  test('is accepted however it is written', () => {
    const ok = answer(serverWith({ bob: 'secret' }), response());
    expect(ok).toMatch(/^rspauth=[0-9a-f]{32} bob$/);
    for (const spelling of [
      written(directivesOf('bob', 'secret'), ' , ', ' = '),
      written(new Map([...directivesOf('bob', 'secret')].reverse())),
      `,,${response()},`,
      response({ unknown: '1' }),
      response({ qop: null }),
      response({ charset: null }),
      response({ nc: '1' }),
      response({ realm: 'zk-sasl-md5', qop: '"auth"' }),
      response().replace('nc=', 'NC='),
      response().replace('"bob"', '"b\\ob"'),
    ]) {
      expect(answer(serverWith({ bob: 'secret' }), spelling), spelling).toBe(ok);
    }
    expect(answer(serverWith({ bob: 'secret' }), response({ 'digest-uri': '"ZooKeeper/ZK-SASL-MD5"' }))).toMatch(
      /bob$/,
    );
  });

  test.each<[string, string, RegExp]>([
    ['wrong password', written(directivesOf('bob', 'wrong')), /password of user "bob" is wrong/],
    ['unknown user', written(directivesOf('eve', 'secret')), /no user "eve"/],
    ['a property that every object has', written(directivesOf('toString', 'x')), /no user "toString"/],
    ['response of another length', response({ response: 'abc' }), /password of user "bob" is wrong/],
    ['no response', response({ response: null }), /response is missing/],
    ['no user', response({ username: null }), /username is missing/],
    ['no nonce', response({ nonce: null }), /nonce is missing/],
    ['no client nonce', response({ cnonce: null }), /cnonce is missing/],
    ['no count', response({ nc: null }), /nc is missing/],
    ['no digest-uri', response({ 'digest-uri': null }), /digest-uri is missing/],
    ['no realm', response({ realm: null }), /realm is not zk-sasl-md5/],
    ['another realm', response({ realm: '"other"' }), /realm is not/],
    ['another nonce', response({ nonce: '"x"' }), /nonce is not that of the challenge/],
    ['another count', response({ nc: '00000002' }), /nonce count is not 1/],
    ['integrity wanted', response({ qop: 'auth-int' }), /only qop=auth/],
    ['another service', response({ 'digest-uri': '"ldap/zk-sasl-md5"' }), /digest-uri is not/],
    ['another host', response({ 'digest-uri': '"zookeeper/zk-sasl-md5/x"' }), /digest-uri is not/],
    ['another charset', response({ charset: 'latin1' }), /charset is not utf-8/],
    ['a name twice', `${response()},username="bob"`, /each name once/],
    ['no directives', 'junk', /not a list of name=value pairs/],
    ['an open quote', 'username="bob', /not a list of name=value pairs/],
    ['too long', response({ padding: 'x'.repeat(4096) }), /not a list/],
    ['nothing', '', /username is missing/],
  ])('is refused: %s', (_, token, reason) => {
    expect(answer(serverWith({ bob: 'secret' }), token)).toMatch(reason);
  });

  test('any user and password that text can hold', () => {
    const word = fc.string({ unit: fc.constantFrom(...'abz019 _-.:/@\\"\u00e4\u00ff\u0100日') });
    fc.assert(
      fc.property(word, word, word, (user, password, other) => {
        const exchange = {
          user,
          realm: 'zk-sasl-md5',
          password,
          nonce: NONCE,
          clientNonce: 'c',
          digestUri: 'zookeeper/zk-sasl-md5',
          authorizationId: null,
        };
        const quoted = `"${user.replace(/["\\]/g, '\\$&')}"`;
        const proof = digestMd5Response(exchange, 'client');
        const token = written(directivesOf('', '', { username: quoted, cnonce: '"c"', response: proof }));
        expect(answer(serverWith({ [user]: password }), token)).toBe(
          `rspauth=${digestMd5Response(exchange, 'server')} ${user}`,
        );
        if (other !== password) {
          expect(answer(serverWith({ [user]: other }), token)).toMatch(/is wrong$/);
        }
      }),
    );
  });
});

describe('the exchange', () => {
  test('takes a first token of any kind as the empty one', () => {
    for (const first of ['', 'junk', 'username="bob"']) {
      expect(serverWith({}).step(Buffer.from(first)).kind).toBe('challenge');
    }
  });

  test('ends with the second token, good or bad', () => {
    const server = serverWith({ bob: 'secret' });
    expect(answer(server, response())).toMatch(/bob$/);
    expect(server.step(Buffer.from(response()))).toEqual({
      kind: 'failed',
      reason: 'a token after the end of the exchange',
    });
    const failing = serverWith({ bob: 'secret' });
    expect(answer(failing, 'junk')).toMatch(/not a list/);
    expect(failing.step(Buffer.from(response())).kind).toBe('failed');
  });

  test('asks for as much randomness as Java puts into a nonce', () => {
    const asked: number[] = [];
    const server = new DigestMd5Server({
      service: 'zookeeper',
      realm: 'zk-sasl-md5',
      passwordOf: () => undefined,
      randomBytes(sizeBytes) {
        asked.push(sizeBytes);
        return new Uint8Array(sizeBytes);
      },
    });
    server.step(new Uint8Array(0));
    expect(asked).toEqual([30]);
  });
});
