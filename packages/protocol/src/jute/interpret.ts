/**
 * The codec in its obvious form: walks the declaration field by field. It is the oracle of the compiled codec in
 * tests, and takes its place where code generation is forbidden (`--disallow-code-generation-from-strings`).
 */
import type { JuteReader } from './reader.ts';
import type { Fields, FieldType } from './types.ts';
import type { JuteWriter } from './writer.ts';

export function encodeFields(writer: JuteWriter, fields: Fields, value: Record<string, unknown>): void {
  for (const [name, type] of Object.entries(fields)) {
    encodeField(writer, type, value[name]);
  }
}

function encodeField(writer: JuteWriter, type: FieldType, value: unknown): void {
  switch (type.kind) {
    case 'boolean':
      writer.boolean(value as boolean);
      break;
    case 'int':
      writer.int(value as number);
      break;
    case 'long':
      writer.long(value as bigint);
      break;
    case 'ustring':
      writer.ustring(value as string | null);
      break;
    case 'buffer':
      writer.buffer(value as Uint8Array | null);
      break;
    case 'record':
      encodeFields(writer, type.fields, value as Record<string, unknown>);
      break;
    case 'vector':
      encodeVector(writer, type.element, value as unknown[] | null);
      break;
  }
}

function encodeVector(writer: JuteWriter, type: FieldType, elements: unknown[] | null): void {
  if (elements === null) {
    writer.int(-1);
    return;
  }
  writer.int(elements.length);
  for (const element of elements) {
    encodeField(writer, type, element);
  }
}

export function decodeFields(reader: JuteReader, fields: Fields): Record<string, unknown> {
  const value: Record<string, unknown> = {};
  for (const [name, type] of Object.entries(fields)) {
    value[name] = decodeField(reader, type);
  }
  return value;
}

function decodeField(reader: JuteReader, type: FieldType): unknown {
  switch (type.kind) {
    case 'boolean':
      return reader.boolean();
    case 'int':
      return reader.int();
    case 'long':
      return reader.long();
    case 'ustring':
      return type.nullable ? reader.nullableUstring() : reader.ustring();
    case 'buffer':
      return type.nullable ? reader.nullableBuffer() : reader.buffer();
    case 'record':
      return decodeFields(reader, type.fields);
    case 'vector': {
      const least = bytesMin(type.element);
      const count = type.nullable ? reader.nullableCount(least) : reader.count(least);
      if (count < 0) {
        return null;
      }
      const elements: unknown[] = [];
      for (let i = 0; i < count; i++) {
        elements.push(decodeField(reader, type.element));
      }
      return elements;
    }
  }
}

/** The fewest bytes that a value of the type can take on the wire. */
export function bytesMin(type: FieldType): number {
  switch (type.kind) {
    case 'boolean':
      return 1;
    case 'long':
      return 8;
    case 'record':
      return Object.values(type.fields).reduce((sum, field) => sum + bytesMin(field), 0);
    default:
      // An int, or the length of a string, buffer or vector that is null or empty.
      return 4;
  }
}
