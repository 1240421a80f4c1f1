import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Summary } from '../../src/metrics/primitives.ts';
import { ProposalTimes } from '../../src/replica/proposal-times.ts';

/** How many it must remember at least. */
const REMEMBERED = 8000;
const EPOCH = 2 ** 32;

test('ages are those of the proposals that are acknowledged, in one epoch after the other', () => {
  const step = fc.record({ proposals: fc.nat({ max: 5 }), ackedShare: fc.double({ min: 0, max: 1, noNaN: true }) });
  const epochs = fc.array(fc.array(step, { maxLength: 10 }), { maxLength: 3 });
  fc.assert(
    fc.property(epochs, (lives) => {
      const times = new ProposalTimes();
      let nowMs = 1000;
      for (const [i, steps] of lives.entries()) {
        const made = new Map<number, number>();
        let last = (i + 1) * EPOCH;
        let acked = -1;
        for (const [at, { proposals, ackedShare }] of steps.entries()) {
          for (let n = at === 0 ? -1 : 0; n < proposals; n++) {
            last++;
            times.note(last, nowMs);
            made.set(last, nowMs);
          }
          nowMs += 7;
          const through = last - Math.floor(made.size * ackedShare);
          const ages = new Summary();
          times.addAges(acked, through, nowMs, ages);
          const expected = [...made]
            .filter(([zxid]) => zxid > acked && zxid <= through)
            .map(([, atMs]) => nowMs - atMs);
          expect([ages.count, ages.sum]).toEqual([expected.length, expected.reduce((a, b) => a + b, 0)]);
          acked = Math.max(acked, through);
        }
      }
    }),
  );
});

test('what came before the last some thousand is not timed, and no age is less than nothing', () => {
  const times = new ProposalTimes();
  const ages = new Summary();
  times.addAges(-1, 100, 5, ages);
  expect(ages.count).toBe(0);
  for (let zxid = 1; zxid <= 3 * REMEMBERED; zxid++) {
    times.note(zxid, zxid);
  }
  times.addAges(-1, 3 * REMEMBERED, 3 * REMEMBERED, ages);
  expect(ages.count).toBeGreaterThanOrEqual(REMEMBERED);
  expect(ages.count).toBeLessThan(2 * REMEMBERED);
  expect([ages.min, ages.max]).toEqual([0, ages.count - 1]);
  times.note(3 * REMEMBERED + 1, 100_000);
  const early = new Summary();
  times.addAges(3 * REMEMBERED, 3 * REMEMBERED + 1, 99_000, early);
  expect([early.count, early.max]).toEqual([1, 0]);
});
