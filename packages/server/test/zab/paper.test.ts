/**
 * The properties that the paper on Zab promises (Junqueira, Reed, Serafini: Zab, high-performance broadcast for
 * primary-backup systems, 2011), by their names there, over what happened in ensembles under chaos. "Delivers" is meant
 * for each role that a server takes, from the start of its history on; what a sync brings in counts as delivered.
 */
import { epochOf, zxidHex } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { runChaos } from './cluster/chaos.ts';
import type { BroadcastEvent } from './cluster/cluster.ts';

const SEEDS = Array.from({ length: 25 }, (_, i) => 700 + i);

interface Course {
  readonly seed: number;
  readonly broadcasts: readonly BroadcastEvent[];
  readonly deliveries: readonly (readonly number[])[];
  readonly payloadOf: (zxid: number) => string | undefined;
}

const courses: Course[] = SEEDS.map((seed) => {
  const { cluster } = runChaos(seed);
  const { broadcasts, deliveries } = cluster;
  return { seed, broadcasts, deliveries, payloadOf: (zxid) => cluster.payloadOf(zxid) };
});

/** Runs a check over all courses; `count` must come out above zero, else nothing was checked. */
function forAll(check: (course: Course) => number): void {
  const count = courses.reduce((sum, course) => sum + check(course), 0);
  expect(count).toBeGreaterThan(100);
}

describe('the properties of the Zab paper', () => {
  test('integrity: what is delivered has been broadcast, by somebody, as it is', () => {
    forAll(({ broadcasts, deliveries, payloadOf }) => {
      const sent = new Map(broadcasts.map(({ zxid, text }) => [zxid, text]));
      const delivered = new Set(deliveries.flat());
      for (const zxid of delivered) {
        expect(payloadOf(zxid), zxidHex(zxid)).toBe(sent.get(zxid));
      }
      return delivered.size;
    });
  });

  test('total order: who delivers the later of two transactions delivers the earlier before it', () => {
    forAll(({ deliveries }) => {
      const rank = new Map<number, number>();
      for (const sequence of deliveries) {
        for (const [i, zxid] of sequence.entries()) {
          expect(rank.get(zxid) ?? i, zxidHex(zxid)).toBe(i);
          rank.set(zxid, i);
        }
      }
      return rank.size;
    });
  });

  test('agreement: of two that deliver, one has delivered all that the other has', () => {
    forAll(({ deliveries }) => {
      const longest = deliveries.reduce((one, other) => (other.length > one.length ? other : one), []);
      for (const sequence of deliveries) {
        expect(sequence).toEqual(longest.slice(0, sequence.length));
      }
      return deliveries.length;
    });
  });

  test('local primary order: a leader’s transactions are delivered in the order in which it broadcast them', () => {
    forAll(({ broadcasts, deliveries }) => {
      const order = new Map(broadcasts.map(({ zxid }, i) => [zxid, i]));
      for (const sequence of deliveries) {
        for (const epoch of new Set(sequence.map(epochOf))) {
          const delivered = sequence.filter((zxid) => epochOf(zxid) === epoch);
          const last = order.get(delivered[delivered.length - 1]) ?? -1;
          const sent = broadcasts.slice(0, last + 1).filter(({ zxid }) => epochOf(zxid) === epoch);
          expect(delivered).toEqual(sent.map(({ zxid }) => zxid));
        }
      }
      return order.size;
    });
  });

  test('global primary order: transactions of an earlier leader are delivered before those of a later one', () => {
    forAll(({ deliveries }) => {
      for (const sequence of deliveries) {
        const epochs = sequence.map(epochOf);
        expect(epochs).toEqual([...epochs].sort((one, other) => one - other));
      }
      return deliveries.length;
    });
  });

  test('primary integrity: before it broadcasts, a leader has delivered all that is ever delivered of earlier ones', () => {
    forAll(({ broadcasts, deliveries }) => {
      const ever = [...new Set(deliveries.flat())];
      for (const { zxid, before } of broadcasts) {
        const known = new Set(before);
        const missing = ever.filter((each) => epochOf(each) < epochOf(zxid) && !known.has(each));
        expect(missing, zxidHex(zxid)).toEqual([]);
      }
      return broadcasts.length;
    });
  });
});
