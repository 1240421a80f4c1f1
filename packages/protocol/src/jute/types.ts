/** What a declared record is made of. It is declared with the words of schema.ts. */
import type { JuteReader } from './reader.ts';
import type { JuteWriter } from './writer.ts';

export type PrimitiveKind = 'boolean' | 'int' | 'long' | 'ustring' | 'buffer';

/** A field type. `Out` is what decoding yields, `In` what encoding accepts. */
export type FieldType<Out = unknown, In = unknown> = (
  | { readonly kind: PrimitiveKind; readonly nullable: boolean }
  | { readonly kind: 'vector'; readonly nullable: boolean; readonly element: FieldType }
  | RecordType
) & { readonly __out?: Out | undefined; readonly __in?: In | undefined };

export type Fields = Readonly<Record<string, FieldType>>;

/** A declared record with its codec. */
export interface RecordType<Out = unknown, In = unknown> {
  readonly kind: 'record';
  readonly name: string;
  readonly fields: Fields;
  /** Appends the record to `writer`; longs may be given as bigint or as safe integers. */
  encode(writer: JuteWriter, value: In): void;
  /** Reads the record at the reader's position; throws JuteError. Bytes left over are the caller's business. */
  decode(reader: JuteReader): Out;
  readonly __out?: Out | undefined;
  readonly __in?: In | undefined;
}
