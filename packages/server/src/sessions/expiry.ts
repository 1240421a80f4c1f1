/**
 * Deadlines in buckets of one tick (client-protocol.md §10). A million sessions that ping all the time then cost a few
 * compares a ping: an item moves only when its deadline reaches another bucket, and a whole bucket expires at once.
 */

/** Something that expires. The field belongs to the queue; items start with 0. */
export interface Expiring {
  /** When the item's bucket expires, monotonic ms; 0 while it is in no queue. An item can be in one queue only. */
  expiresAtMs: number;
}

export interface ExpiryBucket<T> {
  readonly expiresAtMs: number;
  readonly items: readonly T[];
}

export class ExpiryQueue<T extends Expiring> {
  readonly #tickMs: number;
  readonly #buckets = new Map<number, Set<T>>();
  #size = 0;
  /** The earliest bucket's time, Infinity without one. */
  #nextMs = Number.POSITIVE_INFINITY;

  constructor(tickMs: number) {
    this.#tickMs = tickMs;
  }

  get size(): number {
    return this.#size;
  }

  /** When `takeExpired` will next have something to give, monotonic ms; Infinity when the queue is empty. */
  get nextDeadlineMs(): number {
    return this.#nextMs;
  }

  /** Puts an item in or moves its deadline: it will expire more than `timeoutMs` from now, and at most a tick later. */
  touch(item: T, nowMs: number, timeoutMs: number): void {
    const earliestMs = nowMs + timeoutMs;
    const currentMs = item.expiresAtMs;
    if (earliestMs < currentMs && earliestMs >= currentMs - this.#tickMs) {
      return; // the same bucket
    }
    if (currentMs !== 0) {
      this.#takeOut(item);
    }
    this.#putIn(item, Math.floor(earliestMs / this.#tickMs + 1) * this.#tickMs);
  }

  /** Takes an item out; nothing happens if it is not in. */
  remove(item: T): void {
    if (item.expiresAtMs !== 0) {
      this.#takeOut(item);
    }
  }

  /** Takes out and returns the items whose time has come, earliest bucket first. */
  takeExpired(nowMs: number): T[] {
    const expired: T[] = [];
    for (let item = this.takeNextExpired(nowMs); item !== undefined; item = this.takeNextExpired(nowMs)) {
      expired.push(item);
    }
    return expired;
  }

  /** Takes out and returns one item whose time has come. */
  takeNextExpired(nowMs: number): T | undefined {
    if (this.#nextMs > nowMs) {
      return undefined;
    }
    const [item] = this.#buckets.get(this.#nextMs) as Set<T>;
    this.#takeOut(item);
    return item;
  }

  /** The buckets in order of time, as `dump` shows them. */
  buckets(): ExpiryBucket<T>[] {
    return [...this.#buckets]
      .sort(([a], [b]) => a - b)
      .map(([expiresAtMs, items]) => ({ expiresAtMs, items: [...items] }));
  }

  #putIn(item: T, expiresAtMs: number): void {
    item.expiresAtMs = expiresAtMs;
    this.#size++;
    const bucket = this.#buckets.get(expiresAtMs);
    if (bucket !== undefined) {
      bucket.add(item);
      return;
    }
    this.#buckets.set(expiresAtMs, new Set([item]));
    this.#nextMs = Math.min(this.#nextMs, expiresAtMs);
  }

  #takeOut(item: T): void {
    const bucket = this.#buckets.get(item.expiresAtMs) as Set<T>;
    bucket.delete(item);
    if (bucket.size === 0) {
      this.#dropBucket(item.expiresAtMs);
    }
    item.expiresAtMs = 0;
    this.#size--;
  }

  /** Buckets are few (the longest timeout over the tick), so the next one is found by looking at all. */
  #dropBucket(expiresAtMs: number): void {
    this.#buckets.delete(expiresAtMs);
    if (expiresAtMs === this.#nextMs) {
      this.#nextMs = Number.POSITIVE_INFINITY;
      for (const key of this.#buckets.keys()) {
        this.#nextMs = Math.min(this.#nextMs, key);
      }
    }
  }
}
