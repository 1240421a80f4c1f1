import {
  boolean,
  buffer,
  decodeFields,
  encodeFields,
  int,
  JuteReader,
  JuteWriter,
  long,
  nullable,
  type RecordType,
  record,
  ustring,
  vector,
} from '@treekeeper/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anyRecord, declaredRecords } from '../support/arbitrary.ts';

/** Vectors of records of vectors, which no record of the protocol has. */
const Nested = record('Nested', {
  before: int,
  groups: vector(
    record('Group', {
      name: nullable(ustring),
      members: nullable(vector(record('Member', { id: long, tags: vector(nullable(ustring)), data: buffer }))),
      lists: vector(vector(int)),
      open: boolean,
    }),
  ),
  after: boolean,
});

const records: [string, RecordType][] = [...declaredRecords, ['Nested', Nested as RecordType]];

test('the records are found', () => {
  expect(declaredRecords.length).toBeGreaterThan(70);
});

describe.each(records)('%s', (_name, type) => {
  test('compiled and interpreted codec write the same bytes and read the same values', () => {
    fc.assert(
      fc.property(anyRecord(type), (value) => {
        const compiled = new JuteWriter(1);
        type.encode(compiled, value);
        const interpreted = new JuteWriter();
        encodeFields(interpreted, type.fields, value);
        expect(compiled.copy()).toEqual(interpreted.copy());

        const reader = new JuteReader(compiled.copy());
        expect(type.decode(reader)).toEqual(value);
        expect(reader.remaining).toBe(0);
        expect(decodeFields(new JuteReader(compiled.copy()), type.fields)).toEqual(value);
      }),
      { numRuns: 40 },
    );
  });
});

test('where code generation is forbidden the interpreter takes over', () => {
  const compile = globalThis.Function;
  try {
    globalThis.Function = class {
      constructor() {
        throw new EvalError('forbidden');
      }
    } as unknown as FunctionConstructor;
    const Late = record('Late', { a: int, b: vector(ustring) });
    const writer = new JuteWriter();
    Late.encode(writer, { a: 7, b: ['x'] });
    expect(writer.copy().toString('hex')).toBe('000000070000000100000001' + '78');
    expect(Late.decode(new JuteReader(writer.copy()))).toEqual({ a: 7, b: ['x'] });
  } finally {
    globalThis.Function = compile;
  }
});

test('only strings, buffers and vectors may be null', () => {
  // @ts-expect-error the compiler says so too
  expect(() => nullable(int)).toThrow(TypeError);
  // @ts-expect-error likewise
  expect(() => nullable(record('R', { a: int }))).toThrow(TypeError);
});

test('elements that take no bytes are refused: a count alone could fill the memory', () => {
  expect(() => vector(record('Empty', {}))).toThrow(TypeError);
});
