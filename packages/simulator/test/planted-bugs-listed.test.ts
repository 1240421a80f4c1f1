/** docs/internals/testing.md lists every planted bug with the judges that see it, and each judge has one to see. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { scenarioNames } from '../src/recipes/run.ts';
import { plantedBugs } from './planted-bugs.ts';
import { plantedEnsembleBugs } from './planted-ensemble-bugs.ts';
import { plantedFeatureBugs } from './planted-feature-bugs.ts';
import { plantedMembershipBugs } from './planted-membership-bugs.ts';
import { plantedServerBugs } from './planted-server-bugs.ts';
import { plantedRecipeBugs } from './recipe-bugs.ts';

const ensembleBugs = [...plantedEnsembleBugs, ...plantedServerBugs, ...plantedFeatureBugs, ...plantedMembershipBugs];
const sources = new URL('../src/', import.meta.url);
const page = readFileSync(new URL('../../../docs/internals/testing.md', import.meta.url), 'utf8');

function row(what: string, invariants: readonly string[]): string {
  return `| ${what} | ${invariants.join(', ')} |`;
}

function rowsBelow(heading: string): string[] {
  const section = page.split(`### ${heading}\n`)[1]?.split('\n#')[0] ?? '';
  return section.split('\n').filter((line) => line.startsWith('| '));
}

test('bugs planted in a single server', () => {
  const [, ...rows] = rowsBelow('In a single server');
  expect(rows).toEqual(plantedBugs.map(({ what, invariant }) => row(what, [invariant])));
});

test('bugs planted in ensembles', () => {
  const [, ...rows] = rowsBelow('In an ensemble');
  expect(rows).toEqual(ensembleBugs.map(({ what, invariants }) => row(what, invariants)));
});

test('bugs planted between recipes and their client', () => {
  const [, ...rows] = rowsBelow('In a recipe');
  expect(rows).toEqual(plantedRecipeBugs.map(({ what, scenario, invariant }) => row(what, [scenario, invariant])));
});

/** The names under which the files of these folders call `check`. */
function namesChecked(isMeant: (file: string) => boolean): Set<string> {
  const files = readdirSync(sources, { recursive: true, encoding: 'utf8' });
  const texts = files
    .filter((file) => file.endsWith('.ts') && isMeant(file))
    .map((file) => readFileSync(new URL(file, sources), 'utf8'));
  return new Set(
    texts.flatMap((text) => [...text.matchAll(/\bcheck\([^;]*?,\s*'([a-z ]+)',/gs)].map(([, name]) => name)),
  );
}

const isRecipe = (file: string) => file.startsWith('recipes');

test('each judge of servers has a planted bug to see', () => {
  const seen = new Set([
    ...plantedBugs.map(({ invariant }) => invariant),
    ...ensembleBugs.flatMap((bug) => bug.invariants),
  ]);
  const names = namesChecked((file) => !isRecipe(file) && !file.startsWith('model-checking'));
  expect(names.size).toBeGreaterThan(15);
  expect([...names].filter((name) => !seen.has(name))).toEqual([]);
});

test('each judge of recipes has a planted bug to see, and so has each scenario', () => {
  const seen = new Set(plantedRecipeBugs.map(({ invariant }) => invariant));
  const names = namesChecked(isRecipe);
  expect(names.size).toBeGreaterThan(20);
  expect([...names].filter((name) => !seen.has(name))).toEqual([]);
  const planted = new Set(plantedRecipeBugs.map(({ scenario }) => scenario));
  expect(scenarioNames.filter((name) => !planted.has(name))).toEqual([]);
});
