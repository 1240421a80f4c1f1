import { performance } from 'node:perf_hooks';
import type { Clock } from '../io/clock.ts';

/** A clock that stands still until the loop moves it, before each turn. */
export interface HostClock extends Clock {
  advance(): void;
}

/** The real clock, read once a turn: constant within it. */
export class NodeClock implements HostClock {
  nowMs = 0;
  wallMs = 0;

  constructor() {
    this.advance();
  }

  advance(): void {
    this.nowMs = Math.floor(performance.now());
    this.wallMs = Date.now();
  }
}
