/** Makes faults happen, as the plan says, until it is told to heal. */
import type { Dice } from '../dice.ts';
import type { FaultKind } from './plan.ts';
import type { Program } from './program.ts';
import type { RecipeWorld } from './world.ts';

/** How long a server is down, ms. */
const DOWN_MS_MAX = 3000;
const RESTART_MS_MAX = 3000;
/** How long there is no room, ms. */
const FULL_MS_MAX = 6000;

export class Faults {
  readonly #world: RecipeWorld;
  readonly #dice: Dice;
  /** Of its own, so that all else that a seed brings stays as it is without full disks. */
  readonly #fullDiskDice: Dice;
  #isOver = false;

  constructor(world: RecipeWorld, dice: Dice, fullDiskDice: Dice) {
    this.#world = world;
    this.#dice = dice;
    this.#fullDiskDice = fullDiskDice;
    for (const [kind, meanMs] of Object.entries(world.plan.faults) as [FaultKind, number][]) {
      if (meanMs !== Number.POSITIVE_INFINITY) {
        this.#plan(kind, meanMs);
      }
    }
  }

  #plan(kind: FaultKind, meanMs: number): void {
    const dice = kind === 'fullDisk' ? this.#fullDiskDice : this.#dice;
    this.#world.after(-meanMs * Math.log(1 - dice.next()), () => {
      if (!this.#isOver) {
        if (kind === 'fullDisk') {
          this.#fillDisk();
        } else {
          this.#happen(kind);
        }
        this.#plan(kind, meanMs);
      }
    });
  }

  #fillDisk(): void {
    const world = this.#world;
    world.count('fullDisk');
    world.trace.record('fullDisk', world.nowMs, 0);
    world.fillDisk(this.#fullDiskDice.between(10, FULL_MS_MAX));
  }

  /** A short while, or longer than a session lasts. */
  #whileMs(): number {
    const { sessionTimeoutMs } = this.#world.plan;
    return this.#dice.chance(0.5)
      ? this.#dice.between(1, sessionTimeoutMs)
      : this.#dice.between(sessionTimeoutMs, 3 * sessionTimeoutMs);
  }

  #happen(kind: Exclude<FaultKind, 'fullDisk'>): void {
    const dice = this.#dice;
    const world = this.#world;
    const program = dice.pick([...world.programs.values()]);
    world.count(kind);
    world.trace.record(kind, world.nowMs, 0);
    switch (kind) {
      case 'cut':
        if (world.pipes.length > 0) {
          const pipe = dice.pick(world.pipes);
          world.tell(() => `connection ${pipe.connection.remotePort} of ${pipe.program.name} is cut`);
          pipe.cut();
        }
        return;
      case 'cutOff':
        program.cutOffUntilMs = Math.max(program.cutOffUntilMs, world.nowMs + this.#whileMs());
        world.tell(() => `${program.name} is cut off for ${program.cutOffUntilMs - world.nowMs} ms`);
        return;
      case 'pause':
        program.pausedUntilMs = Math.max(program.pausedUntilMs, world.nowMs + this.#whileMs());
        world.tell(() => `${program.name} is paused for ${program.pausedUntilMs - world.nowMs} ms`);
        return;
      case 'kill':
        this.#kill(program);
        return;
      case 'serverKill':
        world.endServer('kill', dice.between(1, DOWN_MS_MAX));
        return;
      case 'powerLoss':
        world.endServer('power loss', dice.between(1, DOWN_MS_MAX));
        return;
    }
  }

  #kill(program: Program): void {
    if (!program.isDead) {
      this.#world.kill(program);
      this.#world.after(this.#dice.between(1, RESTART_MS_MAX), () => this.#world.start(program.name));
    }
  }

  /** No more of them; what is cut off gets through, and what is paused goes on in its time. */
  heal(): void {
    this.#isOver = true;
    this.#world.isHealed = true;
    this.#world.emptyDisk();
    this.#world.tell(() => 'no more faults');
    for (const program of this.#world.programs.values()) {
      program.cutOffUntilMs = Math.min(program.cutOffUntilMs, this.#world.nowMs);
    }
  }
}
