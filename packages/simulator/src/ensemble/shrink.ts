/**
 * Looks for the smallest set of a seed's faults with which it still fails in the same way: what is left matters.
 */
import { Violation } from '../checkers/violation.ts';
import { runEnsemble } from '../run.ts';
import type { Fault } from './faults.ts';
import { type EnsembleOptions, ensemblePlanOf } from './simulation.ts';

/** What a failure is about: two of the same kind count as the same. */
function kindOf(failure: Error | null): string | null {
  return failure instanceof Violation ? failure.invariant : (failure?.name ?? null);
}

/**
 * Leaves out more and more faults: halves, then smaller pieces, then each by itself. Returns those that remain; null
 * when the seed does not fail.
 */
export function shrinkFaults(options: EnsembleOptions): readonly Fault[] | null {
  const kindWith = (faults: readonly Fault[]): string | null =>
    kindOf(runEnsemble({ ...options, change: (plan) => ({ ...plan, faults }) }).failure);
  let faults = ensemblePlanOf(options).faults;
  const wanted = kindWith(faults);
  if (wanted === null) {
    return null;
  }
  for (let size = Math.ceil(faults.length / 2); size > 0; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let start = 0; start < faults.length; ) {
      const without = [...faults.slice(0, start), ...faults.slice(start + size)];
      if (kindWith(without) === wanted) {
        faults = without;
      } else {
        start += size;
      }
    }
  }
  return faults;
}
