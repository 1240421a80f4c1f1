import type { Clock } from '@treekeeper/server/internal';

/** Time that stands still until it is moved. */
export class SimulatedClock implements Clock {
  nowMs: number;
  wallMs: number;

  constructor(nowMs = 1_000_000, wallMs = 1_800_000_000_000) {
    this.nowMs = nowMs;
    this.wallMs = wallMs;
  }

  advance(ms: number): void {
    this.nowMs += ms;
    this.wallMs += ms;
  }
}
