/**
 * The interface by which validators offer themselves (standardschema.dev, version 1), as far as it is used here.
 *
 * @example
 * ```ts
 * const positive: StandardSchema<number, number> = {
 *   '~standard': {
 *     version: 1,
 *     vendor: 'example',
 *     validate: (value) =>
 *       typeof value === 'number' && value > 0 ? { value } : { issues: [{ message: 'not a positive number' }] },
 *   },
 * };
 * await client.create('/size', 3, { codec: json(positive) });
 * console.assert((await client.get('/size', { codec: json(positive) })).value === 3);
 * ```
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/**
 * A value that passed, or what is wrong with one that did not.
 *
 * @example
 * ```ts
 * const even = (value: unknown): SchemaResult<number> =>
 *   typeof value === 'number' && value % 2 === 0 ? { value } : { issues: [{ message: 'not even' }] };
 * console.assert(even(3).issues?.[0]?.message === 'not even');
 * ```
 */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/**
 * One fault, and where it is.
 *
 * @example
 * ```ts
 * const issue: SchemaIssue = { message: 'missing', path: ['host', { key: 'port' }] };
 * const codec = json({ '~standard': { version: 1, vendor: 'example', validate: () => ({ issues: [issue] }) } });
 * await client.create('/host', '{}');
 * const error = await client.get('/host', { codec }).catch((reason: unknown) => reason);
 * console.assert(isTreekeeperError(error, 'INVALID_VALUE') && error.message.includes('host.port: missing'));
 * ```
 */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}
