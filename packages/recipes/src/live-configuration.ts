import { type Client, isTreekeeperError, type ReadRequest, type ReadResult, type Stat } from '@treekeeper/client';
import { Bell } from './bell.ts';
import { type ConfigurationSchemas, type ConfigurationValues, isKey, readValue } from './configuration-values.ts';
import { isRecipeError, type RecipeError } from './errors.ts';
import { eventsOf, patiently } from './events.ts';
import { type Live, LiveValue } from './live.ts';
import { join, nameOf } from './paths.ts';
import { HISTORY } from './releases.ts';

/** Options of `Configuration.follow`. */
export interface FollowOptions<S extends ConfigurationSchemas> {
  /** Values for keys that have no valid one, until they have. */
  readonly fallback?: Partial<ConfigurationValues<S>> | undefined;
  /** Told of each value that its schema refuses, each time it is another one. */
  readonly onInvalid?: ((error: RecipeError) => void) | undefined;
}

/**
 * The values of a configuration, kept up to date. All are read in one request, so what was published together is seen
 * together. A value that its schema refuses, or that was removed, does not come into effect: the last good one of this
 * key stays, and `errors` tells why. Values that did not change remain the same objects. While the connection is away,
 * the values are those last known.
 *
 * @example
 * ```ts
 * const isText = (value: unknown): value is string => typeof value === 'string';
 * const text: StandardSchema<string> = {
 *   '~standard': {
 *     version: 1,
 *     vendor: 'example',
 *     validate: (value) => (isText(value) ? { value } : { issues: [{ message: 'not a text' }] }),
 *   },
 * };
 * const configuration = new Configuration(client, '/config/shop', { motd: text });
 * await configuration.publish({ motd: 'hello' });
 * await using live = await configuration.follow();
 * await client.set('/config/shop/motd', '42'); // by somebody who uses no schema
 * await live.sync();
 * console.assert(live.current.motd === 'hello' && live.errors.has('motd'));
 * ```
 */
export class LiveConfiguration<S extends ConfigurationSchemas> implements Live<ConfigurationValues<S>> {
  readonly #client: Client;
  readonly #path: string;
  readonly #schemas: S;
  readonly #onInvalid: (error: RecipeError) => void;
  readonly #live: LiveValue<ConfigurationValues<S>>;
  readonly #stop = new AbortController();
  /** The mzxids of the nodes that were looked at; null: there was none. */
  readonly #seen = new Map<string, bigint | null>();
  readonly #settled = new Bell();
  #errors: ReadonlyMap<keyof S & string, RecipeError> = new Map();
  #version = 0;
  #isStale = true;
  #reading: Promise<void> | null = null;
  #failure: unknown = null;

  private constructor(client: Client, path: string, schemas: S, options: FollowOptions<S>) {
    this.#client = client;
    this.#path = path;
    this.#schemas = schemas;
    this.#onInvalid = options.onInvalid ?? (() => undefined);
    this.#live = new LiveValue({ ...options.fallback } as ConfigurationValues<S>, () => this.#stop.abort());
  }

  /** See `Configuration.follow`. */
  static async open<S extends ConfigurationSchemas>(
    client: Client,
    path: string,
    schemas: S,
    options: FollowOptions<S>,
  ): Promise<LiveConfiguration<S>> {
    const live = new LiveConfiguration(client, path, schemas, options);
    const settled = live.#settled.next();
    void live.#follow();
    await settled;
    if (live.#failure !== null) {
      throw live.#failure;
    }
    const missing = [...live.#errors].find(([key]) => !Object.hasOwn(live.current, key));
    if (missing !== undefined) {
      await live.close();
      throw missing[1];
    }
    return live;
  }

  /** The values in effect. Throws what ended it, if it has failed: nobody keeps them up to date any more. */
  get current(): ConfigurationValues<S> {
    return this.#live.current;
  }

  /** Why a key's value in the tree is not in effect, by key. */
  get errors(): ReadonlyMap<keyof S & string, RecipeError> {
    return this.#errors;
  }

  /** Of the latest publication that is seen; 0 before the first. */
  get version(): number {
    return this.#version;
  }

  /** Fulfils when everything that was published before this call is in effect. */
  async sync(): Promise<void> {
    await this.#client.sync(this.#path);
    this.#readSoon();
    while (this.#reading !== null) {
      await this.#reading;
    }
    if (this.#failure !== null) {
      throw this.#failure;
    }
  }

  close(): Promise<void> {
    return this.#live.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The values in effect, and again after each change. */
  [Symbol.asyncIterator](): AsyncIterableIterator<ConfigurationValues<S>> {
    return this.#live[Symbol.asyncIterator]();
  }

  async #follow(): Promise<void> {
    try {
      for await (const { type, path } of eventsOf(this.#client, this.#path, true, this.#stop.signal)) {
        if (type === 'gap' || path === this.#path || this.#isKeyNode(path)) {
          this.#readSoon();
        }
      }
      this.#live.end();
    } catch (error) {
      this.#fail(error);
    }
    this.#settled.ring();
  }

  #isKeyNode(path: string): boolean {
    const name = nameOf(path);
    return path === join(this.#path, name) && isKey(name) && Object.hasOwn(this.#schemas, name);
  }

  /** One read at a time; what happens meanwhile is seen by the next. */
  #readSoon(): void {
    this.#isStale = true;
    this.#reading ??= this.#readUntilFresh().then(() => {
      this.#reading = null;
      this.#settled.ring();
    });
  }

  async #readUntilFresh(): Promise<void> {
    try {
      while (this.#isStale && !this.#stop.signal.aborted) {
        this.#isStale = false;
        await this.#read();
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  async #read(): Promise<void> {
    const keys = Object.keys(this.#schemas) as (keyof S & string)[];
    const requests: ReadRequest[] = [HISTORY, ...keys].map((name) => ({ get: join(this.#path, name) }));
    const results = await this.#client.multiRead(requests, patiently(this.#client, this.#stop.signal));
    const [history, ...nodes] = results.map(nodeOf);
    const values: Record<string, unknown> = { ...this.#live.current };
    const errors = new Map(this.#errors);
    let isChanged = false;
    for (const [i, key] of keys.entries()) {
      isChanged = (await this.#take(key, nodes[i] ?? null, values, errors)) || isChanged;
    }
    if (!this.#stop.signal.aborted) {
      this.#version = history?.stat.version ?? 0;
      this.#errors = errors;
      if (isChanged) {
        this.#live.set(Object.freeze(values) as ConfigurationValues<S>);
      }
    }
  }

  /** Returns whether that is another value. */
  async #take(
    key: keyof S & string,
    node: { readonly text: string; readonly stat: Stat } | null,
    values: Record<string, unknown>,
    errors: Map<keyof S & string, RecipeError>,
  ): Promise<boolean> {
    const mzxid = node?.stat.mzxid ?? null;
    if (this.#seen.get(key) === mzxid) {
      return false;
    }
    this.#seen.set(key, mzxid);
    try {
      values[key] = await readValue(join(this.#path, key), this.#schemas[key] as S[string], node?.text ?? null);
      errors.delete(key);
      return true;
    } catch (error) {
      if (!isRecipeError(error, 'INVALID_DATA')) {
        throw error;
      }
      errors.set(key, error);
      this.#onInvalid(error);
      return false;
    }
  }

  #fail(error: unknown): void {
    if (!this.#stop.signal.aborted) {
      const isOver = isTreekeeperError(error, 'CLOSED');
      this.#failure = error;
      this.#live.end(isOver ? null : error);
      this.#stop.abort();
    }
  }
}

function nodeOf(result: ReadResult): { readonly text: string; readonly stat: Stat } | null {
  if ('value' in result) {
    return { text: Buffer.from(result.value).toString(), stat: result.stat };
  }
  if ('error' in result && !isTreekeeperError(result.error, 'NO_NODE')) {
    throw result.error;
  }
  return null;
}
