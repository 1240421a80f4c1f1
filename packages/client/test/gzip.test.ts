import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bytes, json, nullableBytes, utf8 } from '../src/codec.ts';
import { gzip } from '../src/gzip.ts';

describe('gzip', () => {
  test('whatever is written is read again', () => {
    const magic = fc.uint8Array().map((data) => Uint8Array.of(0x1f, 0x8b, ...data));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), magic), fc.nat(20), (data, bytesMin) => {
        const codec = gzip(bytes, { bytesMin });
        expect(Buffer.from(codec.decode(codec.encode(data)) as Uint8Array)).toEqual(Buffer.from(data));
      }),
    );
  });

  test('long data are gzip, short ones and none are left alone, plain ones are read', () => {
    const codec = gzip(utf8, { bytesMin: 10 });
    const long = 'a'.repeat(1000);
    const data = codec.encode(long) as Uint8Array;
    expect(data.length).toBeLessThan(100);
    expect(gunzipSync(data).toString()).toBe(long);
    expect(codec.encode('short')).toEqual(Buffer.from('short'));
    expect(codec.decode(Buffer.from(long))).toBe(long);
    expect(gzip(nullableBytes).decode(gzip(nullableBytes).encode(null))).toBeNull();
    expect(gzip(json<number[]>()).decode(gzipSync('[1,2]'))).toEqual([1, 2]);
  });

  test('what is too long unpacked, or damaged, is refused', () => {
    const bomb = gzipSync(Buffer.alloc(100_000));
    expect(() => gzip(bytes, { bytesMax: 99_999 }).decode(bomb)).toThrow(/larger than 99999/);
    expect(gzip(bytes, { bytesMax: 100_000 }).decode(bomb)).toHaveLength(100_000);
    expect(() => gzip(bytes).decode(bomb.subarray(0, 20))).toThrow(/unexpected end/);
  });
});
