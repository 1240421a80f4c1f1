/** Runs of seeds of recipes: faults, then none and everybody gets on, then a look at what is left. */
import { check, Violation } from '../checkers/violation.ts';
import { Dice } from '../dice.ts';
import { Trace } from '../trace.ts';
import { Faults } from './faults.ts';
import { withSimulatedAmbient } from './node-ambient.ts';
import { drawRecipePlan, type RecipePlan } from './plan.ts';
import type { Planted, Scenario, ScenarioMaker } from './scenario.ts';
import { barrierScenario } from './scenarios/barriers.ts';
import { configurationScenario } from './scenarios/configurations.ts';
import { decisionScenario } from './scenarios/decisions.ts';
import { membershipScenario, serviceScenario } from './scenarios/groups.ts';
import {
  electionScenario,
  identityScenario,
  lockScenario,
  multiLockScenario,
  semaphoreScenario,
  tryLockScenario,
} from './scenarios/holders.ts';
import { jobScenario } from './scenarios/jobs.ts';
import { partitionScenario } from './scenarios/partitions.ts';
import { queueScenario } from './scenarios/queue.ts';
import { readWriteScenario } from './scenarios/read-write.ts';
import { taskScenario } from './scenarios/tasks.ts';
import { topicScenario } from './scenarios/topics.ts';
import { valueScenario } from './scenarios/values.ts';
import { RecipeWorld } from './world.ts';

export const scenarios = {
  lock: lockScenario,
  election: electionScenario,
  semaphore: semaphoreScenario,
  'master-worker': taskScenario,
  queue: queueScenario,
  membership: membershipScenario,
  services: serviceScenario,
  identity: identityScenario,
  'try-lock': tryLockScenario,
  'multi-lock': multiLockScenario,
  'read-write-lock': readWriteScenario,
  barrier: barrierScenario,
  values: valueScenario,
  partitioner: partitionScenario,
  'two-phase-commit': decisionScenario,
  'scheduled-job': jobScenario,
  topic: topicScenario,
  configuration: configurationScenario,
} as const satisfies Record<string, ScenarioMaker>;
export type ScenarioName = keyof typeof scenarios;
export const scenarioNames = Object.keys(scenarios) as ScenarioName[];

export interface RecipeOptions {
  readonly seed: number;
  readonly scenario: ScenarioName;
  /** Gets the run in words. */
  readonly print?: ((line: string) => void) | null;
  readonly planted?: Planted;
}

export interface RecipeReport {
  readonly seed: number;
  readonly scenario: ScenarioName;
  /** Null: nothing wrong was seen. */
  readonly failure: Error | null;
  readonly traceHash: string;
  readonly transactions: number;
  readonly simulatedMs: number;
  /** How often each situation was met. */
  readonly happened: ReadonlyMap<string, number>;
}

/** What a seed draws before its run begins. */
export function recipePlanOf(seed: number): RecipePlan {
  return drawRecipePlan(new Dice(seed, 'settings'));
}

/** One slow taker needs four seconds for each of sixty items. */
const HEALED_MS_MAX = 600_000;
const REST_MS_MAX = 120_000;

/** Runs one seed to its end or to the first violation. Not two at a time. */
export async function runRecipe(options: RecipeOptions): Promise<RecipeReport> {
  const { seed, scenario, print = null, planted = {} } = options;
  const trace = new Trace(print);
  const world = new RecipeWorld(seed, recipePlanOf(seed), trace);
  const onRejection = (error: unknown): void => world.fail(error);
  process.on('unhandledRejection', onRejection);
  let failure: Error | null = null;
  const startMs = world.nowMs;
  try {
    const made = scenarios[scenario]({ world, dice: new Dice(seed, 'workload'), planted });
    await withSimulatedAmbient(() => run(seed, world, made));
  } catch (error) {
    failure = error instanceof Error ? error : new Error(String(error));
  } finally {
    process.off('unhandledRejection', onRejection);
  }
  const { transactions, happened } = world;
  return {
    seed,
    scenario,
    failure,
    traceHash: trace.digest(),
    transactions,
    happened,
    simulatedMs: world.nowMs - startMs,
  };
}

/** Two runs, which must give the same trace. The first may be told in words. */
export async function runRecipeTwice(options: RecipeOptions): Promise<RecipeReport> {
  const first = await runRecipe(options);
  const second = await runRecipe({ ...options, print: null });
  if (first.traceHash === second.traceHash) {
    return first;
  }
  const message = `the trace of one run is ${first.traceHash}, that of another ${second.traceHash}`;
  return { ...first, failure: first.failure ?? new Violation('determinism', message) };
}

async function run(seed: number, world: RecipeWorld, scenario: Scenario): Promise<void> {
  const { plan } = world;
  world.main = (program) => scenario.main(program);
  world.onTurn = () => scenario.onTurn?.();
  for (const name of scenario.programs) {
    world.start(name);
  }
  const faults = new Faults(world, new Dice(seed, 'faults'), new Dice(seed, 'full disk'));
  await world.runUntil(() => false, plan.faultyMs);
  faults.heal();
  const isDone = await world.runUntil(() => scenario.missing() === null, HEALED_MS_MAX);
  check(isDone, 'progress', () => `without faults there is still to come: ${scenario.missing()}`);
  world.close();
  const isAtRest = await world.runUntil(() => world.isAtRest, REST_MS_MAX);
  check(isAtRest, 'progress', () => `${world.busy.join(', ')} cannot come to an end`);
  await world.runUntil(() => false, 3 * plan.sessionTimeoutMs); // who was killed is forgotten
  scenario.judge();
}
