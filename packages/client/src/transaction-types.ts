import type { Codec } from './codec.ts';
import type { CallOptions, NewNodeOptions, Stat } from './types.ts';

/** Result of a `create` in a transaction; servers before 3.10 do not send a Stat with it. */
export interface TransactionCreated {
  readonly kind: 'create';
  readonly path: string;
  readonly stat: Stat | null;
}
/** Result of a `set` in a transaction. */
export interface TransactionSet {
  readonly kind: 'set';
  readonly stat: Stat;
}
/** Result of a `delete` in a transaction. */
export interface TransactionDeleted {
  readonly kind: 'delete';
}
/** Result of a `check` in a transaction. */
export interface TransactionChecked {
  readonly kind: 'check';
}
/** What operations of a transaction result in. */
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
