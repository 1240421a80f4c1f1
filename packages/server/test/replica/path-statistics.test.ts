import { expect, test } from 'vitest';
import { SeededRandom } from '../../src/host/node-random.ts';
import { PathStatistics } from '../../src/replica/path-statistics.ts';

const options = {
  sampleRate: 1,
  maxDepth: 2,
  topPathMax: 2,
  slotDurationMs: 15_000,
  slotCapacity: 5,
  initialDelayMs: 60_000,
  delayMs: 30_000,
};

function repeat(times: number, run: () => void): void {
  for (let i = 0; i < times; i++) {
    run();
  }
}

test('the paths used most, cut to their depth, most first; nothing before the time, nothing when there is nothing', () => {
  const paths = new PathStatistics(options, new SeededRandom(1), 0);
  repeat(3, () => paths.record('reads', '/a/b/c/d'));
  repeat(2, () => paths.record('reads', '/a/b/x'));
  repeat(4, () => paths.record('reads', '/'));
  paths.record('reads', '/rare');
  paths.record('writes', '/a');
  expect(paths.tick(59_999)).toBeNull();
  expect(paths.tick(60_000)).toBe(
    'hot paths of the last 1 min, from 100 % of the requests: read /a/b 5, / 4; written /a 1',
  );
  expect(paths.tick(60_001)).toBeNull();
  expect(paths.tick(200_000)).toBeNull(); // all slots are new: no report
});

test('old slots are forgotten one by one', () => {
  const paths = new PathStatistics({ ...options, initialDelayMs: 0, delayMs: 1 }, new SeededRandom(1), 0);
  paths.record('reads', '/old');
  paths.tick(15_000);
  paths.record('reads', '/new');
  expect(paths.tick(45_000)).toContain('/new 1, /old 1');
  expect(paths.tick(75_000)).toContain('read /new 1;');
});

test('a share of the requests is counted', () => {
  const paths = new PathStatistics({ ...options, sampleRate: 0.25, initialDelayMs: 0 }, new SeededRandom(1), 0);
  repeat(1000, () => paths.record('writes', '/w'));
  const count = Number(/\/w (\d+)/.exec(paths.tick(0) as string)?.[1]);
  expect(count).toBeGreaterThan(200);
  expect(count).toBeLessThan(300);
});
