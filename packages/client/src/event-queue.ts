type Waiting<T> = {
  readonly resolve: (result: IteratorResult<T, undefined>) => void;
  readonly reject: (error: unknown) => void;
};

/** An async iterator over what is pushed into it; what nobody has read yet is kept, up to a limit. */
export class EventQueue<T> implements AsyncIterableIterator<T> {
  readonly #lengthMax: number;
  #items: T[] = [];
  readonly #readers: Waiting<T>[] = [];
  #isOver = false;
  #failure: unknown = undefined;
  onReturn: () => unknown = () => undefined;
  /** Called when an item is too many; returns what is kept instead of all. */
  onOverflow: (items: T[]) => T[] = (items) => items.slice(1);

  constructor(lengthMax: number) {
    this.#lengthMax = lengthMax;
  }

  push(item: T): void {
    if (this.#isOver) {
      return;
    }
    const reader = this.#readers.shift();
    if (reader !== undefined) {
      reader.resolve({ done: false, value: item });
      return;
    }
    this.#items.push(item);
    if (this.#items.length > this.#lengthMax) {
      this.#items = this.onOverflow(this.#items);
    }
  }

  /** What is kept can still be read; then it is over, or fails. */
  end(failure?: unknown): void {
    if (this.#isOver) {
      return;
    }
    this.#isOver = true;
    this.#failure = failure;
    for (const { resolve, reject } of this.#readers.splice(0)) {
      if (failure === undefined) {
        resolve({ done: true, value: undefined });
      } else {
        reject(failure);
        this.#failure = undefined;
      }
    }
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const item = this.#items.shift();
    if (item !== undefined) {
      return Promise.resolve({ done: false, value: item });
    }
    if (!this.#isOver) {
      return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
    }
    if (this.#failure !== undefined) {
      const failure = this.#failure;
      this.#failure = undefined;
      return Promise.reject(failure);
    }
    return Promise.resolve({ done: true, value: undefined });
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    this.#items = [];
    this.end();
    await this.onReturn();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
