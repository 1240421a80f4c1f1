import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Expiring, ExpiryQueue } from '../../src/sessions/expiry.ts';

class Item implements Expiring {
  readonly name: string;
  expiresAtMs = 0;
  constructor(name: string) {
    this.name = name;
  }
}

const TICK_MS = 2000;

function queueOf(...items: [item: Item, nowMs: number, timeoutMs: number][]): ExpiryQueue<Item> {
  const queue = new ExpiryQueue<Item>(TICK_MS);
  for (const [item, nowMs, timeoutMs] of items) {
    queue.touch(item, nowMs, timeoutMs);
  }
  return queue;
}

describe('buckets (client-protocol.md §10)', () => {
  test.each([
    [0, 4000, 6000],
    [1, 4000, 6000],
    [1999, 4000, 6000],
    [2000, 4000, 8000],
    [100.5, 3899.4, 4000],
    [100.5, 3899.5, 6000],
  ])('touched at %d with a timeout of %d: expires at %d', (nowMs, timeoutMs, expiresAtMs) => {
    const item = new Item('a');
    queueOf([item, nowMs, timeoutMs]);
    expect(item.expiresAtMs).toBe(expiresAtMs);
  });

  test('trap 42: never at exactly the timeout, up to one tick later', () => {
    const item = new Item('a');
    const queue = queueOf([item, 0, 4000]);
    expect(queue.takeExpired(4000)).toEqual([]);
    expect(queue.takeExpired(5999.9)).toEqual([]);
    expect(queue.takeExpired(6000)).toEqual([item]);
    expect(queue.takeExpired(6000)).toEqual([]);
  });

  test('a smaller timeout moves the deadline forward', () => {
    const item = new Item('a');
    const queue = queueOf([item, 0, 10000], [item, 0, 7000]);
    expect(queue.takeExpired(8000)).toEqual([item]);
  });

  test('a removed item does not expire, and can come back', () => {
    const item = new Item('a');
    const queue = queueOf([item, 0, 4000]);
    queue.remove(item);
    queue.remove(item);
    expect(queue.size).toBe(0);
    expect(queue.nextDeadlineMs).toBe(Number.POSITIVE_INFINITY);
    expect(queue.takeExpired(1e9)).toEqual([]);
    queue.touch(item, 1e9, 4000);
    expect(queue.takeExpired(2e9)).toEqual([item]);
  });

  test('several buckets that are due come earliest first', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((name) => new Item(name));
    const queue = queueOf([a, 0, 9000], [b, 0, 3000], [c, 0, 3500]);
    expect(queue.takeExpired(20000)).toEqual([b, c, a]);
  });

  test('taken one by one they come in the same order, and one that is touched meanwhile stays', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((name) => new Item(name));
    const queue = queueOf([a, 0, 9000], [b, 0, 3000], [c, 0, 3500]);
    expect(queue.takeNextExpired(3999)).toBeUndefined();
    expect(queue.takeNextExpired(20000)).toBe(b);
    queue.touch(c, 20000, 3500);
    expect(queue.takeNextExpired(20000)).toBe(a);
    expect(queue.takeNextExpired(20000)).toBeUndefined();
    expect(queue.takeNextExpired(24000)).toBe(c);
    expect(queue.size).toBe(0);
  });

  test('the listing for dump is in order of time', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((name) => new Item(name));
    const queue = queueOf([a, 0, 9000], [b, 0, 3000], [c, 0, 9001]);
    expect(queue.buckets()).toEqual([
      { expiresAtMs: 4000, items: [b] },
      { expiresAtMs: 10000, items: [a, c] },
    ]);
  });
});

describe('against a plain list of deadlines', () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('touch' as const), item: fc.nat(5), timeoutMs: fc.integer({ min: 1, max: 30000 }) }),
    fc.record({ do: fc.constant('remove' as const), item: fc.nat(5) }),
    fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 9000 }) }),
  );

  test('nothing expires before its timeout or more than a tick after it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), fc.array(step, { maxLength: 80 }), (tickMs, steps) => {
        const queue = new ExpiryQueue<Item>(tickMs);
        const items = Array.from({ length: 6 }, (_, i) => new Item(String(i)));
        const timesOut = new Map<Item, number>();
        let nowMs = 12345;
        for (const each of steps) {
          if (each.do === 'touch') {
            queue.touch(items[each.item], nowMs, each.timeoutMs);
            timesOut.set(items[each.item], nowMs + each.timeoutMs);
          } else if (each.do === 'remove') {
            queue.remove(items[each.item]);
            timesOut.delete(items[each.item]);
          } else {
            nowMs += each.ms;
            for (const item of queue.takeExpired(nowMs)) {
              expect(timesOut.get(item)).toBeLessThan(nowMs);
              timesOut.delete(item);
            }
            for (const deadlineMs of timesOut.values()) {
              expect(nowMs).toBeLessThan(deadlineMs + tickMs);
            }
          }
          const buckets = queue.buckets();
          expect(queue.size).toBe(timesOut.size);
          expect(queue.nextDeadlineMs).toBe(buckets[0]?.expiresAtMs ?? Number.POSITIVE_INFINITY);
          for (const bucket of buckets) {
            expect(bucket.expiresAtMs % tickMs).toBe(0);
            for (const item of bucket.items) {
              expect(item.expiresAtMs).toBe(bucket.expiresAtMs);
              expect(bucket.expiresAtMs).toBe(Math.floor((timesOut.get(item) as number) / tickMs + 1) * tickMs);
            }
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});
