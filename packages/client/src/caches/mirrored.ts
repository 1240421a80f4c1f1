import type { Client } from '../client.ts';
import type { CallOptions, NodeValue } from '../types.ts';
import { Mirror, type Scope } from './mirror.ts';
import type { Cache, CacheChange, CacheOptions } from './types.ts';

/** What every cache offers, over its mirror. */
export abstract class Mirrored<T> implements Cache<T> {
  readonly #mirror: Mirror<T>;

  constructor(client: Client, scope: Scope, options: CacheOptions<T>, onChange?: (change: CacheChange<T>) => void) {
    this.#mirror = new Mirror(client, scope, options, onChange);
  }

  get ready(): Promise<void> {
    return this.#mirror.ready;
  }

  get size(): number {
    return this.values.size;
  }

  sync(options?: CallOptions): Promise<void> {
    return this.#mirror.sync(options);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<CacheChange<T>> {
    return this.#mirror.view.iterate();
  }

  close(): Promise<void> {
    return this.#mirror.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** By path. */
  protected get values(): ReadonlyMap<string, NodeValue<T>> {
    return this.#mirror.view.values;
  }
}
