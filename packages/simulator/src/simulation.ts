/**
 * One run: a safety phase, in which clients work while the faults that the seed has drawn happen, then a liveness phase
 * without faults, in which everybody must get on again, and in the end one more look at what is left on the disk.
 */
import { checkProgress, leftoversIn, type ProgressClient } from './checkers/progress.ts';
import { check } from './checkers/violation.ts';
import { Dice, Weighted } from './dice.ts';
import { drawOtherSettings, drawPlan, type Plan } from './faults.ts';
import { Trace } from './trace.ts';
import { Workload } from './workload.ts';
import { WorkloadClient } from './workload-client.ts';
import { type Doubles, type End, World } from './world.ts';

export interface SimulationOptions {
  readonly seed: number;
  /** Requests to send before the liveness phase. */
  readonly requests: number;
  /** Gets the run in words. */
  readonly print?: ((line: string) => void) | null;
  readonly doubles?: Doubles;
}

export interface SimulationResult {
  readonly seed: number;
  /** Null: nothing wrong was seen. */
  readonly failure: Error | null;
  /** Of everything that went over the seams. */
  readonly traceHash: string;
  readonly requests: number;
  readonly transactions: number;
  readonly framesChecked: number;
  readonly restarts: number;
  /** How much time has passed in the simulated world. */
  readonly simulatedMs: number;
  /** How often each situation was met. */
  readonly coverage: ReadonlyMap<string, number>;
}

/** What a seed draws before its run begins. */
export function planOf(seed: number): Plan {
  return drawPlan(new Dice(seed, 'settings'));
}

/** Runs one seed to its end or to the first violation. Deterministic: the same seed gives the same result. */
export function simulate(options: SimulationOptions): SimulationResult {
  const trace = new Trace(options.print ?? null);
  const simulation = new Simulation(options, trace);
  let failure: Error | null = null;
  try {
    simulation.run();
  } catch (error) {
    failure = error instanceof Error ? error : new Error(String(error));
  }
  return simulation.result(failure);
}

/** Steps of the schedule and how often each comes. */
const STEPS = new Weighted({ client: 10, up: 12, turn: 14, disk: 14, down: 10, time: 4 });
const PROGRESS_ROUNDS_MAX = 1500;
const PROGRESS_DEMANDS = 2;
/** Steps in which the longest timeout and the reaper's interval pass together, and how many there may be. */
const QUIET_STEPS = 50;
const QUIET_ROUNDS_MAX = 20 * QUIET_STEPS;

class Simulation {
  readonly #options: SimulationOptions;
  readonly #plan: Plan;
  readonly #trace: Trace;
  readonly #schedule: Dice;
  readonly #faults: Dice;
  readonly #settings: Dice;
  readonly #clients: WorkloadClient[];
  #world: World | null = null;
  #fullUntilMs = 0;
  #slowUntilMs = 0;
  #diskReadyMs = 0;
  #powerLossInSteps = Number.POSITIVE_INFINITY;

  constructor(options: SimulationOptions, trace: Trace) {
    const { seed } = options;
    this.#options = options;
    this.#trace = trace;
    this.#plan = planOf(seed);
    this.#schedule = new Dice(seed, 'schedule');
    this.#faults = new Dice(seed, 'faults');
    this.#settings = new Dice(seed + 1, 'settings');
    this.#clients = [];
  }

  result(failure: Error | null): SimulationResult {
    const referee = this.#world?.referee;
    return {
      seed: this.#options.seed,
      failure,
      traceHash: this.#trace.digest(),
      requests: this.#clients.reduce((sum, client) => sum + client.requestsSent, 0),
      transactions: referee?.history.lastZxid ?? 0,
      framesChecked: referee?.framesChecked ?? 0,
      restarts: this.#world?.restarts ?? 0,
      simulatedMs: (this.#world?.clock.nowMs ?? 0) - (this.#world?.startMs ?? 0),
      coverage: this.#world?.coverage.counts ?? new Map(),
    };
  }

  run(): void {
    const { seed, requests, doubles = {} } = this.#options;
    const { faults, workload } = this.#plan;
    const dice = { disk: new Dice(seed, 'disk'), replica: new Dice(seed, 'replica') };
    const world = new World(this.#plan, this.#trace, dice, doubles);
    this.#world = world;
    const workloadDice = new Dice(seed, 'workload');
    const wishes = new Workload(workloadDice, workload);
    for (let i = 1; i <= workload.clients; i++) {
      this.#clients.push(new WorkloadClient(`client${i}`, world, workloadDice, workload, wishes));
    }
    if (faults.powerLossInFirstSnapshot) {
      this.#powerLossInSteps = this.#faults.below(40);
    }
    for (let sent = 0, steps = 0; sent < requests && steps < 30 * requests; steps++) {
      this.#inject(world);
      sent += this.#step(world);
    }
    this.#heal(world);
    this.#makeProgress(world);
    this.#abandon(world);
    world.restart(this.#plan.settings.storage.forceSync ? 'power loss' : 'kill', this.#faults);
  }

  /** Faults happen between any two steps. */
  #inject(world: World): void {
    const { faults } = this.#plan;
    const dice = this.#faults;
    // Ends in the middle of a batch are more telling than others.
    const eagerness = world.disk.batchesInFlight > 0 ? 2 : 0.5;
    if (--this.#powerLossInSteps <= 0) {
      this.#end(world, 'power loss');
    } else if (dice.chance(faults.powerLoss * eagerness)) {
      this.#end(world, 'power loss');
    } else if (dice.chance(faults.kill * eagerness)) {
      this.#end(world, 'kill');
    } else if (dice.chance(faults.cleanStop)) {
      this.#end(world, 'clean stop');
    }
    if (dice.chance(faults.fullDisk)) {
      world.disk.full = true;
      this.#fullUntilMs = world.nowMs + dice.between(10, 6000);
    } else if (world.disk.full && world.nowMs >= this.#fullUntilMs) {
      world.disk.full = false;
    }
    if (dice.chance(faults.slowDisk)) {
      this.#slowUntilMs = world.nowMs + dice.between(100, 5000);
    }
    if (dice.chance(faults.failingDisk)) {
      const op = dice.pick(['write', 'sync', 'create', 'rename', 'close'] as const);
      world.disk.failNext((step) => step.op === op);
    }
    if (dice.chance(faults.wallClockJump)) {
      world.jumpWallClock(Math.round((dice.next() - 0.5) * dice.pick([1000, 100_000, 1e9])));
    }
    if (dice.chance(faults.pause)) {
      world.advance(dice.between(1000, 30_000));
    }
    if (dice.chance(faults.connectionCut) && world.links.size > 0) {
      world.cut(dice.pick([...world.links]), dice);
    }
    if (dice.chance(faults.slowClient) && world.links.size > 0) {
      world.setBlocked(dice.pick([...world.links]), dice.chance(0.6));
    }
  }

  #end(world: World, end: End): void {
    const { faults } = this.#plan;
    const dice = this.#faults;
    const isChanged = dice.chance(faults.changedSettings);
    world.restart(end, dice, isChanged ? drawOtherSettings(this.#settings, world.settings) : world.settings);
    this.#powerLossInSteps = dice.chance(faults.powerLossAfterRestart)
      ? dice.between(1, dice.pick([10, 40, 250]))
      : Number.POSITIVE_INFINITY;
  }

  /** One step of the world. Returns how many requests were sent. */
  #step(world: World): number {
    const dice = this.#schedule;
    switch (STEPS.draw(dice)) {
      case 'client':
        return dice.pick(this.#clients).act();
      case 'up':
        if (world.links.size > 0) {
          const link = dice.pick([...world.links]);
          world.deliverUp(link, dice);
          world.tellEnd(link);
        }
        return 0;
      case 'down':
        if (world.links.size > 0) {
          world.deliverDown(dice.pick([...world.links]), dice);
        }
        return 0;
      case 'turn':
        if (!world.isStill) {
          world.turn();
        }
        return 0;
      case 'disk':
        this.#stepDisk(world);
        return 0;
      case 'time':
        world.advance(dice.chance(0.95) ? dice.between(0, 30) : dice.between(30, 1500));
        return 0;
    }
  }

  #stepDisk(world: World): void {
    if (world.nowMs < this.#slowUntilMs) {
      if (world.nowMs < this.#diskReadyMs) {
        return;
      }
      this.#diskReadyMs = world.nowMs + this.#schedule.between(1, 400);
    }
    for (let steps = this.#schedule.between(1, 4); steps > 0; steps--) {
      world.stepDisk(this.#schedule);
    }
  }

  /** From here on nothing fails. */
  #heal(world: World): void {
    this.#trace.tell('no more faults');
    world.disk.full = false;
    world.disk.failNext(() => false);
    for (const link of world.links) {
      world.setBlocked(link, false);
    }
  }

  /** Everything that can move does. */
  #round(world: World, ms: number, act: (client: WorkloadClient) => void): void {
    for (const client of this.#clients) {
      act(client);
    }
    for (const link of [...world.links]) {
      while (link.canDeliver) {
        world.deliverUp(link, null);
      }
      world.tellEnd(link);
    }
    world.turn();
    if (world.disk.batchesInFlight > 0) {
      world.drainDisk();
      world.turn();
    }
    for (const link of [...world.links]) {
      world.deliverDown(link, null);
    }
    world.advance(ms);
  }

  #makeProgress(world: World): void {
    const progress: ProgressClient[] = this.#clients.map((client) => ({
      client,
      wanted: client.demandsMet + PROGRESS_DEMANDS,
    }));
    const isDone = () => progress.every(({ client, wanted }) => client.demandsMet >= wanted && client.isIdle);
    for (let round = 0; round < PROGRESS_ROUNDS_MAX && !isDone(); round++) {
      this.#round(world, 50, (client) => {
        const wanted = progress.find((one) => one.client === client)?.wanted ?? 0;
        if (client.demandsMet < wanted) {
          client.demand();
        } else {
          client.keepAlive();
        }
      });
    }
    checkProgress(progress);
  }

  /** All clients go away without a word: their sessions must expire, and all that hangs on them go. */
  #abandon(world: World): void {
    for (const link of [...world.links]) {
      world.cut(link, this.#faults);
    }
    const { maxSessionTimeoutMs, reaper } = this.#plan.settings;
    const stepMs = (maxSessionTimeoutMs + reaper.checkIntervalMs) / QUIET_STEPS;
    const left = () => leftoversIn(world.replica, world.referee.state, world.clock.wallMs);
    for (let round = 0; round < QUIET_ROUNDS_MAX && left() !== null; round++) {
      this.#round(world, stepMs, () => {});
    }
    check(left() === null, 'progress', () => `left of clients that are gone: ${left()}`);
  }
}
