/** docs/internals/testing.md lists every planted bug with the judges that see it. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { plantedBugs } from './planted-bugs.ts';
import { plantedEnsembleBugs } from './planted-ensemble-bugs.ts';
import { plantedFeatureBugs } from './planted-feature-bugs.ts';
import { plantedServerBugs } from './planted-server-bugs.ts';

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
  expect(rows).toEqual(
    [...plantedEnsembleBugs, ...plantedServerBugs, ...plantedFeatureBugs].map(({ what, invariants }) =>
      row(what, invariants),
    ),
  );
});
