import { crc32 as zlibCrc32 } from 'node:zlib';
import { JuteWriter } from '@treekeeper/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crc32, crc32Joined, crc32OfSixty } from '../../src/tree/crc32.ts';
import { contentCrc, DigestSum, dataCrcOf, nodeDigest, readLong, writeLong } from '../../src/tree/digest.ts';
import { PathBytes } from '../../src/tree/path-bytes.ts';

const u32 = fc.nat(0xffffffff);

describe('crc32', () => {
  test('is that of zlib, for any range and seed', () => {
    const run = fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 2000, size: 'max' }),
      fc.nat(50),
      u32,
      (bytes, skip, seed) => {
        const start = Math.min(skip, bytes.length - 1);
        expect(crc32(bytes, start, bytes.length, seed)).toBe(zlibCrc32(bytes.subarray(start), seed));
      },
    );
    fc.assert(run);
  });

  test('of no bytes is the seed', () => {
    expect(crc32(new Uint8Array(5), 3, 3, 77)).toBe(77);
  });

  test('of two ranges joined is that of both', () => {
    const bytes = fc.uint8Array({ maxLength: 5000, size: 'max' });
    const run = fc.property(bytes, bytes, (a, b) => {
      expect(crc32Joined(zlibCrc32(a), zlibCrc32(b), b.length)).toBe(zlibCrc32(Buffer.concat([a, b])));
    });
    fc.assert(run);
  });

  test('of two ranges joined, at lengths beyond 32 bits of bits', () => {
    const million = Buffer.alloc(1 << 20);
    let zeros = zlibCrc32('x');
    let nothing = 0;
    for (let i = 0; i < 600; i++) {
      zeros = zlibCrc32(million, zeros);
      nothing = zlibCrc32(million, nothing);
    }
    expect(crc32Joined(zlibCrc32('x'), nothing, 600 * million.length)).toBe(zeros);
  });

  test('of sixty bytes of a view, likewise', () => {
    const run = fc.property(fc.uint8Array({ minLength: 70, maxLength: 70 }), fc.nat(10), u32, (bytes, start, seed) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      expect(crc32OfSixty(view, start, seed)).toBe(zlibCrc32(bytes.subarray(start, start + 60), seed));
    });
    fc.assert(run);
  });
});

describe('PathBytes', () => {
  test('has the UTF-8 bytes of a path and of its parent, with their CRC-32', () => {
    const text = fc.array(fc.constantFrom('a', '/', 'é', '木', '~', 'x'.repeat(1500)), { maxLength: 12 });
    const scratch = new PathBytes();
    const run = fc.property(text, (parts) => {
      const path = `/${parts.join('')}`;
      scratch.encode(path);
      const bytes = Buffer.from(path === '/' ? '' : path);
      expect(Buffer.compare(scratch.bytes.subarray(0, scratch.length), bytes)).toBe(0);
      expect(scratch.crc).toBe(zlibCrc32(bytes));
      const parent = Buffer.from(path.slice(0, path.lastIndexOf('/')));
      expect(scratch.parentLength).toBe(parent.length);
      expect(scratch.parentCrc).toBe(zlibCrc32(parent));
    });
    fc.assert(run);
  });
});

describe('nodeDigest', () => {
  test('covers path, data and stat in the order of disk-format.md §4', () => {
    const stat = Buffer.alloc(60);
    [1n, 2n, 3n, 4n, 5n].forEach((value, i) => {
      stat.writeBigInt64BE(value, 8 * i);
    });
    [6, 7, 8].forEach((value, i) => {
      stat.writeInt32BE(value, 40 + 4 * i);
    });
    stat.writeBigInt64BE(-9n, 52);
    const content = contentCrc('/é', zlibCrc32('data'), 4);
    expect(content).toBe(zlibCrc32(Buffer.from('/édata')));
    expect(nodeDigest('/é', content, 1, 2, 3, 4, 5, 6, 7, 8, -9n)).toBe(zlibCrc32(stat, content));
  });

  test('of the root is the same under both names; null data count as none', () => {
    expect(contentCrc('/', dataCrcOf(null), 0)).toBe(0);
    expect(contentCrc('', dataCrcOf(Buffer.alloc(0)), 0)).toBe(0);
    const crc = dataCrcOf(Buffer.from('x'));
    expect(contentCrc('/', crc, 1)).toBe(crc);
    expect(contentCrc('', crc, 1)).toBe(crc);
  });

  test('trap 28: of the fresh tree add up; /zookeeper has a share, below it there is none', () => {
    const of = (path: string) => nodeDigest(path, contentCrc(path, 0, 0), 0, 0, 0, 0, 0, 0, 0, 0, 0n);
    expect(of('/') + of('/zookeeper')).toBe(1371985504);
    expect(of('/zookeeper/config')).toBe(0);
    expect(of('/zookeeperx')).not.toBe(0);
  });
});

describe('DigestSum', () => {
  test('is a sum modulo 2^64, signed', { timeout: 60_000 }, () => {
    const difference = fc.oneof(
      fc.integer({ min: -0xffffffff, max: 0xffffffff }),
      fc.constantFrom(0xffffffff, -0xffffffff, 1, -1),
    );
    const run = fc.property(fc.array(difference, { maxLength: 100, size: 'max' }), (differences) => {
      const sum = new DigestSum();
      let expected = 0n;
      for (const each of differences) {
        sum.add(each);
        expected = BigInt.asIntN(64, expected + BigInt(each));
        expect(sum.value).toBe(expected);
        expect(sum.equals(DigestSum.of(expected))).toBe(true);
        expect(sum.equals(DigestSum.of(expected ^ (1n << 40n)))).toBe(false);
      }
    });
    fc.assert(run);
  });

  test('is written as a long; a copy goes its own way', () => {
    const run = fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
      const writer = new JuteWriter();
      const sum = DigestSum.of(value);
      const copy = sum.copy();
      copy.add(1);
      sum.write(writer);
      expect(writer.copy().readBigInt64BE()).toBe(value);
      expect(copy.value).toBe(BigInt.asIntN(64, value + 1n));
    });
    fc.assert(run);
  });
});

test('longs are written and read as 64 bits, big-endian', () => {
  const view = new DataView(new ArrayBuffer(8));
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => {
      writeLong(view, 0, value);
      expect(view.getBigInt64(0)).toBe(BigInt(value));
      expect(readLong(view, 0)).toBe(value);
    }),
  );
});
