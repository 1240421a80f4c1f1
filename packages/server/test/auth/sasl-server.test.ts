import { describe, expect, test } from 'vitest';
import { parseNameRules } from '../../src/auth/kerberos-names.ts';
import { digestMd5Response, ZOOKEEPER_REALM } from '../../src/auth/sasl-digest-md5.ts';
import { SaslExchange, type SaslServerOptions } from '../../src/auth/sasl-server.ts';

const USERS = new Map([
  ['bob', 'bobsecret'],
  ['super', 'from the file'],
  ['bob/h@EXAMPLE.COM', 'x'],
  ['eve@ELSEWHERE', 'x'],
  ['a@b@c', 'x'],
]);

function exchange(changes: Partial<SaslServerOptions> = {}): SaslExchange {
  return new SaslExchange({
    users: USERS,
    superPassword: null,
    superUsers: [],
    names: { rules: parseNameRules('DEFAULT'), defaultRealm: 'EXAMPLE.COM', removeHost: false, removeRealm: false },
    fipsMode: false,
    allowFailedClients: false,
    enforced: false,
    randomBytes: (sizeBytes) => new Uint8Array(sizeBytes).fill(7),
    ...changes,
  });
}

function respond(challenge: Uint8Array | null, user: string, password: string): Buffer {
  const nonce = /nonce="([^"]*)"/.exec(Buffer.from(challenge ?? []).toString())?.[1] ?? '';
  const digestUri = `zookeeper/${ZOOKEEPER_REALM}`;
  const parts = { user, password, realm: ZOOKEEPER_REALM, nonce, clientNonce: 'c', digestUri, authorizationId: null };
  return Buffer.from(
    `charset=utf-8,username="${user}",realm="${ZOOKEEPER_REALM}",nonce="${nonce}",nc=00000001,cnonce="c",` +
      `digest-uri="${digestUri}",response=${digestMd5Response(parts, 'client')},qop=auth`,
  );
}

/** Both steps; the answer to the second. */
function authenticate(sasl: SaslExchange, user: string, password: string) {
  const first = sasl.receive(null);
  expect(first).toMatchObject({ err: 0, identities: [], close: false, failure: null });
  return sasl.receive(respond(first.token, user, password));
}

describe('success', () => {
  test('yields the sasl identity with the last token', () => {
    const answer = authenticate(exchange(), 'bob', 'bobsecret');
    expect(answer).toMatchObject({ err: 0, identities: [{ scheme: 'sasl', id: 'bob' }], close: false, failure: null });
    expect(Buffer.from(answer.token ?? []).toString()).toMatch(/^rspauth=[0-9a-f]{32}$/);
  });

  test('and super, for a name that is a superUser', () => {
    const { identities } = authenticate(exchange({ superUsers: ['alice', 'bob'] }), 'bob', 'bobsecret');
    expect(identities.map(({ scheme }) => scheme)).toEqual(['sasl', 'super']);
  });

  test('goes through the rules for names, superUser after them', () => {
    const ids = (changes: Partial<SaslServerOptions>) =>
      authenticate(exchange(changes), 'bob/h@EXAMPLE.COM', 'x').identities.map(({ scheme, id }) => `${scheme}:${id}`);
    expect(ids({})).toEqual(['sasl:bob/h@EXAMPLE.COM']);
    const names = {
      rules: parseNameRules('DEFAULT'),
      defaultRealm: 'EXAMPLE.COM',
      removeHost: true,
      removeRealm: true,
    };
    expect(ids({ names, superUsers: ['bob'] })[0]).toBe('sasl:bob');
    expect(ids({ names, superUsers: ['bob'] })).toHaveLength(2);
    expect(ids({ names, superUsers: ['bob/h@EXAMPLE.COM'] })).toHaveLength(1);
  });

  test('of a name to which no rule applies: the whole of it', () => {
    const { identities } = authenticate(exchange(), 'eve@ELSEWHERE', 'x');
    expect(identities).toEqual([{ scheme: 'sasl', id: 'eve@ELSEWHERE' }]);
  });

  test('superPassword is the password of user super, and wins', () => {
    expect(authenticate(exchange({ superPassword: 'p' }), 'super', 'p').err).toBe(0);
    expect(authenticate(exchange({ superPassword: 'p' }), 'super', 'from the file').err).toBe(-115);
    expect(authenticate(exchange(), 'super', 'from the file').err).toBe(0);
    expect(authenticate(exchange({ superPassword: 'p', users: new Map() }), 'super', 'p').err).toBe(0);
  });
});

describe('failure', () => {
  const failures: [string, (sasl: SaslExchange) => unknown, RegExp][] = [
    ['wrong password', (sasl) => authenticate(sasl, 'bob', 'wrong'), /password of user "bob" is wrong/],
    ['unknown user', (sasl) => authenticate(sasl, 'nobody', 'x'), /no user "nobody"/],
    ['malformed name', (sasl) => authenticate(sasl, 'a@b@c', 'x'), /"a@b@c" is not a name/],
    [
      'a token after completion',
      (sasl) => {
        expect(authenticate(sasl, 'bob', 'bobsecret').err).toBe(0);
        return sasl.receive(Buffer.alloc(0));
      },
      /after the end/,
    ],
  ];

  test.each(failures)('%s', (_, fail, failure) => {
    const reason = expect.stringMatching(failure);
    const refused = { token: null, identities: [], close: true, failure: reason };
    expect(fail(exchange())).toEqual({ err: -115, ...refused });
    expect(fail(exchange({ enforced: true }))).toEqual({ err: -124, ...refused });
    expect(fail(exchange({ enforced: true, allowFailedClients: true }))).toEqual({ err: -124, ...refused });
    expect(fail(exchange({ allowFailedClients: true }))).toEqual({ ...refused, err: 0, close: false });
  });

  test('fips-mode: the first token fails already', () => {
    expect(exchange({ fipsMode: true }).receive(null)).toMatchObject({ err: -115, token: null, close: true });
    expect(exchange({ fipsMode: true, allowFailedClients: true }).receive(null)).toMatchObject({
      err: 0,
      close: false,
    });
    expect(exchange({ fipsMode: true }).receive(null).failure).toMatch(/fips-mode=false/);
  });
});
