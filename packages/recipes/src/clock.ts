/** Time as recipes see it: handed in, so that a test decides what time it is. */

/** Tells the time and calls back later. */
export interface Clock {
  /** Milliseconds since 1970, as the servers' `mtime`. */
  now(): number;
  /** Calls once, after so many milliseconds, unless it is cancelled before. */
  after(delayMs: number, call: () => void): { cancel(): void };
}

/** Longer delays would be taken for none by `setTimeout`. */
const DELAY_MS_MAX = 0x7fffffff;

/** The machine's own. A timer keeps no process alive: what waits for a server has a connection. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, call) {
    const timer = setTimeout(call, Math.min(Math.max(delayMs, 0), DELAY_MS_MAX)).unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
