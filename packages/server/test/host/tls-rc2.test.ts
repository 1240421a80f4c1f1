import { describe, expect, test } from 'vitest';
import { decryptRc2Cbc } from '../../src/host/key-store/rc2.ts';

/** RFC 2268 §5: key, effective bits, plain text, cipher text. */
const vectors: [string, number, string, string][] = [
  ['0000000000000000', 63, '0000000000000000', 'ebb773f993278eff'],
  ['ffffffffffffffff', 64, 'ffffffffffffffff', '278b27e42e2f0d49'],
  ['3000000000000000', 64, '1000000000000001', '30649edf9be7d2c2'],
  ['88', 64, '0000000000000000', '61a8a244adacccf0'],
  ['88bca90e90875a', 64, '0000000000000000', '6ccf4308974c267f'],
  ['88bca90e90875a7f0f79c384627bafb2', 64, '0000000000000000', '1a807d272bbe5db1'],
  ['88bca90e90875a7f0f79c384627bafb2', 128, '0000000000000000', '2269552ab0f85ca6'],
];

describe('RC2, the vectors of RFC 2268', () => {
  test.each(vectors)('key %s, %i bits', (key, bits, plain, cipher) => {
    const zeroIv = Buffer.alloc(8);
    expect(decryptRc2Cbc(Buffer.from(key, 'hex'), bits, zeroIv, Buffer.from(cipher, 'hex')).toString('hex')).toBe(
      plain,
    );
  });

  test('each block is chained to the cipher text before it', () => {
    const key = Buffer.from('88', 'hex');
    const twice = Buffer.from('61a8a244adacccf061a8a244adacccf0', 'hex');
    const plain = decryptRc2Cbc(key, 64, Buffer.from('0102030405060708', 'hex'), twice);
    expect(plain.toString('hex')).toBe('010203040506070861a8a244adacccf0');
  });
});
