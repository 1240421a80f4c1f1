/** So many at a time, and no more. */
import { randomUUID } from 'node:crypto';
import { type Client, isTreekeeperError } from '@treekeeper/client';
import { type Contender, contendersOf, namesIn, orNull } from './contenders.ts';
import { RecipeError } from './errors.ts';
import { forever } from './forever.ts';
import { type GuardedClient, guard } from './guard.ts';
import { Hold, type HoldOptions } from './hold.ts';
import { checkIdentity, nameWith } from './identity.ts';
import { isLockName, LOCK_NAMES, type NodeNames } from './lock.ts';
import { join } from './paths.ts';
import { untilAnswered } from './repeat.ts';
import { abortable, endEarlierRun, remove, Seat } from './seat.ts';
import { Vigil } from './vigil.ts';

const LEASE = 'lease';

/** Options of `Semaphore`. */
export interface SemaphoreOptions {
  /** How many may hold it at a time. All who use the path have to say the same. */
  readonly leases: number;
  /** With whom it contends: Curator's InterProcessSemaphoreV2, or kazoo's Semaphore. @default 'curator' */
  readonly names?: NodeNames | undefined;
  /**
   * Who this program is, across its restarts. A run that was killed leaves a node until its session has timed out; the
   * next run with the same identity ends it at once, instead of waiting for it. No two programs that live at the same
   * time may have the same: the later one would end what the earlier one holds (whose signal fires).
   */
  readonly identity?: string | undefined;
}

/** Options of `Semaphore.acquire`. */
export interface LeaseOptions extends HoldOptions {
  /** Gives up waiting: rejects with ABORTED, and no node stays behind. */
  readonly signal?: AbortSignal | undefined;
  /** Shown to whoever looks who holds a lease (`Semaphore.holders`). */
  readonly data?: string | Uint8Array | undefined;
}

/**
 * Lets so many in at a time, in the order in which they asked. Each lease is held, lost and guarded as a `Lock`; its
 * token rises with every lease given. The first in the queue alone watches the leases: one given back wakes one.
 * The number is kept in the path's node, and who says another one is refused, unless the node holds something else.
 *
 * @example
 * ```ts
 * const semaphore = new Semaphore(client, '/limits/uploads', { leases: 2 });
 * await using first = await semaphore.acquire({ data: 'a' });
 * await using second = await semaphore.acquire({ data: 'b' });
 * console.assert(second.token > first.token && (await semaphore.holders()).length === 2);
 * ```
 */
export class Semaphore {
  readonly #client: Client;
  readonly #path: string;
  readonly #names: NodeNames;
  readonly #leases: number;
  readonly #identity: string | undefined;
  readonly #queuePath: string;
  readonly #leasesPath: string;

  /** Throws INVALID_OPTION when `leases` is not a positive integer, or `identity` not part of a name. */
  constructor(client: Client, path: string, { leases, names = 'curator', identity }: SemaphoreOptions) {
    if (!(Number.isSafeInteger(leases) && leases > 0)) {
      throw new RecipeError('INVALID_OPTION', path, `leases is ${leases}; it has to be a positive integer`);
    }
    checkIdentity(identity, path);
    this.#identity = identity;
    this.#client = client;
    this.#path = path;
    this.#leases = leases;
    this.#names = names;
    this.#queuePath = names === 'kazoo' ? `${path}-__lock__` : join(path, 'locks');
    this.#leasesPath = names === 'kazoo' ? path : join(path, 'leases');
  }

  /**
   * Waits for a lease. Outlives lost connections while waiting. Rejects with ABORTED, SESSION_EXPIRED, NO_AUTH, and
   * INVALID_OPTION when others let in another number.
   *
   * @example
   * ```ts
   * const semaphore = new Semaphore(client, '/limits/a', { leases: 3 });
   * const lease = await semaphore.acquire({ signal: AbortSignal.timeout(5000) });
   * await lease.release();
   * ```
   */
  async acquire(options: LeaseOptions = {}): Promise<Hold> {
    const { signal, data } = options;
    await this.#agree(signal);
    const name = LOCK_NAMES[this.#names];
    const identity = this.#identity;
    const seat = await Seat.take(this.#client, this.#queuePath, {
      name,
      data,
      signal,
      identity,
      isContender: isLockName,
    });
    try {
      if (identity !== undefined) {
        const ending = endEarlierRun(this.#client, this.#leasesPath, identity, [LEASE], seat.token);
        await abortable(ending, signal, this.#path, () => undefined);
      }
      await seat.waitFor((order, me) => order[me - 1] ?? null, signal);
      await seat.whileSeated(signal, (either) => this.#untilFree(either));
      const node = join(this.#leasesPath, this.#leaseName());
      const taking = this.#take(seat, node, data);
      taking.catch(() => remove(this.#client, node)); // an attempt whose answer was lost may have made it
      const token = await abortable(taking, signal, this.#path, () => remove(this.#client, node));
      return new Hold(this.#client, { path: this.#path, node, token }, options);
    } finally {
      void seat.leave();
    }
  }

  /**
   * Acquires, runs, releases; the task gets the hold, whose signal tells when to stop.
   *
   * @example
   * ```ts
   * const answer = await new Semaphore(client, '/limits/b', { leases: 1 }).run(async () => 42);
   * console.assert(answer === 42);
   * ```
   */
  async run<T>(task: (hold: Hold) => Promise<T>, options?: LeaseOptions): Promise<T> {
    await using hold = await this.acquire(options);
    return await task(hold);
  }

  /**
   * Who holds a lease, the longest first.
   *
   * @example
   * ```ts
   * console.assert((await new Semaphore(client, '/limits/c', { leases: 1 }).holders()).length === 0);
   * ```
   */
  async holders(): Promise<readonly Contender[]> {
    const names = await namesIn(this.#client, this.#leasesPath);
    const holders = await contendersOf(this.#client, this.#leasesPath, names);
    return holders.toSorted((a, b) => (a.token < b.token ? -1 : 1));
  }

  /** Kazoo takes whatever it finds for a lease. */
  #leaseName(): string {
    return this.#names === 'kazoo' && this.#identity === undefined
      ? randomUUID().replaceAll('-', '')
      : `_c_${randomUUID()}-${nameWith(this.#identity, LEASE)}`;
  }

  /** The number in the path's node, as kazoo keeps it; where there is none it is put there. */
  async #agree(signal: AbortSignal | undefined): Promise<void> {
    const found = await orNull(this.#client.get(this.#path, { ...forever, signal }));
    const text = found === null ? '' : Buffer.from(found.value).toString();
    if (/^\d+$/.test(text) && Number(text) !== this.#leases) {
      const message = `leases is ${this.#leases}, but those who use this path already let in ${text}`;
      throw new RecipeError('INVALID_OPTION', this.#path, message);
    }
    if (text === '') {
      await this.#propose(found?.stat.version ?? null, signal);
    }
  }

  async #propose(version: number | null, signal: AbortSignal | undefined): Promise<void> {
    const number = String(this.#leases);
    const options = { idempotent: true, ...forever, signal } as const;
    try {
      await (version === null
        ? this.#client.create(this.#path, number, { createParents: 'container', ...options })
        : this.#client.set(this.#path, number, { version, ...options }));
    } catch (error) {
      if (!isTreekeeperError(error, 'NODE_EXISTS') && !isTreekeeperError(error, 'BAD_VERSION')) {
        throw error;
      }
      await this.#agree(signal); // somebody was faster
    }
  }

  /** Only the first in the queue gets here: with Curator and with kazoo alike. */
  async #untilFree(signal: AbortSignal): Promise<void> {
    const vigil = new Vigil(this.#client);
    try {
      for (;;) {
        const changed = vigil.next();
        const names = await vigil.look(this.#leasesPath, 'children', (watch) =>
          orNull(this.#client.children(this.#leasesPath, { ...forever, signal, watch })),
        );
        if (names === null || names.length < this.#leases) {
          return;
        }
        await abortable(changed, signal, this.#path, () => undefined);
      }
    } finally {
      vigil.takeBack();
    }
  }

  /** Takes the lease only while the place at the head of the queue is ours; answers its token. */
  async #take(seat: Seat, node: string, data: string | Uint8Array = ''): Promise<bigint> {
    const guarded = guard(this.#client, this.#path, [{ path: seat.path, version: -1 }], () => undefined);
    const attempt = (): Promise<unknown> => this.#create(guarded, node, data);
    await untilAnswered(attempt, (error) => isTreekeeperError(error, 'NODE_EXISTS'));
    const stat = await this.#client.exists(node, forever);
    if (stat === null) {
      throw new RecipeError('LOST', this.#path, 'the lease was removed as soon as it was given');
    }
    return stat.czxid;
  }

  async #create(guarded: GuardedClient, node: string, data: string | Uint8Array): Promise<void> {
    for (;;) {
      try {
        await guarded.transaction().create(node, data, { mode: 'ephemeral' }).commit(forever);
        return;
      } catch (error) {
        if (!isTreekeeperError(error, 'NO_NODE')) {
          throw error;
        }
        await this.#makeLeasesNode();
      }
    }
  }

  async #makeLeasesNode(): Promise<void> {
    try {
      const mode = this.#names === 'kazoo' ? 'persistent' : 'container';
      await this.#client.create(this.#leasesPath, '', {
        mode,
        createParents: 'container',
        idempotent: true,
        ...forever,
      });
    } catch (error) {
      if (!isTreekeeperError(error, 'NODE_EXISTS')) {
        throw error;
      }
    }
  }
}
