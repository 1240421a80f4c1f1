/** Numbers that many count with. */
import { type CallOptions, type Client, type Codec, utf8 } from '@treekeeper/client';
import { AtomicValue } from './atomic.ts';
import { RecipeError } from './errors.ts';

/** Decimal digits, as kazoo's Counter writes and reads them by default. */
const decimal: Codec<bigint> = {
  encode: (value) => utf8.encode(String(value)),
  decode: async (data) => {
    const text = await utf8.decode(data);
    return text === '' ? 0n : BigInt(text);
  },
};

/**
 * A counter, in any number of processes; whole numbers of any size, 0 at first. Compatible with kazoo's Counter.
 *
 * Nothing is held. A change whose answer was lost rejects with CONNECTION_LOSS: it may have happened.
 *
 * @example
 * ```ts
 * const counter = new Counter(client, '/visits');
 * await counter.add(2n);
 * console.assert((await counter.add(-1n)) === 1n && (await counter.get()) === 1n);
 * ```
 */
export class Counter {
  readonly #value: AtomicValue<bigint>;

  constructor(client: Client, path: string) {
    this.#value = new AtomicValue(client, path, { codec: decimal, initial: 0n });
  }

  /**
   * How far it has come.
   *
   * @example
   * ```ts
   * console.assert((await new Counter(client, '/none').get()) === 0n);
   * ```
   */
  async get(options?: CallOptions): Promise<bigint> {
    return (await this.#value.get(options)).value;
  }

  /**
   * Adds, or takes away; fulfils with the sum. Rejects with CONFLICT when too many others count at the same time.
   *
   * @example
   * ```ts
   * console.assert((await new Counter(client, '/hits').add()) === 1n);
   * ```
   */
  async add(amount = 1n, options?: CallOptions): Promise<bigint> {
    return await this.#value.update((value) => value + amount, options);
  }
}

/** Options of `IdGenerator`. */
export interface IdGeneratorOptions {
  /** Ids are taken from the tree by so many, and given out from memory. @default 1000 */
  readonly blockSize?: number | undefined;
}

/**
 * Gives out numbers that nobody else gets, ever; rising in each process, not across processes. What a process has
 * taken and not given out when it ends is left out. Nothing is held; a block whose answer was lost is left out, too.
 *
 * @example
 * ```ts
 * const ids = new IdGenerator(client, '/ids/orders');
 * const [first, second] = [await ids.next(), await ids.next()];
 * console.assert(second > first);
 * ```
 */
export class IdGenerator {
  readonly #counter: Counter;
  readonly #blockSize: bigint;
  #next = 0n;
  #end = 0n;
  #taking: Promise<void> | null = null;

  constructor(client: Client, path: string, options: IdGeneratorOptions = {}) {
    const { blockSize = 1000 } = options;
    if (!Number.isSafeInteger(blockSize) || blockSize < 1) {
      throw new RecipeError('INVALID_OPTION', path, `blockSize is ${blockSize}: a whole number, 1 or more`);
    }
    this.#counter = new Counter(client, path);
    this.#blockSize = BigInt(blockSize);
  }

  /**
   * A new number, from 0 on. Asks the servers once in `blockSize` calls.
   *
   * @example
   * ```ts
   * const ids = new IdGenerator(client, '/ids/users', { blockSize: 10 });
   * const taken = await Promise.all(Array.from({ length: 25 }, () => ids.next()));
   * console.assert(new Set(taken).size === 25);
   * ```
   */
  async next(): Promise<bigint> {
    while (this.#next === this.#end) {
      this.#taking ??= this.#take().finally(() => {
        this.#taking = null;
      });
      await this.#taking;
    }
    const id = this.#next;
    this.#next += 1n;
    return id;
  }

  async #take(): Promise<void> {
    const end = await this.#counter.add(this.#blockSize);
    this.#next = end - this.#blockSize;
    this.#end = end;
  }
}
