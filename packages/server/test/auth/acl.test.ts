import { type ACL, ErrorNumber, OPEN_ACL, Perms, type RequestAcl } from '@treekeeper/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AccessControl } from '../../src/auth/acl.ts';
import { AUTH_DEFAULTS, type AuthOptions } from '../../src/auth/options.ts';
import { AuthRegistry } from '../../src/auth/registry.ts';
import type { Identity } from '../../src/auth/scheme.ts';

function accessWith(options: Partial<AuthOptions> = {}): AccessControl {
  return new AccessControl(new AuthRegistry({ ...AUTH_DEFAULTS, ...options }));
}

/** `scheme:id:perms` */
function entry(text: string): ACL {
  const [, scheme, id, perms] = /^([^:]*):(.*):(-?\d+)$/.exec(text) as RegExpExecArray;
  return { perms: Number(perms), id: { scheme, id } };
}

const acl = (...texts: string[]): ACL[] => texts.map(entry);
const IP: Identity = { scheme: 'ip', id: '10.1.2.3' };
const DIGEST: Identity = { scheme: 'digest', id: 'u:h' };
const SUPER: Identity = { scheme: 'super', id: '' };

describe('permits (client-protocol.md §8.1)', () => {
  const access = accessWith();

  test.each<[string, ACL[], number, Identity[], boolean]>([
    ['an empty list gives everything', [], Perms.all, [], true],
    ['world:anyone gives its bits to everyone', acl('world:anyone:1'), Perms.read, [], true],
    ['and no others', acl('world:anyone:1'), Perms.write, [IP], false],
    ['one of the bits asked for is enough', acl('world:anyone:16'), Perms.read | Perms.admin, [], true],
    ['world with another id is nobody', acl('world:someone:31'), Perms.read, [IP], false],
    ['an identity of the connection', acl('digest:u:h:2'), Perms.write, [IP, DIGEST], true],
    ['someone else', acl('digest:v:h:31'), Perms.write, [IP, DIGEST], false],
    ['the right id with another scheme', acl('digest:10.1.2.3:31'), Perms.read, [IP], false],
    ['an address in the range', acl('ip:10.1.0.0/16:1'), Perms.read, [IP], true],
    ['the second entry', acl('digest:v:h:31', 'digest:u:h:1'), Perms.read, [DIGEST], true],
    [
      'bits of several entries do not add up for different people',
      acl('digest:u:h:1', 'digest:v:h:2'),
      2,
      [DIGEST],
      false,
    ],
    ['super passes everything', acl('digest:v:h:1'), Perms.admin, [IP, SUPER], true],
    ['an unknown scheme matches nobody', acl('custom:x:31'), 1, [{ scheme: 'custom', id: 'x' }], false],
    ['bits above ALL are bits', acl('world:anyone:-1'), 64, [], true],
  ])('%s', (_what, list, perms, identities, expected) => {
    expect(access.permits(list, perms, identities)).toBe(expected);
  });

  test('skipACL: everything', () => {
    expect(accessWith({ skipAcl: true }).permits(acl('digest:v:h:1'), Perms.admin, [])).toBe(true);
  });

  test('a scheme that is switched off matches nobody', () => {
    expect(accessWith({ digestEnabled: false }).permits(acl('digest:u:h:31'), Perms.read, [DIGEST])).toBe(false);
  });

  test('the same as the rule read aloud', () => {
    const ids = fc.constantFrom('world:anyone', 'digest:u:h', 'digest:v:h', 'ip:10.0.0.0/8', 'ip:11.0.0.1', 'super:');
    const list = fc.array(fc.tuple(ids, fc.nat(31)), { maxLength: 4 });
    const who = fc.subarray([IP, DIGEST, SUPER, { scheme: 'digest', id: 'v:h' }]);
    fc.assert(
      fc.property(list, fc.integer({ min: 1, max: 31 }), who, (entries, perms, identities) => {
        const names = new Set(identities.map(({ scheme, id }) => `${scheme}:${id}`));
        const held = (name: string) =>
          name === 'world:anyone' || (name === 'ip:10.0.0.0/8' && names.has('ip:10.1.2.3')) || names.has(name);
        const expected =
          entries.length === 0 ||
          names.has('super:') ||
          entries.some(([name, bits]) => (bits & perms) !== 0 && name !== 'super:' && held(name));
        const stored = entries.map(([name, bits]) => entry(`${name}:${bits}`));
        expect(access.permits(stored, perms, identities)).toBe(expected);
      }),
    );
  });
});

describe('fixAcl (client-protocol.md §8.3)', () => {
  const access = accessWith({ tlsEnabled: true, authProviders: new Map([['1', 'sasl']]) });
  const { INVALID_ACL } = ErrorNumber;
  const nullScheme: RequestAcl = { perms: 31, id: { scheme: null, id: 'anyone' } };

  test.each<[string, RequestAcl[] | null]>([
    ['null', null],
    ['empty', []],
    ['a null scheme', [nullScheme]],
    ['a null scheme behind a good entry', [...OPEN_ACL, nullScheme]],
    ['world with another id', acl('world:someone:31')],
    ['world without an id', acl('world::31')],
    ['an unknown scheme', acl('custom:x:31')],
    ['scheme super', acl('super::31')],
    ['scheme ensemble', acl('ensemble:east:31')],
    ['an empty scheme', acl(':x:31')],
    ['an invalid address', acl('ip:1.2.3:31')],
    ['a host name', acl('ip:localhost:31')],
    ['an invalid subject', acl('x509:anyone:31')],
    ['an invalid principal', acl('sasl:a@b@c:31')],
    ['one bad entry among good ones', acl('world:anyone:1', 'digest:a:b:31', 'ip:x:1')],
  ])('%s is an invalid ACL', (_what, list) => {
    expect(access.fixAcl(list, [IP, DIGEST])).toBe(INVALID_ACL);
  });

  test.each(['digest:user::31', 'digest:a:b:c:31', 'digest:nocolon:31'])('trap 30: %s is an invalid ACL', (text) => {
    expect(access.fixAcl(acl(text), [DIGEST])).toBe(INVALID_ACL);
  });

  test('good entries are kept as they are, odd permission bits too', () => {
    const list = acl(
      'world:anyone:1',
      'ip:10.0.0.0/8:64',
      'ip:2001:db8::/32:1',
      'digest:a:b:-1',
      'x509:CN=a:0',
      'sasl:bob@R:31',
    );
    expect(access.fixAcl(list, [])).toEqual(list);
  });

  test('exact duplicates go, in order, before auth entries are expanded', () => {
    const list = acl('world:anyone:1', 'digest:u:h:31', 'world:anyone:1', 'world:anyone:2', 'auth:x:31', 'auth:x:31');
    expect(access.fixAcl(list, [DIGEST])).toEqual(
      acl('world:anyone:1', 'digest:u:h:31', 'world:anyone:2', 'digest:u:h:31'),
    );
  });

  test('an auth entry stands for every identity that proves who the client is, its id ignored', () => {
    const identities = [IP, DIGEST, SUPER, { scheme: 'sasl', id: 'bob' }, { scheme: 'x509', id: 'CN=a' }];
    expect(access.fixAcl(acl('auth:whatever:5'), identities)).toEqual(acl('digest:u:h:5', 'sasl:bob:5', 'x509:CN=a:5'));
  });

  test('trap 29: an auth entry with only an ip identity is an invalid ACL; super does not count either', () => {
    expect(access.fixAcl(acl('auth::31'), [IP])).toBe(INVALID_ACL);
    expect(access.fixAcl(acl('auth::31'), [IP, SUPER])).toBe(INVALID_ACL);
    expect(access.fixAcl(acl('world:anyone:31', 'auth::31'), [])).toBe(INVALID_ACL);
  });

  test('schemes that are not configured are invalid', () => {
    expect(accessWith().fixAcl(acl('sasl:bob:31'), [])).toBe(INVALID_ACL);
    expect(accessWith().fixAcl(acl('x509:CN=a:31'), [])).toBe(INVALID_ACL);
    expect(accessWith({ digestEnabled: false }).fixAcl(acl('digest:a:b:31'), [])).toBe(INVALID_ACL);
  });

  test('entries that only look alike are not duplicates', () => {
    const list = acl('digest:1,a:b:31', 'digest:a:b:31', 'ip:1.2.3.4:31', 'ip:1.2.3.4/32:31');
    expect(access.fixAcl(list, [])).toEqual(list);
  });

  test('a list of the largest size a request can have is no burden', () => {
    const list = Array.from({ length: 40_000 }, (_, i) => entry(`ip:10.${i >> 16}.${(i >> 8) & 255}.${i & 255}:1`));
    expect(access.fixAcl([...list, ...list], [])).toHaveLength(40_000);
  });
});

describe('maskAcl (client-protocol.md §8.4)', () => {
  test('trap 31: digest hashes are cut to user:x, the rest is left', () => {
    const list = acl('world:anyone:1', 'digest:user:hash=:31', 'digest::h:4', 'ip:10.0.0.1:2', 'sasl:bob:3');
    const before = structuredClone(list);
    expect(accessWith().maskAcl(list)).toEqual(
      acl('world:anyone:1', 'digest:user:x:31', 'digest::x:4', 'ip:10.0.0.1:2', 'sasl:bob:3'),
    );
    expect(list).toEqual(before);
  });
});
