/** However events, answers and lost connections interleave: a mirror ends as the tree, and never goes back. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Mirror, type Scope } from '../../src/caches/mirror.ts';
import type { Codec } from '../../src/codec.ts';
import { FakeService } from './fake-service.ts';

const path = fc.constantFrom('/a', '/b', '/a/c');
const step = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constant('create' as const), path) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('set' as const), path) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('delete' as const), path) },
  { weight: 9, arbitrary: fc.tuple(fc.constantFrom('execute' as const, 'answer' as const, 'event' as const)) },
  { weight: 6, arbitrary: fc.tuple(fc.constant('pause' as const)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('settle' as const)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('cut' as const)) },
);
const scope: fc.Arbitrary<Scope> = fc.constantFrom(
  { path: '/', depthMin: 0, depthMax: Number.POSITIVE_INFINITY },
  { path: '/a', depthMin: 0, depthMax: Number.POSITIVE_INFINITY },
  { path: '/a', depthMin: 1, depthMax: 1 },
  { path: '/a', depthMin: 0, depthMax: 0 },
);

const depth = (each: string): number => (each === '/' ? 0 : each.split('/').length - 1);

/** The obvious way to say what belongs into a scope. */
function belongs(each: string, { path: root, depthMin, depthMax }: Scope): boolean {
  const isBelow = each === root || each.startsWith(root === '/' ? '/' : `${root}/`);
  const below = depth(each) - depth(root);
  return isBelow && below >= depthMin && below <= depthMax;
}

const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Takes its time with every other value. */
const slow: Codec<string> = {
  encode: (value) => Buffer.from(value),
  decode: async (data) => {
    const text = Buffer.from(data ?? []).toString();
    if (text.length % 2 === 1) {
      await pause();
    }
    return text;
  },
};

async function settle(service: FakeService): Promise<void> {
  do {
    await pause();
    await pause();
  } while (service.event() || service.execute() || service.answer());
}

test.each([true, false])('mirrors end as the tree (zxids in events: %s)', { timeout: 120_000 }, async (tellsZxids) => {
  await fc.assert(
    fc.asyncProperty(scope, fc.array(step, { maxLength: 80, size: 'max' }), async (kept, script) => {
      const service = new FakeService(tellsZxids);
      const zxids = new Map<string, bigint>();
      const mirror = new Mirror(service.client, kept, { codec: slow }, (change) => {
        if (change.type !== 'removed' && change.type !== 'unreadable') {
          expect(change.stat.mzxid > (zxids.get(change.path) ?? -1n)).toBe(true);
          zxids.set(change.path, change.stat.mzxid);
        }
      });
      const check = (): void => {
        const truth = [...service.nodes].filter(([each]) => belongs(each, kept));
        const shown = [...mirror.view.values].map(([each, { value, stat }]) => [each, value, stat.mzxid]);
        expect(shown.sort()).toEqual(truth.map(([each, { data, mzxid }]) => [each, data.toString(), mzxid]).sort());
      };
      for (const [i, [what, where = '']] of script.entries()) {
        if (what === 'pause') {
          await pause();
        } else if (what === 'settle') {
          await settle(service);
          check();
        } else {
          service[what](where, String(i));
        }
      }
      await settle(service);
      check();
      await mirror.close();
    }),
    { numRuns: 1500 },
  );
});
