/** Simulated time: what is to happen, in order. */
export class Events {
  nowMs = 0;
  #count = 0;
  /** Sorted by time, then by when they were put in; the next one is last. */
  readonly #queue: { readonly atMs: number; readonly order: number; readonly run: () => void }[] = [];

  after(delayMs: number, run: () => void): void {
    const atMs = this.nowMs + delayMs;
    const order = this.#count++;
    let at = this.#queue.length;
    while (at > 0 && this.#queue[at - 1].atMs <= atMs) {
      at--;
    }
    this.#queue.splice(at, 0, { atMs, order, run });
  }

  /** Runs the next event, unless it lies after `endMs`. */
  step(endMs: number): boolean {
    const next = this.#queue.at(-1);
    if (next === undefined || next.atMs > endMs) {
      this.nowMs = Math.max(this.nowMs, endMs);
      return false;
    }
    this.#queue.pop();
    this.nowMs = next.atMs;
    next.run();
    return true;
  }
}
