/** A server's clock: it runs a little fast or slow, and its wall time is whatever somebody has set. */
import type { Clock } from '@treekeeper/server/internal';
import type { Events } from './events.ts';

const MONOTONIC_START_MS = 1_000_000;
const WALL_START_MS = 1_800_000_000_000;

export class DriftingClock implements Clock {
  /** Milliseconds of this clock in one of the world's. */
  readonly rate: number;
  readonly #events: Events;
  #wallOffsetMs: number;

  constructor(events: Events, rate: number, wallOffsetMs: number) {
    this.#events = events;
    this.rate = rate;
    this.#wallOffsetMs = WALL_START_MS + wallOffsetMs - MONOTONIC_START_MS;
  }

  /** Whole milliseconds, as the host's clock. */
  get nowMs(): number {
    return Math.floor(MONOTONIC_START_MS + this.#events.nowMs * this.rate);
  }

  get wallMs(): number {
    return this.nowMs + this.#wallOffsetMs;
  }

  jump(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  /** How long the world has to wait until this clock shows a time. */
  untilMs(thenMs: number): number {
    return Math.max(0, (thenMs - MONOTONIC_START_MS) / this.rate - this.#events.nowMs);
  }
}
