/** Syncs that wait for the leader's word, in the order in which they were asked for (quorum-protocol.md §7.5). */
import { assert } from '../assert.ts';
import type { Barrier } from './client-connection.ts';
import { Fifo } from './fifo.ts';

export class Syncs {
  readonly #waiting = new Fifo<{ zxid: number }>();

  get waiting(): number {
    return this.#waiting.length;
  }

  /** A sync whose answer is to come. */
  ask(): Barrier {
    const barrier = { zxid: Number.POSITIVE_INFINITY };
    this.#waiting.push(barrier);
    return barrier;
  }

  /** The oldest one is done when everything through `committed` has been applied; null: it has been. */
  done(committed: number | null): void {
    const barrier = this.#waiting.shift();
    assert(barrier !== undefined, 'a sync is answered once');
    barrier.zxid = committed ?? 0;
  }
}
