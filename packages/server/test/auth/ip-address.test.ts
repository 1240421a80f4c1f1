import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalAddress, isInRange, parseAddress, parseRange } from '../../src/auth/ip-address.ts';

/** The address as a string of bits. */
function bits(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
}

const hextets = (text: string) => {
  const bytes = parseAddress(text);
  return bytes === null ? null : Buffer.from(bytes).toString('hex');
};

describe('addresses', () => {
  test.each([
    ['1.2.3.4', '01020304'],
    ['0.0.0.0', '00000000'],
    ['255.255.255.255', 'ffffffff'],
    ['010.0.0.1', '0a000001'],
    ['::', '00000000000000000000000000000000'],
    ['::1', '00000000000000000000000000000001'],
    ['1::', '00010000000000000000000000000000'],
    ['2001:db8::ff00:42:8329', '20010db8000000000000ff0000428329'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
    ['1:2:3:4:5:6:7::', '00010002000300040005000600070000'],
    ['ABCD::abcd', 'abcd000000000000000000000000abcd'],
  ])('%s', (text, hex) => {
    expect(hextets(text)).toBe(hex);
  });

  test.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '1.2.3.-1',
    '1..3.4',
    '1.2.3.a',
    '1.2.3.4 ',
    'localhost',
    '1234',
    ':',
    ':::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    '1:2:3:4:5:6:7::8',
    '12345::',
    'g::',
    ':1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:',
    '::ffff:1.2.3.4',
    'fe80::1%eth0',
    '::1/64',
  ])('no address: %s', (text) => {
    expect(parseAddress(text)).toBeNull();
  });

  test.each([
    ['127.0.0.1', '127.0.0.1'],
    ['::ffff:127.0.0.1', '127.0.0.1'],
    ['::1', '0:0:0:0:0:0:0:1'],
    ['2001:DB8::0042', '2001:db8:0:0:0:0:0:42'],
    ['fe80::1%eth0', 'fe80:0:0:0:0:0:0:1'],
    ['', ''],
    ['pipe:1', 'pipe:1'],
  ])('a peer at %s is shown as %s', (remoteAddress, shown) => {
    expect(canonicalAddress(remoteAddress)).toBe(shown);
  });
});

describe('ranges', () => {
  test.each(['1.2.3.4', '1.2.3.4/0', '1.2.3.4/32', '::1/0', '::1/128', '1.2.3.4/08'])('valid: %s', (text) => {
    expect(parseRange(text)).not.toBeNull();
  });

  test.each(['1.2.3.4/', '1.2.3.4/33', '1.2.3.4/-1', '1.2.3.4/a', '1.2.3.4/8/8', '::1/129', '/8', '1.2.3/8'])(
    'invalid: %s',
    (text) => {
      expect(parseRange(text)).toBeNull();
    },
  );

  test('an address is in a range when the leading bits are equal', () => {
    const address = fc.oneof(fc.ipV4(), fc.uint8Array({ minLength: 16, maxLength: 16 }).map(asIpv6));
    fc.assert(
      fc.property(address, address, fc.nat(128), fc.boolean(), (one, other, bitCount, near) => {
        const range = near ? one : other;
        const prefixBits = range.includes(':') ? bitCount : bitCount % 33;
        const [a, b] = [parseAddress(one) as Uint8Array, parseAddress(range) as Uint8Array];
        if (near) {
          a[a.length - 1] ^= 1; // differs in the last bit only
        }
        const parsed = parseRange(`${range}/${prefixBits}`);
        const expected = a.length === b.length && bits(a).slice(0, prefixBits) === bits(b).slice(0, prefixBits);
        expect(parsed !== null && isInRange(a, parsed)).toBe(expected);
      }),
    );
  });

  function asIpv6(bytes: Uint8Array): string {
    return (Buffer.from(bytes).toString('hex').match(/.{4}/g) as string[]).join(':');
  }
});
