/** Values that many change at a time, each change based on the one before. */
import { type CallOptions, type Client, type Codec, isTreekeeperError } from '@treekeeper/client';
import { RecipeError } from './errors.ts';

/** Options of `AtomicValue`. */
export interface AtomicValueOptions<T> {
  /** How the value is written. */
  readonly codec: Codec<T>;
  /** The value of a node that does not exist yet. */
  readonly initial: T;
  /** A change that others get in the way of is tried so often; then CONFLICT. @default 100 */
  readonly attemptsMax?: number | undefined;
}

/** A value, and the version that a change of it can be based on; -1: the node does not exist yet. */
export interface Versioned<T> {
  readonly value: T;
  readonly version: number;
}

/**
 * A value in one node, changed by compare-and-set: no change is lost, whoever makes it.
 *
 * Nothing is held, so nothing is lost on disconnect, expiry or crash. A change whose answer was lost rejects with
 * CONNECTION_LOSS: whether it has happened only the program can tell, by looking.
 *
 * @example
 * ```ts
 * const price = new AtomicValue(client, '/price', { codec: json<number>(), initial: 100 });
 * await Promise.all([price.update((n) => n + 1), price.update((n) => n + 1)]);
 * console.assert((await price.get()).value === 102);
 * ```
 */
export class AtomicValue<T> {
  readonly #client: Client;
  readonly #path: string;
  readonly #codec: Codec<T>;
  readonly #initial: T;
  readonly #attemptsMax: number;

  constructor(client: Client, path: string, options: AtomicValueOptions<T>) {
    this.#client = client;
    this.#path = path;
    this.#codec = options.codec;
    this.#initial = options.initial;
    this.#attemptsMax = options.attemptsMax ?? 100;
  }

  /**
   * The value as it is. Rejects with INVALID_VALUE when the codec does not take it.
   *
   * @example
   * ```ts
   * const value = new AtomicValue(client, '/motto', { codec: utf8, initial: 'none' });
   * console.assert((await value.get()).version === -1);
   * ```
   */
  async get(options: CallOptions = {}): Promise<Versioned<T>> {
    try {
      const { value, stat } = await this.#client.get<T>(this.#path, {
        ...options,
        codec: this.#codec as Codec<T, never>,
      });
      return { value, version: stat.version };
    } catch (error) {
      if (isTreekeeperError(error, 'NO_NODE')) {
        return { value: this.#initial, version: -1 };
      }
      throw error;
    }
  }

  /**
   * Sets it if it still has the version; false: it has another, and nothing was done.
   *
   * @example
   * ```ts
   * const value = new AtomicValue(client, '/motto', { codec: utf8, initial: '' });
   * const { version } = await value.get();
   * console.assert(await value.compareAndSet(version, 'first'));
   * console.assert(!(await value.compareAndSet(version, 'second')));
   * ```
   */
  async compareAndSet(version: number, value: T, options: CallOptions = {}): Promise<boolean> {
    try {
      if (version < 0) {
        await this.#client.create(this.#path, value, { ...options, codec: this.#codec, createParents: true });
      } else {
        await this.#client.set(this.#path, value, { ...options, codec: this.#codec, version });
      }
      return true;
    } catch (error) {
      if (['BAD_VERSION', 'NODE_EXISTS', 'NO_NODE'].some((code) => isTreekeeperError(error) && error.code === code)) {
        return false;
      }
      throw error;
    }
  }

  /**
   * Replaces it by what `change` makes of it, and fulfils with that; looks again as long as others are quicker.
   * `change` may be called several times. Rejects with CONFLICT when others are quicker each time.
   *
   * @example
   * ```ts
   * const names = new AtomicValue(client, '/names', { codec: json<string[]>(), initial: [] });
   * console.assert((await names.update((list) => [...list, 'ann'])).length === 1);
   * ```
   */
  async update(change: (value: T) => T, options: CallOptions = {}): Promise<T> {
    for (let attempts = 0; attempts < this.#attemptsMax; attempts++) {
      const { value, version } = await this.get(options);
      const changed = change(value);
      if (await this.compareAndSet(version, changed, options)) {
        return changed;
      }
    }
    throw new RecipeError('CONFLICT', this.#path);
  }
}
