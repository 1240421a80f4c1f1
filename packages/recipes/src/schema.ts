/** Values checked by any validator that speaks Standard Schema. */
import type { SchemaIssue, StandardSchema } from '@treekeeper/client';

/** What a schema takes. */
export type SchemaInput<S> = S extends StandardSchema<infer Input, unknown> ? Input : never;
/** What a schema makes of it. */
export type SchemaOutput<S> = S extends StandardSchema<infer _Input, infer Output> ? Output : never;

/** What the schema makes of a value. Rejects with TypeError, which says what is wrong and where. */
export async function checked<Output>(schema: StandardSchema<unknown, Output>, value: unknown): Promise<Output> {
  const result = await schema['~standard'].validate(value);
  if (result.issues === undefined) {
    return result.value;
  }
  throw new TypeError(result.issues.map(issueText).join('; '));
}

function issueText({ message, path = [] }: SchemaIssue): string {
  const keys = path.map((part) => String(typeof part === 'object' ? part.key : part));
  return keys.length === 0 ? message : `${keys.join('.')}: ${message}`;
}
