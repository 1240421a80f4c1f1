import type { Client } from '../client.ts';
import type { NodeValue } from '../types.ts';
import { Mirrored } from './mirrored.ts';
import type { CacheOptions } from './types.ts';

/**
 * One node, kept up to date: its value at any moment, and an async iterable of its changes. The node may come and go.
 * While the connection is away it shows what was last known; then it catches up. It never shows an older state after a
 * newer one, whichever server answers. It fails with the session (SESSION_EXPIRED), unless the client begins a new one.
 *
 * @example
 * ```ts
 * await client.create('/motd', 'hello');
 * await using cache = new NodeCache(client, '/motd', { codec: utf8 });
 * await cache.ready;
 * console.assert(cache.get()?.value === 'hello');
 * await client.set('/motd', 'good evening');
 * for await (const change of cache) {
 *   if (change.type !== 'removed' && change.type !== 'unreadable' && change.value === 'good evening') {
 *     break;
 *   }
 * }
 * ```
 */
export class NodeCache<T = Uint8Array> extends Mirrored<T> {
  readonly path: string;

  /** Begins at once. Throws INVALID_PATH. */
  constructor(client: Client, path: string, options: CacheOptions<T> = {}) {
    super(client, { path, depthMin: 0, depthMax: 0 }, options);
    this.path = path;
  }

  /** Undefined when there is no such node. Throws what has ended the cache, if it was a failure; so do all reads. */
  get(): NodeValue<T> | undefined {
    return this.values.get(this.path);
  }

  /** Whether there is such a node, with a value that can be read. */
  has(): boolean {
    return this.values.has(this.path);
  }

  /** The path and the node, if there is one. */
  entries(): IterableIterator<[path: string, node: NodeValue<T>]> {
    return this.values.entries();
  }
}
