/** A queue without a master: whoever is free takes the next item, and has it until it is done or its session ends. */
import { randomUUID } from 'node:crypto';
import { type Client, type Codec, isTreekeeperError, type Stat, utf8 } from '@treekeeper/client';
import { type Clock, systemClock } from './clock.ts';
import { orNull } from './contenders.ts';
import { RecipeError } from './errors.ts';
import { forever } from './forever.ts';
import { Hold, type HoldOptions } from './hold.ts';
import { join, nameOf } from './paths.ts';
import { abortable, throwIfAborted } from './seat.ts';
import { compareSequences, sequenceOf } from './sequence.ts';
import { Vigil } from './vigil.ts';

/** Options of `Queue`. */
export interface QueueOptions<T> {
  /** How items are written. @default text */
  readonly codec?: Codec<T> | undefined;
  /** Tells when delays are over. @default the machine's own */
  readonly clock?: Clock | undefined;
}

/** Options of `Queue.offer`. */
export interface OfferOptions {
  /** Higher ones are taken first; a whole number from -1000000000 to 1000000000. @default 0 */
  readonly priority?: number | undefined;
  /** It is not taken before so much time has passed, by the clocks of offerer and taker. @default 0 */
  readonly delayMs?: number | undefined;
}

/** Options of `Queue.take`. */
export interface TakeOptions extends HoldOptions {
  /** Gives up waiting: rejects with ABORTED; nothing is taken, and no watch stays behind. */
  readonly signal?: AbortSignal | undefined;
}

interface Item {
  readonly name: string;
  readonly rank: number;
  readonly dueMs: number;
  readonly sequence: number;
}

const PRIORITY_MAX = 1_000_000_000;
const NAME = /^(\d{10})-(\d{1,16})-(-?\d{9,10})$/;

/**
 * A queue of items, each of which is done at least once: by priority, then in the order in which they were offered. A
 * taker holds a lease, which is an ephemeral node; when it is lost, the item is free for the next taker.
 *
 * On disconnect the lease goes on if the connection comes back in time (`onDisconnect: 'wait'` is the default here).
 * On expiry and crash the next taker gets the item. There is no identity here: what a killed taker had waits for its
 * session's end, and its next run takes other items meanwhile. `done` is refused for a lease that was lost, so an item
 * is taken off once. Whoever waits lists the whole queue at each change: for more than some thousand items, or tens of
 * takers, use `@treekeeper/recipes/master-worker`.
 *
 * @example
 * ```ts
 * const queue = new Queue(client, '/mails');
 * await queue.offer('to ann');
 * await queue.offer('to bob', { priority: 1 });
 * const lease = await queue.take();
 * console.assert(lease.value === 'to bob');
 * await lease.done();
 * ```
 */
export class Queue<T = string> {
  readonly #client: Client;
  readonly #path: string;
  readonly #codec: Codec<T>;
  readonly #clock: Clock;

  constructor(client: Client, path: string, options: QueueOptions<T> = {}) {
    this.#client = client;
    this.#path = path;
    this.#codec = options.codec ?? (utf8 as unknown as Codec<T>);
    this.#clock = options.clock ?? systemClock;
  }

  /**
   * Adds an item; fulfils with its name. A lost answer rejects with CONNECTION_LOSS: the item may be there.
   *
   * @example
   * ```ts
   * await new Queue(client, '/later').offer('in a minute', { delayMs: 60_000 });
   * ```
   */
  async offer(value: T, { priority = 0, delayMs = 0 }: OfferOptions = {}): Promise<string> {
    if (!Number.isInteger(priority) || Math.abs(priority) > PRIORITY_MAX) {
      const message = `priority is ${priority}: a whole number from -${PRIORITY_MAX} to ${PRIORITY_MAX}`;
      throw new RecipeError('INVALID_OPTION', this.#path, message);
    }
    if (!(delayMs >= 0 && Number.isFinite(delayMs))) {
      throw new RecipeError('INVALID_OPTION', this.#path, `delayMs is ${delayMs}: 0 or more`);
    }
    const rank = String(PRIORITY_MAX - priority).padStart(10, '0');
    const dueMs = delayMs === 0 ? 0 : Math.ceil(this.#clock.now() + delayMs);
    const { path } = await this.#client.create(join(this.#items, `${rank}-${dueMs}-`), value, {
      codec: this.#codec,
      mode: 'persistent-sequential',
      createParents: true,
    });
    return nameOf(path);
  }

  /**
   * Takes the next item, or waits for one. Outlives lost connections. Rejects with ABORTED, SESSION_EXPIRED;
   * INVALID_VALUE when the codec does not take what an item holds (it stays).
   *
   * @example
   * ```ts
   * const queue = new Queue(client, '/empty');
   * const error = await queue.take({ signal: AbortSignal.timeout(20) }).catch((reason) => reason);
   * console.assert(isRecipeError(error) || error.code === 'ABORTED');
   * ```
   */
  async take(options: TakeOptions = {}): Promise<Lease<T>> {
    const vigil = new Vigil(this.#client);
    try {
      await abortable(this.#makeFolders(), options.signal, this.#path, () => undefined);
      const lease = await this.#next(vigil, options);
      vigil.leave();
      return lease;
    } catch (error) {
      vigil.takeBack();
      throw error;
    }
  }

  /**
   * How many items there are, taken ones included.
   *
   * @example
   * ```ts
   * console.assert((await new Queue(client, '/nothing').size()) === 0);
   * ```
   */
  async size(): Promise<number> {
    return (await this.#client.exists(this.#items))?.numChildren ?? 0;
  }

  get #items(): string {
    return join(this.#path, 'items');
  }

  get #leases(): string {
    return join(this.#path, 'leases');
  }

  async #next(vigil: Vigil, options: TakeOptions): Promise<Lease<T>> {
    const { signal } = options;
    for (;;) {
      throwIfAborted(signal, this.#path);
      const changed = vigil.next();
      const free = await this.#free(vigil, signal);
      const now = this.#clock.now();
      for (const { name } of free.filter(({ dueMs }) => dueMs <= now)) {
        const lease = await this.#lease(name, options);
        if (lease !== null) {
          return lease;
        }
      }
      const dueMs = Math.min(...free.filter((item) => item.dueMs > now).map((item) => item.dueMs));
      const timer = dueMs === Number.POSITIVE_INFINITY ? null : this.#clock.after(dueMs - now, vigil.ring);
      try {
        await abortable(changed, signal, this.#path, () => undefined);
      } finally {
        timer?.cancel();
      }
    }
  }

  async #makeFolders(): Promise<void> {
    for (const path of [this.#items, this.#leases]) {
      if ((await this.#client.exists(path, forever)) === null) {
        await this.#client
          .create(path, null, { ...forever, createParents: true, idempotent: true })
          .catch(passIfExists);
      }
    }
  }

  /** What nobody has taken, in order. */
  async #free(vigil: Vigil, signal: AbortSignal | undefined): Promise<Item[]> {
    const namesIn = (path: string): Promise<string[]> =>
      vigil.look(path, 'children', (watch) => this.#client.children(path, { ...forever, signal, watch }));
    // In this order: a lease that is given up after the first look is news.
    const leased = new Set(await namesIn(this.#leases));
    const names = await namesIn(this.#items);
    return names
      .filter((name) => !leased.has(name))
      .flatMap((name) => itemOf(name) ?? [])
      .sort((a, b) => a.rank - b.rank || compareSequences(a.sequence, b.sequence));
  }

  /** Null: another was quicker. */
  async #lease(name: string, options: TakeOptions): Promise<Lease<T> | null> {
    const [item, node] = [join(this.#items, name), join(this.#leases, name)];
    const found = await orNull(this.#client.get(item, forever));
    if (found === null) {
      return null;
    }
    const { value: data, stat } = found;
    const value = await this.#codec.decode(data);
    const mark = randomUUID();
    try {
      await this.#client
        .transaction()
        .set(item, data, { version: stat.version })
        .create(node, mark, { mode: 'ephemeral' })
        .commit(forever);
    } catch (error) {
      if (!isTreekeeperError(error, 'CONNECTION_LOSS')) {
        return passIfTaken(error);
      }
      if (!(await this.#isMarked(node, mark))) {
        throwIfAborted(options.signal, this.#path);
        return await this.#lease(name, options); // not the next one: it is still this one's turn
      }
    }
    const lease = await this.#client.exists(node, forever);
    return lease === null ? null : this.#leaseOf(name, value, stat, lease, options);
  }

  #leaseOf(name: string, value: T, { version }: Stat, { czxid }: Stat, options: TakeOptions): Lease<T> {
    const [item, node] = [join(this.#items, name), join(this.#leases, name)];
    // Every lease changes the item's version: another's lease of the same name does not pass for this one.
    const fences = [
      { path: item, version: version + 1 },
      { path: node, version: -1 },
    ];
    const hold = new Hold(
      this.#client,
      { path: this.#path, node, token: czxid, fences },
      { onDisconnect: 'wait', ...options },
    );
    return new Lease(this.#client, hold, item, value, version + 1);
  }

  async #isMarked(node: string, mark: string): Promise<boolean> {
    await this.#client.sync(node, forever); // what was sent over the lost connection may be on its way to the tree
    const found = await orNull(this.#client.get(node, { ...forever, codec: utf8 }));
    return found?.value === mark;
  }
}

/** An item that was taken. `await using` gives it back at the end of the block, unless it is done. */
export class Lease<T> implements AsyncDisposable {
  readonly #client: Client;
  readonly #item: string;
  readonly value: T;
  /** How often it was taken, this time included. */
  readonly attempt: number;
  /** What it is held by: signal, token, guarded writes. */
  readonly hold: Hold;

  constructor(client: Client, hold: Hold, item: string, value: T, attempt: number) {
    this.#client = client;
    this.#item = item;
    this.value = value;
    this.attempt = attempt;
    this.hold = hold;
  }

  /** Takes the item off the queue, for good. Rejects with FENCED when it is another's by now. */
  async done(): Promise<void> {
    for (let isUnclear = false; ; ) {
      try {
        await this.hold.guarded.delete(this.#item, forever);
        break;
      } catch (error) {
        isUnclear ||= isTreekeeperError(error, 'CONNECTION_LOSS');
        if (isUnclear && (await this.#client.exists(this.#item, forever).catch(() => undefined)) === null) {
          break; // the answer was lost, not the deed
        }
        if (!isTreekeeperError(error, 'CONNECTION_LOSS')) {
          throw error;
        }
      }
    }
    await this.hold.release();
  }

  /** Gives it back: it is free for the next taker. Never rejects. */
  release(): Promise<void> {
    return this.hold.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}

function itemOf(name: string): Item | null {
  const [, rank, dueMs] = NAME.exec(name) ?? [];
  const sequence = sequenceOf(name);
  return rank === undefined || sequence === null ? null : { name, rank: Number(rank), dueMs: Number(dueMs), sequence };
}

function passIfExists(error: unknown): null {
  if (isTreekeeperError(error, 'NODE_EXISTS')) {
    return null;
  }
  throw error;
}

function passIfTaken(error: unknown): null {
  const taken = ['NODE_EXISTS', 'BAD_VERSION', 'NO_NODE'];
  if (taken.some((code) => isTreekeeperError(error) && error.code === code)) {
    return null;
  }
  throw error;
}
