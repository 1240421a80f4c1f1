/** Fixed seeds: a hundred small runs, and those that once showed a bug. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { runSeed, runTwice } from '../src/run.ts';

const SEEDS = 100;
const REQUESTS = 80;

interface RegressionSeed {
  readonly seed: number;
  readonly requests: number;
  readonly why: string;
}

const { servers: regressions } = JSON.parse(readFileSync(new URL('seeds.json', import.meta.url), 'utf8')) as {
  readonly servers: readonly RegressionSeed[];
};

test(`seeds 1 to ${SEEDS} show nothing wrong`, () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { failure } = runSeed(seed, REQUESTS);
    expect(failure === null ? null : `seed ${seed}, ${REQUESTS} requests: ${failure.message}`).toBeNull();
  }
}, 120_000);

test('a seed gives the same trace twice, and others give others', () => {
  const hashes = [1, 2, 3, 4, 5, 6, 7, 8].map((seed) => {
    const { failure, traceHash } = runTwice(seed, REQUESTS);
    expect(failure).toBeNull();
    return traceHash;
  });
  expect(new Set(hashes).size).toBe(hashes.length);
}, 120_000);

test('seeds that once showed a bug show none', () => {
  const failures = regressions.map(({ seed, requests }) => runSeed(seed, requests).failure);
  expect(failures).toEqual(regressions.map(() => null));
}, 120_000);
