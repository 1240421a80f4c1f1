/** A lock that is one node: free or taken, without a queue. */
import { randomUUID } from 'node:crypto';
import { type Client, isTreekeeperError, type Stat } from '@treekeeper/client';
import { type Contender, contendersOf } from './contenders.ts';
import { forever } from './forever.ts';
import type { Fence } from './guard.ts';
import { Hold, type HoldOptions } from './hold.ts';
import { checkIdentity, nameWith } from './identity.ts';
import { join } from './paths.ts';
import { untilAnswered } from './repeat.ts';
import { abortable, throwIfAborted, untilGone } from './seat.ts';

/** Options of `TryLock`. */
export interface TryLockOptions {
  /**
   * Who this program is, across its restarts. A run that was killed leaves a node until its session has timed out; the
   * next run with the same identity takes its place at once, instead of finding the lock taken. No two programs that
   * live at the same time may have the same: the later one would end what the earlier one holds (whose signal fires).
   */
  readonly identity?: string | undefined;
}

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
  readonly #identity: string | undefined;

  /** Throws INVALID_OPTION. */
  constructor(client: Client, path: string, options: TryLockOptions = {}) {
    checkIdentity(options.identity, path);
    this.#client = client;
    this.#path = path;
    this.#identity = options.identity;
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
    const won = await this.#win(nameWith(this.#identity, randomUUID()), options.data ?? '');
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
    let replaced: number | null = null;
    for (;;) {
      try {
        return await this.#attempt(nonce, data, replaced);
      } catch (error) {
        if (isTreekeeperError(error, 'NODE_EXISTS')) {
          // Somebody has it; or we do, by an attempt whose answer was lost.
          const { value, stat } = await this.#client.get(this.#path, forever);
          const last = Buffer.from(value).toString();
          if (last === nonce) {
            return stat;
          }
          if (!(await this.#isOfEarlierRun(last, nonce))) {
            return null;
          }
          replaced = stat.version;
        } else if (replaced !== null && isOutdated(error)) {
          replaced = null; // it has gone, or somebody else has come
        } else if (isTreekeeperError(error, 'NO_NODE')) {
          await this.#makeFence();
        } else if (!isTreekeeperError(error, 'CONNECTION_LOSS')) {
          throw error;
        }
      }
    }
  }

  /** `replaced`: the version that the lock has got from the holder who is to be ended; null: from nobody. */
  async #attempt(nonce: string, data: string | Uint8Array, replaced: number | null): Promise<Stat> {
    const holder = join(this.#path, HOLDER);
    const setting = this.#client.transaction().set(this.#path, nonce, { version: replaced ?? -1 });
    const [{ stat }] = await (replaced === null
      ? setting.create(holder, data, { mode: 'ephemeral' }).commit(forever)
      : setting.delete(holder).create(holder, data, { mode: 'ephemeral' }).commit(forever));
    return stat;
  }

  /** Whether the last attempt was one of another session and of the same identity. */
  async #isOfEarlierRun(last: string, nonce: string): Promise<boolean> {
    const identity = this.#identity;
    if (identity === undefined || last.length !== nonce.length || !last.startsWith(nameWith(identity, ''))) {
      return false;
    }
    const stat = await this.#client.exists(join(this.#path, HOLDER), forever);
    return stat?.ephemeralOwner !== this.#client.sessionId;
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

function isOutdated(error: unknown): boolean {
  return isTreekeeperError(error, 'NO_NODE') || isTreekeeperError(error, 'BAD_VERSION');
}
