import { TreekeeperError } from './errors.ts';
import type { SchemaIssue, SchemaResult, StandardSchema } from './standard-schema.ts';

/**
 * Turns a node's data into a value and back. `Read` is what reading yields, `Write` what writing accepts.
 *
 * @example
 * ```ts
 * const integer: Codec<number> = {
 *   encode: (value) => Buffer.from(String(value)),
 *   decode: (data) => Number(Buffer.from(data ?? []).toString()),
 * };
 * await client.create('/answer', 42, { codec: integer });
 * console.assert((await client.get('/answer', { codec: integer })).value === 42);
 * ```
 */
export interface Codec<Read, Write = Read> {
  /** Null stands for no data, which ZooKeeper tells apart from empty data. */
  encode(value: Write): Uint8Array | null;
  /** What it throws or rejects with becomes the cause of INVALID_VALUE. */
  decode(data: Uint8Array | null): Read | Promise<Read>;
}

const NOTHING = new Uint8Array(0);
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The default: bytes as they are when the call is made; a string is written as UTF-8, and a node without data reads as
 * empty.
 *
 * @example
 * ```ts
 * await client.create('/raw', Uint8Array.of(1, 2), { codec: bytes });
 * console.assert((await client.get('/raw')).value[1] === 2);
 * ```
 */
export const bytes: Codec<Uint8Array, Uint8Array | string> = {
  encode: (value) => Buffer.from(value as Uint8Array),
  decode: (data) => data ?? NOTHING,
};

/**
 * Bytes as they are, with null for a node that has no data at all: what copies trees wants to know.
 *
 * @example
 * ```ts
 * await client.create('/nothing', null);
 * console.assert((await client.get('/nothing', { codec: nullableBytes })).value === null);
 * ```
 */
export const nullableBytes: Codec<Uint8Array | null> = {
  encode: (value) => (value === null ? null : Buffer.from(value)),
  decode: (data) => data,
};

/**
 * Text. Data that are not UTF-8 are refused with INVALID_VALUE.
 *
 * @example
 * ```ts
 * await client.create('/motto', 'festina lente', { codec: utf8 });
 * console.assert((await client.get('/motto', { codec: utf8 })).value === 'festina lente');
 * ```
 */
export const utf8: Codec<string> = {
  encode: (value) => Buffer.from(value),
  decode: (data) => (data === null ? '' : decoder.decode(data)),
};

/**
 * JSON. With a schema (zod, valibot, arktype: anything that speaks Standard Schema) what is read is checked and typed
 * by it; without one it is what you say it is.
 *
 * @example
 * ```ts
 * interface Limits { requests: number }
 * await client.create('/limits', { requests: 10 }, { codec: json<Limits>() });
 * const { value } = await client.get('/limits', { codec: json<Limits>() });
 * console.assert(value.requests === 10);
 * ```
 */
export function json<T>(): Codec<T>;
export function json<Input, Output>(schema: StandardSchema<Input, Output>): Codec<Output, Input>;
export function json(schema?: StandardSchema<unknown, unknown>): Codec<unknown> {
  return {
    encode: (value) => {
      const text = JSON.stringify(value);
      if (text === undefined) {
        throw new TypeError(`${typeof value} has no form in JSON`);
      }
      return Buffer.from(text);
    },
    decode: (data) => {
      const value: unknown = JSON.parse(utf8.decode(data) as string);
      return schema === undefined ? value : validated(schema, value);
    },
  };
}

function validated(schema: StandardSchema<unknown, unknown>, value: unknown): unknown {
  const result = schema['~standard'].validate(value);
  return result instanceof Promise ? result.then(outcome) : outcome(result);
}

function outcome(result: SchemaResult<unknown>): unknown {
  if (result.issues === undefined) {
    return result.value;
  }
  throw new TypeError(result.issues.map(issueText).join('; '));
}

function issueText({ message, path }: SchemaIssue): string {
  const keys = (path ?? []).map((part) => String(typeof part === 'object' ? part.key : part));
  return keys.length === 0 ? message : `${keys.join('.')}: ${message}`;
}

/** Encodes, and says whose value it was if that fails. */
export function encodeValue(codec: Codec<unknown, never>, value: unknown, operation: string, path: string) {
  if (value === null) {
    return null;
  }
  try {
    return codec.encode(value as never);
  } catch (cause) {
    throw invalidValue(operation, path, cause);
  }
}

/** What a codec makes of a node's data; the error names the path. */
export function invalidValue(operation: string, path: string, cause: unknown): TreekeeperError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new TreekeeperError('INVALID_VALUE', { operation, path, cause, message: reason });
}
