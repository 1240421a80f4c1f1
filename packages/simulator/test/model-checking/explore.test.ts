/** The real machines of Zab keep its promises in every state that a small ensemble can get into. */
import { describe, expect, test } from 'vitest';
import { exploreElections } from '../../src/model-checking/elections.ts';
import { explore } from '../../src/model-checking/explore.ts';
import { QUICK, QUICK_ELECTIONS } from '../../src/model-checking/scenarios.ts';

const STATES_MAX = 200_000;

describe('all states within a budget', () => {
  const met = new Map<string, number>();
  for (const scenario of QUICK) {
    test(scenario.name, { timeout: 300_000 }, () => {
      const report = explore(scenario, { statesMax: STATES_MAX, seed: null });
      expect(report.finding).toBeNull();
      expect(report.isComplete).toBe(true);
      for (const [what, count] of report.met) {
        met.set(what, (met.get(what) ?? 0) + count);
      }
    });
  }

  test('they have met everything that there is to meet', () => {
    expect([...met].filter(([, count]) => count === 0)).toEqual([]);
    expect(met.size).toBe(4);
  });
});

describe('all elections: who is elected has a quorum, and everybody comes to decide', () => {
  for (const scenario of QUICK_ELECTIONS) {
    test(scenario.name, { timeout: 300_000 }, () => {
      const { finding, isComplete, met } = exploreElections(scenario, { statesMax: STATES_MAX, seed: null });
      expect(finding).toBeNull();
      expect(isComplete).toBe(true);
      expect(met.get('somebody decides')).toBeGreaterThan(0);
      expect(met.get('no end is in sight')).toBe(0);
    });
  }
});

test('the same scenario has the same states', () => {
  const [first] = QUICK;
  const scenario = { ...first, budget: { ...first.budget, delays: 1 } };
  expect(explore(scenario, { statesMax: STATES_MAX, seed: null })).toEqual(
    explore(scenario, { statesMax: STATES_MAX, seed: null }),
  );
});
