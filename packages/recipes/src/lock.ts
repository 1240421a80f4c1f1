/** Exclusive locks: one holder at a time among all who use the same path, in the order in which they asked. */
import type { Client } from '@treekeeper/client';
import { Hold, type HoldOptions } from './hold.ts';
import { Seat } from './seat.ts';

/** Options of `Lock.acquire`. */
export interface AcquireOptions extends HoldOptions {
  /** Gives up waiting: rejects with ABORTED, and no node stays behind. */
  readonly signal?: AbortSignal | undefined;
  /** Shown to whoever looks who holds the lock or waits for it (`Lock.contenders`). */
  readonly data?: string | Uint8Array | undefined;
}

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

  constructor(client: Client, path: string) {
    this.#client = client;
    this.#path = path;
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
    const { signal, data } = options;
    const seat = await Seat.take(this.#client, this.#path, { name: 'lock-', data, signal, isContender: isLockName });
    await seat.waitFor((order, me) => order[me - 1] ?? null, signal);
    return new Hold(this.#client, { path: this.#path, node: seat.path, token: seat.token }, options);
  }

  /**
   * Acquires, runs, releases; the task gets the hold, whose signal tells when to stop.
   *
   * @example
   * ```ts
   * const answer = await new Lock(client, '/locks/b').run(async (hold) => (hold.signal.aborted ? 0 : 42));
   * console.assert(answer === 42);
   * ```
   */
  async run<T>(task: (hold: Hold) => Promise<T>, options?: AcquireOptions): Promise<T> {
    await using hold = await this.acquire(options);
    return await task(hold);
  }
}
