import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteStore } from '../../src/tree/byte-store.ts';
import { crc32 } from '../../src/tree/crc32.ts';
import { DataTree } from '../../src/tree/data-tree.ts';
import { SHARED_VALUE_BYTES_MIN, SharedValues } from '../../src/tree/shared-values.ts';

const treeOptions = {
  digestEnabled: true,
  ownerRules: { extendedTypesEnabled: true, emulate353TtlNodes: false },
};

function read(store: ByteStore, values: SharedValues, address: number, length: number): Buffer {
  const start = values.start(address);
  return Buffer.from(store.bytes(address).subarray(start, start + length));
}

describe('shared values', () => {
  test('equal values have one address, others their own; bytes stay until the last use is gone', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ take: fc.boolean(), fill: fc.nat(3), length: fc.constantFrom(256, 300, 4096) }), {
          maxLength: 200,
        }),
        (steps) => {
          const store = new ByteStore();
          const values = new SharedValues(store);
          const held: { address: number; data: Buffer }[] = [];
          for (const { take, fill, length } of steps) {
            if (take) {
              const data = Buffer.alloc(length, fill);
              const address = values.take(data, crc32(data, 0, length, 0));
              const same = held.find((other) => other.data.equals(data));
              expect(held.some((other) => other.address === address)).toBe(same !== undefined);
              held.push({ address, data });
            } else if (held.length > 0) {
              values.release(held.splice(fill % held.length, 1)[0].address);
            }
            for (const { address, data } of held) {
              expect(read(store, values, address, data.length).equals(data)).toBe(true);
            }
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  test('values of one CRC and length are told apart', () => {
    // CRC-32 is linear, and its generator polynomial has remainder 0: adding it anywhere changes nothing.
    const store = new ByteStore();
    const values = new SharedValues(store);
    const one = Buffer.alloc(512);
    const other = Buffer.alloc(512);
    const polynomial = Buffer.from([0x41, 0x06, 0x71, 0xdb, 0x01]);
    polynomial.copy(one, 200);
    polynomial.copy(other, 100);
    expect(crc32(one, 0, 512, 0)).toBe(crc32(other, 0, 512, 0));
    const first = values.take(one, crc32(one, 0, 512, 0));
    const second = values.take(other, crc32(other, 0, 512, 0));
    expect(second).not.toBe(first);
    expect(read(store, values, first, 512).equals(one)).toBe(true);
    expect(read(store, values, second, 512).equals(other)).toBe(true);
  });
});

describe('nodes with larger data', () => {
  const large = (fill: number, length = SHARED_VALUE_BYTES_MIN): Buffer => Buffer.alloc(length, fill);
  const create = (tree: DataTree, path: string, data: Uint8Array, zxid: number): void => {
    expect(tree.create(path, data, null, 0n, -1, zxid, zxid, true)).toBe(0);
  };

  test('a change of one leaves the others that had the same value alone', () => {
    const tree = new DataTree(treeOptions);
    create(tree, '/a', large(7), 1);
    create(tree, '/b', large(7), 2);
    create(tree, '/c', large(7), 3);
    tree.setData('/a', large(8), 1, 4, 4);
    tree.remove('/b', 5);
    expect(tree.data(tree.find('/a'))).toEqual(new Uint8Array(large(8)));
    expect(tree.data(tree.find('/c'))).toEqual(new Uint8Array(large(7)));
    tree.setData('/c', large(7), 1, 6, 6);
    expect(tree.data(tree.find('/c'))).toEqual(new Uint8Array(large(7)));
    tree.setData('/c', Buffer.from('small'), 2, 7, 7);
    tree.setData('/a', null, 2, 8, 8);
    expect(Buffer.from(tree.data(tree.find('/c')) ?? []).toString()).toBe('small');
    expect(tree.data(tree.find('/a'))).toBeNull();
  });
});
