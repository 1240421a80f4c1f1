/** `npm run simulate`: runs seeds, says what each has drawn, and how to see a failure again. */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { shrinkFaults } from './ensemble/shrink.ts';
import { ensemblePlanOf } from './ensemble/simulation.ts';
import { exploreScenarios } from './model-checking/main.ts';
import { simulateRecipes } from './recipes/main.ts';
import { type Print, type RunReport, runEnsemble, runEnsembleTwice, runSeed, runTwice } from './run.ts';
import { portToParent, reportOf, runJobs, Series, type SeriesPort } from './series.ts';
import { planOf } from './simulation.ts';

const USAGE = `Usage: npm run simulate -- [--ensemble] [--seed N | --runs K [--from N] [--jobs J]] [--ops N]
                               [--verbose] [--shrink]

  --ensemble  ensembles of one to seven servers and observers; without it, single servers
  --seed N    one seed, run twice: both runs must give the same trace
  --runs K    K seeds, every 20th of them twice; 100 unless told otherwise
  --from N    the first of them; random unless told otherwise
  --jobs J    in so many processes at once; 1 unless told otherwise
  --ops N     requests that clients send in each run before everything is healed; 200 unless told otherwise
  --verbose   with --seed: the run in words
  --shrink    with --ensemble --seed: if it fails, the fewest of its faults with which it still does
  --recipes   recipes and their clients instead; has options of its own: --recipes --help
  --explore   no chance: all states that small ensembles can get into; has options of its own: --explore --help`;

const args = process.argv.slice(2);
const REQUESTS_DEFAULT = 200;
const RUNS_DEFAULT = 100;
const TWICE_EVERY = 20;

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
  readonly kind: Kind;
}

/** What is simulated. */
interface Kind {
  readonly flag: string;
  readonly isEnsemble: boolean;
  once(seed: number, requests: number): RunReport;
  twice(seed: number, requests: number, print?: Print): RunReport;
  /** What the seed has drawn, a line each. */
  describePlan(seed: number, requests: number): string[];
}

const STANDALONE: Kind = {
  flag: '',
  isEnsemble: false,
  once: (seed, requests) => runSeed(seed, requests),
  twice: (seed, requests, print) => runTwice(seed, requests, print),
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
};

const ENSEMBLE: Kind = {
  flag: ' --ensemble',
  isEnsemble: true,
  once: (seed, requests) => runEnsemble({ seed, requests }),
  twice: (seed, requests, print) => runEnsembleTwice(seed, requests, print),
  describePlan: (seed, requests) => {
    const { voters, observers, safetyMs, settings, zab, network, clients, faults } = ensemblePlanOf(seed, requests);
    const { tickTimeMs, digestEnabled, storage } = settings;
    return [
      `${voters} voters, ${observers} observers, ${clients.length} clients; ${safetyMs} ms with ${faults.length} faults`,
      `settings ${JSON.stringify({ tickTimeMs, digestEnabled, storage, zab, network })}`,
      ...faults.map((fault) => `fault ${JSON.stringify(fault)}`),
    ];
  },
};

/** Null: help was asked for. Throws Error for what cannot be understood. */
function parse(): Arguments | null {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      runs: { type: 'string' },
      from: { type: 'string' },
      ops: { type: 'string' },
      jobs: { type: 'string' },
      job: { type: 'string' },
      verbose: { type: 'boolean', default: false },
      shrink: { type: 'boolean', default: false },
      ensemble: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const number = (name: 'seed' | 'runs' | 'from' | 'ops' | 'jobs' | 'job'): number | null => {
    const text = values[name];
    if (text !== undefined && !/^[0-9]{1,15}$/.test(text)) {
      throw new Error(`--${name} is a number, not ${JSON.stringify(text)}`);
    }
    return text === undefined ? null : Number(text);
  };
  const given = {
    seed: number('seed'),
    runs: number('runs') ?? RUNS_DEFAULT,
    from: number('from') ?? randomInt(2 ** 31),
    requests: number('ops') ?? REQUESTS_DEFAULT,
    jobs: Math.max(1, number('jobs') ?? 1),
    job: number('job'),
    verbose: values.verbose,
    shrink: values.shrink,
    kind: values.ensemble ? ENSEMBLE : STANDALONE,
  };
  if (given.shrink && (given.seed === null || !values.ensemble)) {
    throw new Error('--shrink looks at one seed of an ensemble: give --ensemble and --seed as well');
  }
  return values.help ? null : given;
}

function reproduce(seed: number, { requests, kind }: Arguments): string {
  const ops = requests === REQUESTS_DEFAULT ? '' : ` --ops ${requests}`;
  return `npm run simulate --${kind.flag} --seed ${seed}${ops}`;
}

function describe({ requests, transactions, framesChecked, restarts, traceHash }: RunReport): string {
  return (
    `${requests} requests, ${transactions} transactions, ${restarts} restarts, ${framesChecked} answers and events ` +
    `checked, trace ${traceHash}`
  );
}

/** One seed, with everything it has drawn. */
function single(seed: number, given: Arguments): boolean {
  const { requests, verbose, kind, shrink } = given;
  console.log(`seed ${seed}`);
  for (const line of kind.describePlan(seed, requests)) {
    console.log(line);
  }
  const report = kind.twice(seed, requests, verbose ? (line) => console.log(line) : null);
  console.log(describe(report));
  if (report.failure === null) {
    console.log('nothing wrong was seen, and both runs gave the same trace');
    return true;
  }
  console.log(report.failure.stack ?? report.failure.message);
  if (shrink) {
    for (const fault of shrinkFaults(seed, requests) ?? []) {
      console.log(`needed: ${JSON.stringify(fault)}`);
    }
  }
  console.log(reproduce(seed, given));
  return false;
}

/** Seeds whose places in the series leave `remainder`, in this process. */
function runSome({ runs, from, requests, kind }: Arguments, remainder: number, jobs: number, series: SeriesPort): void {
  for (let i = remainder; i < runs && series.goesOn; i += jobs) {
    const seed = from + i;
    series.add(reportOf(i % TWICE_EVERY === 0 ? kind.twice(seed, requests) : kind.once(seed, requests)));
  }
}

async function many(given: Arguments): Promise<boolean> {
  const { runs, from, requests, kind, jobs } = given;
  console.log(`seeds ${from} to ${from + runs - 1}, ${requests} requests each`);
  const series = new Series((line) => console.log(line));
  if (jobs === 1) {
    runSome(given, 0, 1, series);
  } else {
    await runJobs(jobs, args, series);
  }
  series.summarize(kind.isEnsemble);
  for (const seed of series.failed) {
    console.log(reproduce(seed, given));
  }
  return series.failed.length === 0;
}

async function main(): Promise<number> {
  let given: Arguments | null;
  try {
    given = parse();
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return 2;
  }
  if (given === null) {
    console.log(USAGE);
    return 0;
  }
  const { seed, job, jobs } = given;
  if (job !== null) {
    runSome(given, job, jobs, portToParent());
    return 0;
  }
  return (seed === null ? await many(given) : single(seed, given)) ? 0 : 1;
}

if (args.includes('--explore')) {
  process.exitCode = exploreScenarios(args);
} else {
  process.exitCode = args.includes('--recipes') ? await simulateRecipes(args) : await main();
}
