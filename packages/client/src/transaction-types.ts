import type { Codec } from './codec.ts';
import type { CallOptions, NewNodeOptions, Stat } from './types.ts';

/**
 * Result of a `create` in a transaction; servers before 3.10 do not send a Stat with it.
 *
 * @example
 * ```ts
 * const [made] = await client.transaction().create('/a').commit();
 * const result: TransactionCreated = made;
 * console.assert(result.path === '/a');
 * ```
 */
export interface TransactionCreated {
  readonly kind: 'create';
  readonly path: string;
  readonly stat: Stat | null;
}
/**
 * Result of a `set` in a transaction.
 *
 * @example
 * ```ts
 * await client.create('/a');
 * const [changed] = await client.transaction().set('/a', 'new', { version: 0 }).commit();
 * const result: TransactionSet = changed;
 * console.assert(result.stat.version === 1);
 * ```
 */
export interface TransactionSet {
  readonly kind: 'set';
  readonly stat: Stat;
}
/**
 * Result of a `delete` in a transaction.
 *
 * @example
 * ```ts
 * await client.create('/a');
 * const [gone] = await client.transaction().delete('/a').commit();
 * const result: TransactionDeleted = gone;
 * console.assert(result.kind === 'delete');
 * ```
 */
export interface TransactionDeleted {
  readonly kind: 'delete';
}
/**
 * Result of a `check` in a transaction.
 *
 * @example
 * ```ts
 * await client.create('/a');
 * const [checked] = await client.transaction().check('/a', 0).create('/b').commit();
 * const result: TransactionChecked = checked;
 * console.assert(result.kind === 'check');
 * ```
 */
export interface TransactionChecked {
  readonly kind: 'check';
}
/**
 * What operations of a transaction result in.
 *
 * @example
 * ```ts
 * const results: readonly TransactionResult[] = await client.transaction().create('/a').delete('/a').commit();
 * console.assert(results.map(({ kind }) => kind).join() === 'create,delete');
 * ```
 */
export type TransactionResult = TransactionCreated | TransactionSet | TransactionDeleted | TransactionChecked;

/** What a value in a transaction may come with. */
interface WithVersion {
  /** Only if the node has this version; -1 for any. @default -1 */
  readonly version?: number | undefined;
}
interface WithCodec<T> {
  readonly codec: Codec<unknown, T>;
}
type Bytes = Uint8Array | string | null;

/**
 * Several changes that happen all or not at all, under one zxid. `commit` fulfils with one result for each operation,
 * typed one by one; if an operation fails, nothing is done and the error names it (`failedIndex`, `path`).
 *
 * @example
 * ```ts
 * const [made, counted] = await client
 *   .transaction()
 *   .create('/order', 'two of these')
 *   .create('/order/item-', null, { mode: 'persistent-sequential' })
 *   .check('/order', 0)
 *   .commit();
 * console.assert(made.path === '/order' && counted.path === '/order/item-0000000000');
 * ```
 */
export interface Transaction<Results extends readonly TransactionResult[] = []> {
  create(path: string, value?: Bytes, options?: NewNodeOptions): Transaction<[...Results, TransactionCreated]>;
  create<T>(
    path: string,
    value: T,
    options: NewNodeOptions & WithCodec<T>,
  ): Transaction<[...Results, TransactionCreated]>;
  set(path: string, value: Bytes, options?: WithVersion): Transaction<[...Results, TransactionSet]>;
  set<T>(path: string, value: T, options: WithVersion & WithCodec<T>): Transaction<[...Results, TransactionSet]>;
  delete(path: string, options?: WithVersion): Transaction<[...Results, TransactionDeleted]>;
  /** The transaction fails unless the node exists and has this version (-1: any). */
  check(path: string, version: number): Transaction<[...Results, TransactionChecked]>;
  commit(options?: CallOptions): Promise<Results>;
}
