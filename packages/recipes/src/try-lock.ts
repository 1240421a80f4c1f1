/** A lock that is one node: free or taken, without a queue. */
import { randomUUID } from 'node:crypto';
import { type Client, isTreekeeperError, type Stat } from '@treekeeper/client';
import { type Contender, contendersOf } from './contenders.ts';
import { forever } from './forever.ts';
import type { Fence } from './guard.ts';
import { Hold, type HoldOptions } from './hold.ts';
import { join } from './paths.ts';
import { untilAnswered } from './repeat.ts';
import { abortable, throwIfAborted, untilGone } from './seat.ts';

/** Options of `TryLock.tryAcquire`. */
export interface TryAcquireOptions extends HoldOptions {
  /** Rejects with ABORTED, and no node stays behind. */
  readonly signal?: AbortSignal | undefined;
  /** Shown to whoever looks who holds the lock (`TryLock.holder`). */
  readonly data?: string | Uint8Array | undefined;
}

const HOLDER = 'holder';

/**
 * A lock that is either got at once or not. The lock's own node is permanent and is set, with each acquisition and in
 * the same transaction, to a new version: so tokens rise, and guarded writes of an earlier holder are refused, though
 * all holders' nodes have the same name. Held, lost and guarded as a `Lock`. Do not remove the lock's own node while
 * anybody may hold it.
 *
 * @example
 * ```ts
 * const lock = new TryLock(client, '/locks/cleanup');
 * await using hold = await lock.tryAcquire({ data: 'host-7' });
 * console.assert(hold !== null && (await lock.tryAcquire()) === null);
 * ```
 */
export class TryLock {
  readonly #client: Client;
  readonly #path: string;

  constructor(client: Client, path: string) {
    this.#client = client;
    this.#path = path;
  }

  /**
   * The hold, or null when somebody has the lock. Rejects with ABORTED, SESSION_EXPIRED, NO_AUTH.
   *
   * @example
   * ```ts
   * const hold = await new TryLock(client, '/locks/e').tryAcquire();
   * await hold?.release();
   * ```
   */
  async tryAcquire(options: TryAcquireOptions = {}): Promise<Hold | null> {
    const { signal } = options;
    throwIfAborted(signal, this.#path);
    return await abortable(this.#take(options), signal, this.#path, (hold) => hold?.release());
  }

  /**
   * Waits until it gets the lock. Not fair: all who wait are woken by each release, and any of them gets it. With more
   * than a few waiters take a `Lock`.
   *
   * @example
   * ```ts
   * await using hold = await new TryLock(client, '/locks/f').acquire({ signal: AbortSignal.timeout(5000) });
   * console.assert(hold.state === 'held');
   * ```
   */
  async acquire(options: TryAcquireOptions = {}): Promise<Hold> {
    for (;;) {
      const hold = await this.tryAcquire(options);
      if (hold !== null) {
        return hold;
      }
      await untilGone(this.#client, join(this.#path, HOLDER), options.signal);
    }
  }

  /**
   * Who holds the lock; null: nobody.
   *
   * @example
   * ```ts
   * console.assert((await new TryLock(client, '/locks/g').holder()) === null);
   * ```
   */
  async holder(): Promise<Contender | null> {
    const [holder = null] = await contendersOf(this.#client, this.#path, [HOLDER]);
    return holder;
  }

  async #take(options: TryAcquireOptions): Promise<Hold | null> {
    const won = await this.#win(randomUUID(), options.data ?? '');
    if (won === null) {
      return null;
    }
    const node = join(this.#path, HOLDER);
    const fence = { path: this.#path, version: won.version };
    const remove = (): Promise<void> => this.#remove(node, fence);
    // The version alone would let a holder write whose node was taken away, as long as nobody has come after it.
    const fences = [fence, { path: node, version: -1 }];
    return new Hold(this.#client, { path: this.#path, node, token: won.mzxid, fences, remove }, options);
  }

  /** The lock's Stat, if this attempt has won; the nonce in it tells whose attempt the last one was. */
  async #win(nonce: string, data: string | Uint8Array): Promise<Stat | null> {
    for (;;) {
      try {
        const attempt = this.#client
          .transaction()
          .set(this.#path, nonce)
          .create(join(this.#path, HOLDER), data, { mode: 'ephemeral' });
        const [{ stat }] = await attempt.commit(forever);
        return stat;
      } catch (error) {
        if (isTreekeeperError(error, 'NODE_EXISTS')) {
          // Somebody has it; or we do, by an attempt whose answer was lost.
          const { value, stat } = await this.#client.get(this.#path, forever);
          return Buffer.from(value).toString() === nonce ? stat : null;
        }
        if (isTreekeeperError(error, 'NO_NODE')) {
          await this.#makeFence();
        } else if (!isTreekeeperError(error, 'CONNECTION_LOSS')) {
          throw error;
        }
      }
    }
  }

  async #makeFence(): Promise<void> {
    try {
      await this.#client.create(this.#path, '', { createParents: true, idempotent: true, ...forever });
    } catch (error) {
      if (!isTreekeeperError(error, 'NODE_EXISTS')) {
        throw error;
      }
    }
  }

  /** Not by its name alone: that may be the next holder's by now. */
  async #remove(node: string, fence: Fence): Promise<void> {
    const attempt = (): Promise<unknown> =>
      this.#client.transaction().check(fence.path, fence.version).delete(node).commit(forever);
    await untilAnswered(attempt, () => true).catch(() => null); // refused: it is gone already
  }
}
