/** Exclusive locks: one holder at a time among all who use the same path, in the order in which they asked. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Client } from '@treekeeper/client';
import { type Contender, contendersOf, namesIn, orNull } from './contenders.ts';
import { forever } from './forever.ts';
import { Hold, type HoldOptions, REVOKE_MESSAGE } from './hold.ts';
import { checkIdentity } from './identity.ts';
import { join } from './paths.ts';
import { Seat } from './seat.ts';
import { inSequence } from './sequence.ts';

/**
 * Whose names nodes get, where others take part: Curator's, or those of kazoo, which does not see the others unless it
 * is told to (`extra_lock_patterns`). We see both.
 */
export type NodeNames = 'curator' | 'kazoo';

/** Options of `Lock`. */
export interface LockOptions {
  /** @default 'curator' */
  readonly names?: NodeNames | undefined;
  /**
   * Within a task of `run`, and what it calls, the same Lock object lets in at once, instead of waiting for its own
   * holder for ever. @default false
   */
  readonly reentrant?: boolean | undefined;
  /**
   * Who this program is, across its restarts. A run that was killed leaves a node until its session has timed out; the
   * next run with the same identity ends it at once, instead of waiting for it. No two programs that live at the same
   * time may have the same: the later one would end what the earlier one holds (whose signal fires).
   */
  readonly identity?: string | undefined;
}

/** Options of `Lock.acquire`. */
export interface AcquireOptions extends HoldOptions {
  /** Gives up waiting: rejects with ABORTED, and no node stays behind. */
  readonly signal?: AbortSignal | undefined;
  /** Shown to whoever looks who holds the lock or waits for it (`Lock.contenders`). */
  readonly data?: string | Uint8Array | undefined;
  /** Asks all who come before to give it up: see `Hold.revocation`. @default false */
  readonly revoke?: boolean | undefined;
}

export const LOCK_NAMES: Readonly<Record<NodeNames, string>> = { curator: 'lock-', kazoo: '__lock__' };

/** Names of Curator (`lock-`) and of kazoo (`__lock__`): they wait for us, and we for them. */
export function isLockName(name: string): boolean {
  return /(?:lock-|__lock__)-?\d{9,10}$/.test(name);
}

/**
 * A lock across machines. Fair: who asked first gets it first. It is held while the session lives and the connection is
 * up: on disconnect the hold's signal fires (see HoldOptions), on expiry or crash the next one gets it. A holder that
 * was paused may still believe that it holds: writes through `hold.guarded` are refused then, and `hold.token` rises
 * with each holder, for everything that is not in the tree.
 *
 * @example
 * ```ts
 * const lock = new Lock(client, '/locks/report');
 * await using hold = await lock.acquire();
 * await hold.guarded.create('/report', 'written by one only');
 * console.assert(hold.token > 0n && !hold.signal.aborted);
 * ```
 */
export class Lock {
  readonly #client: Client;
  readonly #path: string;
  readonly #name: string;
  readonly #within: AsyncLocalStorage<Hold> | null;
  readonly #identity: string | undefined;

  /** Throws INVALID_OPTION. */
  constructor(client: Client, path: string, options: LockOptions = {}) {
    this.#client = client;
    this.#path = path;
    this.#name = LOCK_NAMES[options.names ?? 'curator'];
    this.#within = options.reentrant === true ? new AsyncLocalStorage() : null;
    checkIdentity(options.identity, path);
    this.#identity = options.identity;
  }

  /**
   * Waits for the lock. Outlives lost connections while waiting. Rejects with ABORTED, SESSION_EXPIRED, NO_AUTH.
   *
   * @example
   * ```ts
   * const hold = await new Lock(client, '/locks/a').acquire({ signal: AbortSignal.timeout(5000) });
   * await hold.release();
   * ```
   */
  async acquire(options: AcquireOptions = {}): Promise<Hold> {
    const outer = this.#within?.getStore();
    if (outer !== undefined && !outer.signal.aborted) {
      const { node, token } = outer;
      return new Hold(this.#client, { path: this.#path, node, token, within: outer }, options);
    }
    const { signal, data, revoke = false } = options;
    const seat = await Seat.take(this.#client, this.#path, {
      name: this.#name,
      data,
      signal,
      isContender: isLockName,
      identity: this.#identity,
    });
    let hasAsked = !revoke;
    await seat.waitFor((order, me) => {
      if (!hasAsked) {
        hasAsked = true;
        this.#revokeAll(order.slice(0, me));
      }
      return order[me - 1] ?? null;
    }, signal);
    return new Hold(this.#client, { path: this.#path, node: seat.path, token: seat.token }, options);
  }

  /**
   * Acquires, runs, releases; the task gets the hold, whose signal tells when to stop.
   *
   * @example
   * ```ts
   * const lock = new Lock(client, '/locks/b', { reentrant: true });
   * const answer = await lock.run(() => lock.run(async (hold) => (hold.signal.aborted ? 0 : 42)));
   * console.assert(answer === 42);
   * ```
   */
  async run<T>(task: (hold: Hold) => Promise<T>, options: AcquireOptions = {}): Promise<T> {
    await using hold = await this.acquire(options);
    const within = this.#within;
    if (within === null || within.getStore()?.node === hold.node) {
      return await task(hold);
    }
    return await within.run(hold, () => task(hold));
  }

  /**
   * Who holds the lock (the first) and who waits for it, in order.
   *
   * @example
   * ```ts
   * const lock = new Lock(client, '/locks/c');
   * await using hold = await lock.acquire({ data: 'host-7' });
   * const [holder] = await lock.contenders();
   * console.assert(holder?.data === 'host-7' && holder.token === hold.token);
   * ```
   */
  async contenders(): Promise<readonly Contender[]> {
    const names = inSequence(await namesIn(this.#client, this.#path), isLockName);
    return await contendersOf(this.#client, this.#path, names);
  }

  /**
   * Asks the holder to give the lock up; whether it does is its own affair. Also understood by, and understands,
   * Curator's. False when nobody holds it.
   *
   * @example
   * ```ts
   * const lock = new Lock(client, '/locks/d');
   * const hold = await lock.acquire();
   * hold.revocation.addEventListener('abort', () => void hold.release());
   * console.assert(await lock.revoke());
   * ```
   */
  async revoke(): Promise<boolean> {
    const [holder] = inSequence(await namesIn(this.#client, this.#path), isLockName);
    return holder !== undefined && (await this.#revokeAt(holder));
  }

  #revokeAll(names: readonly string[]): void {
    for (const name of names) {
      this.#revokeAt(name).catch(() => undefined); // who cannot be asked is waited for all the same
    }
  }

  async #revokeAt(name: string): Promise<boolean> {
    const options = { idempotent: true, ...forever } as const;
    return (await orNull(this.#client.set(join(this.#path, name), REVOKE_MESSAGE, options))) !== null;
  }
}
