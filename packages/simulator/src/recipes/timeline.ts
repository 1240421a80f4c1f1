/** What is going to happen, in the order in which it does; time jumps from one thing to the next. */
import type { SimulatedClock } from '../clock.ts';
import type { Appointment } from './node-ambient.ts';

/** Somebody whose affairs can stand still, or be over. */
export interface Owner {
  readonly isDead: boolean;
  readonly pausedUntilMs: number;
}

interface Entry {
  readonly owner: Owner | null;
  readonly run: () => void;
  /** When it was to happen; those of a paused owner happen later, in this order. */
  readonly dueMs: number;
  readonly order: number;
  atMs: number;
  isCancelled: boolean;
}

export class Timeline {
  readonly #clock: SimulatedClock;
  readonly #heap: Entry[] = [];
  #count = 0;

  constructor(clock: SimulatedClock) {
    this.#clock = clock;
  }

  get nowMs(): number {
    return this.#clock.nowMs;
  }

  after(delayMs: number, run: () => void, owner: Owner | null = null): Appointment {
    const dueMs = this.nowMs + Math.ceil(delayMs);
    const entry = { owner, run, dueMs, order: this.#count++, atMs: dueMs, isCancelled: false };
    this.#push(entry);
    return {
      cancel: () => {
        entry.isCancelled = true;
      },
    };
  }

  /** Lets the next thing happen; false: nothing is left. */
  next(): boolean {
    for (;;) {
      const entry = this.#pop();
      if (entry === undefined) {
        return false;
      }
      const { owner } = entry;
      if (entry.isCancelled || owner?.isDead === true) {
        continue;
      }
      if (owner !== null && owner.pausedUntilMs > entry.atMs) {
        entry.atMs = owner.pausedUntilMs;
        this.#push(entry);
        continue;
      }
      this.#clock.advance(Math.max(0, entry.atMs - this.nowMs));
      entry.run();
      return true;
    }
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, heap[parent])) {
        break;
      }
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): Entry | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || last === first) {
      return first;
    }
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) {
        break;
      }
      if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) {
        child++;
      }
      if (!isBefore(heap[child], last)) {
        break;
      }
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return (
    a.atMs - b.atMs < 0 || (a.atMs === b.atMs && (a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order)))
  );
}
