/** The first of many, by an order of one's own: what stands in a queue that others may enter anywhere. */
export class Heap<T> {
  readonly #items: T[] = [];
  readonly #isBefore: (a: T, b: T) => boolean;

  constructor(isBefore: (a: T, b: T) => boolean) {
    this.#isBefore = isBefore;
  }

  get size(): number {
    return this.#items.length;
  }

  /** The first, which stays; undefined when there is none. */
  peek(): T | undefined {
    return this.#items[0];
  }

  /** All of them, in no order that means anything. */
  [Symbol.iterator](): Iterator<T> {
    return this.#items[Symbol.iterator]();
  }

  push(item: T): void {
    const items = this.#items;
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(item, items[parent] as T)) {
        break;
      }
      items[at] = items[parent] as T;
      at = parent;
    }
    items[at] = item;
  }

  pop(): T | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (items.length > 0 && last !== undefined) {
      this.#sink(last);
    }
    return first;
  }

  /** Puts an item where the first was, and down to its place. */
  #sink(item: T): void {
    const items = this.#items;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) {
        break;
      }
      if (child + 1 < items.length && this.#isBefore(items[child + 1] as T, items[child] as T)) {
        child += 1;
      }
      if (!this.#isBefore(items[child] as T, item)) {
        break;
      }
      items[at] = items[child] as T;
      at = child;
    }
    items[at] = item;
  }
}
