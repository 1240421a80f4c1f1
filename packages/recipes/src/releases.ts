/**
 * Publications of a configuration. `<path>/.history` counts them by the version of its data, and holds one node for
 * each of the latest, with everything as it was: it is written in the transaction that changes the values.
 */
import { randomUUID } from 'node:crypto';
import { type CallOptions, type Client, isTreekeeperError, json, type Stat } from '@treekeeper/client';
import { isKey } from './configuration-values.ts';
import { namesIn, orNull } from './contenders.ts';
import { RecipeError } from './errors.ts';
import { join } from './paths.ts';

export const HISTORY = '.history';
const ATTEMPTS_MAX = 50;
const VERSION_DIGITS = 10;

/** Who publishes, and why: kept with the version. */
export interface PublishOptions extends CallOptions {
  readonly author?: string | undefined;
  readonly comment?: string | undefined;
  /** Only if this is the latest version; otherwise rejects with CONFLICT. */
  readonly expectedVersion?: number | undefined;
}

/** What was published at one time. */
export interface ConfigurationVersion {
  readonly version: number;
  readonly publishedAtMs: number;
  readonly author: string;
  readonly comment: string;
  /** The JSON of every key, those too that did not change. */
  readonly texts: Readonly<Record<string, string>>;
}

interface Release extends ConfigurationVersion {
  /** Tells whose it is, when the answer to its transaction was lost. */
  readonly id: string;
}

const releaseCodec = json<Release>();

interface Current {
  readonly history: Stat;
  readonly nodes: ReadonlyMap<string, { readonly text: string; readonly stat: Stat }>;
  readonly kept: readonly number[];
}

export class Releases {
  readonly #client: Client;
  readonly #path: string;
  readonly #history: string;
  readonly #versionsMax: number;

  constructor(client: Client, path: string, versionsMax: number) {
    this.#client = client;
    this.#path = path;
    this.#history = join(path, HISTORY);
    this.#versionsMax = versionsMax;
  }

  /** Publishes what `change` makes of the texts there are. */
  async publish(
    change: (texts: ReadonlyMap<string, string>) => ReadonlyMap<string, string>,
    options: PublishOptions,
  ): Promise<ConfigurationVersion> {
    for (let attempts = 0; attempts < ATTEMPTS_MAX; attempts++) {
      const current = await this.#current(options);
      const { version } = current.history;
      if (options.expectedVersion !== undefined && options.expectedVersion !== version) {
        const message = `version ${options.expectedVersion} was expected, but ${version} is the latest`;
        throw new RecipeError('CONFLICT', this.#path, message);
      }
      const texts = change(new Map([...current.nodes].map(([key, { text }]) => [key, text])));
      const release = { ...releaseOf(version + 1, options), texts: Object.fromEntries(texts) };
      if (await this.#commit(current, texts, release, options)) {
        const { id: _, ...published } = release;
        return published;
      }
    }
    throw new RecipeError('CONFLICT', this.#path);
  }

  /** The latest first. */
  async list(): Promise<ConfigurationVersion[]> {
    const versions = (await this.#kept()).reverse();
    const found = await Promise.all(versions.map((version) => this.find(version)));
    return found.filter((release) => release !== null);
  }

  /** Null: it is not kept. Rejects with INVALID_DATA when the node holds something else. */
  async find(version: number): Promise<ConfigurationVersion | null> {
    const node = this.#nodeOf(version);
    const found = await orNull(this.#client.get(node, { codec: releaseCodec })).catch((error: unknown) => {
      throw isTreekeeperError(error, 'INVALID_VALUE')
        ? new RecipeError('INVALID_DATA', node, error.message, error)
        : error;
    });
    if (found === null) {
      return null;
    }
    const { id: _, ...release } = found.value;
    return release;
  }

  async #kept(): Promise<number[]> {
    const names = await namesIn(this.#client, this.#history);
    return names
      .filter((name) => /^\d{10}$/.test(name))
      .map(Number)
      .sort((a, b) => a - b);
  }

  async #current(options: CallOptions): Promise<Current> {
    const history = await this.#client.exists(this.#history, options);
    if (history === null) {
      await this.#client
        .create(this.#history, '', { ...options, createParents: true, idempotent: true })
        .catch((error: unknown) => {
          if (!isTreekeeperError(error, 'NODE_EXISTS')) {
            throw error;
          }
        });
      return await this.#current(options);
    }
    const keys = (await this.#client.children(this.#path, options)).filter(isKey);
    const results = await this.#client.multiRead(
      keys.map((key) => ({ get: join(this.#path, key) })),
      options,
    );
    const nodes = new Map<string, { readonly text: string; readonly stat: Stat }>();
    for (const [i, result] of results.entries()) {
      if ('value' in result) {
        nodes.set(keys[i] as string, { text: Buffer.from(result.value).toString(), stat: result.stat });
      } else if (!isTreekeeperError(result.error, 'NO_NODE')) {
        throw result.error;
      }
    }
    return { history, nodes, kept: await this.#kept() };
  }

  /** False: something has changed since `current` was read. */
  async #commit(
    { history, nodes, kept }: Current,
    texts: ReadonlyMap<string, string>,
    release: Release,
    options: CallOptions,
  ): Promise<boolean> {
    const transaction = this.#client.transaction().set(this.#history, '', { version: history.version });
    transaction.create(this.#nodeOf(release.version), release, { codec: releaseCodec });
    for (const version of kept.filter((each) => each <= release.version - this.#versionsMax)) {
      transaction.delete(this.#nodeOf(version));
    }
    for (const key of new Set([...nodes.keys(), ...texts.keys()])) {
      const [path, node, text] = [join(this.#path, key), nodes.get(key), texts.get(key)];
      if (text === undefined) {
        transaction.delete(path, { version: node?.stat.version ?? -1 });
      } else if (node === undefined) {
        transaction.create(path, text);
      } else if (node.text === text) {
        transaction.check(path, node.stat.version);
      } else {
        transaction.set(path, text, { version: node.stat.version });
      }
    }
    try {
      await transaction.commit(options);
      return true;
    } catch (error) {
      if (isTreekeeperError(error, 'CONNECTION_LOSS')) {
        await this.#client.sync(this.#path, options);
        const found = await orNull(
          this.#client.get(this.#nodeOf(release.version), { ...options, codec: releaseCodec }),
        );
        return found?.value.id === release.id;
      }
      if (['BAD_VERSION', 'NODE_EXISTS', 'NO_NODE'].some((code) => isTreekeeperError(error) && error.code === code)) {
        return false;
      }
      throw error;
    }
  }

  #nodeOf(version: number): string {
    return join(this.#history, String(version).padStart(VERSION_DIGITS, '0'));
  }
}

function releaseOf(version: number, { author = '', comment = '' }: PublishOptions) {
  return { version, id: randomUUID(), publishedAtMs: Date.now(), author, comment };
}
