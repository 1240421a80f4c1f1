/** `npm run torture -- [options]`: ensembles of real processes that are killed, stopped, cut off and robbed of their disks. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { killAllServers, useTreekeeper } from '../servers.ts';
import { Checks } from '../suite.ts';
import { measureFailover } from './failover.ts';
import { faults } from './faults.ts';
import { torture } from './torture.ts';

const usage = `npm run torture -- [options]

options
  --product NAME     treekeeper (default) or apache
  --servers N        3 (default) to 7
  --clients N        (default 6)
  --minutes M        (default 10)
  --seed N           seed of all choices (default 1)
  --runs N           so many runs, with seeds one after the other (default 1)
  --network KIND     namespaces (default; needs root) or proxies, which is also taken where namespaces do not work
  --faults A,B       these only: ${faults.map(({ name }) => name).join(', ')}
  --failover KILLS   instead: kill the leader so often, of both products, and measure how long nobody can write
  --treekeeper FILE  the treekeeper.js to test (default: this repository's)
  --keep             keep the working directory
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      product: { type: 'string', default: 'treekeeper' },
      servers: { type: 'string', default: '3' },
      clients: { type: 'string', default: '6' },
      minutes: { type: 'string', default: '10' },
      seed: { type: 'string', default: '1' },
      runs: { type: 'string', default: '1' },
      network: { type: 'string', default: 'namespaces' },
      faults: { type: 'string', default: '' },
      failover: { type: 'string' },
      treekeeper: { type: 'string' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const { product, network } = values;
  const chosen = values.faults === '' ? [] : values.faults.split(',');
  const isWrong =
    (product !== 'treekeeper' && product !== 'apache') ||
    (network !== 'namespaces' && network !== 'proxies') ||
    chosen.some((wanted) => !faults.some(({ name }) => name === wanted));
  if (values.help || isWrong) {
    process.stdout.write(usage);
    return values.help ? 0 : 2;
  }
  if (values.treekeeper !== undefined) {
    useTreekeeper(values.treekeeper);
  }
  const tell = (text: string): void => {
    process.stdout.write(`${text}\n`);
  };
  const directory = mkdtempSync(join(tmpdir(), 'treekeeper-torture-'));
  if (values.failover !== undefined) {
    await measureFailover({ servers: Number(values.servers), kills: Number(values.failover), directory, tell });
    if (!values.keep) {
      rmSync(directory, { recursive: true, force: true });
    }
    return 0;
  }
  const checks = new Checks();
  for (let run = 0; run < Number(values.runs); run++) {
    const seed = Number(values.seed) + run;
    const [servers, clients, minutes] = [values.servers, values.clients, values.minutes].map(Number);
    const options = { product, servers, clients, minutes, seed, network, faults: chosen, directory, tell } as const;
    await checks.part(`seed ${seed}`, () => torture(options, checks));
    for (const note of checks.notes.splice(0)) {
      tell(note);
    }
  }
  killAllServers();
  if (values.keep || checks.failures.length > 0) {
    tell(`working files: ${directory}`);
  } else {
    rmSync(directory, { recursive: true, force: true });
  }
  tell(`${checks.passed} passed, ${checks.failures.length} failed`);
  return checks.failures.length === 0 ? 0 : 1;
}

// What the run has made of namespaces, mounts and processes goes with the process.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    process.stdout.write(`ended by ${signal}\n`);
    process.exit(1);
  });
}
process.exitCode = await main();
