/** A value that others change, to be looked at now or followed. */

/**
 * The present value, and every change of it as an async iterable. A reader that is slower than the changes skips to the
 * latest. Any number of loops may run over it. It ends with `close` or with the client; loops and `current` throw what
 * made it impossible to go on. While the connection is away, the value is the last one known.
 *
 * @example
 * ```ts
 * await using leaders: Live<Leader | null> = await new Election(client, '/leaders/live').leaders();
 * for await (const leader of leaders) {
 *   console.assert(leader === null && leaders.current === null);
 *   break;
 * }
 * ```
 */
export interface Live<T> extends AsyncIterable<T>, AsyncDisposable {
  /** The last one known. Throws what made it impossible to go on: a value that nobody keeps up is no present one. */
  readonly current: T;
  /** Ends all loops over it. */
  close(): Promise<void>;
  [Symbol.asyncIterator](): AsyncIterableIterator<T>;
}

/** The side that tells. */
export class LiveValue<T> implements Live<T> {
  #current: T;
  #revision = 1;
  #isOver = false;
  #failure: unknown = null;
  readonly #readers = new Set<() => void>();
  readonly #onClose: () => unknown;

  constructor(current: T, onClose: () => unknown) {
    this.#current = current;
    this.#onClose = onClose;
  }

  get current(): T {
    if (this.#failure !== null) {
      throw this.#failure;
    }
    return this.#current;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  set(value: T): void {
    if (!this.#isOver) {
      this.#current = value;
      this.#revision++;
      this.#wake();
    }
  }

  /** Null: it just ends. */
  end(failure: unknown = null): void {
    if (!this.#isOver) {
      this.#isOver = true;
      this.#failure = failure;
      this.#wake();
    }
  }

  async close(): Promise<void> {
    this.end();
    await this.#onClose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Not a generator: `return` has to end a `next` that waits. */
  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    let seen = 0;
    let hasReturned = false;
    const over = { done: true, value: undefined } as const;
    const iterator: AsyncIterableIterator<T> = {
      next: async () => {
        while (!hasReturned && !this.#isOver && seen === this.#revision) {
          await new Promise<void>((resolve) => this.#readers.add(resolve));
        }
        if (!hasReturned && seen !== this.#revision && this.#failure === null && !this.#isOver) {
          seen = this.#revision;
          return { done: false, value: this.#current };
        }
        if (!hasReturned && this.#failure !== null) {
          hasReturned = true;
          throw this.#failure;
        }
        return over;
      },
      return: async () => {
        hasReturned = true;
        this.#wake();
        return over;
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  #wake(): void {
    for (const resolve of this.#readers) {
      resolve();
    }
    this.#readers.clear();
  }
}
