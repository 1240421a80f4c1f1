/** Waiting together. */
import { type Client, isTreekeeperError, utf8 } from '@treekeeper/client';
import { orNull } from './contenders.ts';
import { RecipeError } from './errors.ts';
import { forever } from './forever.ts';
import { join } from './paths.ts';
import { untilAnswered } from './repeat.ts';
import { abortable, removeOwn, Seat, throwIfAborted, untilGone } from './seat.ts';

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
    while ((await this.#client.exists(this.#path, { ...forever, signal })) !== null) {
      await untilGone(this.#client, this.#path, signal);
    }
  }
}

const READY = 'ready';
const isSeat = (name: string): boolean => name.includes('member-');

/**
 * A double barrier: nobody begins before `size` have come, nobody goes on before all have left. Whoever crashes or
 * loses its session has left; before all have come, that makes the others wait for another one. There is no identity
 * here: who was killed counts until its session has timed out, and its next run as one who comes besides, for only the
 * program knows whether that is to do the work again.
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
        const isThere = await abortable(news.isThere, signal, this.#path, () => undefined);
        const order = await seat.order(signal);
        if (isThere) {
          return new BarrierPass(this.#client, seat, ready, order, null);
        }
        if (order.length >= this.#size) {
          const opening = this.#open(seat, ready);
          const opened = await abortable(opening, signal, this.#path, (late) => this.#closeBehind(seat, ready, late));
          if (opened !== null) {
            return new BarrierPass(this.#client, seat, ready, order, opened);
          }
        }
        const hasOpened = await seat.whileSeated(signal, (either) =>
          abortable(news.hasOpened, either, this.#path, () => undefined),
        );
        if (hasOpened) {
          return new BarrierPass(this.#client, seat, ready, order, null);
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
    const isThere = this.#client.exists(ready, { watch, ...forever });
    return { isThere: isThere.then((stat) => stat !== null), hasOpened };
  }

  /**
   * The creation zxid of what it has opened it with; null: another was quicker, or the seat is gone. Not without the
   * seat, which may be left before the servers take this: then they are not all there.
   */
  async #open(seat: Seat, ready: string): Promise<bigint | null> {
    for (let isAnswered = false; !isAnswered; ) {
      try {
        const transaction = this.#client.transaction().check(seat.path, -1);
        await transaction.create(ready, seat.name, { mode: 'ephemeral' }).commit(forever);
        isAnswered = true;
      } catch (error) {
        isAnswered = isTreekeeperError(error, 'NODE_EXISTS') || isTreekeeperError(error, 'NO_NODE');
        if (!isAnswered && !isTreekeeperError(error, 'CONNECTION_LOSS')) {
          throw error;
        }
      }
    }
    // Also when it was refused: perhaps for what an attempt whose answer was lost has made.
    const found = await orNull(this.#client.get(ready, { codec: utf8, ...forever }));
    return found?.value === seat.name ? found.stat.czxid : null;
  }

  /**
   * Who has opened it, and has given up and left meanwhile, closes it when those have left whom it has let in: closed
   * before, it would seat somebody for the next time among them. Never rejects.
   */
  async #closeBehind(seat: Seat, ready: string, opened: bigint | null): Promise<void> {
    if (opened !== null) {
      try {
        await untilAlone(this.#client, this.#path, async () => {
          const names = await this.#client.children(this.#path, forever);
          const isOpen = (await this.#client.exists(ready, forever))?.czxid === opened; // its session may have ended
          return isOpen ? names.filter((name) => isSeat(name) && name !== seat.name) : [];
        });
      } catch {
        // The client has been closed, and what it has opened is closed with its session.
      } finally {
        await close(this.#client, ready, opened);
      }
    }
  }
}

async function untilAllGone(
  client: Client,
  directory: string,
  names: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const options = { ...forever, signal };
  for (const name of names) {
    const path = join(directory, name);
    while ((await client.exists(path, options)) !== null) {
      await untilGone(client, path, signal);
    }
  }
}

/** Waits until nobody is left, whoever comes meanwhile included: while it is open, that one belongs to the others. */
async function untilAlone(
  client: Client,
  directory: string,
  others: () => Promise<readonly string[]>,
  signal?: AbortSignal,
): Promise<void> {
  for (let names = await others(); names.length > 0; names = await others()) {
    await untilAllGone(client, directory, names, signal);
  }
}

/** Closes what was opened with a node of this creation zxid, if there is one; never rejects. */
async function close(client: Client, ready: string, opened: bigint | null): Promise<void> {
  if (opened !== null) {
    await removeOwn(client, ready, opened);
  }
}

/** One's presence within a double barrier. */
export class BarrierPass {
  readonly #client: Client;
  readonly #seat: Seat;
  readonly #ready: string;
  readonly #company: ReadonlySet<string>;
  readonly #opened: bigint | null;

  /**
   * `company`: who was seated when this one came in. Who comes later may have come for the next time, and is not waited
   * for by any but the opener. `opened`: the creation zxid of `ready`, for who has made it.
   */
  constructor(client: Client, seat: Seat, ready: string, company: readonly string[], opened: bigint | null) {
    this.#client = client;
    this.#seat = seat;
    this.#ready = ready;
    this.#company = new Set(company);
    this.#opened = opened;
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
      const seated = async (): Promise<readonly string[]> =>
        (await this.#seat.order(signal)).filter((name) => name !== this.#seat.name);
      others = (await seated()).filter((name) => this.#company.has(name));
      if (this.#opened !== null) {
        await untilAlone(this.#client, directory, seated, signal);
        await this.#close();
      }
    } catch (error) {
      await close(this.#client, this.#ready, this.#opened); // nobody else would, as long as this session lives
      throw error;
    } finally {
      await this.#seat.leave();
    }
    await untilAllGone(this.#client, directory, [READY, ...others], signal);
  }

  async #close(): Promise<void> {
    const attempt = (): Promise<unknown> =>
      this.#client.transaction().delete(this.#ready).delete(this.#seat.path).commit(forever);
    // Refused at once: one of them is gone, with an earlier session or by an operator. Later: an answer was lost.
    await untilAnswered(attempt, () => true).catch(() => close(this.#client, this.#ready, this.#opened));
  }
}
