/**
 * Writes that happen only while something is held: each carries, in one transaction, the check that the holder's node
 * still exists. Whoever has lost it without knowing (a paused process, a slow network) is refused by the server itself.
 */
import {
  type CallOptions,
  type Client,
  type Codec,
  type CreatedNode,
  isTreekeeperError,
  type NewNodeOptions,
  type Stat,
  type Transaction,
  type TransactionResult,
  TreekeeperError,
} from '@treekeeper/client';
import { RecipeError } from './errors.ts';

type Bytes = Uint8Array | string | null;

/** What the guard checks: that a node exists, and has a version (-1: any). */
export interface Fence {
  readonly path: string;
  readonly version: number;
}

/**
 * Writes under a guard. They reject with FENCED, and nothing is done, once the guarding node is gone; otherwise as the
 * client's. Reads need no guard: use the client.
 */
export interface GuardedClient {
  create(path: string, value?: Bytes, options?: NewNodeOptions & CallOptions): Promise<CreatedNode>;
  set(path: string, value: Bytes, options?: CallOptions & { readonly version?: number | undefined }): Promise<Stat>;
  set<T>(
    path: string,
    value: T,
    options: CallOptions & { readonly version?: number | undefined; readonly codec: Codec<unknown, T> },
  ): Promise<Stat>;
  delete(path: string, options?: CallOptions & { readonly version?: number | undefined }): Promise<void>;
  /** As the client's: results and `failedIndex` do not count the guard. */
  transaction(): Transaction;
}

/** A guarded client; `onFenced` is told when the server has refused a write. `path`: of the recipe, for its errors. */
export function guard(client: Client, path: string, fences: readonly Fence[], onFenced: () => void): GuardedClient {
  const transaction = (): Transaction => guardedTransaction(client, path, fences, onFenced);
  return {
    transaction,
    async create(node, value, options) {
      const [{ path: created, stat }] = await transaction().create(node, value, options).commit(options);
      const known = stat ?? (await client.exists(created, options));
      if (known === null) {
        throw new TreekeeperError('NO_NODE', { path: created, message: 'it was created, and removed at once' });
      }
      return { path: created, stat: known };
    },
    async set(node: string, value: unknown, options: object = {}): Promise<Stat> {
      // One signature for bytes and for values with a codec: the client tells them apart.
      const [{ stat }] = await transaction()
        .set(node, value as Bytes, options)
        .commit(options);
      return stat;
    },
    async delete(node, options) {
      await transaction().delete(node, options).commit(options);
    },
  };
}

function guardedTransaction(client: Client, path: string, fences: readonly Fence[], onFenced: () => void): Transaction {
  // The client's builder collects in place and returns itself, so it can be fed through this one.
  const inner = client.transaction();
  for (const fence of fences) {
    inner.check(fence.path, fence.version);
  }
  const outer = {
    create: (...parameters: Parameters<Transaction['create']>) => {
      inner.create(...parameters);
      return outer;
    },
    set: (...parameters: Parameters<Transaction['set']>) => {
      inner.set(...parameters);
      return outer;
    },
    delete: (...parameters: Parameters<Transaction['delete']>) => {
      inner.delete(...parameters);
      return outer;
    },
    check: (...parameters: Parameters<Transaction['check']>) => {
      inner.check(...parameters);
      return outer;
    },
    commit: async (options?: CallOptions): Promise<TransactionResult[]> => {
      try {
        const results = (await inner.commit(options)) as readonly TransactionResult[];
        return results.slice(fences.length);
      } catch (error) {
        throw translated(error, path, fences.length, onFenced);
      }
    },
  };
  return outer as unknown as Transaction;
}

function translated(error: unknown, path: string, fenceCount: number, onFenced: () => void): unknown {
  if (!isTreekeeperError(error) || error.failedIndex === undefined) {
    return isTreekeeperError(error, 'SESSION_EXPIRED') ? fenced(error, path, onFenced) : error;
  }
  if (error.failedIndex < fenceCount) {
    return fenced(error, path, onFenced);
  }
  const { code, operation, zxid, retry } = error;
  const failedIndex = error.failedIndex - fenceCount;
  return new TreekeeperError(code, {
    path: error.path,
    operation,
    zxid,
    retry,
    failedIndex,
    message: `operation ${failedIndex} of the guarded transaction was refused; nothing was done`,
    cause: error,
  });
}

function fenced(error: TreekeeperError, path: string, onFenced: () => void): RecipeError {
  onFenced();
  return new RecipeError('FENCED', path, undefined, error);
}
