/** Everything random in a simulated run comes from dice, and all dice come from the seed. */
import { type Random, SeededRandom } from '@treekeeper/server/internal';

/** Each part of a run has dice of its own, so that a change in one does not shift what the others draw. */
const STREAMS = [
  'settings',
  'faults',
  'schedule',
  'workload',
  'replica',
  'disk',
  'network',
  'ensemble',
  'clients',
  'features',
  'local sessions',
  'full disk',
  'vain hand-overs',
  'foreign servers',
] as const;
export type Stream = (typeof STREAMS)[number];

/** Far apart from seed to seed and from stream to stream. */
const SEED_FACTOR = 0x9e3779b1;
const STREAM_FACTOR = 0x85ebca6b;

export class Dice implements Random {
  readonly #random: SeededRandom;

  constructor(seed: number, stream: Stream) {
    this.#random = new SeededRandom(
      Math.imul(seed, SEED_FACTOR) ^ Math.imul(STREAMS.indexOf(stream) + 1, STREAM_FACTOR),
    );
  }

  next(): number {
    return this.#random.next();
  }

  /** 0 … n − 1. */
  below(n: number): number {
    return Math.floor(this.#random.next() * n);
  }

  /** Both ends included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  chance(probability: number): boolean {
    return this.#random.next() < probability;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }
}

/** Things to draw from, in proportion to their weights. */
export class Weighted<K extends string> {
  readonly #keys: readonly K[];
  readonly #through: readonly number[];

  constructor(weights: Readonly<Record<K, number>>) {
    this.#keys = Object.keys(weights) as K[];
    let sum = 0;
    this.#through = this.#keys.map((key) => {
      sum += weights[key];
      return sum;
    });
  }

  draw(dice: Dice): K {
    const at = dice.next() * this.#through[this.#through.length - 1];
    return this.#keys[this.#through.findIndex((through) => at < through)];
  }
}
