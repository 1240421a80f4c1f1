import type { CallOptions, Client, Codec } from '@treekeeper/client';
import { DownList, type DownPolicy } from './down-policy.ts';
import type { RecipeError } from './errors.ts';
import { type Live, LiveValue } from './live.ts';
import { type Member, MemberView } from './member-view.ts';
import type { ServiceInstance } from './service-instance.ts';
import { random, type Strategy } from './strategies.ts';

/** Options of `Services.directory`. */
export interface DirectoryOptions<M> {
  /** @default random() */
  readonly strategy?: Strategy<M> | undefined;
  /** When instances whose callers report failures are left out. */
  readonly down?: DownPolicy | undefined;
  /** Told of nodes that are not instances, or whose metadata the schema refuses: they are left out. */
  readonly onInvalid?: ((error: RecipeError) => void) | undefined;
  /** Milliseconds, for the policy. @default the process's own monotonic clock */
  readonly now?: (() => number) | undefined;
}

/**
 * The instances of one service, kept up to date, and the choice of one of them. While the connection is away, it shows
 * those last known. An instance that crashed is listed until its session has timed out: report its failures, and it is
 * left out sooner. If all are down, all are chosen from: to try one is better than to try none.
 *
 * @example
 * ```ts
 * const services = new Services(client, '/services');
 * await using self = await services.register('shop', { address: '10.0.0.7', port: 80, metadata: null });
 * await using directory = await services.directory('shop', { strategy: roundRobin() });
 * const instance = directory.pick();
 * console.assert(instance?.url === 'http://10.0.0.7:80');
 * directory.failed(self.id); // a caller could not reach it
 * ```
 */
export class ServiceDirectory<M = unknown> implements Live<readonly ServiceInstance<M>[]> {
  /** Of the service. */
  readonly name: string;
  readonly #view: MemberView<ServiceInstance<M>>;
  readonly #members: Live<ReadonlyMap<string, Member<ServiceInstance<M>>>>;
  readonly #strategy: Strategy<M>;
  readonly #down: DownList;
  readonly #live: LiveValue<readonly ServiceInstance<M>[]>;
  /** What `current` was made of. */
  #shown: ReadonlyMap<string, Member<ServiceInstance<M>>> | null = null;
  #current: readonly ServiceInstance<M>[] = [];

  private constructor(
    name: string,
    view: MemberView<ServiceInstance<M>>,
    members: Live<ReadonlyMap<string, Member<ServiceInstance<M>>>>,
    options: DirectoryOptions<M>,
  ) {
    this.name = name;
    this.#view = view;
    this.#members = members;
    this.#strategy = options.strategy ?? random();
    this.#down = new DownList(options.down ?? {}, options.now ?? (() => performance.now()));
    this.#live = new LiveValue<readonly ServiceInstance<M>[]>(this.current, () => members.close());
  }

  /** See `Services.directory`. */
  static async open<M>(
    client: Client,
    name: string,
    path: string,
    codec: Codec<ServiceInstance<M>, never>,
    options: DirectoryOptions<M>,
  ): Promise<ServiceDirectory<M>> {
    const view = new MemberView(client, path, codec, options.onInvalid ?? (() => undefined));
    const directory = new ServiceDirectory(name, view, await view.open(), options);
    void directory.#follow();
    return directory;
  }

  /** All instances, by id, also those not enabled or down. Throws what ended the directory, if it has failed. */
  get current(): readonly ServiceInstance<M>[] {
    const members = this.#members.current;
    if (members !== this.#shown) {
      this.#shown = members;
      this.#current = [...members.values()]
        .map(({ data }) => data)
        .sort((a, b) => (a.id < b.id ? -1 : Number(a.id > b.id)));
    }
    return this.#current;
  }

  /** One that is enabled, as the strategy chooses; null when there is none. */
  pick(): ServiceInstance<M> | null {
    const [first, ...others] = this.#candidates();
    return first === undefined ? null : this.#strategy([first, ...others]);
  }

  /** The URLs of all that can be chosen. */
  urls(): string[] {
    return this.#candidates().map(({ url }) => url);
  }

  /** A caller could not reach the instance of this id, or was failed by it. */
  failed(id: string): void {
    this.#down.failed(id);
  }

  /** A call went well: earlier failures are forgotten. */
  succeeded(id: string): void {
    this.#down.succeeded(id);
  }

  /** Fulfils when the directory shows everybody who had registered before this call. */
  async sync(options?: CallOptions): Promise<void> {
    await this.#view.sync(options);
    void this.current; // throws, if it has failed meanwhile
  }

  close(): Promise<void> {
    return this.#live.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<readonly ServiceInstance<M>[]> {
    return this.#live[Symbol.asyncIterator]();
  }

  #candidates(): readonly ServiceInstance<M>[] {
    const enabled = this.current.filter((instance) => instance.enabled);
    const up = enabled.filter(({ id }) => !this.#down.isDown(id));
    return up.length === 0 ? enabled : up;
  }

  async #follow(): Promise<void> {
    try {
      for await (const _members of this.#members) {
        this.#tell();
      }
      this.#live.end();
    } catch (error) {
      this.#live.end(error);
    }
  }

  #tell(): void {
    const [told, { current }] = [this.#live.current, this];
    if (told.length !== current.length || told.some((each, i) => each !== current[i])) {
      this.#down.keep(new Set(current.map(({ id }) => id)));
      this.#live.set(current);
    }
  }
}
