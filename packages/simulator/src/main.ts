/** `npm run simulate`: runs seeds, says what each has drawn, and how to see a failure again. */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { Coverage } from './coverage.ts';
import { type RunReport, runSeed, runTwice } from './run.ts';
import { planOf } from './simulation.ts';

const USAGE = `Usage: npm run simulate -- [--seed N | --runs K [--from N]] [--ops N] [--verbose]

  --seed N    one seed, run twice: both runs must give the same trace
  --runs K    K seeds, every 20th of them twice; 100 unless told otherwise
  --from N    the first of them; random unless told otherwise
  --ops N     requests that clients send in each run before everything is healed; 200 unless told otherwise
  --verbose   with --seed: the run in words`;

const REQUESTS_DEFAULT = 200;
const RUNS_DEFAULT = 100;
const TWICE_EVERY = 20;
const PROGRESS_EVERY = 500;
const FAILURES_MAX = 10;

interface Arguments {
  readonly seed: number | null;
  readonly runs: number;
  readonly from: number;
  readonly requests: number;
  readonly verbose: boolean;
}

/** Null: help was asked for. Throws Error for what cannot be understood. */
function parse(): Arguments | null {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      runs: { type: 'string' },
      from: { type: 'string' },
      ops: { type: 'string' },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const number = (name: 'seed' | 'runs' | 'from' | 'ops'): number | null => {
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
    verbose: values.verbose,
  };
  return values.help ? null : given;
}

function reproduce(seed: number, requests: number): string {
  const ops = requests === REQUESTS_DEFAULT ? '' : ` --ops ${requests}`;
  return `npm run simulate -- --seed ${seed}${ops}`;
}

function describe({ requests, transactions, framesChecked, restarts, traceHash }: RunReport): string {
  return (
    `${requests} requests, ${transactions} transactions, ${restarts} restarts, ${framesChecked} answers and events ` +
    `checked, trace ${traceHash}`
  );
}

/** One seed, with everything it has drawn. */
function single(seed: number, { requests, verbose }: Arguments): boolean {
  const { faults, workload, settings, sharedDirectory } = planOf(seed);
  const { tickTimeMs, digestEnabled, storage, reaper, purgeIntervalMs } = settings;
  console.log(`seed ${seed}`);
  console.log(`faults ${JSON.stringify(faults)}`);
  console.log(`workload ${JSON.stringify(workload)}`);
  console.log(
    `settings ${JSON.stringify({ sharedDirectory, tickTimeMs, digestEnabled, purgeIntervalMs, reaper, storage })}`,
  );
  const report = runTwice(seed, requests, verbose ? (line) => console.log(line) : null);
  console.log(describe(report));
  if (report.failure === null) {
    console.log('nothing wrong was seen, and both runs gave the same trace');
    return true;
  }
  console.log(report.failure.stack ?? report.failure.message);
  console.log(reproduce(seed, requests));
  return false;
}

function many({ runs, from, requests }: Arguments): boolean {
  console.log(`seeds ${from} to ${from + runs - 1}, ${requests} requests each`);
  const startMs = performance.now();
  const failed: number[] = [];
  let checked = 0;
  let restarts = 0;
  const coverage = new Coverage();
  for (let i = 0; i < runs && failed.length < FAILURES_MAX; i++) {
    const seed = from + i;
    const report = i % TWICE_EVERY === 0 ? runTwice(seed, requests) : runSeed(seed, requests);
    checked += report.framesChecked;
    restarts += report.restarts;
    coverage.add(report.coverage);
    if (report.failure !== null) {
      failed.push(seed);
      console.log(`seed ${seed}: ${report.failure.message}`);
    }
    if ((i + 1) % PROGRESS_EVERY === 0) {
      console.log(`${i + 1} seeds, ${failed.length} failed`);
    }
  }
  const seconds = (performance.now() - startMs) / 1000;
  console.log(
    `${runs} seeds in ${seconds.toFixed(1)} s (${(runs / seconds).toFixed(0)} a second): ${restarts} restarts, ` +
      `${checked} answers and events checked, ${failed.length} seeds failed`,
  );
  console.log(`happened: ${coverage.describe()}`);
  for (const seed of failed) {
    console.log(reproduce(seed, requests));
  }
  return failed.length === 0;
}

function main(): number {
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
  return (given.seed === null ? many(given) : single(given.seed, given)) ? 0 : 1;
}

process.exitCode = main();
