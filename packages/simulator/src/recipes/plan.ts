/** What a seed draws before a run of recipes begins. Every run has only some of the faults. */
import type { Dice } from '../dice.ts';

/** Means between two faults of a kind, ms; infinite: there are none. */
export interface RecipeFaults {
  /** A connection breaks. */
  readonly cut: number;
  /** A program's bytes do not get through, for a moment or for longer than its session lasts. */
  readonly cutOff: number;
  /** A program stands still, for a moment or for longer than its session lasts. */
  readonly pause: number;
  /** A program is killed, and started again. */
  readonly kill: number;
  /** The server is killed; its disk keeps what was written. */
  readonly serverKill: number;
  /** Power fails: what was not synced may be gone. */
  readonly powerLoss: number;
  /** The server's disk is full for a while: it takes no writes. */
  readonly fullDisk: number;
}

export type FaultKind = keyof RecipeFaults;

export interface RecipePlan {
  readonly faults: RecipeFaults;
  readonly sessionTimeoutMs: number;
  /** Of the network, one way. */
  readonly delayMaxMs: number;
  /** Of each step of the disk. */
  readonly diskMaxMs: number;
  /** How often only a part of what was sent arrives at once. */
  readonly chopped: number;
  /** How long faults happen. */
  readonly faultyMs: number;
}

export function drawRecipePlan(dice: Dice): RecipePlan {
  const maybe = (meanMs: number) => (dice.chance(0.5) ? meanMs * dice.pick([0.4, 1, 3]) : Number.POSITIVE_INFINITY);
  const faults = {
    cut: maybe(3000),
    cutOff: maybe(6000),
    pause: maybe(6000),
    kill: maybe(10_000),
    serverKill: maybe(20_000),
    powerLoss: maybe(20_000),
  };
  const rest = {
    sessionTimeoutMs: dice.pick([4000, 6000, 10_000]),
    delayMaxMs: dice.pick([1, 5, 40, 200]),
    diskMaxMs: dice.pick([1, 5, 40]),
    chopped: dice.pick([0, 0.1, 0.5]),
    faultyMs: dice.pick([10_000, 20_000, 40_000]),
  };
  // Drawn last, so that seeds without it mean what they meant before there was such a fault.
  const fullDisk = dice.chance(0.25) ? dice.pick([3000, 8000]) : Number.POSITIVE_INFINITY;
  // A run without any fault would show little.
  const isCalm = Math.min(...Object.values(faults)) === Number.POSITIVE_INFINITY;
  return { ...rest, faults: { ...faults, cut: isCalm ? 2000 : faults.cut, fullDisk } };
}
