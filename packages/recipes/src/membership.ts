/** Who is there: a group of programs, each under its name, with what it says about itself. */
import { type Client, type Codec, utf8 } from '@treekeeper/client';
import { RecipeError } from './errors.ts';
import { Joined, type JoinOptions } from './joined.ts';
import type { Live } from './live.ts';
import { type Member, MemberView } from './member-view.ts';
import { join } from './paths.ts';

/** Options of `Membership`. */
export interface MembershipOptions<T> {
  /** How members' data are written. @default text */
  readonly codec?: Codec<T> | undefined;
  /** Told of nodes whose data the codec does not take: they are left out. */
  readonly onInvalid?: ((error: RecipeError) => void) | undefined;
}

/**
 * A group of programs, each under a name of its own: an ephemeral node, which is there as long as its session. A member
 * that crashes, or whose network is cut, is listed until its session's timeout has passed; one that leaves is gone at
 * once. Curator's GroupMember takes part in the same groups.
 *
 * @example
 * ```ts
 * const workers = new Membership(client, '/workers', { codec: json<{ port: number }>() });
 * await using self = await workers.join('host-7', { port: 8080 });
 * const everybody = await workers.list();
 * console.assert(everybody.get('host-7')?.data.port === 8080 && self.state === 'joined');
 * ```
 */
export class Membership<T = string> {
  readonly #client: Client;
  readonly #path: string;
  readonly #codec: Codec<T>;
  readonly #onInvalid: (error: RecipeError) => void;

  constructor(client: Client, path: string, options: MembershipOptions<T> = {}) {
    this.#client = client;
    this.#path = path;
    this.#codec = options.codec ?? (utf8 as unknown as Codec<T>);
    this.#onInvalid = options.onInvalid ?? (() => undefined);
  }

  /**
   * Joins under a name. Where the name is there already, it is taken for that of an earlier run, whose session has not
   * timed out yet, and taken over: nobody sees the member missing. Whoever else lives under the name is told by its
   * `signal`. Rejects with ABORTED, SESSION_EXPIRED, NO_AUTH; NODE_EXISTS when nothing is to be taken over.
   *
   * @example
   * ```ts
   * const members = new Membership(client, '/members/a');
   * const earlier = await members.join('host-7', 'first run');
   * await using now = await members.join('host-7', 'second run');
   * console.assert((await members.list()).get('host-7')?.data === 'second run');
   * ```
   */
  async join(name: string, data: T, options: JoinOptions = {}): Promise<Joined<T>> {
    if (name === '' || name.includes('/')) {
      throw new RecipeError('INVALID_OPTION', this.#path, `the name ${JSON.stringify(name)} is empty or has a /`);
    }
    return await Joined.enter(this.#client, this.#path, join(this.#path, name), this.#codec, data, options);
  }

  /**
   * Who is there now, by name.
   *
   * @example
   * ```ts
   * console.assert((await new Membership(client, '/members/b').list()).size === 0);
   * ```
   */
  async list(): Promise<ReadonlyMap<string, Member<T>>> {
    return await this.#view().readAll({});
  }

  /**
   * Who is there, now and from now on. Each member that comes, goes or changes its data costs one small read, however
   * many there are. Needs ZooKeeper 3.6, or Treekeeper.
   *
   * @example
   * ```ts
   * const group = new Membership(client, '/members/c');
   * await using members = await group.members();
   * await using self = await group.join('host-7', 'data');
   * for await (const present of members) {
   *   if (present.has('host-7')) break;
   * }
   * ```
   */
  async members(): Promise<Live<ReadonlyMap<string, Member<T>>>> {
    return await this.#view().open();
  }

  #view(): MemberView<T> {
    return new MemberView(this.#client, this.#path, this.#codec, this.#onInvalid);
  }
}
