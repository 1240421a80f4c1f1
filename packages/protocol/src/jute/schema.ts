/**
 * The declaration language of jute records: a record is declared once, field for field, as a value;
 * its TypeScript types are inferred from that value and its codec is compiled from it (compile.ts).
 *
 * ```ts
 * export const SetDataRequest = record('SetDataRequest', { path: ustring, data: nullable(buffer), version: int });
 * export type SetDataRequest = Infer<typeof SetDataRequest>;
 * ```
 *
 * Wire types: client-protocol.md §1.1.
 */
import { compileDecode, compileEncode } from './compile.ts';
import { bytesMin } from './interpret.ts';
import type { JuteReader } from './reader.ts';
import type { Fields, FieldType, RecordType } from './types.ts';
import type { JuteWriter } from './writer.ts';

/** The decoded type of a field or record: longs are bigint, buffers are copies. */
export type Infer<T> = T extends { readonly __out?: infer Out | undefined } ? Exclude<Out, undefined> : never;
/** What may be given to encode the field or record. */
export type Encodable<T> = T extends { readonly __in?: infer In | undefined } ? Exclude<In, undefined> : never;

type OutOf<F extends Fields> = { [K in keyof F]: Infer<F[K]> };
type InOf<F extends Fields> = { readonly [K in keyof F]: Encodable<F[K]> };

export const boolean: FieldType<boolean, boolean> = { kind: 'boolean', nullable: false };
/** Signed 32 bits. */
export const int: FieldType<number, number> = { kind: 'int', nullable: false };
/** Signed 64 bits. */
export const long: FieldType<bigint, bigint | number> = { kind: 'long', nullable: false };
/** UTF-8 text with a byte count; a null one does not decode unless wrapped in `nullable`. */
export const ustring: FieldType<string, string> = { kind: 'ustring', nullable: false };
/** Bytes with a count; decoded as a copy that outlives the frame. */
export const buffer: FieldType<Uint8Array, Uint8Array> = { kind: 'buffer', nullable: false };

/** A list; count −1 (null) does not decode unless wrapped in `nullable`; other negative counts read as empty. */
export function vector<T extends FieldType>(element: T): FieldType<Infer<T>[], readonly Encodable<T>[]> {
  if (bytesMin(element) === 0) {
    throw new TypeError('elements of a vector must take bytes, else a count alone could fill the memory');
  }
  return { kind: 'vector', nullable: false, element };
}

/** The same ustring, buffer or vector with length −1 standing for null. */
export function nullable<Out extends string | Uint8Array | unknown[], In>(
  type: FieldType<Out, In>,
): FieldType<Out | null, In | null> {
  if (type.kind === 'record' || type.kind === 'boolean' || type.kind === 'int' || type.kind === 'long') {
    throw new TypeError(`jute has no null ${type.kind}`);
  }
  return { ...type, nullable: true } as FieldType<Out | null, In | null>;
}

/** Declares a record. Its codec is compiled when it is first used: most programs use few of all records. */
export function record<const F extends Fields>(name: string, fields: F): RecordType<OutOf<F>, InOf<F>> {
  const type = {
    kind: 'record',
    name,
    fields,
    encode(writer: JuteWriter, value: never): void {
      type.encode = compileEncode(name, fields);
      type.encode(writer, value);
    },
    decode(reader: JuteReader): unknown {
      type.decode = compileDecode(name, fields);
      return type.decode(reader);
    },
  };
  return type as unknown as RecordType<OutOf<F>, InOf<F>>;
}
