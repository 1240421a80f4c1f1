/**
 * The loop that turns the replica: what sockets and disk report collects in the inbox while Node polls, then one turn
 * runs over all of it, so that batches grow with the load by themselves.
 */
import type { Input } from '../io/input.ts';
import type { HostClock } from './node-clock.ts';

/** What the loop drives: the replica. */
export interface Turning {
  /** Takes inputs in order; true when there is more to do without any input. */
  turn(inputs: readonly Input[]): boolean;
}

export class Loop {
  readonly #clock: HostClock;
  readonly #inputsMax: number;
  readonly #onFailure: (error: unknown) => void;
  #inbox: Input[] = [];
  #turning: Turning | null = null;
  #scheduled = false;
  #paused = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(clock: HostClock, inputsMax: number, onFailure: (error: unknown) => void) {
    this.#clock = clock;
    this.#inputsMax = inputsMax;
    this.#onFailure = onFailure;
  }

  /** Turns from now on, at least every `tickMs` for what waits for time to pass. */
  start(turning: Turning, tickMs: number): void {
    this.#turning = turning;
    this.#timer = setInterval(() => this.#run(), tickMs);
    this.#schedule();
  }

  stop(): void {
    this.#turning = null;
    if (this.#timer !== null) {
      clearInterval(this.#timer);
    }
  }

  /** No turns until `resume`; what happens meanwhile waits in the inbox. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.wake();
  }

  push(input: Input): void {
    this.#inbox.push(input);
    if (!this.#scheduled) {
      this.#schedule();
    }
  }

  /** Turns soon, although nothing has happened. */
  wake(): void {
    if (!this.#scheduled) {
      this.#schedule();
    }
  }

  #schedule(): void {
    this.#scheduled = true;
    setImmediate(this.#runScheduled);
  }

  readonly #runScheduled = (): void => {
    this.#scheduled = false;
    this.#run();
  };

  #run(): void {
    if (this.#turning === null || this.#paused) {
      return;
    }
    let inputs = this.#inbox;
    if (inputs.length <= this.#inputsMax) {
      this.#inbox = [];
    } else {
      inputs = this.#inbox.splice(0, this.#inputsMax);
    }
    this.#clock.advance();
    try {
      const more = this.#turning.turn(inputs);
      if ((more || this.#inbox.length > 0) && !this.#scheduled) {
        this.#schedule();
      }
    } catch (error) {
      this.stop();
      this.#onFailure(error); // a bug of ours: nothing may be written after it
    }
  }
}
