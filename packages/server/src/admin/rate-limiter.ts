/** Lets one call through per interval. A call that was let through and failed has used its turn up all the same. */
export class RateLimiter {
  readonly intervalMs: number;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(intervalMs: number) {
    this.intervalMs = intervalMs;
  }

  /** `nowMs` is monotonic. */
  admit(nowMs: number): boolean {
    if (nowMs - this.#lastMs < this.intervalMs) {
      return false;
    }
    this.#lastMs = nowMs;
    return true;
  }
}
