/** What can be simulated: a single server's life, an ensemble's, that of programs with a recipe; and the mix of all. */
import { Coverage } from './coverage.ts';
import { FEATURES, type Feature } from './ensemble/features.ts';
import { ensemblePlanOf } from './ensemble/simulation.ts';
import {
  type RecipeReport,
  recipePlanOf,
  runRecipe,
  runRecipeTwice,
  type ScenarioName,
  scenarioNames,
} from './recipes/run.ts';
import { type Print, type RunReport, runEnsemble, runEnsembleTwice, runSeed, runTwice } from './run.ts';
import { planOf } from './simulation.ts';

/** What a run has come to: plain data, that goes from process to process. */
export interface Outcome {
  readonly kind: string;
  readonly seed: number;
  /** Null: nothing wrong was seen. */
  readonly failure: string | null;
  /** Where the failure was seen, for the developer of the simulator; null without one. */
  readonly stack: string | null;
  readonly traceHash: string;
  readonly transactions: number;
  readonly framesChecked: number;
  readonly restarts: number;
  readonly simulatedMs: number;
  /** How often each situation was met. */
  readonly happened: readonly (readonly [name: string, count: number])[];
}

export interface Kind {
  readonly name: string;
  /** The options that ask for it. */
  readonly flags: string;
  once(seed: number, requests: number): Outcome | Promise<Outcome>;
  /** Both runs must give the same trace. The first may be told in words. */
  twice(seed: number, requests: number, print?: Print): Outcome | Promise<Outcome>;
  /** What the seed has drawn, a line each. */
  describePlan(seed: number, requests: number): string[];
  /** What has happened in runs of this kind, in words, and what never has. */
  describeHappened(happened: ReadonlyMap<string, number>): string;
}

function outcomeOf(kind: string, report: RunReport | RecipeReport): Outcome {
  const { seed, failure, traceHash, transactions, simulatedMs } = report;
  const isRecipe = 'happened' in report;
  return {
    kind,
    seed,
    failure: failure?.message ?? null,
    stack: failure?.stack ?? null,
    traceHash,
    transactions,
    framesChecked: isRecipe ? 0 : report.framesChecked,
    restarts: isRecipe ? 0 : report.restarts,
    simulatedMs,
    happened: [...(isRecipe ? report.happened : report.coverage)],
  };
}

function describeCoverage(happened: ReadonlyMap<string, number>, isEnsemble: boolean): string {
  const coverage = new Coverage();
  coverage.add(happened);
  return coverage.describe(isEnsemble);
}

export const STANDALONE: Kind = {
  name: 'single servers',
  flags: '',
  once: (seed, requests) => outcomeOf(STANDALONE.name, runSeed(seed, requests)),
  twice: (seed, requests, print) => outcomeOf(STANDALONE.name, runTwice(seed, requests, print)),
  describePlan: (seed) => {
    const { faults, workload, settings, sharedDirectory } = planOf(seed);
    const { tickTimeMs, digestEnabled, storage, reaper, purgeIntervalMs } = settings;
    const told = { sharedDirectory, tickTimeMs, digestEnabled, purgeIntervalMs, reaper, storage };
    return [
      `faults ${JSON.stringify(faults)}`,
      `workload ${JSON.stringify(workload)}`,
      `settings ${JSON.stringify(told)}`,
    ];
  },
  describeHappened: (happened) => describeCoverage(happened, false),
};

function ensembleKind(name: string, flags: string, features: readonly Feature[]): Kind {
  return {
    name,
    flags,
    once: (seed, requests) => outcomeOf(name, runEnsemble({ seed, requests, features })),
    twice: (seed, requests, print = null) => outcomeOf(name, runEnsembleTwice({ seed, requests, features, print })),
    describePlan: (seed, requests) => {
      const plan = ensemblePlanOf({ seed, requests, features });
      const { voters, observers, groups, safetyMs, settings, zab, network, clients, faults } = plan;
      const { tickTimeMs, digestEnabled, storage } = settings;
      const servers = `${voters} voters, ${observers} observers, ${clients.length} clients`;
      return [
        `${servers}; ${safetyMs} ms with ${faults.length} faults`,
        `settings ${JSON.stringify({ tickTimeMs, digestEnabled, storage, zab, network, groups })}`,
        ...faults.map((fault) => `fault ${JSON.stringify(fault)}`),
      ];
    },
    describeHappened: (happened) => describeCoverage(happened, true),
  };
}

export const ENSEMBLE = ensembleKind('ensembles', ' --ensemble', []);

/** Ensembles that all have what else only some of them have. */
export const ENSEMBLES_WITH = new Map(
  FEATURES.map((feature) => [
    feature,
    ensembleKind(`ensembles with ${feature}`, ` --ensemble --with ${feature}`, [feature]),
  ]),
);

function recipeKind(scenario: ScenarioName): Kind {
  const name = `recipes: ${scenario}`;
  return {
    name,
    flags: ` --recipes --scenario ${scenario}`,
    once: async (seed) => outcomeOf(name, await runRecipe({ seed, scenario })),
    twice: async (seed, _requests, print = null) => outcomeOf(name, await runRecipeTwice({ seed, scenario, print })),
    describePlan: (seed) => [`plan ${JSON.stringify(recipePlanOf(seed))}`],
    describeHappened: (happened) => [...happened].map(([what, count]) => `${what} ${count}`).join(', '),
  };
}

/** One for each scenario. */
export const RECIPES: readonly Kind[] = scenarioNames.map(recipeKind);

/** Of ten seeds in a row: four single servers, three ensembles, three recipes, whose scenarios take turns. */
const MIX = 'sersersers';

/** What a seed is in the mix. */
export function mixedKindOf(seed: number): Kind {
  const letter = MIX[seed % MIX.length];
  if (letter !== 'r') {
    return letter === 'e' ? ENSEMBLE : STANDALONE;
  }
  const places = [...MIX].flatMap((each, place) => (each === 'r' ? [place] : []));
  const turn = Math.floor(seed / MIX.length) * places.length + places.indexOf(seed % MIX.length);
  return RECIPES[turn % RECIPES.length];
}
