import type { Codec } from '../codec.ts';
import type { TreekeeperError } from '../errors.ts';
import type { CallOptions, NodeValue } from '../types.ts';

/**
 * Options of the caches. A cache that reaches a bound fails with CACHE_FULL: half a view would be a wrong one.
 *
 * @example
 * ```ts
 * const options: CacheOptions<string> = { codec: utf8, nodesMax: 1000 };
 * await using tree = new TreeCache(client, '/', options);
 * await tree.ready;
 * ```
 */
export interface CacheOptions<T> {
  /** @default bytes */
  readonly codec?: Codec<T, never> | undefined;
  /** How many nodes it may keep. @default 100000 */
  readonly nodesMax?: number | undefined;
  /** How many bytes of data it may keep, as they come from the server. @default 268435456 */
  readonly bytesMax?: number | undefined;
  /** Closes the cache. */
  readonly signal?: AbortSignal | undefined;
}

/** Where a change was: `name` is the last part of `path`, '' for the root. */
interface Where {
  readonly path: string;
  readonly name: string;
}

/**
 * What happened to a node of a cache. `unreadable`: its data were refused by the codec (INVALID_VALUE) or may not be
 * read (NO_AUTH); the cache keeps the last value that could be read, if there was one.
 *
 * @example
 * ```ts
 * const seen: CacheChange<string>['type'][] = [];
 * await using cache = new NodeCache(client, '/motd', { codec: utf8 });
 * await client.create('/motd', 'hello');
 * for await (const change of cache) {
 *   seen.push(change.type);
 *   break;
 * }
 * console.assert(seen[0] === 'added');
 * ```
 */
export type CacheChange<T> =
  | (Where & NodeValue<T> & { readonly type: 'added' })
  | (Where & NodeValue<T> & { readonly type: 'changed'; readonly previous: NodeValue<T> })
  | (Where & { readonly type: 'removed'; readonly previous: NodeValue<T> })
  | (Where & { readonly type: 'unreadable'; readonly error: TreekeeperError });

/**
 * What all caches have in common.
 *
 * @example
 * ```ts
 * await using nodes: Cache<Uint8Array> = new TreeCache(client, '/');
 * await client.create('/new');
 * await nodes.sync();
 * console.assert(nodes.size === 2); // with the root
 * ```
 */
export interface Cache<T> extends AsyncIterable<CacheChange<T>>, AsyncDisposable {
  /** Fulfilled when everything has been read once. Rejects with CACHE_FULL, SESSION_EXPIRED, CLOSED. */
  readonly ready: Promise<void>;
  /** How many nodes are kept. */
  readonly size: number;
  /** Fulfils when the cache shows all that was written by anybody before this call. */
  sync(options?: CallOptions): Promise<void>;
  /** Each iteration begins with what there is, as `added`, and goes on with the changes until the cache is closed. */
  [Symbol.asyncIterator](): AsyncIterableIterator<CacheChange<T>>;
  /** Ends iterations and removes the watch; what was known can still be read. Never rejects. */
  close(): Promise<void>;
}
