/** Several locks as one: all or none. */
import type { Client } from '@treekeeper/client';
import { RecipeError } from './errors.ts';
import { type GuardedClient, guard } from './guard.ts';
import type { Hold } from './hold.ts';
import { checkIdentity } from './identity.ts';
import { type AcquireOptions, Lock, type LockOptions } from './lock.ts';

/** Options of `MultiLock`. */
export type MultiLockOptions = Pick<LockOptions, 'names' | 'identity'>;

/**
 * Holds several locks at once, or none. They are asked for in the order of their paths, whatever order they are named
 * in, so that two who want some of the same never wait for each other. When one is lost, all are given up.
 *
 * @example
 * ```ts
 * const transfer = new MultiLock(client, ['/accounts/b', '/accounts/a']);
 * await using hold = await transfer.acquire();
 * await hold.guarded.create('/transfer', 'with both locks held');
 * console.assert(hold.tokenOf('/accounts/a') > 0n);
 * ```
 */
export class MultiLock {
  readonly #client: Client;
  readonly #paths: readonly string[];
  readonly #options: MultiLockOptions;

  /** Throws INVALID_OPTION when no path is given, or `identity` is not part of a name. */
  constructor(client: Client, paths: Iterable<string>, options: MultiLockOptions = {}) {
    this.#client = client;
    this.#paths = [...new Set(paths)].sort();
    this.#options = options;
    if (this.#paths.length === 0) {
      throw new RecipeError('INVALID_OPTION', '(no path)', 'a MultiLock needs the path of at least one lock');
    }
    checkIdentity(options.identity, this.#paths.join(' '));
  }

  /**
   * Waits for all of them. Rejects as `Lock.acquire` does, and with LOST when one was lost while the next was waited
   * for; those that it has are given back first.
   *
   * @example
   * ```ts
   * const hold = await new MultiLock(client, ['/m/1', '/m/2']).acquire({ signal: AbortSignal.timeout(5000) });
   * await hold.release();
   * ```
   */
  async acquire(options: AcquireOptions = {}): Promise<MultiHold> {
    const holds = new Map<string, Hold>();
    try {
      for (const path of this.#paths) {
        holds.set(path, await this.#acquireOne(path, holds, options));
      }
      return new MultiHold(this.#client, holds);
    } catch (error) {
      await releaseAll(holds);
      throw error;
    }
  }

  /** Stops waiting when a lock that it has already is lost. */
  async #acquireOne(path: string, holds: ReadonlyMap<string, Hold>, options: AcquireOptions): Promise<Hold> {
    const lost = [...holds.values()].map((hold) => hold.signal);
    const signals = options.signal === undefined ? lost : [options.signal, ...lost];
    try {
      const lock = new Lock(this.#client, path, this.#options);
      return await lock.acquire({ ...options, signal: AbortSignal.any(signals) });
    } catch (error) {
      throw lost.find((signal) => signal.aborted)?.reason ?? error;
    }
  }

  /**
   * Acquires, runs, releases; the task gets the hold, whose signal tells when to stop.
   *
   * @example
   * ```ts
   * const answer = await new MultiLock(client, ['/m/3', '/m/4']).run(async () => 42);
   * console.assert(answer === 42);
   * ```
   */
  async run<T>(task: (hold: MultiHold) => Promise<T>, options?: AcquireOptions): Promise<T> {
    await using hold = await this.acquire(options);
    return await task(hold);
  }
}

/** What a MultiLock hands to its holder. */
export class MultiHold implements AsyncDisposable {
  readonly #holds: ReadonlyMap<string, Hold>;
  readonly #controller = new AbortController();
  /** Writes that the server refuses once any of the locks is no longer held. */
  readonly guarded: GuardedClient;

  constructor(client: Client, holds: ReadonlyMap<string, Hold>) {
    this.#holds = holds;
    const name = [...holds.keys()].join(' ');
    const fences = [...holds.values()].map(({ node }) => ({ path: node, version: -1 }));
    this.guarded = guard(client, name, fences, () => this.#end(new RecipeError('LOST', name)));
    const any = AbortSignal.any([...holds.values()].map((hold) => hold.signal));
    const onAbort = (): void => this.#end(any.reason);
    any.addEventListener('abort', onAbort, { once: true });
    if (any.aborted) {
      onAbort();
    }
  }

  /** Fires when any of the locks is not certain to be held any more, with its reason; the others are given up then. */
  get signal(): AbortSignal {
    for (const hold of this.#holds.values()) {
      void hold.signal; // who has just seen a call fail is not to find the locks held
    }
    return this.#controller.signal;
  }

  /**
   * The token of one of the locks. There is none for all together: each rises by itself, and what one of the locks
   * protects is to be given its own.
   *
   * @example
   * ```ts
   * await using hold = await new MultiLock(client, ['/m/5']).acquire();
   * console.assert(hold.tokenOf('/m/5') > 0n);
   * ```
   */
  tokenOf(path: string): bigint {
    const hold = this.#holds.get(path);
    if (hold === undefined) {
      throw new RecipeError('INVALID_OPTION', path, `it is not among ${[...this.#holds.keys()].join(', ')}`);
    }
    return hold.token;
  }

  #end(reason: unknown): void {
    this.#controller.abort(reason);
    void this.release();
  }

  /** Gives all of them up, the last one first. Never rejects. */
  release(): Promise<void> {
    return releaseAll(this.#holds);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}

async function releaseAll(holds: ReadonlyMap<string, Hold>): Promise<void> {
  await Promise.all([...holds.values()].reverse().map((hold) => hold.release()));
}
