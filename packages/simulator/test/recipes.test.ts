/** Recipes in simulated time: some seeds of each, those that once showed a bug, and bugs that have to be seen. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Violation } from '../src/checkers/violation.ts';
import { type RecipeReport, runRecipe, runRecipeTwice, type ScenarioName, scenarioNames } from '../src/recipes/run.ts';
import { type PlantedRecipeBug, plantedRecipeBugs } from './recipe-bugs.ts';

const SEEDS = 2;
/** The rarest shows in one seed of a hundred. */
const HUNT_MAX = 300;
const SLOW_MS = 120_000;

interface KeptSeed {
  readonly scenario: ScenarioName;
  readonly seed: number;
  readonly why: string;
}

const kept = JSON.parse(readFileSync(new URL('recipe-seeds.json', import.meta.url), 'utf8')) as KeptSeed[];

function failureOf({ scenario, seed, failure }: RecipeReport): string | null {
  return failure === null ? null : `${scenario}, seed ${seed}: ${failure.message}`;
}

describe.each(scenarioNames)('%s', (scenario) => {
  test(
    `seeds 1 to ${SEEDS} show nothing wrong, and give the same trace twice`,
    async () => {
      const hashes = new Set<string>();
      for (let seed = 1; seed <= SEEDS; seed++) {
        const report = await runRecipeTwice({ seed, scenario });
        expect(failureOf(report)).toBeNull();
        hashes.add(report.traceHash);
      }
      expect(hashes.size).toBe(SEEDS);
    },
    SLOW_MS,
  );
});

test.each(kept)(
  '$scenario, seed $seed: $why',
  async ({ scenario, seed }) => {
    expect(failureOf(await runRecipe({ scenario, seed }))).toBeNull();
  },
  SLOW_MS,
);

/** The first seed that shows the bug in the way expected. */
async function hunt({ scenario, invariant, planted, from }: PlantedRecipeBug): Promise<number | null> {
  for (let seed = from; seed < from + HUNT_MAX; seed++) {
    const { failure } = await runRecipe({ seed, scenario, planted });
    if (failure instanceof Violation && failure.invariant === invariant) {
      return seed;
    }
  }
  return null;
}

describe('a planted bug is found, and it is the bug that is found', () => {
  test.each(plantedRecipeBugs)(
    '$what',
    async (bug) => {
      const seed = await hunt(bug);
      expect(seed, `within ${HUNT_MAX} seeds from ${bug.from} on`).not.toBeNull();
      expect(failureOf(await runRecipe({ seed: seed as number, scenario: bug.scenario }))).toBeNull();
    },
    SLOW_MS,
  );
});

test('after a run the world is as it was', async () => {
  const before = [setTimeout, performance.now, Math.random, Date.now];
  await runRecipe({ seed: 1, scenario: 'lock' });
  expect([setTimeout, performance.now, Math.random, Date.now]).toEqual(before);
});
