import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import type { Peer, Scheme } from '../../src/auth/scheme.ts';
import { withIdentities } from '../../src/auth/scheme.ts';
import { digestId, digestScheme } from '../../src/auth/schemes/digest.ts';
import { ensembleScheme } from '../../src/auth/schemes/ensemble.ts';
import { ipScheme } from '../../src/auth/schemes/ip.ts';
import { saslIdentities, saslScheme } from '../../src/auth/schemes/sasl.ts';
import { x509Scheme } from '../../src/auth/schemes/x509.ts';

const peer: Peer = { remoteAddress: '10.1.2.3', certificateSubject: null };
const bytes = (text: string) => Buffer.from(text);
const SUPER_DIGEST = 'super:D/InIHSb7yEEbrWz8b9l71RjZJU=';

function validity(scheme: Scheme, ids: string[]): Record<string, boolean> {
  return Object.fromEntries(ids.map((id) => [id, scheme.isValid(id)]));
}

describe('digest', () => {
  const scheme = digestScheme('SHA1', SUPER_DIGEST);

  test.each([
    ['super:test', SUPER_DIGEST],
    ['u:p', 'u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ='],
  ])('%s becomes %s', (clearText, id) => {
    expect(digestId(clearText, 'SHA1')).toBe(id);
  });

  test('text is cut at the first colon and hashed whole; without a colon it is all user', () => {
    expect(digestId('a:b:c', 'SHA1')).toMatch(/^a:[A-Za-z0-9+/]{27}=$/);
    expect(digestId('a:b:c', 'SHA1')).not.toBe(digestId('a:b', 'SHA1'));
    expect(digestId('nocolon', 'SHA1')).toMatch(/^nocolon:/);
    expect(digestId('', 'SHA1')).toMatch(/^:/);
  });

  test('an id keeps nothing of the text that it was made from in memory', () => {
    setFlagsFromString('--expose-gc');
    const collect: () => void = runInNewContext('gc');
    const usedBytes = (): number => {
      collect();
      return process.memoryUsage().heapUsed;
    };
    const before = usedBytes();
    const ids = Array.from({ length: 50 }, (_, i) =>
      digestId(`a user with a long name ${i}:${'p'.repeat(1 << 20)}`, 'SHA1'),
    );
    expect(usedBytes() - before).toBeLessThan(10 << 20);
    expect(new Set(ids).size).toBe(50);
  });

  test('other algorithms, by the names Java has for them', () => {
    expect(digestId('super:test', 'SHA-256')).toBe('super:wjySwxg860UATFtciuZ1lpzrCHrPeov6SPu/ZD56uig=');
    expect(digestId('super:test', 'SHA3-256')).toBe('super:cRy/KPYuDpW/dtsepniTMpuiuupnWgdU9txltIfv3hA=');
  });

  test('trap 30: an id is user:hash, with something after the only colon', () => {
    expect(validity(scheme, ['a:b', ':x', 'a:b:', 'x:', 'a:b:c', 'nocolon', '', ':'])).toEqual({
      'a:b': true,
      ':x': true,
      'a:b:': true, // trailing empty parts do not count
      'x:': false,
      'a:b:c': false,
      nocolon: false,
      '': false,
      ':': false,
    });
  });

  test('no password is refused, only missing data is', () => {
    expect(scheme.authenticate(peer, bytes('u:p'))).toEqual([
      { scheme: 'digest', id: 'u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=' },
    ]);
    expect(scheme.authenticate(peer, bytes(''))).toHaveLength(1);
    expect(scheme.authenticate(peer, null)).toBe('refused');
  });

  test('the data may be a view into a larger buffer', () => {
    expect(scheme.authenticate(peer, new Uint8Array(bytes('xxu:pxx')).subarray(2, 5))).toEqual([
      { scheme: 'digest', id: 'u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=' },
    ]);
  });

  test('the password behind superDigest gives both identities', () => {
    expect(scheme.authenticate(peer, bytes('super:test'))).toEqual([
      { scheme: 'super', id: '' },
      { scheme: 'digest', id: SUPER_DIGEST },
    ]);
    expect(scheme.authenticate(peer, bytes('super:wrong'))).toHaveLength(1);
    expect(digestScheme('SHA1', null).authenticate(peer, bytes('super:test'))).toHaveLength(1);
  });

  test('ids match when equal', () => {
    expect(scheme.matches('u:h', 'u:h')).toBe(true);
    expect(scheme.matches('u:h', 'u:H')).toBe(false);
  });
});

describe('ip', () => {
  const scheme = ipScheme();

  test('is what the peer address says', () => {
    expect(scheme.authenticate(peer, null)).toEqual([{ scheme: 'ip', id: '10.1.2.3' }]);
    expect(scheme.authenticate({ ...peer, remoteAddress: '::ffff:10.1.2.3' }, null)).toEqual([
      { scheme: 'ip', id: '10.1.2.3' },
    ]);
    expect(scheme.authenticate({ ...peer, remoteAddress: '::1' }, bytes('x'))).toEqual([
      { scheme: 'ip', id: '0:0:0:0:0:0:0:1' },
    ]);
  });

  test.each([
    ['10.1.2.3', '10.1.2.3', true],
    ['10.1.2.3', '10.1.0.0/16', true],
    ['10.1.2.3', '10.1.2.0/31', false],
    ['10.1.2.3', '10.1.2.2/31', true],
    ['10.1.2.3', '0.0.0.0/0', true],
    ['10.1.2.3', '::/0', false],
    ['2001:db8:0:0:0:0:0:1', '2001:db8::/32', true],
    ['2001:db8:0:0:0:0:0:1', '2001:db9::/32', false],
    ['10.1.2.3', 'localhost', false],
  ])('%s in %s: %s', (id, aclId, expected) => {
    expect(scheme.matches(id, aclId)).toBe(expected);
  });

  test('more ranges than are remembered', () => {
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 1500; i++) {
        const address = `10.0.${i >> 8}.${i & 255}`;
        expect(scheme.matches(address, `${address}/32`)).toBe(true);
        expect(scheme.matches('11.0.0.1', `${address}/32`)).toBe(false);
      }
    }
  });
});

describe('sasl', () => {
  const scheme = saslScheme('anybody');

  test('ids are Kerberos-like names', () => {
    expect(validity(scheme, ['bob', 'bob@R', 'bob/h@R', '', 'a/b/c', '@', 'a@b@c', 'a/b/c@R', 'bob@R/h'])).toEqual({
      bob: true,
      'bob@R': true,
      'bob/h@R': true,
      '': true,
      'a/b/c': true,
      '@': true,
      'a@b@c': false,
      'a/b/c@R': false,
      'bob@R/h': false,
    });
  });

  test('matches the same name, user super, and the id that any user matches', () => {
    expect(scheme.matches('bob', 'bob')).toBe(true);
    expect(scheme.matches('bob', 'alice')).toBe(false);
    expect(scheme.matches('super', 'alice')).toBe(true);
    expect(scheme.matches('bob', 'anybody')).toBe(true);
    expect(saslScheme(null).matches('bob', 'anybody')).toBe(false);
  });

  test('cannot be had by an auth packet', () => {
    expect(scheme.authenticate(peer, bytes('bob'))).toBe('refused');
  });

  test('superusers get super as well', () => {
    expect(saslIdentities('bob', ['root', 'bob'])).toEqual([
      { scheme: 'sasl', id: 'bob' },
      { scheme: 'super', id: 'bob' },
    ]);
    expect(saslIdentities('eve', ['root', 'bob'])).toEqual([{ scheme: 'sasl', id: 'eve' }]);
    expect(saslIdentities('', [''])).toEqual([{ scheme: 'sasl', id: '' }]);
  });
});

describe('x509', () => {
  const subject = 'CN=client one,O=Acme,C=US';
  const scheme = x509Scheme('CN=admin');

  test('is the subject of the certificate; without one it is refused', () => {
    expect(scheme.authenticate({ ...peer, certificateSubject: subject }, null)).toEqual([
      { scheme: 'x509', id: subject },
    ]);
    expect(scheme.authenticate(peer, bytes(subject))).toBe('refused');
  });

  test('the configured subject is super, and matches every x509 entry', () => {
    expect(scheme.authenticate({ ...peer, certificateSubject: 'CN=admin' }, null)).toEqual([
      { scheme: 'super', id: 'CN=admin' },
      { scheme: 'x509', id: 'CN=admin' },
    ]);
    expect(scheme.matches('CN=admin', subject)).toBe(true);
    expect(scheme.matches(subject, subject)).toBe(true);
    expect(scheme.matches(subject, 'CN=admin')).toBe(false);
  });

  test('ids are distinguished names', () => {
    expect(validity(scheme, [subject, 'anyone'])).toEqual({ [subject]: true, anyone: false });
  });
});

describe('ensemble', () => {
  const tallies = { success: { value: 0 }, fail: { value: 0 }, skip: { value: 0 } };
  const scheme = ensembleScheme(['east', 'west'], tallies);

  test('a right name, or none, passes without an identity; a wrong one closes the connection', () => {
    expect(scheme.authenticate(peer, bytes('west'))).toEqual([]);
    expect(scheme.authenticate(peer, bytes(''))).toEqual([]);
    expect(scheme.authenticate(peer, null)).toEqual([]);
    expect(scheme.authenticate(peer, bytes('south'))).toBe('close');
    expect(ensembleScheme(null, tallies).authenticate(peer, bytes('south'))).toEqual([]);
  });

  test('no ACL can name it', () => {
    expect(scheme.isValid('east')).toBe(false);
    expect(scheme.matches('east', 'east')).toBe(false);
  });
});

test('identities accumulate, each once', () => {
  const ip = { scheme: 'ip', id: '10.1.2.3' };
  const known = withIdentities([], [ip, { scheme: 'digest', id: 'a:b' }]);
  expect(known).toHaveLength(2);
  expect(withIdentities(known, [{ ...ip }])).toBe(known);
  expect(withIdentities(known, [{ scheme: 'digest', id: 'a:c' }, ip])).toEqual([
    ...known,
    { scheme: 'digest', id: 'a:c' },
  ]);
});
