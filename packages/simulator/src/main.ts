/** `npm run simulate`: runs seeds, says what each has drawn, and how to see a failure again. */
import { randomInt } from 'node:crypto';
import { readOptions, runProgram } from './arguments.ts';
import { FEATURES, type Feature } from './ensemble/features.ts';
import { shrinkFaults } from './ensemble/shrink.ts';
import { ENSEMBLE, ENSEMBLES_WITH, type Kind, mixedKindOf, type Outcome, RECIPES, STANDALONE } from './kinds.ts';
import { exploreScenarios } from './model-checking/main.ts';
import { scenarioNames } from './recipes/run.ts';
import { portToParent, runJobs, Series, type SeriesPort } from './series.ts';

const USAGE = `Usage: npm run simulate -- [--ensemble | --recipes [--scenario NAME] | --mix]
                               [--seed N | --runs K [--from N] [--jobs J]] [--ops N] [--verbose] [--shrink]

What is simulated; single servers, unless one of these is given:
  --ensemble  ensembles of one to seven servers and observers
  --with NAME with --ensemble: each has what else some have, ${FEATURES.join(' or ')}
  --recipes   recipes and their clients: each seed is a run of every scenario, or of the one that is named:
              ${scenarioNames.slice(0, 9).join(', ')},
              ${scenarioNames.slice(9).join(', ')}
  --mix       all of it: of ten seeds in a row four are single servers, three ensembles, three runs of a recipe, whose
              scenarios take turns

How often:
  --seed N    one seed, run twice: both runs must give the same trace
  --runs K    K seeds, every 21st of them twice; 100 unless told otherwise
  --from N    the first of them; random unless told otherwise
  --jobs J    in so many processes at once; 1 unless told otherwise
  --ops N     requests that clients send in each run before everything is healed; 200 unless told otherwise. Recipes
              send what they need
  --verbose   with --seed: the run in words
  --shrink    with --ensemble --seed: if it fails, the fewest of its faults with which it still does

  --explore   no chance: all states that small ensembles can get into; has options of its own: --explore --help`;

const REQUESTS_DEFAULT = 200;
const RUNS_DEFAULT = 100;
/** Has no factor in common with the turns of the mix: each kind is run twice as often as the others. */
const TWICE_EVERY = 21;

interface Arguments {
  readonly seed: number | null;
  readonly runs: number;
  readonly from: number;
  readonly requests: number;
  readonly jobs: number;
  /** Which of them this process is; null: it is the one that starts them. */
  readonly job: number | null;
  readonly verbose: boolean;
  readonly shrink: boolean;
  /** What every ensemble has. */
  readonly features: readonly Feature[];
  /** What a seed is run as. */
  readonly kindsOf: (seed: number) => readonly Kind[];
}

/** Throws Error for what cannot be understood. */
function read(args: readonly string[]): Arguments {
  const given = readOptions(args, {
    seed: 'number',
    runs: 'number',
    from: 'number',
    ops: 'number',
    jobs: 'number',
    job: 'number',
    scenario: 'text',
    verbose: 'flag',
    shrink: 'flag',
    ensemble: 'flag',
    with: 'text',
    recipes: 'flag',
    mix: 'flag',
  });
  const { seed, runs, from, ops, jobs, job, scenario, verbose, shrink, ensemble, recipes, mix } = given;
  if ([ensemble, recipes, mix].filter(Boolean).length > 1) {
    throw new Error('--ensemble, --recipes and --mix exclude each other: the mix has ensembles and recipes in it');
  }
  if (shrink && (seed === null || !ensemble)) {
    throw new Error('--shrink looks at one seed of an ensemble: give --ensemble and --seed as well');
  }
  if (scenario !== null && !recipes) {
    throw new Error('--scenario names a scenario of recipes: give --recipes as well');
  }
  const feature = featureNamed(given.with);
  if (feature !== null && !ensemble) {
    throw new Error('--with says what ensembles have: give --ensemble as well');
  }
  const ensembles = feature === null ? ENSEMBLE : (ENSEMBLES_WITH.get(feature) as Kind);
  const kinds = recipes ? recipesNamed(scenario) : [ensemble ? ensembles : STANDALONE];
  return {
    seed,
    runs: runs ?? RUNS_DEFAULT,
    from: from ?? randomInt(2 ** 31),
    requests: ops ?? REQUESTS_DEFAULT,
    jobs: Math.max(1, jobs ?? 1),
    job,
    verbose,
    shrink,
    features: feature === null ? [] : [feature],
    kindsOf: mix ? (seed) => [mixedKindOf(seed)] : () => kinds,
  };
}

function featureNamed(name: string | null): Feature | null {
  const feature = FEATURES.find((one) => one === name);
  if (name !== null && feature === undefined) {
    throw new Error(`--with is one of ${FEATURES.join(', ')}, not ${JSON.stringify(name)}`);
  }
  return feature ?? null;
}

/** Null: all of them. */
function recipesNamed(scenario: string | null): readonly Kind[] {
  const named = RECIPES.filter((_kind, place) => scenario === null || scenarioNames[place] === scenario);
  if (named.length === 0) {
    throw new Error(`--scenario is one of ${scenarioNames.join(', ')}, not ${JSON.stringify(scenario)}`);
  }
  return named;
}

const ALL_KINDS: readonly Kind[] = [STANDALONE, ENSEMBLE, ...ENSEMBLES_WITH.values(), ...RECIPES];

function reproduce({ kind, seed }: Outcome, { requests }: Arguments): string {
  const ops = requests === REQUESTS_DEFAULT ? '' : ` --ops ${requests}`;
  const flags = ALL_KINDS.find(({ name }) => name === kind)?.flags;
  return `npm run simulate --${flags} --seed ${seed}${ops}`;
}

function describe({ transactions, framesChecked, restarts, simulatedMs, traceHash }: Outcome): string {
  return (
    `${transactions} transactions in ${Math.round(simulatedMs)} ms, ${restarts} restarts, ${framesChecked} answers and ` +
    `events checked, trace ${traceHash}`
  );
}

/** One seed, with everything it has drawn. */
async function single(seed: number, given: Arguments): Promise<boolean> {
  const { requests, verbose, shrink, features, kindsOf } = given;
  let isGood = true;
  for (const kind of kindsOf(seed)) {
    console.log(`${kind.name}, seed ${seed}`);
    for (const line of kind.describePlan(seed, requests)) {
      console.log(line);
    }
    const outcome = await kind.twice(seed, requests, verbose ? (line) => console.log(line) : null);
    console.log(describe(outcome));
    if (outcome.failure === null) {
      console.log('nothing wrong was seen, and both runs gave the same trace');
      continue;
    }
    isGood = false;
    console.log(outcome.stack ?? outcome.failure);
    if (shrink) {
      for (const fault of shrinkFaults({ seed, requests, features }) ?? []) {
        console.log(`needed: ${JSON.stringify(fault)}`);
      }
    }
    console.log(reproduce(outcome, given));
  }
  return isGood;
}

/** Seeds whose places in the series leave `remainder`, in this process. */
async function runSome(given: Arguments, remainder: number, jobs: number, series: SeriesPort): Promise<void> {
  const { runs, from, requests, kindsOf } = given;
  for (let i = remainder; i < runs && series.goesOn; i += jobs) {
    const seed = from + i;
    for (const kind of kindsOf(seed)) {
      series.add(await (i % TWICE_EVERY === 0 ? kind.twice(seed, requests) : kind.once(seed, requests)));
    }
  }
}

async function many(given: Arguments): Promise<boolean> {
  const { runs, from, requests, jobs } = given;
  console.log(`seeds ${from} to ${from + runs - 1}, ${requests} requests each`);
  const series = new Series((line) => console.log(line));
  if (jobs === 1) {
    await runSome(given, 0, 1, series);
  } else {
    await runJobs(jobs, ['--from', String(from), ...args], series);
  }
  series.summarize(ALL_KINDS);
  for (const outcome of series.failed) {
    console.log(reproduce(outcome, given));
  }
  return series.failed.length === 0;
}

async function simulateSeeds(given: Arguments): Promise<boolean> {
  const { seed, job, jobs } = given;
  if (job !== null) {
    await runSome(given, job, jobs, portToParent());
    return true;
  }
  return seed === null ? await many(given) : await single(seed, given);
}

const args = process.argv.slice(2);
process.exitCode = await (args.includes('--explore')
  ? exploreScenarios(args)
  : runProgram(USAGE, args, read, simulateSeeds));
