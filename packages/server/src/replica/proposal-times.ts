/**
 * When the last proposals were made. Acknowledgements come in order, and for many at once, so that an array that is
 * written in a circle does: noting a proposal is one store.
 */
import type { Summary } from '../metrics/primitives.ts';

/** A power of two. What is acknowledged when so many more have been proposed since is not timed. */
const PROPOSALS = 8192;
const MASK = PROPOSALS - 1;

export class ProposalTimes {
  /** Allocated with the first proposal. */
  #times: Float64Array | null = null;
  /** Of those in a row without a gap. */
  #first = 0;
  #last = -1;

  /** @param timeMs on the clock by which `addAges` is told the time */
  note(zxid: number, timeMs: number): void {
    if (zxid !== this.#last + 1) {
      this.#first = zxid; // another epoch
    }
    this.#last = zxid;
    this.#times ??= new Float64Array(PROPOSALS);
    this.#times[zxid & MASK] = timeMs;
  }

  /** Adds for each of the proposals behind `after`, through `through`, how long ago it was made; never less than 0. */
  addAges(after: number, through: number, nowMs: number, to: Summary): void {
    const times = this.#times;
    if (times === null) {
      return;
    }
    const last = Math.min(through, this.#last);
    for (let zxid = Math.max(after + 1, this.#first, this.#last - MASK); zxid <= last; zxid++) {
      to.add(Math.max(0, nowMs - times[zxid & MASK]));
    }
  }
}
