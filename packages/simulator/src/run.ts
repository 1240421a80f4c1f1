/** Runs of seeds with the real world out of reach, and the test that a seed says it all. */
import { withoutAmbient } from './ambient.ts';
import { Violation } from './checkers/violation.ts';
import { type SimulationResult, simulate } from './simulation.ts';
import type { Doubles } from './world.ts';

export type RunReport = SimulationResult;

/** One run. */
export function runSeed(
  seed: number,
  requests: number,
  print: ((line: string) => void) | null = null,
  doubles: Doubles = {},
): RunReport {
  return withoutAmbient(() => simulate({ seed, requests, print, doubles }));
}

/** Two runs, which must give the same trace. The first may be told in words. */
export function runTwice(
  seed: number,
  requests: number,
  print: ((line: string) => void) | null = null,
  doubles: Doubles = {},
): RunReport {
  const first = runSeed(seed, requests, print, doubles);
  const second = runSeed(seed, requests, null, doubles);
  if (first.traceHash === second.traceHash) {
    return first;
  }
  const message = `the trace of one run is ${first.traceHash}, that of another ${second.traceHash}`;
  return { ...first, failure: first.failure ?? new Violation('determinism', message) };
}
