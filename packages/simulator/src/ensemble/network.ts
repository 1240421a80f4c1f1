/**
 * The network between machines, by their numbers. What is sent one way arrives in order, later or much later; a way can
 * be cut, for itself or both, and then what was sent waits, as TCP has it wait.
 */
import type { Dice } from '../dice.ts';
import type { Events } from './events.ts';

export interface NetworkPlan {
  readonly delayMsMin: number;
  readonly delayMsMax: number;
  /** Share of deliveries that bring only a part of the bytes, and the rest later. */
  readonly chopped: number;
}

const MACHINES_MAX = 4096;

export class SimulatedNetwork {
  readonly events: Events;
  readonly dice: Dice;
  readonly plan: NetworkPlan;
  /** By way: how many faults cut it now. */
  readonly #cuts = new Map<number, number>();
  /** By way: what is added to each delay. */
  readonly #slowness = new Map<number, number>();
  readonly #waiting = new Map<number, (() => void)[]>();

  constructor(events: Events, dice: Dice, plan: NetworkPlan) {
    this.events = events;
    this.dice = dice;
    this.plan = plan;
  }

  delayMs(from: number, to: number): number {
    const { delayMsMin, delayMsMax } = this.plan;
    const extraMs = this.#slowness.get(way(from, to)) ?? 0;
    return delayMsMin + this.dice.next() * (delayMsMax - delayMsMin) + this.dice.next() * extraMs;
  }

  isCut(from: number, to: number): boolean {
    return this.#cuts.has(way(from, to));
  }

  /** Nothing gets from the one to the other until the returned function is called. */
  cut(from: number, to: number): () => void {
    const key = way(from, to);
    this.#cuts.set(key, (this.#cuts.get(key) ?? 0) + 1);
    let isOver = false;
    return () => {
      if (isOver) {
        return;
      }
      isOver = true;
      const left = (this.#cuts.get(key) ?? 0) - 1;
      if (left > 0) {
        this.#cuts.set(key, left);
        return;
      }
      this.#cuts.delete(key);
      const waiting = this.#waiting.get(key) ?? [];
      this.#waiting.delete(key);
      for (const goOn of waiting) {
        goOn();
      }
    };
  }

  /** Every delivery takes up to so much longer; 0: as usual. */
  slowDown(from: number, to: number, extraMs: number): void {
    this.#slowness.set(way(from, to), extraMs);
  }

  /** Calls when the way is free, which it is not now. */
  whenFree(from: number, to: number, goOn: () => void): void {
    const key = way(from, to);
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) {
      this.#waiting.set(key, [goOn]);
    } else {
      waiting.push(goOn);
    }
  }
}

function way(from: number, to: number): number {
  return from * MACHINES_MAX + to;
}
