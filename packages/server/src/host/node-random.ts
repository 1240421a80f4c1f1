import { randomBytes } from 'node:crypto';
import type { Random } from '../io/random.ts';

/** Random numbers from a seed (mulberry32): for spreading things, not for secrets. */
export class SeededRandom implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }
}

/** A generator whose seed nobody knows. */
export function unpredictableRandom(): Random {
  return new SeededRandom(randomBytes(4).readInt32BE());
}
