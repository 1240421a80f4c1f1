import { counterOf, EPOCH_LIMIT, epochOf, makeZxid, zxidHex, zxidNumber } from '@treekeeper/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const epochs = fc.integer({ min: 0, max: EPOCH_LIMIT - 1 });
const counters = fc.integer({ min: 0, max: 0xffffffff });

test('a number holds epoch and counter exactly, and in order, as the bigint does', () => {
  fc.assert(
    fc.property(epochs, counters, epochs, counters, (epoch, counter, otherEpoch, otherCounter) => {
      const wide = (BigInt(epoch) << 32n) | BigInt(counter);
      const zxid = makeZxid(epoch, counter);
      expect(BigInt(zxid)).toBe(wide);
      expect(zxidNumber(wide)).toBe(zxid);
      expect([epochOf(zxid), counterOf(zxid)]).toEqual([epoch, counter]);
      expect(zxidHex(zxid)).toBe(wide.toString(16));
      const other = makeZxid(otherEpoch, otherCounter);
      expect(Math.sign(zxid - other)).toBe(Number(wide > BigInt(other)) - Number(wide < BigInt(other)));
    }),
  );
});

test('a zxid that would lose bits is refused', () => {
  const last = (BigInt(EPOCH_LIMIT) << 32n) - 1n;
  expect(zxidNumber(last)).toBe(Number.MAX_SAFE_INTEGER);
  for (const zxid of [last + 1n, 2n ** 63n - 1n, -(2n ** 63n)]) {
    expect(() => zxidNumber(zxid)).toThrow(RangeError);
  }
});

test('hex is that of file names', () => {
  expect([zxidHex(0), zxidHex(0x100000001), zxidHex(0xabcdefn)]).toEqual(['0', '100000001', 'abcdef']);
  expect([zxidHex(-1), zxidHex(-1n)]).toEqual(['ffffffffffffffff', 'ffffffffffffffff']);
});
