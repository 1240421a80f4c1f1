/**
 * The codec in its obvious form: walks the declaration field by field. It is the oracle of the compiled codec in
 * tests, and takes its place where code generation is forbidden (`--disallow-code-generation-from-strings`).
 */
import type { JuteReader } from './reader.ts';
import type { Fields, FieldType } from './schema.ts';
import type { JuteWriter } from './writer.ts';

export function encodeFields(writer: JuteWriter, fields: Fields, value: Record<string, unknown>): void {
  for (const [name, type] of Object.entries(fields)) {
    encodeField(writer, type, value[name]);
  }
}

function encodeField(writer: JuteWriter, type: FieldType, value: unknown): void {
  switch (type.kind) {
    case 'boolean':
      return writer.boolean(value as boolean);
    case 'int':
      return writer.int(value as number);
    case 'long':
      return writer.long(value as bigint);
    case 'ustring':
      return writer.ustring(value as string | null);
    case 'buffer':
      return writer.buffer(value as Uint8Array | null);
    case 'record':
      return encodeFields(writer, type.fields, value as Record<string, unknown>);
    case 'vector':
      if (value === null) {
        return writer.int(-1);
      }
      writer.int((value as unknown[]).length);
      for (const element of value as unknown[]) {
        encodeField(writer, type.element, element);
      }
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
      const count = type.nullable ? reader.nullableCount() : reader.count();
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
