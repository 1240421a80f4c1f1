import {
  ACL,
  Create2Response,
  FIELD_LENGTH_BYTES_MAX_DEFAULT,
  GetChildrenResponse,
  JuteError,
  JuteReader,
  long,
  MultiTxn,
  record,
  vector,
} from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { bytesOf, readerOf } from '../support/hex.ts';

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(JuteError);
    return (error as JuteError).code;
  }
  throw new Error('nothing was thrown');
}

describe('numbers', () => {
  test('any non-zero byte is true', () => {
    const reader = readerOf('00 01 02 ff');
    expect([reader.boolean(), reader.boolean(), reader.boolean(), reader.boolean()]).toEqual([false, true, true, true]);
  });

  test('ints are signed, big-endian', () => {
    const reader = readerOf('7fffffff 80000000 ffffffff 00000102');
    expect([reader.int(), reader.int(), reader.int(), reader.int()]).toEqual([2147483647, -2147483648, -1, 258]);
  });

  test.each([
    ['0020000000000001', 2n ** 53n + 1n],
    ['7fffffffffffffff', 2n ** 63n - 1n],
    ['8000000000000000', -(2n ** 63n)],
    ['fedcba9876543210', -0x123456789abcdf0n],
    ['0100001b5d920001', 0x100001b5d920001n],
  ])('long %s keeps all its bits', (hex, value) => {
    expect(readerOf(hex).long()).toBe(value);
  });

  test('a missing byte is TRUNCATED, and the reader stays where it was', () => {
    const reader = readerOf('00 00 00');
    expect(codeOf(() => reader.int())).toBe('TRUNCATED');
    expect(codeOf(() => reader.long())).toBe('TRUNCATED');
    expect(reader.position).toBe(0);
  });
});

describe('strings and buffers', () => {
  test('null and empty are two things', () => {
    expect(readerOf('ffffffff').nullableUstring()).toBeNull();
    expect(readerOf('00000000').nullableUstring()).toBe('');
    expect(readerOf('ffffffff').nullableBuffer()).toBeNull();
    expect(readerOf('00000000').nullableBuffer()).toEqual(new Uint8Array(0));
  });

  test('null where a value is needed', () => {
    expect(codeOf(() => readerOf('ffffffff').ustring())).toBe('UNEXPECTED_NULL');
    expect(codeOf(() => readerOf('ffffffff').buffer())).toBe('UNEXPECTED_NULL');
    expect(codeOf(() => readerOf('ffffffff').count())).toBe('UNEXPECTED_NULL');
  });

  test('lengths below −1 and above the limit are unreasonable, also when the bytes are missing', () => {
    for (const length of ['fffffffe', '80000000', '7fffffff', '001fffff']) {
      expect(codeOf(() => readerOf(length).nullableUstring())).toBe('UNREASONABLE_LENGTH');
      expect(codeOf(() => readerOf(length).nullableBuffer())).toBe('UNREASONABLE_LENGTH');
    }
    expect(FIELD_LENGTH_BYTES_MAX_DEFAULT).toBe(0x1ffffe);
    expect(codeOf(() => readerOf('001ffffe').nullableBuffer())).toBe('TRUNCATED');
  });

  test('the limit is inclusive and the caller’s to set', () => {
    const bytes = bytesOf('00000004 01020304');
    expect(new JuteReader(bytes, 4).buffer()).toEqual(bytesOf('01020304'));
    expect(codeOf(() => new JuteReader(bytes, 3).buffer())).toBe('UNREASONABLE_LENGTH');
  });

  test.each(['Buffer', 'Uint8Array'])('a buffer decoded from a %s without copying is a view', (kind) => {
    const frame = Uint8Array.of(9, 0, 0, 0, 2, 5, 6, 7);
    const bytes = kind === 'Buffer' ? Buffer.from(frame.buffer, 1) : frame.subarray(1);
    const buffer = new JuteReader(bytes, 100, false).buffer();
    expect([...buffer]).toEqual([5, 6]);
    frame[5] = 8;
    expect([...buffer]).toEqual([8, 6]);
  });

  test.each(['Buffer', 'Uint8Array'])('a buffer decoded from a %s is a copy', (kind) => {
    for (const length of [0, 1, 64, 65, 1024, 1025, 100_000]) {
      const plain = new Uint8Array(4 + length).fill(7, 4);
      new DataView(plain.buffer).setInt32(0, length);
      const bytes = kind === 'Buffer' ? Buffer.from(plain) : plain;
      const decoded = new JuteReader(bytes).buffer();
      bytes.fill(0);
      expect(decoded.length).toBe(length);
      expect(decoded.every((byte) => byte === 7)).toBe(true);
      expect(Object.getPrototypeOf(decoded)).toBe(Uint8Array.prototype);
    }
  });

  test('copies that share a slab do not overlap', () => {
    const bytes = new Uint8Array(4 + 300);
    new DataView(bytes.buffer).setInt32(0, 300);
    const copies = Array.from({ length: 200 }, (_, i) => new JuteReader(bytes.fill(i, 4)).buffer());
    for (const [i, copy] of copies.entries()) {
      expect(copy.every((byte) => byte === i)).toBe(true);
    }
  });
});

describe('malformed UTF-8 becomes U+FFFD and never an error', () => {
  test.each([
    ['an ASCII path', '2f61', '/a'],
    ['two bytes', 'c3a9', 'é'],
    ['three bytes', 'e282ac', '€'],
    ['four bytes: a surrogate pair', 'f09f9880', '\u{1f600}'],
    ['a lonely continuation byte', '6180', 'a\ufffd'],
    ['a sequence cut short', 'e282', '\ufffd'],
    ['bytes that UTF-8 never has', 'ff61', '\ufffda'],
    ['an overlong slash', 'c0af', '\ufffd\ufffd'],
    ['a surrogate, as the Java writer emits it, is one', 'eda080', '\ufffd'],
    ['a pair of them is two', '2feda0bdedb88061', '/\ufffd\ufffda'],
    ['two bytes of a surrogate are one', 'eda061', '\ufffda'],
    ['at the end too', '61edbf', 'a\ufffd'],
    ['a surrogate and a byte too many', 'eda08080', '\ufffd\ufffd'],
    ['the last character before the surrogates', 'ed9fbf', '\ud7ff'],
    ['the first byte of one', 'ed', '\ufffd'],
    ['the first byte of one, then text', 'ed61', '\ufffda'],
    ['U+FFFD itself', 'efbfbd', '\ufffd'],
    ['U+FFFD beside a surrogate', 'efbfbdeda080', '\ufffd\ufffd'],
    ['other malformed bytes beside a surrogate', 'f09f98eda080e2c3a9', '\ufffd\ufffd\ufffdé'],
    ['beyond the last character', 'f4908080', '\ufffd\ufffd\ufffd\ufffd'],
    ['a byte order mark is a character', 'efbbbf61', '\ufeffa'],
    ['NUL is a character', '6100', 'a\u0000'],
  ])('%s', (_name, hex, expected) => {
    const length = (hex.length / 2).toString(16).padStart(8, '0');
    expect(readerOf(length + hex).ustring()).toBe(expected);
  });
});

describe('vectors', () => {
  test('−1 is null, other negative counts are empty', () => {
    expect(readerOf('ffffffff').nullableCount()).toBe(-1);
    expect(readerOf('fffffffe').nullableCount()).toBe(0);
    expect(readerOf('80000000').count()).toBe(0);
    expect(GetChildrenResponse.decode(readerOf('fffffffe'))).toEqual({ children: [] });
  });

  test('a count above what the bytes can hold is refused before anything is read', () => {
    const zeros = '00'.repeat(1000);
    for (const [type, elementBytes] of [
      [record('Acls', { list: vector(ACL) }), 12],
      [GetChildrenResponse, 4],
      [MultiTxn, 8],
      [record('Longs', { list: vector(long) }), 8],
    ] as const) {
      const fits = Math.floor(1000 / elementBytes);
      const word = (count: number) => count.toString(16).padStart(8, '0');
      for (const count of [fits + 1, 1000, 0x7fffffff]) {
        const reader = readerOf(word(count) + zeros);
        expect(codeOf(() => type.decode(reader))).toBe('UNREASONABLE_LENGTH');
        expect(reader.position).toBe(4);
      }
      const [list] = Object.values(type.decode(readerOf(word(fits) + zeros)) as object);
      expect(list).toHaveLength(fits);
    }
  });
});

describe('the reader', () => {
  test('stays inside its range and may be pointed elsewhere', () => {
    const bytes = bytesOf('00000001 00000002 00000003');
    const reader = new JuteReader();
    reader.reset(bytes, 4, 8);
    expect(reader.remaining).toBe(4);
    expect(reader.int()).toBe(2);
    expect(codeOf(() => reader.boolean())).toBe('TRUNCATED');
    reader.reset(bytes, 0, 4);
    expect([reader.int(), reader.position, reader.remaining]).toEqual([1, 4, 0]);
  });

  test('reads at the offset of a view', () => {
    const whole = bytesOf('ffffffff 00000005 ffffffff');
    expect(new JuteReader(whole.subarray(4, 8)).int()).toBe(5);
  });

  test('a range outside of the bytes is our own mistake', () => {
    const reader = new JuteReader();
    for (const [start, end] of [
      [0, 5],
      [-1, 2],
      [3, 2],
    ]) {
      expect(() => reader.reset(new Uint8Array(4), start, end)).toThrow(RangeError);
    }
  });

  test('bytes after the last field are left alone', () => {
    const reader = readerOf('00000001 61 00000000');
    expect(GetChildrenResponse.decode(readerOf('00000000 ff'))).toEqual({ children: [] });
    expect(reader.ustring()).toBe('a');
    expect(reader.remaining).toBe(4);
    expect(codeOf(() => Create2Response.decode(readerOf('00000001 61 00')))).toBe('TRUNCATED');
  });
});
