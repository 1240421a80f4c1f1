import { describe, expect, test } from 'vitest';
import { simulatedOptions } from '../../../simulator/src/standalone-world.ts';
import { ConnectionThrottle, type ConnectionThrottleOptions } from '../../src/replica/connection-throttle.ts';

/** A throttle whose dice show what the test wants. */
function throttle(changes: Partial<ConnectionThrottleOptions>) {
  const dice = { value: 0.5 };
  const random = { next: () => dice.value };
  const options = { ...simulatedOptions.connectionThrottle, ...changes };
  return { throttle: new ConnectionThrottle(options, random as never, 0), dice };
}

describe('tokens', () => {
  test('0 tokens: off', () => {
    const { throttle: off } = throttle({ tokens: 0 });
    for (let i = 0; i < 1000; i++) {
      expect(off.admit('global', 0)).toBe(true);
    }
  });

  test('each handshake takes one; the bucket refills by the count each fill time, and never above its size', () => {
    const { throttle: bucket } = throttle({ tokens: 3, fillTimeMs: 10, fillCount: 2 });
    const admitted = (nowMs: number) => {
      let count = 0;
      while (bucket.admit('global', nowMs)) {
        count++;
      }
      return count;
    };
    expect(admitted(0)).toBe(3);
    expect(admitted(9)).toBe(0);
    expect(admitted(10)).toBe(2);
    expect(admitted(25)).toBe(2); // the half interval is not lost:
    expect(admitted(30)).toBe(2);
    expect(admitted(100_000)).toBe(3);
    expect(bucket.deficit).toBe(3);
  });

  test('weights: bucket and refill scale by the weight of a global session', () => {
    const weights = { globalSessionWeight: 3, renewSessionWeight: 2, localSessionWeight: 1 };
    const { throttle: bucket } = throttle({ tokens: 2, fillTimeMs: 10, fillCount: 1, weightEnabled: true, ...weights });
    expect(bucket.admit('global', 0)).toBe(true); // 6 − 3
    expect(bucket.admit('renew', 0)).toBe(true); // − 2
    expect(bucket.admit('renew', 0)).toBe(false);
    expect(bucket.admit('local', 0)).toBe(true); // − 1
    expect(bucket.admit('local', 0)).toBe(false);
    expect(bucket.admit('global', 10)).toBe(true); // + 3
  });
});

describe('random dropping', () => {
  const settings = {
    tokens: 2,
    fillTimeMs: 1000,
    fillCount: 2,
    freezeTimeMs: 100,
    dropIncrease: 0.25,
    dropDecrease: 0.1,
  };

  test('the probability rises while the bucket is empty, one step each freeze time', () => {
    const { throttle: blue } = throttle(settings);
    blue.admit('global', 0);
    blue.admit('global', 0);
    for (const [nowMs, probability] of [
      [50, 0],
      [150, 0.25],
      [200, 0.25],
      [300, 0.5],
      [500, 0.75],
      [700, 1],
      [900, 1],
    ]) {
      expect(blue.admit('global', nowMs)).toBe(false);
      expect(blue.dropProbability).toBe(probability);
    }
  });

  test('it falls while no more than the ratio of the bucket is missing: by default, while it is full', () => {
    const fallen = (decreaseRatio: number) => {
      const { throttle: blue, dice } = throttle({ ...settings, tokens: 4, decreaseRatio });
      dice.value = 0.99;
      for (let i = 0; i < 4; i++) {
        blue.admit('global', 0);
      }
      blue.admit('global', 150);
      expect(blue.dropProbability).toBe(0.25);
      blue.admit('global', 1000); // two of four
      return blue.dropProbability;
    };
    expect(fallen(0)).toBe(0.25);
    expect(fallen(0.5)).toBeCloseTo(0.15);
    const { throttle: blue, dice } = throttle(settings);
    dice.value = 0.99;
    blue.admit('global', 0);
    blue.admit('global', 0);
    blue.admit('global', 150);
    blue.admit('global', 5000); // full again
    expect(blue.dropProbability).toBeCloseTo(0.15);
  });

  test('the dice decide, and a dropped handshake takes no token', () => {
    const { throttle: blue, dice } = throttle(settings);
    blue.admit('global', 0);
    blue.admit('global', 0);
    blue.admit('global', 150);
    dice.value = 0.1;
    expect(blue.admit('global', 5000)).toBe(false);
    expect(blue.deficit).toBe(0);
    dice.value = 0.2;
    expect(blue.admit('global', 5001)).toBe(true);
  });
});
