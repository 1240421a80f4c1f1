import type { Client } from '../client.ts';
import type { NodeValue } from '../types.ts';
import { Mirrored } from './mirrored.ts';
import type { CacheChange, CacheOptions } from './types.ts';

/**
 * A node and all below it with their values, by path, kept up to date through one recursive watch. What holds of a
 * NodeCache holds of each node. Nodes whose ACL forbids to read them are left out; `stat` is of the last change of data,
 * so its numbers about children may be older than the cache.
 *
 * @example
 * ```ts
 * await client.create('/shop/db/host', 'db1', { createParents: true });
 * await using tree = new TreeCache(client, '/shop', { codec: utf8 });
 * await tree.ready;
 * console.assert(tree.size === 3 && tree.get('/shop/db/host')?.value === 'db1');
 * console.assert(tree.children('/shop')[0] === 'db');
 * ```
 */
export class TreeCache<T = Uint8Array> extends Mirrored<T> {
  readonly path: string;
  readonly #names: Map<string, Set<string>>;

  /** Begins at once. Throws INVALID_PATH. */
  constructor(client: Client, path: string, options: CacheOptions<T> = {}) {
    const names = new Map<string, Set<string>>();
    const scope = { path, depthMin: 0, depthMax: Number.POSITIVE_INFINITY } as const;
    super(client, scope, options, (change) => note(names, change));
    this.path = path;
    this.#names = names;
  }

  /** Undefined when there is no such node. Throws what has ended the cache, if it was a failure; so do all reads. */
  get(path: string): NodeValue<T> | undefined {
    return this.values.get(path);
  }

  /** Whether there is such a node, with a value that can be read. */
  has(path: string): boolean {
    return this.values.has(path);
  }

  /** Paths and nodes, in no particular order. */
  entries(): IterableIterator<[path: string, node: NodeValue<T>]> {
    return this.values.entries();
  }

  /** Names of the children that the cache has of a node, in no particular order. */
  children(path: string): string[] {
    void this.values;
    return [...(this.#names.get(path) ?? [])];
  }
}

/** Keeps the names of children by their parents' paths. */
function note<T>(names: Map<string, Set<string>>, { type, path, name }: CacheChange<T>): void {
  if (path === '/' || (type !== 'added' && type !== 'removed')) {
    return;
  }
  const parent = path.slice(0, Math.max(1, path.length - name.length - 1));
  const siblings = names.get(parent);
  if (type === 'added') {
    names.set(parent, (siblings ?? new Set()).add(name));
  } else if (siblings?.delete(name) === true && siblings.size === 0) {
    names.delete(parent);
  }
}
