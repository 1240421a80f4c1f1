import { describe, expect, test } from 'vitest';
import { bytes, encodeValue, json, nullableBytes, utf8 } from '../src/codec.ts';
import type { StandardSchema } from '../src/standard-schema.ts';

const data = (text: string): Uint8Array => Buffer.from(text);

describe('codecs', () => {
  test('bytes and text', () => {
    expect(bytes.encode('ä')).toEqual(Buffer.from('ä'));
    expect(bytes.decode(null)).toHaveLength(0);
    expect(nullableBytes.decode(null)).toBeNull();
    expect(utf8.decode(null)).toBe('');
    expect(utf8.decode(data('\ufeffä'))).toBe('\ufeffä');
    expect(() => utf8.decode(Uint8Array.of(0xff))).toThrow(TypeError);
  });

  test('json, without a schema and with one', async () => {
    expect(json().decode(data('{"a":1}'))).toEqual({ a: 1 });
    expect(() => json().decode(data('{'))).toThrow(SyntaxError);
    expect(() => json<unknown>().encode(undefined)).toThrow('undefined has no form in JSON');
    const port: StandardSchema<unknown, number> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value) =>
          typeof value === 'number'
            ? { value: value + 1 }
            : { issues: [{ message: 'no number', path: ['a', { key: 0 }] }, { message: 'nor anything' }] },
      },
    };
    expect(json(port).decode(data('1'))).toBe(2);
    expect(() => json(port).decode(data('"x"'))).toThrow('a.0: no number; nor anything');
    const later: StandardSchema<unknown, number> = {
      '~standard': { ...port['~standard'], validate: async (value) => port['~standard'].validate(value) },
    };
    expect(await json(later).decode(data('1'))).toBe(2);
    await expect(json(later).decode(data('""'))).rejects.toThrow('no number');
  });

  test('a value that cannot be encoded is INVALID_VALUE with its path; null is no data', () => {
    expect(encodeValue(bytes, null, 'set', '/a')).toBeNull();
    expect(() => encodeValue(json<bigint>(), 1n, 'set', '/a')).toThrow(
      expect.objectContaining({ code: 'INVALID_VALUE', path: '/a', operation: 'set', cause: expect.any(TypeError) }),
    );
  });
});
