/**
 * A queue in a ring: what is taken out is let go of at once. An array with a moving head would hold on to everything
 * that ever went through it until it is empty, and under load it never is.
 */
const CAPACITY_MIN = 8;
/** A larger ring is dropped as soon as it is empty: a burst must not be paid for ever. */
const KEPT_CAPACITY_MAX = 4096;

export class Fifo<T extends object> {
  /** Its length is 0 or a power of two. */
  #ring: (T | undefined)[] = [];
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(item: T): void {
    if (this.#length === this.#ring.length) {
      this.#grow();
    }
    this.#ring[(this.#head + this.#length) & (this.#ring.length - 1)] = item;
    this.#length++;
  }

  /** The oldest item. */
  peek(): T | undefined {
    return this.#length === 0 ? undefined : this.#ring[this.#head];
  }

  /** Takes the oldest item out. */
  shift(): T | undefined {
    if (this.#length === 0) {
      return undefined;
    }
    const item = this.#ring[this.#head];
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    this.#length--;
    if (this.#length === 0 && this.#ring.length > KEPT_CAPACITY_MAX) {
      this.clear();
    }
    return item;
  }

  clear(): void {
    this.#ring = [];
    this.#head = 0;
    this.#length = 0;
  }

  #grow(): void {
    const ring = new Array<T | undefined>(Math.max(CAPACITY_MIN, this.#ring.length * 2)).fill(undefined);
    for (let i = 0; i < this.#length; i++) {
      ring[i] = this.#ring[(this.#head + i) & (this.#ring.length - 1)];
    }
    this.#ring = ring;
    this.#head = 0;
  }
}
