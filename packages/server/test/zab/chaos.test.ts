/**
 * Ensembles to which everything happens. More seeds: ZAB_SEEDS=20000; from another one on: ZAB_SEED=N. A failure names
 * its seed, and the same seed fails again.
 */
import { describe, expect, test } from 'vitest';
import { runChaos } from './cluster/chaos.ts';

const SEEDS = Number(process.env.ZAB_SEEDS ?? 200);
const FIRST = Number(process.env.ZAB_SEED ?? 1);

describe('chaos', () => {
  test(`${SEEDS} seeds break no invariant, and recover`, { timeout: 3_600_000 }, () => {
    const totals = new Map<string, number>();
    for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
      const { counts, transactions, epochs } = runChaos(seed);
      for (const [kind, count] of [...counts, ['transactions', transactions] as const, ['epochs', epochs] as const]) {
        totals.set(kind, (totals.get(kind) ?? 0) + count);
      }
    }
    if (process.env.ZAB_SEEDS !== undefined) {
      process.stdout.write(`${JSON.stringify([...totals])}\n`);
    }
    for (const kind of ['DIFF', 'TRUNC', 'SNAP', 'reconfigurations', 'damaged', 'transactions', 'epochs']) {
      expect(totals.get(kind), kind).toBeGreaterThan(0); // a run that meets nothing shows nothing
    }
  });

  test('the same seed takes the same course', () => {
    for (const seed of [1, 2, 3]) {
      expect(runChaos(seed).trace).toEqual(runChaos(seed).trace);
    }
  });
});
