/** Service registry and discovery: who offers what, and where. */
import { randomUUID } from 'node:crypto';
import { type Client, type Codec, isTreekeeperError, type StandardSchema } from '@treekeeper/client';
import { namesIn, orNull } from './contenders.ts';
import { RecipeError } from './errors.ts';
import { Joined, type JoinOptions } from './joined.ts';
import { join } from './paths.ts';
import { Registration } from './registration.ts';
import { type DirectoryOptions, ServiceDirectory } from './service-directory.ts';
import { type InstanceDescription, instanceCodec, recordOf, type ServiceInstance } from './service-instance.ts';

/** Options of `Services`. */
export interface ServicesOptions<M> {
  /** Checks and types the metadata of instances (zod, valibot, arktype: anything that speaks Standard Schema). */
  readonly schema?: StandardSchema<unknown, M> | undefined;
}

/**
 * The services under a path, each with its instances: ephemeral nodes `path/name/id` that hold what Curator's service
 * discovery writes and reads as JSON, so that both find each other's instances; `metadata` is Curator's payload. An
 * instance is listed as long as its session lives; one that crashes until the session's timeout has passed.
 *
 * @example
 * ```ts
 * const services = new Services<{ zone: string }>(client, '/services');
 * await using self = await services.register('search', {
 *   address: '10.0.0.7',
 *   port: 8080,
 *   metadata: { zone: 'eu-1' },
 * });
 * const [instance] = await services.instances('search');
 * console.assert(instance?.url === 'http://10.0.0.7:8080' && instance.metadata.zone === 'eu-1');
 * ```
 */
export class Services<M = unknown> {
  readonly #client: Client;
  readonly #path: string;
  readonly #codec: ReturnType<typeof instanceCodec<M>>;

  constructor(client: Client, path: string, options: ServicesOptions<M> = {}) {
    this.#client = client;
    this.#path = path;
    this.#codec = instanceCodec(options.schema);
  }

  /**
   * Registers an instance of a service. Where there is one of the same id, it is taken for that of an earlier run, and
   * replaced. Rejects with INVALID_OPTION, ABORTED, SESSION_EXPIRED, NO_AUTH.
   *
   * @example
   * ```ts
   * const services = new Services(client, '/services');
   * await using self = await services.register('mail', {
   *   id: 'host-7',
   *   address: 'host-7.example.org',
   *   sslPort: 993,
   *   uri: 'imaps://{address}:{ssl-port}',
   *   metadata: null,
   * });
   * await using mail = await services.directory('mail');
   * console.assert(mail.pick()?.url === 'imaps://host-7.example.org:993');
   * ```
   */
  async register(
    name: string,
    description: InstanceDescription<M>,
    options: JoinOptions = {},
  ): Promise<Registration<M>> {
    const { id = randomUUID() } = description;
    const registeredAtMs = Date.now();
    const directory = this.#pathOf(name);
    const invalid = (cause: unknown): RecipeError =>
      new RecipeError('INVALID_OPTION', directory, cause instanceof Error ? cause.message : String(cause), cause);
    const codec = {
      encode: (described: InstanceDescription<M>) => {
        try {
          return this.#codec.encode(recordOf(name, id, described, registeredAtMs));
        } catch (cause) {
          throw invalid(cause);
        }
      },
      decode: (): never => {
        throw new TypeError('a registration is not read back');
      },
    } satisfies Codec<InstanceDescription<M>>;
    const data = codec.encode(description);
    try {
      await this.#codec.decode(data);
    } catch (cause) {
      throw invalid(cause);
    }
    const node = join(directory, id);
    const joined = await Joined.enter(this.#client, directory, node, codec, description, options);
    return new Registration(joined, id, description);
  }

  /**
   * The names of all services that have or had instances.
   *
   * @example
   * ```ts
   * console.assert((await new Services(client, '/services').names()).length === 0);
   * ```
   */
  async names(): Promise<string[]> {
    return (await namesIn(this.#client, this.#path)).sort();
  }

  /**
   * The instances of a service now, by id. For more than one look, use a directory. Rejects with INVALID_DATA when a
   * node holds something else.
   *
   * @example
   * ```ts
   * const urls = (await new Services(client, '/services').instances('shop')).map(({ url }) => url);
   * console.assert(urls.length === 0);
   * ```
   */
  async instances(name: string): Promise<ServiceInstance<M>[]> {
    const directory = this.#pathOf(name);
    const ids = (await namesIn(this.#client, directory)).sort();
    const found = await Promise.all(ids.map((id) => this.#read(join(directory, id))));
    return found.filter((instance) => instance !== null);
  }

  /**
   * The instances of a service, kept up to date, to choose from.
   *
   * @example
   * ```ts
   * await using directory = await new Services(client, '/services').directory('shop');
   * console.assert(directory.current.length === 0 && directory.pick() === null);
   * ```
   */
  directory(name: string, options: DirectoryOptions<M> = {}): Promise<ServiceDirectory<M>> {
    return ServiceDirectory.open(this.#client, name, this.#pathOf(name), this.#codec, options);
  }

  async #read(path: string): Promise<ServiceInstance<M> | null> {
    try {
      return (await orNull(this.#client.get(path, { codec: this.#codec })))?.value ?? null;
    } catch (error) {
      throw isTreekeeperError(error, 'INVALID_VALUE')
        ? new RecipeError('INVALID_DATA', path, error.message, error)
        : error;
    }
  }

  #pathOf(name: string): string {
    if (name === '' || name.includes('/')) {
      throw new RecipeError('INVALID_OPTION', this.#path, `the name ${JSON.stringify(name)} is empty or has a /`);
    }
    return join(this.#path, name);
  }
}
