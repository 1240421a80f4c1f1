/** Waiting together. */
import { type Client, isTreekeeperError } from '@treekeeper/client';
import { RecipeError } from './errors.ts';
import { join } from './paths.ts';
import { abortable, remove, Seat, throwIfAborted, untilGone } from './seat.ts';

/** Options of calls that wait at a barrier. */
export interface BarrierOptions {
  /** Gives up waiting: rejects with ABORTED, and no node stays behind. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A barrier: as long as its node exists, everybody waits. It belongs to nobody: it stays when who has set it is gone.
 * Waiting outlives lost connections.
 *
 * @example
 * ```ts
 * const barrier = new Barrier(client, '/barriers/maintenance');
 * await barrier.set();
 * const waiting = barrier.wait();
 * await barrier.remove();
 * await waiting;
 * ```
 */
export class Barrier {
  readonly #client: Client;
  readonly #path: string;

  constructor(client: Client, path: string) {
    this.#client = client;
    this.#path = path;
  }

  /**
   * Sets it up. Fulfils with false when it stood already.
   *
   * @example
   * ```ts
   * const barrier = new Barrier(client, '/barriers/a');
   * console.assert((await barrier.set()) && !(await barrier.set()));
   * ```
   */
  async set(): Promise<boolean> {
    try {
      await this.#client.create(this.#path, null, { createParents: true });
      return true;
    } catch (error) {
      if (isTreekeeperError(error, 'NODE_EXISTS')) {
        return false;
      }
      throw error;
    }
  }

  /**
   * Lets everybody go. Fulfils with false when there was none.
   *
   * @example
   * ```ts
   * console.assert(!(await new Barrier(client, '/barriers/b').remove()));
   * ```
   */
  async remove(): Promise<boolean> {
    try {
      await this.#client.delete(this.#path);
      return true;
    } catch (error) {
      if (isTreekeeperError(error, 'NO_NODE')) {
        return false;
      }
      throw error;
    }
  }

  /**
   * Waits until there is no barrier. Rejects with ABORTED, SESSION_EXPIRED.
   *
   * @example
   * ```ts
   * await new Barrier(client, '/barriers/none').wait({ signal: AbortSignal.timeout(5000) });
   * ```
   */
  async wait({ signal }: BarrierOptions = {}): Promise<void> {
    throwIfAborted(signal, this.#path);
    while ((await this.#client.exists(this.#path, { signal, timeoutMs: Number.POSITIVE_INFINITY })) !== null) {
      await untilGone(this.#client, this.#path, signal);
    }
  }
}

const READY = 'ready';
const isSeat = (name: string): boolean => name.includes('member-');

/**
 * A double barrier: nobody begins before `size` have come, nobody goes on before all have left. Whoever crashes or
 * loses its session has left; before all have come, that makes the others wait for another one.
 *
 * @example
 * ```ts
 * const barrier = new DoubleBarrier(client, '/barriers/step', 1);
 * const pass = await barrier.enter();
 * // all have come: work, and then
 * await pass.leave();
 * ```
 */
export class DoubleBarrier {
  readonly #client: Client;
  readonly #path: string;
  readonly #size: number;

  /** `size` must be the same for all. */
  constructor(client: Client, path: string, size: number) {
    if (!Number.isInteger(size) || size < 1) {
      throw new RecipeError('INVALID_OPTION', path, `size is ${size}: a whole number, 1 or more`);
    }
    this.#client = client;
    this.#path = path;
    this.#size = size;
  }

  /**
   * Waits until all have come. Outlives lost connections. Rejects with ABORTED, SESSION_EXPIRED.
   *
   * @example
   * ```ts
   * const [one, two] = [1, 2].map(() => new DoubleBarrier(client, '/barriers/pair', 2));
   * const passes = await Promise.all([one?.enter(), two?.enter()]);
   * await Promise.all(passes.map((pass) => pass?.leave()));
   * ```
   */
  async enter({ signal }: BarrierOptions = {}): Promise<BarrierPass> {
    const seat = await Seat.take(this.#client, this.#path, { name: 'member-', signal, isContender: isSeat });
    const ready = join(this.#path, READY);
    try {
      for (;;) {
        const news = this.#watch(ready);
        const isThere = await news.isThere;
        const order = await seat.order(signal);
        if (isThere) {
          return new BarrierPass(this.#client, seat, ready, false);
        }
        if (order.length >= this.#size && (await this.#open(ready))) {
          return new BarrierPass(this.#client, seat, ready, true);
        }
        const hasOpened = await seat.whileSeated(signal, (either) =>
          abortable(news.hasOpened, either, this.#path, () => undefined),
        );
        if (hasOpened) {
          return new BarrierPass(this.#client, seat, ready, false);
        }
      }
    } catch (error) {
      void seat.leave();
      throw error;
    }
  }

  /** `hasOpened` tells at the next change; it may be closed again by then, but who has waited for it may pass. */
  #watch(ready: string): { readonly isThere: Promise<boolean>; readonly hasOpened: Promise<boolean> } {
    let tell: (hasOpened: boolean) => void = () => undefined;
    const hasOpened = new Promise<boolean>((resolve) => {
      tell = resolve;
    });
    const watch = ({ type }: { readonly type: string }): void => tell(type === 'created');
    const isThere = this.#client.exists(ready, { watch, timeoutMs: Number.POSITIVE_INFINITY });
    return { isThere: isThere.then((stat) => stat !== null), hasOpened };
  }

  /** False: another was quicker. */
  async #open(ready: string): Promise<boolean> {
    try {
      await this.#client.create(ready, null, { mode: 'ephemeral', idempotent: true });
      return true;
    } catch (error) {
      if (isTreekeeperError(error, 'NODE_EXISTS')) {
        return false;
      }
      throw error;
    }
  }
}

/** One's presence within a double barrier. */
export class BarrierPass {
  readonly #client: Client;
  readonly #seat: Seat;
  readonly #ready: string;
  readonly #isOpener: boolean;

  constructor(client: Client, seat: Seat, ready: string, isOpener: boolean) {
    this.#client = client;
    this.#seat = seat;
    this.#ready = ready;
    this.#isOpener = isOpener;
  }

  /**
   * Leaves, and waits until all have left. Who has opened the barrier leaves last, and closes it in the same
   * transaction, so that it can be used again at once. Rejects with ABORTED (it has left all the same), SESSION_EXPIRED
   * (it had left with its session; whoever is there now has come for the next time).
   */
  async leave({ signal }: BarrierOptions = {}): Promise<void> {
    const directory = this.#ready.slice(0, -READY.length - 1);
    let others: readonly string[] = [];
    try {
      others = (await this.#seat.order(signal)).filter((name) => name !== this.#seat.name);
      if (this.#isOpener) {
        await this.#untilGone(directory, others, signal);
        await this.#close();
      }
    } catch (error) {
      if (this.#isOpener) {
        await remove(this.#client, this.#ready); // nobody else would, as long as this session lives
      }
      throw error;
    } finally {
      await this.#seat.leave();
    }
    await this.#untilGone(directory, [READY, ...others], signal);
  }

  async #untilGone(directory: string, names: readonly string[], signal: AbortSignal | undefined): Promise<void> {
    const forever = { signal, timeoutMs: Number.POSITIVE_INFINITY };
    for (const name of names) {
      const path = join(directory, name);
      while ((await this.#client.exists(path, forever)) !== null) {
        await untilGone(this.#client, path, signal);
      }
    }
  }

  async #close(): Promise<void> {
    const transaction = this.#client.transaction().delete(this.#ready).delete(this.#seat.path);
    // Refused: one of them is gone with an earlier session, or an answer was lost; both are removed one by one then.
    await transaction.commit().catch(() => remove(this.#client, this.#ready));
  }
}
