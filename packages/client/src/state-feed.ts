import { EventQueue } from './event-queue.ts';
import { limits } from './limits.ts';
import type { SessionState } from './types.ts';

/** States that are not left again, or not for the same session. */
const LASTING: ReadonlySet<SessionState> = new Set(['expired', 'auth-failed', 'closed']);

/** Hands each change of state to everybody who listens. */
export class StateFeed {
  readonly #listeners = new Set<(state: SessionState, reason: string | null) => void>();
  #state: SessionState;

  constructor(state: SessionState) {
    this.#state = state;
  }

  push(state: SessionState, reason: string | null): void {
    this.#state = state;
    for (const listener of [...this.#listeners]) {
      listener(state, reason);
    }
  }

  /** Returns how to stop. */
  listen(listener: (state: SessionState, reason: string | null) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The present state and then each change that lasts for `settleMs`; ends behind `closed`. */
  iterate(settleMs: number): AsyncIterableIterator<SessionState> {
    const queue = new EventQueue<SessionState>(limits.statesMax);
    let told = this.#state;
    let timer: NodeJS.Timeout | undefined;
    const tell = (state: SessionState): void => {
      if (settleMs === 0 || state !== told) {
        told = state;
        queue.push(state);
      }
    };
    const stop = this.listen((state) => {
      clearTimeout(timer);
      if (settleMs > 0 && !LASTING.has(state)) {
        timer = setTimeout(tell, settleMs, state);
        return;
      }
      tell(state);
      if (state === 'closed') {
        queue.end();
      }
    });
    queue.onReturn = () => {
      clearTimeout(timer);
      stop();
    };
    queue.push(this.#state);
    if (this.#state === 'closed') {
      queue.end();
    }
    return queue;
  }
}
