import { describe, expect, test } from 'vitest';
import { checkAuthPacket, clientInfos, initialIdentities, mayRequest } from '../../src/auth/authentication.ts';
import { AUTH_DEFAULTS, type AuthOptions } from '../../src/auth/options.ts';
import { AuthConfigError, AuthRegistry } from '../../src/auth/registry.ts';
import type { Peer } from '../../src/auth/scheme.ts';

const peer: Peer = { remoteAddress: '10.1.2.3', certificateSubject: null };
const withCertificate: Peer = { ...peer, certificateSubject: 'CN=a' };
const IP = { scheme: 'ip', id: '10.1.2.3' };
const ALL = ['ip', 'digest', 'x509', 'sasl', 'ensemble', 'world', 'auth', 'super', ''];

function registryOf(options: Partial<AuthOptions>): AuthRegistry {
  return new AuthRegistry({ ...AUTH_DEFAULTS, ...options });
}

function schemes(options: Partial<AuthOptions>): string[] {
  const registry = registryOf(options);
  return ALL.filter((name) => registry.scheme(name) !== undefined);
}

function providers(...entries: [key: string, provider: string][]): Partial<AuthOptions> {
  return { authProviders: new Map(entries) };
}

describe('which schemes there are', () => {
  test('by default ip and digest', () => {
    expect(schemes({})).toEqual(['ip', 'digest']);
    expect(schemes({ digestEnabled: false })).toEqual(['ip']);
  });

  test('x509 with TLS, ensemble with names, any by provider', () => {
    expect(schemes({ tlsEnabled: true })).toEqual(['ip', 'digest', 'x509']);
    expect(schemes({ ensembleNames: ['east'] })).toEqual(['ip', 'digest', 'ensemble']);
    expect(schemes(providers(['1', 'org.apache.zookeeper.server.auth.SASLAuthenticationProvider']))).toContain('sasl');
    expect(schemes(providers(['x509', 'x509']))).toContain('x509');
    expect(schemes({ digestEnabled: false, ...providers(['1', 'digest']) })).toContain('digest');
  });

  test.each([
    ['an unknown provider', providers(['7', 'com.example.MyProvider']), 'authProvider.7', /com\.example\.MyProvider/],
    ['a provider named like an object member', providers(['1', 'constructor']), 'authProvider.1', /constructor/],
    ['an unknown digest algorithm', { digestAlgorithm: 'ROT13' }, 'DigestAuthenticationProvider.digestAlg', /ROT13/],
    ['an unknown provider for TLS', { tlsEnabled: true, sslAuthProvider: 'mine' }, 'ssl.authProvider', /mine/],
    ['enforcing without schemes', { enforceAuth: true }, 'enforce.auth.schemes', /names none/],
    [
      'enforcing a scheme that is not there',
      { enforceAuth: true, enforcedSchemes: ['digest', 'sasl'] },
      'enforce.auth.schemes',
      /'sasl'.*not configured/,
    ],
    [
      'enforcing a scheme nobody can have',
      { enforceAuth: true, enforcedSchemes: ['world'] },
      'enforce.auth.schemes',
      /'world'/,
    ],
    ['requiring SASL without its provider', { requireSasl: true }, 'sessionRequireClientSASLAuth', /'sasl'/],
  ])('%s is a configuration error', (_what, options: Partial<AuthOptions>, key, message) => {
    let error: unknown;
    try {
      registryOf(options);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(AuthConfigError);
    expect((error as AuthConfigError).key).toBe(key);
    expect((error as AuthConfigError).message).toMatch(message);
  });

  test('ssl.authProvider matters with TLS only', () => {
    expect(schemes({ sslAuthProvider: 'mine' })).toEqual(['ip', 'digest']);
  });
});

describe('where identities come from', () => {
  test('the address always, the certificate when x509 is there', () => {
    expect(initialIdentities(registryOf({}), peer)).toEqual([IP]);
    expect(initialIdentities(registryOf({}), withCertificate)).toEqual([IP]);
    expect(initialIdentities(registryOf({ tlsEnabled: true }), withCertificate)).toEqual([
      IP,
      { scheme: 'x509', id: 'CN=a' },
    ]);
    expect(initialIdentities(registryOf({ tlsEnabled: true, x509SuperUser: 'CN=a' }), withCertificate)).toContainEqual({
      scheme: 'super',
      id: 'CN=a',
    });
  });

  test('auth packets: digest and ip are taken', () => {
    const registry = registryOf({});
    expect(checkAuthPacket(registry, 'digest', Buffer.from('u:p'), peer)).toHaveLength(1);
    expect(checkAuthPacket(registry, 'ip', null, peer)).toEqual([IP]);
  });

  test.each([
    ['nosuch', 'x'],
    ['world', 'anyone'],
    ['auth', ''],
    ['super', ''],
    ['sasl', 'bob'],
    ['x509', 'CN=a'],
    ['', ''],
    [null, ''],
    ['digest', null],
    ['__proto__', ''],
  ])('trap 25: an auth packet %s:%s is refused, which says nothing about the session', (scheme, data) => {
    const registry = registryOf({ tlsEnabled: true, ...providers(['1', 'sasl']) });
    expect(checkAuthPacket(registry, scheme, data === null ? null : Buffer.from(data), peer)).toBe('refused');
  });

  test('the wrong ensemble closes the connection', () => {
    const registry = registryOf({ ensembleNames: ['east'] });
    expect(checkAuthPacket(registry, 'ensemble', Buffer.from('east'), peer)).toEqual([]);
    expect(checkAuthPacket(registry, 'ensemble', Buffer.from('west'), peer)).toBe('close');
    expect(checkAuthPacket(registryOf({}), 'ensemble', Buffer.from('east'), peer)).toBe('refused');
  });
});

describe('enforced authentication (client-protocol.md §8.7)', () => {
  const digest = { scheme: 'digest', id: 'a:b' };
  const sasl = { scheme: 'sasl', id: 'bob' };

  test('off by default, even with schemes named', () => {
    expect(mayRequest(registryOf({ enforcedSchemes: ['nosuch'] }), [IP])).toBe(true);
  });

  test('trap 48: without an identity of the schemes named no request is let through, whatever it is', () => {
    const registry = registryOf({
      enforceAuth: true,
      enforcedSchemes: ['sasl', 'digest'],
      ...providers(['1', 'sasl']),
    });
    expect(mayRequest(registry, [IP])).toBe(false);
    expect(mayRequest(registry, [IP, digest])).toBe(true);
    expect(mayRequest(registry, [IP, sasl])).toBe(true);
  });

  test('sessionRequireClientSASLAuth stands for sasl alone', () => {
    const registry = registryOf({ requireSasl: true, enforcedSchemes: ['digest'], ...providers(['1', 'sasl']) });
    expect(mayRequest(registry, [IP, digest])).toBe(false);
    expect(mayRequest(registry, [IP, sasl])).toBe(true);
  });
});

test('whoAmI: the user of a digest, the id of the rest, no name for super', () => {
  const identities = [
    IP,
    { scheme: 'digest', id: 'u:hash' },
    { scheme: 'x509', id: 'CN=a' },
    { scheme: 'sasl', id: 'bob@R' },
    { scheme: 'super', id: 'CN=a' },
  ];
  expect(clientInfos(identities)).toEqual([
    { authScheme: 'ip', user: '10.1.2.3' },
    { authScheme: 'digest', user: 'u' },
    { authScheme: 'x509', user: 'CN=a' },
    { authScheme: 'sasl', user: 'bob@R' },
    { authScheme: 'super', user: '' },
  ]);
});
