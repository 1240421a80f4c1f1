/** The keys of a configuration, and what their values are. */
import type { StandardSchema } from '@treekeeper/client';
import { RecipeError } from './errors.ts';
import { checked, type SchemaInput, type SchemaOutput } from './schema.ts';

/** A schema for each key (zod, valibot, arktype: anything that speaks Standard Schema); values are JSON. */
export type ConfigurationSchemas = Readonly<Record<string, StandardSchema<unknown, unknown>>>;

/** The values that subscribers see: what the schemas make of those in the tree. */
export type ConfigurationValues<S extends ConfigurationSchemas> = {
  readonly [K in keyof S]: SchemaOutput<S[K]>;
};

/** What is published: values of some of the keys, `undefined` for those to be removed. */
export type ConfigurationChanges<S extends ConfigurationSchemas> = {
  readonly [K in keyof S]?: SchemaInput<S[K]> | undefined;
};

/** Names that begin so are not keys. */
const RESERVED = '.';

/** Whether a child of a configuration's node is one of its keys. */
export function isKey(name: string): boolean {
  return !name.startsWith(RESERVED);
}

/** Throws INVALID_OPTION for keys that cannot be names of nodes, or are not the configuration's. */
export function demandKeys(path: string, keys: readonly string[]): void {
  const wrong = keys.find((key) => key === '' || key.includes('/') || !isKey(key));
  if (wrong !== undefined) {
    const message = `the key ${JSON.stringify(wrong)} is empty, has a / or begins with a dot`;
    throw new RecipeError('INVALID_OPTION', path, message);
  }
}

/** What a key's schema makes of the JSON in its node; null: there is no node. Rejects with INVALID_DATA. */
export async function readValue<Output>(
  path: string,
  schema: StandardSchema<unknown, Output>,
  text: string | null,
): Promise<Output> {
  try {
    return await checked(schema, text === null ? undefined : JSON.parse(text));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RecipeError('INVALID_DATA', path, text === null ? `there is no value: ${reason}` : reason, cause);
  }
}
