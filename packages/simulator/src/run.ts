/** Runs of seeds with the real world out of reach, and the test that a seed says it all. */
import { withoutAmbient } from './ambient.ts';
import { Violation } from './checkers/violation.ts';
import { type EnsembleOptions, type EnsembleResult, simulateEnsemble } from './ensemble/simulation.ts';
import { type SimulationResult, simulate } from './simulation.ts';
import type { Doubles } from './world.ts';

export type RunReport = SimulationResult;
export type Print = ((line: string) => void) | null;

/** One run. */
export function runSeed(seed: number, requests: number, print: Print = null, doubles: Doubles = {}): RunReport {
  return withoutAmbient(() => simulate({ seed, requests, print, doubles }));
}

/** Two runs, which must give the same trace. The first may be told in words. */
export function runTwice(seed: number, requests: number, print: Print = null, doubles: Doubles = {}): RunReport {
  return twice((told) => runSeed(seed, requests, told ? print : null, doubles));
}

/** One run of an ensemble. */
export function runEnsemble(options: EnsembleOptions): EnsembleResult {
  return withoutAmbient(() => simulateEnsemble(options));
}

/** Two runs of an ensemble, which must give the same trace. The first may be told in words. */
export function runEnsembleTwice(options: EnsembleOptions): EnsembleResult {
  const { print = null } = options;
  return twice((told) => runEnsemble({ ...options, print: told ? print : null }));
}

function twice<R extends RunReport>(run: (isTold: boolean) => R): R {
  const first = run(true);
  const second = run(false);
  if (first.traceHash === second.traceHash) {
    return first;
  }
  const message = `the trace of one run is ${first.traceHash}, that of another ${second.traceHash}`;
  return { ...first, failure: first.failure ?? new Violation('determinism', message) };
}
