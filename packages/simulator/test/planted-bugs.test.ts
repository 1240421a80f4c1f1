/** The judges are judged: each bug planted in the world is seen, by the checker whose business it is. */
import { describe, expect, test } from 'vitest';
import { Violation } from '../src/checkers/violation.ts';
import { runSeed, runTwice } from '../src/run.ts';
import type { Doubles } from '../src/world.ts';
import { diceConnection, moodyDisk, type PlantedBug, plantedBugs } from './planted-bugs.ts';

const REQUESTS = 120;
const SEEDS_MAX = 100;

function failureOf(seed: number, doubles: Doubles): string | null {
  const { failure } = runSeed(seed, REQUESTS, null, doubles);
  return failure instanceof Violation ? failure.invariant : (failure?.name ?? null);
}

/** The first seed that shows the bug in the way expected; some show it first in other ways. */
function hunt({ doubles, plant, invariant }: PlantedBug): number | null {
  const undo = plant?.();
  try {
    for (let seed = 1; seed <= SEEDS_MAX; seed++) {
      if (failureOf(seed, doubles?.() ?? {}) === invariant) {
        return seed;
      }
    }
    return null;
  } finally {
    undo?.();
  }
}

describe('a planted bug is found, and it is the bug that is found', () => {
  test.each(plantedBugs)(
    '$what',
    (bug) => {
      const seed = hunt(bug);
      expect(seed, `within ${SEEDS_MAX} seeds`).not.toBeNull();
      expect(failureOf(seed as number, {}), `seed ${seed} without the bug`).toBeNull();
    },
    60_000,
  );
});

describe('a run depends on nothing but its seed', () => {
  test('a world that is not the same twice gives another trace', () => {
    const failures = [1, 2, 3, 4, 5].map((seed) => runTwice(seed, REQUESTS, null, moodyDisk()).failure);
    expect(failures.map((failure) => (failure as Violation | null)?.invariant)).toContain('determinism');
  });

  test('whoever asks for chance or time outside of the seams is stopped', () => {
    expect(runSeed(1, REQUESTS, null, diceConnection()).failure?.name).toBe('AmbientAccess');
    expect(Math.random()).toBeLessThan(1); // and it is as before afterwards
  });
});
