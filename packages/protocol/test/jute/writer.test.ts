import { JuteError, JuteReader, JuteWriter } from '@treekeeper/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hexOf } from '../support/hex.ts';

describe('longs', () => {
  test('a number and the bigint of its value give the same bytes', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        expect(hexOf((writer) => writer.long(value))).toBe(hexOf((writer) => writer.long(BigInt(value))));
      }),
    );
  });

  test.each([0, -0, -1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, -(2 ** 32), Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER])(
    'the number %d',
    (value) => {
      expect(hexOf((writer) => writer.long(value))).toBe(hexOf((writer) => writer.long(BigInt(value))));
    },
  );

  test.each([2 ** 53, -(2 ** 53), 2 ** 60, 0.5, Number.NaN, Number.POSITIVE_INFINITY])(
    'the number %d has lost bits: refused, and nothing is written',
    (value) => {
      const writer = new JuteWriter();
      expect(() => writer.long(value)).toThrow(JuteError);
      expect(writer.length).toBe(0);
    },
  );

  test('a bigint keeps 64 bits, signed or not', () => {
    expect(hexOf((writer) => writer.long(-1n))).toBe('ffffffffffffffff');
    expect(hexOf((writer) => writer.long(0xff00000000000001n))).toBe('ff00000000000001');
    expect(hexOf((writer) => writer.long(-(2n ** 63n)))).toBe('8000000000000000');
  });
});

describe('strings', () => {
  /** UTF-16 units of any kind, lone surrogates included. */
  const units = fc.constantFrom(0x2f, 0x61, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xd83d, 0xde00, 0xdfff, 0xe000, 0xffff);
  const anyUnits = fc.array(units, { maxLength: 80 }).map((list) => String.fromCharCode(...list));

  test('are valid UTF-8 behind its length in bytes, whatever the units', () => {
    fc.assert(
      fc.property(anyUnits, fc.integer({ min: 1, max: 200 }), (value, capacity) => {
        const writer = new JuteWriter(capacity);
        writer.int(1);
        writer.ustring(value);
        writer.int(2);
        const reader = new JuteReader(writer.copy());
        expect(reader.int()).toBe(1);
        const bytes = reader.buffer();
        expect(Buffer.from(bytes)).toEqual(Buffer.from(value, 'utf8'));
        expect(() => new TextDecoder('utf-8', { fatal: true }).decode(bytes)).not.toThrow();
        expect(reader.int()).toBe(2);
        expect(reader.remaining).toBe(0);
      }),
      { numRuns: 500 },
    );
  });

  test.each([0, 1, 27, 28, 29, 64, 5000])('of %d characters, ASCII or with one character that is not', (length) => {
    const ascii = 'x'.repeat(length);
    for (const value of [ascii, `é${ascii}`, `${ascii}€`, `${ascii}\u{1f600}`]) {
      const writer = new JuteWriter(8);
      writer.ustring(value);
      expect(new JuteReader(writer.copy()).ustring()).toBe(value);
    }
  });

  test('a character above U+FFFF takes four bytes; a lone surrogate becomes U+FFFD', () => {
    expect(hexOf((writer) => writer.ustring('\u{1f600}'))).toBe('00000004f09f9880');
    expect(hexOf((writer) => writer.ustring('a\ud83d'))).toBe('0000000461efbfbd');
  });

  test('null', () => {
    expect(hexOf((writer) => writer.ustring(null))).toBe('ffffffff');
    expect(hexOf((writer) => writer.buffer(null))).toBe('ffffffff');
  });
});

describe('the writer', () => {
  test('ints wrap as Java’s do', () => {
    expect(hexOf((writer) => writer.int(2147483648))).toBe('80000000');
    expect(hexOf((writer) => writer.int(0xffffffff))).toBe('ffffffff');
  });

  test('grows and keeps what was written', () => {
    const writer = new JuteWriter(1);
    for (let i = 0; i < 1000; i++) {
      writer.int(i);
    }
    writer.buffer(new Uint8Array(5000).fill(9));
    const reader = new JuteReader(writer.copy());
    for (let i = 0; i < 1000; i++) {
      expect(reader.int()).toBe(i);
    }
    expect(reader.buffer()).toEqual(new Uint8Array(5000).fill(9));
  });

  test('reserved room is filled later', () => {
    const writer = new JuteWriter(4);
    const at = writer.reserve(4);
    writer.raw(new Uint8Array([1, 2, 3]));
    writer.setInt(at, writer.length - 4);
    expect(writer.copy().toString('hex')).toBe('00000003010203');
  });

  test('what was detached stays as it is when the rest of its buffer is written', () => {
    const writer = new JuteWriter(32);
    const detached: string[] = [];
    const taken: Buffer[] = [];
    for (let i = 0; i < 20; i++) {
      writer.int(i);
      writer.ustring('x'.repeat(i));
      detached.push(writer.copy().toString('hex'));
      taken.push(writer.detach(32, 8));
    }
    expect(taken.map((bytes) => bytes.toString('hex'))).toEqual(detached);
    expect(taken[1].buffer).toBe(taken[0].buffer);
  });

  test('detach hands the bytes over, clear forgets them', () => {
    const writer = new JuteWriter(4);
    writer.int(1);
    const first = writer.detach(4);
    writer.int(2);
    expect(first.toString('hex')).toBe('00000001');
    expect(writer.copy().toString('hex')).toBe('00000002');
    writer.clear();
    expect(writer.length).toBe(0);
    writer.boolean(true);
    writer.boolean(false);
    expect(writer.copy().toString('hex')).toBe('0100');
  });
});
