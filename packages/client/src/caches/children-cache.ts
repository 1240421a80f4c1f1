import type { Client } from '../client.ts';
import type { NodeValue } from '../types.ts';
import { Mirrored } from './mirrored.ts';
import type { CacheOptions } from './types.ts';

/**
 * The children of a node with their values, by name, kept up to date: workers, instances, settings. The parent may be
 * missing, and come later. One recursive watch serves all, so what happens deeper down is told by the server too, and
 * passed over. What holds of a NodeCache holds of each child.
 *
 * @example
 * ```ts
 * await client.create('/workers/ann', 'idle', { createParents: true });
 * await using workers = new ChildrenCache(client, '/workers', { codec: utf8 });
 * await workers.ready;
 * console.assert(workers.size === 1 && workers.get('ann')?.value === 'idle');
 * ```
 */
export class ChildrenCache<T = Uint8Array> extends Mirrored<T> {
  readonly path: string;
  readonly #prefix: string;

  /** Begins at once. Throws INVALID_PATH. */
  constructor(client: Client, path: string, options: CacheOptions<T> = {}) {
    super(client, { path, depthMin: 1, depthMax: 1 }, options);
    this.path = path;
    this.#prefix = path === '/' ? path : `${path}/`;
  }

  /** Undefined when there is no such child. Throws what has ended the cache, if it was a failure; so do all reads. */
  get(name: string): NodeValue<T> | undefined {
    return this.values.get(this.#prefix + name);
  }

  /** Whether there is such a child, with a value that can be read. */
  has(name: string): boolean {
    return this.values.has(this.#prefix + name);
  }

  /** Names and nodes, in no particular order. */
  *entries(): IterableIterator<[name: string, node: NodeValue<T>]> {
    for (const [path, node] of this.values) {
      yield [path.slice(this.#prefix.length), node];
    }
  }
}
