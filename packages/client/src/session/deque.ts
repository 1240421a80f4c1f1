/** A queue over an array whose front is given up in one go from time to time: both ends cost nothing. */
export class Deque<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  peek(): T | undefined {
    return this.#items[this.#head];
  }

  shift(): T | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) {
      return undefined;
    }
    this.#items[this.#head++] = undefined;
    if (this.#head === this.#items.length) {
      this.#items.length = 0;
      this.#head = 0;
    } else if (this.#head >= COMPACT_AT && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Takes out the first that fits, wherever it stands. */
  take(fits: (item: T) => boolean): T | undefined {
    const at = this.#items.findIndex((item) => item !== undefined && fits(item));
    return at < 0 ? undefined : this.#items.splice(at, 1)[0];
  }

  /** Empties it and returns what was in it. */
  drain(): T[] {
    const items = [...this];
    this.#items = [];
    this.#head = 0;
    return items;
  }

  /** Keeps only what fits. */
  filter(fits: (item: T) => boolean): void {
    this.#items = [...this].filter(fits);
    this.#head = 0;
  }

  *[Symbol.iterator](): IterableIterator<T> {
    for (let i = this.#head; i < this.#items.length; i++) {
      yield this.#items[i] as T;
    }
  }
}

const COMPACT_AT = 1024;
