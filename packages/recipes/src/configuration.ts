/** Configuration that programs follow while they run. */
import type { Client, StandardSchema } from '@treekeeper/client';
import { type ConfigurationChanges, type ConfigurationSchemas, demandKeys, readValue } from './configuration-values.ts';
import { RecipeError } from './errors.ts';
import { type FollowOptions, LiveConfiguration } from './live-configuration.ts';
import { type ConfigurationVersion, type PublishOptions, Releases } from './releases.ts';

/** Options of `Configuration`. */
export interface ConfigurationOptions {
  /** How many versions are kept to look at and to go back to. @default 50 */
  readonly versionsMax?: number | undefined;
}

const VERSIONS_MAX = 50;

/**
 * A configuration: a node with a child for each key, whose data is the value as JSON, so that any tool can read and
 * change it. Values are checked by their schemas before they are published, and again by whoever follows them. What is
 * published together comes into effect together. All of a configuration, with its history of one version, has to fit
 * into one request (a megabyte).
 *
 * @example
 * ```ts
 * const positive: StandardSchema<number> = {
 *   '~standard': {
 *     version: 1,
 *     vendor: 'example',
 *     validate: (value) =>
 *       typeof value === 'number' && value > 0 ? { value } : { issues: [{ message: 'not a positive number' }] },
 *   },
 * };
 * const limits = new Configuration(client, '/config/limits', { requests: positive, connections: positive });
 * await limits.publish({ requests: 100, connections: 10 }, { author: 'ann' });
 * await using live = await limits.follow();
 * console.assert(live.current.requests === 100);
 * ```
 */
export class Configuration<const S extends ConfigurationSchemas> {
  readonly #client: Client;
  readonly #path: string;
  readonly #schemas: S;
  readonly #releases: Releases;

  /** `schemas`: one for each key. Throws INVALID_OPTION for keys that cannot be names of nodes. */
  constructor(client: Client, path: string, schemas: S, options: ConfigurationOptions = {}) {
    const { versionsMax = VERSIONS_MAX } = options;
    demandKeys(path, Object.keys(schemas));
    if (!(Number.isInteger(versionsMax) && versionsMax > 0)) {
      throw new RecipeError(
        'INVALID_OPTION',
        path,
        `versionsMax is ${versionsMax}, and must be a whole number above 0`,
      );
    }
    this.#client = client;
    this.#path = path;
    this.#schemas = schemas;
    this.#releases = new Releases(client, path, versionsMax);
  }

  /**
   * The values, now and from now on. A key without a node has the value that its schema makes of `undefined`. Rejects
   * with INVALID_DATA when a key has no valid value to begin with, and no fallback. Needs ZooKeeper 3.6, or Treekeeper.
   *
   * @example
   * ```ts
   * const optional: StandardSchema<unknown, number> = {
   *   '~standard': { version: 1, vendor: 'example', validate: (value) => ({ value: Number(value ?? 8) }) },
   * };
   * await using live = await new Configuration(client, '/config/pool', { size: optional }).follow();
   * console.assert(live.current.size === 8);
   * for await (const { size } of live) {
   *   if (size === 8) break;
   * }
   * ```
   */
  follow(options: FollowOptions<S> = {}): Promise<LiveConfiguration<S>> {
    return LiveConfiguration.open(this.#client, this.#path, this.#schemas, options);
  }

  /**
   * Changes keys, all or none of them, and fulfils with the new version. Keys that are not named stay. Rejects with
   * INVALID_OPTION when a schema refuses its value, CONFLICT (see `expectedVersion`, or too many publish at once).
   *
   * @example
   * ```ts
   * const any: StandardSchema<unknown> = {
   *   '~standard': { version: 1, vendor: 'example', validate: (value) => ({ value }) },
   * };
   * const flags = new Configuration(client, '/config/flags', { dark: any, beta: any });
   * const { version } = await flags.publish({ dark: true, beta: ['ann'] }, { comment: 'as ordered' });
   * await flags.publish({ beta: undefined }, { expectedVersion: version });
   * console.assert((await client.exists('/config/flags/beta')) === null);
   * ```
   */
  async publish(changes: ConfigurationChanges<S>, options: PublishOptions = {}): Promise<ConfigurationVersion> {
    const texts = new Map<string, string | undefined>();
    for (const [key, value] of Object.entries(changes)) {
      texts.set(key, value === undefined ? undefined : JSON.stringify(value));
    }
    await this.#demandValid(texts);
    return await this.#releases.publish((current) => merged(current, texts), options);
  }

  /**
   * The versions that are kept, the latest first.
   *
   * @example
   * ```ts
   * console.assert((await new Configuration(client, '/config/new', {}).history()).length === 0);
   * ```
   */
  history(): Promise<ConfigurationVersion[]> {
    return this.#releases.list();
  }

  /**
   * Publishes an earlier version once more: all keys as they were, those away that there were not. It is a new version.
   * Rejects with INVALID_OPTION when that version is not kept, or today's schemas refuse it; CONFLICT.
   *
   * @example
   * ```ts
   * const any: StandardSchema<unknown> = {
   *   '~standard': { version: 1, vendor: 'example', validate: (value) => ({ value }) },
   * };
   * const configuration = new Configuration(client, '/config/app', { mode: any });
   * const good = await configuration.publish({ mode: 'careful' });
   * await configuration.publish({ mode: 'bold' });
   * await configuration.rollback(good.version);
   * await using live = await configuration.follow();
   * console.assert(live.current.mode === 'careful' && live.version === 3);
   * ```
   */
  async rollback(version: number, options: PublishOptions = {}): Promise<ConfigurationVersion> {
    const release = await this.#releases.find(version);
    if (release === null) {
      throw new RecipeError('INVALID_OPTION', this.#path, `version ${version} is not kept; see history()`);
    }
    const texts = new Map(Object.entries(release.texts));
    await this.#demandValid(new Map([...texts].filter(([key]) => Object.hasOwn(this.#schemas, key))));
    const comment = options.comment ?? `back to version ${version}`;
    return await this.#releases.publish(() => texts, { ...options, comment });
  }

  async #demandValid(texts: ReadonlyMap<string, string | undefined>): Promise<void> {
    for (const [key, text] of texts) {
      const schema: StandardSchema<unknown, unknown> | undefined = this.#schemas[key];
      if (schema === undefined) {
        throw new RecipeError('INVALID_OPTION', this.#path, `there is no key ${JSON.stringify(key)}`);
      }
      if (text !== undefined) {
        await readValue(`${this.#path}, ${key}`, schema, text).catch((error: RecipeError) => {
          throw new RecipeError('INVALID_OPTION', this.#path, `${key} was refused by its schema`, error);
        });
      }
    }
  }
}

function merged(
  current: ReadonlyMap<string, string>,
  changes: ReadonlyMap<string, string | undefined>,
): ReadonlyMap<string, string> {
  const texts = new Map(current);
  for (const [key, text] of changes) {
    if (text === undefined) {
      texts.delete(key);
    } else {
      texts.set(key, text);
    }
  }
  return texts;
}
