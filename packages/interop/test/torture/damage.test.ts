/** Damage that no checksum shows. */
import { describe, expect, test } from 'vitest';
import { alterSnapshot } from '../../src/torture/damage.ts';

/** As the RFC defines it. */
function adler32(bytes: Uint8Array): bigint {
  const a = bytes.reduce((sum, byte) => (sum + byte) % 65521, 1);
  const b = [...bytes].reduce((sum, _, i) => {
    return (sum + bytes.subarray(0, i + 1).reduce((own, byte) => (own + byte) % 65521, 1)) % 65521;
  }, 0);
  return BigInt(b) * 65536n + BigInt(a);
}

function sealed(bytes: Buffer): Buffer {
  const seal = Buffer.from('0000000000000000000000012f', 'hex');
  seal.writeBigInt64BE(adler32(bytes));
  return Buffer.concat([bytes, seal]);
}

/** A tree, its digest, and its last zxid. */
function snapshotOf(value: string): Buffer {
  const tree = sealed(Buffer.from(`ZKSN ${value} and others`));
  const digest = sealed(Buffer.concat([tree, Buffer.alloc(20, 7)]));
  return sealed(Buffer.concat([digest, Buffer.alloc(8, 9)]));
}

describe('an altered snapshot', () => {
  test.each([0, 10, 60])('has another value under checksums that are right (near %i)', (near) => {
    const value = 'x'.repeat(40);
    const bytes = snapshotOf(value);
    expect(alterSnapshot(bytes, near)).toBe(true);
    const place = bytes.indexOf('y');
    expect(place).toBeGreaterThan(4);
    expect(bytes).toEqual(snapshotOf(`${'x'.repeat(place - 5)}y${'x'.repeat(44 - place)}`));
  });

  test('is as it was when it has no such value, or its checksum is wrong before', () => {
    const without = snapshotOf('nothing to alter');
    const before = Buffer.from(without);
    expect(alterSnapshot(without, 5)).toBe(false);
    expect(without).toEqual(before);
    const wrong = snapshotOf('x'.repeat(40));
    wrong[3] ^= 1;
    expect(alterSnapshot(wrong, 5)).toBe(false);
  });
});
