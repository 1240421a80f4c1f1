import { decodeFields, JuteError, JuteReader, JuteWriter, type RecordType } from '@treekeeper/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anyRecord, declaredRecords } from '../support/arbitrary.ts';

type Outcome = { value: unknown; read: number } | { error: string };

/** Decodes bytes[start, end), by the compiled codec or by the interpreter; any error but a JuteError goes through. */
function outcome(type: RecordType, bytes: Uint8Array, start: number, end: number, interpreted = false): Outcome {
  const reader = new JuteReader();
  reader.reset(bytes, start, end);
  try {
    const value = interpreted ? decodeFields(reader, type.fields) : type.decode(reader);
    expect(reader.position).toBeLessThanOrEqual(end);
    return { value, read: reader.position - start };
  } catch (error) {
    if (error instanceof JuteError) {
      return { error: error.code };
    }
    throw error;
  }
}

/** How many strings, numbers, bytes and elements a decoded value is made of. */
function sizeOf(value: unknown): number {
  if (typeof value === 'string' || value instanceof Uint8Array) {
    return 1 + value.length;
  }
  if (typeof value === 'object' && value !== null) {
    return Object.values(value).reduce((sum: number, part) => sum + sizeOf(part), 1);
  }
  return 1;
}

function check(type: RecordType, bytes: Uint8Array): void {
  const alone = outcome(type, bytes, 0, bytes.length);
  expect(outcome(type, bytes, 0, bytes.length, true)).toEqual(alone);

  // In the middle of other bytes, which must not show through.
  for (const filler of [0x00, 0xff]) {
    const around = new Uint8Array(bytes.length + 200).fill(filler);
    around.set(bytes, 100);
    expect(outcome(type, around, 100, 100 + bytes.length)).toEqual(alone);
  }
  if ('value' in alone) {
    // One per field, and never more than the bytes can pay for.
    expect(sizeOf(alone.value)).toBeLessThanOrEqual(40 + 2 * bytes.length);
  }
}

/** A valid record with some of its bytes changed, cut off or added. */
function mutated(type: RecordType): fc.Arbitrary<Uint8Array> {
  const extremes = fc.constantFrom('7fffffff', '80000000', 'ffffffff', 'fffffffe', '00000000', '00100000');
  return fc
    .tuple(anyRecord(type), fc.array(fc.tuple(fc.nat(), extremes), { maxLength: 3 }), fc.nat(), fc.uint8Array())
    .map(([value, changes, cut, tail]) => {
      const writer = new JuteWriter();
      type.encode(writer, value);
      const bytes = Buffer.concat([writer.copy(), tail]);
      for (const [at, word] of changes) {
        bytes.set(
          Buffer.from(word, 'hex').subarray(0, bytes.length - (at % (bytes.length + 1))),
          at % (bytes.length + 1),
        );
      }
      return new Uint8Array(bytes.subarray(0, cut % 3 === 0 ? cut % (bytes.length + 1) : bytes.length));
    });
}

describe.each(declaredRecords)('%s', (_name, type) => {
  test('random bytes give a value or a JuteError, the same in both codecs, within the bytes given', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => check(type, bytes)),
      { numRuns: 30 },
    );
  });

  test('so does a damaged record', () => {
    fc.assert(
      fc.property(mutated(type), (bytes) => check(type, bytes)),
      { numRuns: 50 },
    );
  });

  test('every cut of a record is a JuteError', () => {
    fc.assert(
      fc.property(anyRecord(type), (value) => {
        const writer = new JuteWriter();
        type.encode(writer, value);
        const bytes = writer.copy();
        for (let end = 0; end < bytes.length; end++) {
          expect(outcome(type, bytes, 0, end)).toHaveProperty('error');
        }
      }),
      { numRuns: 3 },
    );
  });
});
