import { EventQueue } from './event-queue.ts';
import { limits } from './limits.ts';
import type { SessionState } from './types.ts';

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

  /** The present state and then each change; ends behind `closed`. */
  iterate(): AsyncIterableIterator<SessionState> {
    const queue = new EventQueue<SessionState>(limits.statesMax);
    const stop = this.listen((state) => {
      queue.push(state);
      if (state === 'closed') {
        queue.end();
      }
    });
    queue.onReturn = stop;
    queue.push(this.#state);
    if (this.#state === 'closed') {
      queue.end();
    }
    return queue;
  }
}
