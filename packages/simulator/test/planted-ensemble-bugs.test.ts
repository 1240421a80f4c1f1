/** The judges of ensembles are judged: each planted bug is seen by the judge whose business it is. */
import { describe, expect, test } from 'vitest';
import { Violation } from '../src/checkers/violation.ts';
import type { EnsemblePlan } from '../src/ensemble/plan.ts';
import { shrinkFaults } from '../src/ensemble/shrink.ts';
import { ensemblePlanOf } from '../src/ensemble/simulation.ts';
import { runEnsemble } from '../src/run.ts';
import { plantedEnsembleBugs } from './planted-ensemble-bugs.ts';
import { plantedFeatureBugs } from './planted-feature-bugs.ts';
import { plantedMembershipBugs } from './planted-membership-bugs.ts';
import { plantedServerBugs } from './planted-server-bugs.ts';
import { type PlantedEnsembleBug, planFor } from './planting.ts';

const REQUESTS = 60;
const SEEDS_MAX = 60;
/** Other things may be going on. */
const LONG_MS = 600_000;

function failureOf(bug: PlantedEnsembleBug, seed: number): string | null {
  const doubles = bug.doubles?.() ?? {};
  const change = (plan: EnsemblePlan) => planFor(bug, plan);
  const { features = [] } = bug;
  const { failure } = runEnsemble({ seed, requests: REQUESTS, doubles, features, change });
  return failure instanceof Violation ? failure.invariant : (failure?.name ?? null);
}

/** The first seed that shows the bug in a way expected. */
function hunt(bug: PlantedEnsembleBug): number | null {
  const undo = bug.plant?.();
  try {
    for (let seed = 1; seed <= SEEDS_MAX; seed++) {
      if (bug.invariants.includes(failureOf(bug, seed) ?? '')) {
        return seed;
      }
    }
    return null;
  } finally {
    undo?.();
  }
}

describe('a planted bug is found, and it is the bug that is found', () => {
  test.each([...plantedEnsembleBugs, ...plantedServerBugs, ...plantedFeatureBugs, ...plantedMembershipBugs])(
    '$what',
    (bug) => {
      const seed = hunt(bug);
      expect(seed, `within ${SEEDS_MAX} seeds`).not.toBeNull();
      const { plant: _plant, doubles: _doubles, ...withoutBug } = bug;
      expect(failureOf(withoutBug, seed as number), `seed ${seed} without the bug`).toBeNull();
    },
    LONG_MS,
  );
});

test(
  'of the faults of a failing seed those that matter remain',
  () => {
    const bug = plantedServerBugs.find(({ what }) => what === 'a leader stays without its followers');
    const seed = hunt(bug as PlantedEnsembleBug) as number;
    const undo = bug?.plant?.();
    try {
      const needed = shrinkFaults({ seed, requests: REQUESTS }) ?? [];
      expect(needed.length).toBeGreaterThan(0);
      expect(needed.length).toBeLessThan(ensemblePlanOf({ seed, requests: REQUESTS }).faults.length);
      const { failure } = runEnsemble({ seed, requests: REQUESTS, change: (plan) => ({ ...plan, faults: needed }) });
      expect(failure).toMatchObject({ invariant: 'progress' });
    } finally {
      undo?.();
    }
  },
  LONG_MS,
);
