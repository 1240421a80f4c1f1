/** Ensembles from fixed seeds: a few small runs, and those that once showed a bug. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ConnectionView } from '../src/checkers/connection-view.ts';
import type { Feature } from '../src/ensemble/features.ts';
import { RealTimeJudge } from '../src/ensemble/judges/real-time.ts';
import { runEnsemble, runEnsembleTwice } from '../src/run.ts';

const SEEDS = 15;
const REQUESTS = 60;
const LONG_MS = 120_000;

interface RegressionSeed {
  readonly seed: number;
  readonly requests: number;
  /** What it was given besides what it draws. */
  readonly features?: readonly Feature[];
  readonly why: string;
}

const { ensembles } = JSON.parse(readFileSync(new URL('seeds.json', import.meta.url), 'utf8')) as {
  readonly ensembles: readonly RegressionSeed[];
};

test(
  `seeds 1 to ${SEEDS} show nothing wrong`,
  () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { failure } = runEnsemble({ seed, requests: REQUESTS });
      expect(failure === null ? null : `seed ${seed}, ${REQUESTS} requests: ${failure.message}`).toBeNull();
    }
  },
  LONG_MS,
);

test(
  'a seed gives the same trace twice, and others give others',
  () => {
    const hashes = [1, 2, 3, 4].map((seed) => {
      const { failure, traceHash } = runEnsembleTwice({ seed, requests: REQUESTS });
      expect(failure).toBeNull();
      return traceHash;
    });
    expect(new Set(hashes).size).toBe(hashes.length);
  },
  LONG_MS,
);

test(
  'seeds that once showed a bug show none',
  () => {
    const failures = ensembles.map(({ features = [], ...seed }) => runEnsemble({ ...seed, features }).failure);
    expect(failures).toEqual(ensembles.map(() => null));
  },
  LONG_MS,
);

describe('order in real time', () => {
  const view = new ConnectionView(1);
  const write = (knownZxid: number) => view.sent({ kind: 'delete', path: '/a', version: -1 }, 1, 0, knownZxid);
  const sync = (knownZxid: number) => view.sent({ kind: 'sync', path: '/' }, 2, 0, knownZxid);

  test('a session that is shown an older state than before is seen', () => {
    const judge = new RealTimeJudge();
    judge.received(1n, 1, 7, undefined);
    judge.received(2n, 1, 6, undefined);
    expect(() => judge.received(1n, 2, 6, undefined)).toThrow('sessions: ');
  });

  test('a write before what was known when it was sent is seen, and so is a sync that shows less', () => {
    const judge = new RealTimeJudge();
    judge.received(1n, 1, 7, undefined);
    expect(judge.toldZxid).toBe(7);
    const late = [write(7), sync(7)];
    expect(() => judge.received(2n, 1, 7, late[0])).toThrow('real time: ');
    judge.received(3n, 2, 7, late[1]);
    expect(() => judge.received(4n, 2, 6, late[1])).toThrow('real time: ');
  });
});
