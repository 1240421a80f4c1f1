/** `npm run simulate -- --recipes`: runs seeds of recipes, says what has happened, and how to see a failure again. */
import { parseArgs } from 'node:util';
import { type RecipeReport, recipePlanOf, runRecipe, runRecipeTwice, type ScenarioName, scenarioNames } from './run.ts';

const USAGE = `Usage: npm run simulate -- --recipes [--seed N | --runs K [--from N]] [--scenario NAME] [--verbose]

  --seed N         one seed of each scenario, run twice: both runs must give the same trace
  --runs K         K seeds of each scenario, every 20th of them twice; 100 unless told otherwise
  --from N         the first of them; 1 unless told otherwise
  --scenario NAME  only this one: ${scenarioNames.join(', ')}
  --verbose        with --seed: the run in words`;

const RUNS_DEFAULT = 100;
const TWICE_EVERY = 20;
const FAILURES_MAX = 10;

interface Arguments {
  readonly seed: number | null;
  readonly runs: number;
  readonly from: number;
  readonly scenarios: readonly ScenarioName[];
  readonly verbose: boolean;
}

/** Null: help was asked for. Throws Error for what cannot be understood. */
function parse(args: readonly string[]): Arguments | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      recipes: { type: 'boolean' },
      seed: { type: 'string' },
      runs: { type: 'string' },
      from: { type: 'string' },
      scenario: { type: 'string' },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const number = (name: 'seed' | 'runs' | 'from'): number | null => {
    const text = values[name];
    if (text !== undefined && !/^[0-9]{1,15}$/.test(text)) {
      throw new Error(`--${name} is a number, not ${JSON.stringify(text)}`);
    }
    return text === undefined ? null : Number(text);
  };
  const scenario = scenarioNames.find((name) => name === values.scenario);
  if (values.scenario !== undefined && scenario === undefined) {
    throw new Error(`--scenario is one of ${scenarioNames.join(', ')}, not ${JSON.stringify(values.scenario)}`);
  }
  const given = {
    seed: number('seed'),
    runs: number('runs') ?? RUNS_DEFAULT,
    from: number('from') ?? 1,
    scenarios: scenario === undefined ? scenarioNames : [scenario],
    verbose: values.verbose,
  };
  return values.help ? null : given;
}

function reproduce({ seed, scenario }: RecipeReport): string {
  return `npm run simulate -- --recipes --scenario ${scenario} --seed ${seed}`;
}

async function single(seed: number, { scenarios, verbose }: Arguments): Promise<boolean> {
  console.log(`seed ${seed}: ${JSON.stringify(recipePlanOf(seed))}`);
  let isGood = true;
  for (const scenario of scenarios) {
    const print = verbose ? (line: string) => console.log(line) : null;
    const report = await runRecipeTwice({ seed, scenario, print });
    const { failure, transactions, simulatedMs, traceHash } = report;
    console.log(`${scenario}: ${transactions} transactions in ${simulatedMs} ms, trace ${traceHash}`);
    if (failure !== null) {
      isGood = false;
      console.log(failure.stack ?? failure.message);
      console.log(reproduce(report));
    }
  }
  return isGood;
}

async function many({ runs, from, scenarios }: Arguments): Promise<boolean> {
  console.log(`seeds ${from} to ${from + runs - 1} of ${scenarios.join(', ')}`);
  const startMs = performance.now();
  const failed: RecipeReport[] = [];
  const happened = new Map<string, number>();
  let simulatedMs = 0;
  for (let i = 0; i < runs && failed.length < FAILURES_MAX; i++) {
    for (const scenario of scenarios) {
      const options = { seed: from + i, scenario };
      const report = await (i % TWICE_EVERY === 0 ? runRecipeTwice(options) : runRecipe(options));
      simulatedMs += report.simulatedMs;
      for (const [what, count] of report.happened) {
        happened.set(what, (happened.get(what) ?? 0) + count);
      }
      if (report.failure !== null) {
        failed.push(report);
        console.log(`${scenario}, seed ${report.seed}: ${report.failure.message}`);
      }
    }
  }
  const seconds = (performance.now() - startMs) / 1000;
  const hours = (simulatedMs / 3_600_000).toFixed(1);
  console.log(`${hours} simulated hours in ${seconds.toFixed(1)} s; ${failed.length} failures`);
  console.log(`happened: ${[...happened].map(([what, count]) => `${what} ${count}`).join(', ')}`);
  for (const report of failed) {
    console.log(reproduce(report));
  }
  return failed.length === 0;
}

/** The exit code. */
export async function simulateRecipes(args: readonly string[]): Promise<number> {
  let given: Arguments | null;
  try {
    given = parse(args);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return 2;
  }
  if (given === null) {
    console.log(USAGE);
    return 0;
  }
  return (await (given.seed === null ? many(given) : single(given.seed, given))) ? 0 : 1;
}
