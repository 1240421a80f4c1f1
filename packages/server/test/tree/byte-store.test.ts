import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteStore } from '../../src/tree/byte-store.ts';

const SLAB_BYTES = 256 * 1024;
const FIRST_SLAB_BYTES_MIN = 8 * 1024;

function fill(store: ByteStore, address: number, length: number, byte: number): void {
  const start = store.offset(address);
  store.bytes(address).fill(byte, start, start + length);
}

function holds(store: ByteStore, address: number, length: number, byte: number): boolean {
  const start = store.offset(address);
  const block = store.bytes(address).subarray(start, start + length);
  return Buffer.compare(block, Buffer.alloc(length, byte)) === 0;
}

describe('ByteStore', () => {
  test('blocks keep what was written to them while others come and go', { timeout: 60_000 }, () => {
    const size = fc.oneof(fc.nat(300), fc.nat(40000), fc.integer({ min: 32000, max: 33500 }));
    const action = fc.record({ size, byte: fc.nat(255), release: fc.nat(10) });
    const run = fc.property(fc.array(action, { maxLength: 200, size: 'max' }), (actions) => {
      const store = new ByteStore();
      const blocks: { address: number; size: number; byte: number }[] = [];
      for (const { size, byte, release } of actions) {
        const address = store.allocate(size);
        fill(store, address, size, byte);
        blocks.push({ address, size, byte });
        if (release < 5 && blocks.length > release) {
          store.release(blocks.splice(release, 1)[0].address);
        }
      }
      expect(blocks.filter((block) => !holds(store, block.address, block.size, block.byte))).toEqual([]);
      blocks.forEach(({ address }) => {
        store.release(address);
      });
      expect(store.slabBytes).toBeLessThanOrEqual(16 * SLAB_BYTES);
    });
    fc.assert(run, { numRuns: 30 });
  });

  test('blocks of equal class are told by isSameClass', () => {
    const store = new ByteStore();
    expect(store.isSameClass(store.allocate(17), 32)).toBe(true);
    expect(store.isSameClass(store.allocate(17), 33)).toBe(false);
    expect(store.isSameClass(store.allocate(257), 288)).toBe(true);
    expect(store.isSameClass(store.allocate(257), 289)).toBe(false);
    expect(store.isSameClass(0, 0)).toBe(true);
    expect(store.isSameClass(0, 1)).toBe(false);
  });

  test('wastes less than an eighth above 256 bytes, and at most 15 bytes below', { timeout: 60_000 }, () => {
    for (let size = 1; size < 3_000_000; size += 1 + (size >>> 4)) {
      const store = new ByteStore();
      const address = store.allocate(size);
      // The largest size of the same class is what the block takes, and the next one is of another class.
      const wasteMax = Math.max(15, Math.ceil(size / 8) - 1);
      expect(store.isSameClass(address, size + wasteMax + 1), `size ${size}`).toBe(false);
      const count = Math.floor(SLAB_BYTES / (size + wasteMax));
      if (count >= 8) {
        expect(new Set(Array.from({ length: count - 1 }, () => store.allocate(size))).size).toBe(count - 1);
        const firstBytes = Math.max(FIRST_SLAB_BYTES_MIN, 8 * (size + wasteMax));
        expect(store.slabBytes).toBeLessThanOrEqual(SLAB_BYTES + firstBytes);
      } else {
        expect(store.slabBytes).toBeLessThanOrEqual(Math.max(SLAB_BYTES, size + wasteMax));
      }
    }
  });

  test('a few blocks of each size take little', () => {
    const store = new ByteStore();
    for (const size of [16, 100, 300, 1000]) {
      const addresses = Array.from({ length: 8 }, () => store.allocate(size));
      expect(new Set(addresses).size).toBe(8);
    }
    expect(store.slabBytes).toBe(4 * FIRST_SLAB_BYTES_MIN);
    expect(store.allocate(20_000)).not.toBe(0);
    expect(store.slabBytes).toBe(4 * FIRST_SLAB_BYTES_MIN + 8 * 20_480);
  });

  test('many small blocks share slabs, and freed ones are used again', () => {
    const store = new ByteStore();
    const addresses = Array.from({ length: 20000 }, () => store.allocate(100));
    const held = store.slabBytes;
    expect(held).toBeLessThan(20000 * 112 + SLAB_BYTES);
    for (let i = 0; i < addresses.length; i += 2) {
      store.release(addresses[i]);
    }
    for (let i = 0; i < addresses.length; i += 2) {
      addresses[i] = store.allocate(101);
    }
    expect(store.slabBytes).toBe(held);
    expect(new Set(addresses).size).toBe(20000);
  });

  test('an emptied slab serves other sizes; a big block goes back at once', () => {
    const store = new ByteStore();
    const small = Array.from({ length: 5000 }, () => store.allocate(200));
    const held = store.slabBytes;
    small.forEach((address) => {
      store.release(address);
    });
    Array.from({ length: 900 }, () => store.allocate(1000));
    expect(store.slabBytes).toBe(held);
    const big = store.allocate(5_000_000);
    expect(store.slabBytes).toBeGreaterThanOrEqual(held + 5_000_000);
    store.release(big);
    expect(store.slabBytes).toBe(held);
    expect(store.allocate(5_000_000)).toBe(big);
  });
});
