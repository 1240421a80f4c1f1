/** `npm run torture -- [options]`: ensembles of real processes that are killed, stopped, cut off and robbed of their disks. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Flavour, killAllServers, useTreekeeper } from '../servers.ts';
import { Checks } from '../suite.ts';
import { measureFailover } from './failover.ts';
import { faults } from './faults.ts';
import { Figures } from './figures.ts';
import { reportOf } from './report.ts';
import { type TortureOptions, torture } from './torture.ts';

/** Each run has an ensemble, a tick and a seed of its own. */
const RUN_MINUTES_MAX = 5;
const SERVERS_MIN = 3;
const SERVERS_MAX = 7;

const usage = `npm run torture -- [options]

options
  --server NAME      treekeeper (default), apache, or both in turn, with a report that compares them
  --servers N        ${SERVERS_MIN} (default) to ${SERVERS_MAX}
  --clients N        (default 6)
  --minutes M        for each product (default 10), in runs of at most ${RUN_MINUTES_MAX}
  --apache-minutes M for Apache ZooKeeper, where it is compared with (default: as --minutes)
  --seed N           of the first run (default 1); each has the next one
  --network KIND     any (default): as the seed has it; namespaces (needs root, else proxies), or proxies
  --disk KIND        small (default): one server has a small disk that is filled (needs root); limited: its files may
                     not grow instead
  --faults A,B       these only: ${faults.map(({ name }) => name).join(', ')}
  --failover N       instead: end the leader so often, of both products, and measure how long nobody can write
  --directory D      for working files (default: one in the system's directory for temporary files)
  --treekeeper FILE  the treekeeper.js to test (default: this repository's)
  --keep             keep the working files; they are kept anyway when something was found
`;

const settings = {
  server: { type: 'string', default: 'treekeeper' },
  servers: { type: 'string', default: '3' },
  clients: { type: 'string', default: '6' },
  minutes: { type: 'string', default: '10' },
  'apache-minutes': { type: 'string' },
  seed: { type: 'string', default: '1' },
  network: { type: 'string', default: 'any' },
  disk: { type: 'string', default: 'small' },
  faults: { type: 'string', default: '' },
  failover: { type: 'string' },
  directory: { type: 'string' },
  treekeeper: { type: 'string' },
  keep: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

type Values = ReturnType<typeof parse>;

function parse() {
  return parseArgs({ options: settings }).values;
}

const products: Readonly<Record<string, readonly Flavour[]>> = {
  treekeeper: ['treekeeper'],
  apache: ['apache'],
  both: ['treekeeper', 'apache'],
};

function oneOf<const T extends string>(option: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === value);
  if (found === undefined) {
    throw new Error(`--${option} ${value}: must be one of ${allowed.join(', ')}`);
  }
  return found;
}

function numberOf(option: string, value: string, least: number, most = Number.MAX_SAFE_INTEGER): number {
  const number = value.trim() === '' ? Number.NaN : Number(value);
  if (!(number >= least && number <= most)) {
    throw new Error(`--${option} ${value}: must be a number from ${least} to ${most}`);
  }
  return number;
}

function tell(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Without product, seed and time, which differ from run to run. */
function common(values: Values, directory: string): Omit<TortureOptions, 'product' | 'seed' | 'minutes'> {
  const wanted = values.faults === '' ? [] : values.faults.split(',');
  const names = faults.map(({ name }) => name);
  return {
    servers: numberOf('servers', values.servers, SERVERS_MIN, SERVERS_MAX),
    clients: numberOf('clients', values.clients, 1),
    network: oneOf('network', values.network, ['any', 'namespaces', 'proxies']),
    disk: oneOf('disk', values.disk, ['small', 'limited']),
    faults: wanted.map((name) => oneOf('faults', name, names)),
    directory,
    tell,
  };
}

/** Answers what was found in what is tested: Apache's findings are figures where it is only compared with. */
async function run(values: Values, directory: string): Promise<readonly Checks[]> {
  const options = common(values, directory);
  const flavours = products[oneOf('server', values.server, Object.keys(products))];
  const minutes = numberOf('minutes', values.minutes, 0);
  const apacheMinutes = numberOf('apache-minutes', values['apache-minutes'] ?? values.minutes, 0);
  const firstSeed = numberOf('seed', values.seed, 0);
  const columns = flavours.map((product, i) => {
    return { checks: new Checks(), figures: new Figures(product), limit: i === 0 ? minutes : apacheMinutes };
  });
  const isOpen = ({ figures, limit }: (typeof columns)[number]): boolean => figures.minutes < limit;
  for (let seed = firstSeed; columns.some(isOpen); seed++) {
    // In turns: what else the machine does meets both.
    for (const { checks, figures, limit } of columns.filter(isOpen)) {
      const { product } = figures;
      const runMinutes = Math.min(RUN_MINUTES_MAX, limit - figures.minutes);
      await checks.part(`${product}, seed ${seed}`, () => {
        return torture({ ...options, product, seed, minutes: runMinutes }, checks, figures);
      });
      for (const note of checks.notes.splice(0)) {
        tell(`${note}\n`);
      }
    }
  }
  killAllServers();
  const title = `Torture of ${options.servers} servers, seeds from ${firstSeed}, ${options.clients} clients`;
  const all = columns.map(({ figures }) => figures);
  tell(reportOf(title, all).join('\n'));
  for (const { checks, figures } of columns.filter(({ checks: { failures } }) => failures.length > 0)) {
    tell(`\n${figures.product}: found\n${checks.failures.map((failure) => `- ${failure}`).join('\n')}`);
  }
  return columns.map(({ checks }) => checks);
}

async function main(): Promise<number> {
  const values = parse();
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  if (values.treekeeper !== undefined) {
    useTreekeeper(values.treekeeper);
  }
  if (values.directory !== undefined) {
    mkdirSync(values.directory, { recursive: true });
  }
  const directory = mkdtempSync(join(values.directory ?? tmpdir(), 'treekeeper-torture-'));
  const remove = (): void => {
    if (!values.keep) {
      rmSync(directory, { recursive: true, force: true });
    }
  };
  if (values.failover !== undefined) {
    const times = numberOf('failover', values.failover, 1);
    await measureFailover({ servers: Number(values.servers), times, directory, tell });
    remove();
    return 0;
  }
  const [tested, ...compared] = await run(values, directory);
  if ([tested, ...compared].every(({ failures }) => failures.length === 0)) {
    remove();
  } else {
    tell(`\nhistories, logs and data: ${directory}`);
  }
  tell(`\n${tested.passed} passed, ${tested.failures.length} failed`);
  return tested.failures.length === 0 ? 0 : 1;
}

// What the run has made of namespaces, mounts and processes goes with the process.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    process.stdout.write(`ended by ${signal}\n`);
    process.exit(1);
  });
}
try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
