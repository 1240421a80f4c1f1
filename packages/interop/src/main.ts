/** `npm run interop -- [suite ...] [options]`: runs the suites against the real peers and says what holds. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { client } from './client/suite.ts';
import { crash } from './crash.ts';
import { writePage } from './differential/page.ts';
import { differential } from './differential/suite.ts';
import { diskFaults } from './disk-faults.ts';
import { election } from './election.ts';
import { ensemblePrograms } from './ensemble-programs.ts';
import { examples } from './examples.ts';
import { fuzz } from './fuzz.ts';
import { kerberos } from './kerberos.ts';
import { mixed } from './mixed.ts';
import { installPrerequisites } from './prerequisites.ts';
import { programs } from './programs.ts';
import { recipes } from './recipes/suite.ts';
import { reconfigure } from './reconfigure.ts';
import { rolling } from './rolling.ts';
import { sameFiles } from './same-files.ts';
import { killAllServers, useTreekeeper } from './servers.ts';
import { shell } from './shell.ts';
import { Checks, type Options, type Suite } from './suite.ts';
import { tortured } from './torture/suite.ts';

const suites: readonly Suite[] = [
  programs,
  examples,
  differential,
  sameFiles,
  crash,
  fuzz,
  diskFaults,
  client,
  kerberos,
  recipes,
  election,
  mixed,
  reconfigure,
  rolling,
  ensemblePrograms,
  shell,
  tortured,
];

const usage = `npm run interop -- [suite ...] [options]

suites (default: all)
${suites.map(({ name, summary }) => `  ${name.padEnd(18)}${summary}`).join('\n')}

options
  --seed N             seed of all random choices (default 1)
  --requests N         differential: requests to each server (default 100000)
  --kills N            crash: rounds of kill -9; recipes: of kills and pauses (default 25)
  --cases N            fuzz: cases (default 100000)
  --differences N      differential: stop after so many differences (default 10)
  --server FLAVOUR     treekeeper (default), or apache to test the tests
  --treekeeper FILE    the treekeeper.js to test (default: this repository's)
  --write-docs         make docs/reference/differences.md anew, and nothing else
  --keep               keep the working directory
`;

function argumentsGiven() {
  return parseArgs({
    allowPositionals: true,
    options: {
      seed: { type: 'string', default: '1' },
      requests: { type: 'string', default: '100000' },
      kills: { type: 'string', default: '25' },
      cases: { type: 'string', default: '100000' },
      differences: { type: 'string', default: '10' },
      server: { type: 'string', default: 'treekeeper' },
      treekeeper: { type: 'string' },
      'write-docs': { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
}

/** What was asked for, or null when it is not understood; then why has been said. */
function understood(): ReturnType<typeof argumentsGiven> | null {
  try {
    return argumentsGiven();
  } catch (error) {
    if (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')) {
      process.stderr.write(`${error.message}\n\n`);
      return null;
    }
    throw error;
  }
}

async function main(): Promise<number> {
  const given = understood();
  if (given === null) {
    process.stdout.write(usage);
    return 2;
  }
  const { values, positionals } = given;
  const unknown = positionals.filter((name) => !suites.some((suite) => suite.name === name));
  if (values.help || unknown.length > 0 || !['apache', 'treekeeper'].includes(values.server)) {
    for (const name of unknown) {
      process.stderr.write(`there is no suite ${name}\n\n`);
    }
    process.stdout.write(usage);
    return values.help ? 0 : 2;
  }
  if (values['write-docs']) {
    writePage();
    return 0;
  }
  installPrerequisites();
  if (values.treekeeper !== undefined) {
    useTreekeeper(values.treekeeper);
  }
  const directory = mkdtempSync(join(tmpdir(), 'treekeeper-interop-'));
  const options: Options = {
    seed: Number(values.seed),
    requests: Number(values.requests),
    kills: Number(values.kills),
    cases: Number(values.cases),
    differencesMax: Number(values.differences),
    server: values.server === 'apache' ? 'apache' : 'treekeeper',
    directory,
  };
  const chosen = positionals.length === 0 ? suites : suites.filter(({ name }) => positionals.includes(name));
  let [passed, failed] = [0, 0];
  for (const suite of chosen) {
    const checks = await runSuite(suite, options);
    passed += checks.passed;
    failed += checks.failures.length;
  }
  if (values.keep || failed > 0) {
    process.stdout.write(`working files: ${directory}\n`);
  } else {
    rmSync(directory, { recursive: true, force: true });
  }
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}

async function runSuite(suite: Suite, options: Options): Promise<Checks> {
  const checks = new Checks();
  const began = Date.now();
  await checks.part(suite.name, () => suite.run(options, checks));
  killAllServers();
  const seconds = ((Date.now() - began) / 1000).toFixed(1);
  const result = checks.failures.length === 0 ? 'ok' : `${checks.failures.length} FAILED`;
  process.stdout.write(`${suite.name}: ${result}, ${checks.passed} checks, ${seconds} s\n`);
  for (const note of checks.notes) {
    process.stdout.write(`  ${note}\n`);
  }
  return checks;
}

process.exit(await main()); // whatever a part that hangs has left open
