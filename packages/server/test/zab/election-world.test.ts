/** Elections of whole ensembles: a few to read, and many at random. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ElectionWorld } from './election-world.ts';
import { configurationOf } from './support.ts';

const THREE = configurationOf([1, 2, 3]);
const FIVE = configurationOf([1, 2, 3, 4, 5]);

function transcriptOf(world: ElectionWorld): string {
  return `${world.transcript.join('\n')}\n`;
}

describe('transcripts', () => {
  test('three start together', async () => {
    const world = new ElectionWorld({ configuration: THREE });
    for (const id of [1, 2, 3]) {
      world.start(id);
    }
    world.run(300);
    expect(world.leaders()).toEqual({ 1: 3, 2: 3, 3: 3 });
    await expect(transcriptOf(world)).toMatchFileSnapshot('transcripts/three-start.txt');
  });

  test('five, of which the one with the longest history wins', async () => {
    const histories = new Map([1, 2, 3, 4, 5].map((id) => [id, { lastZxid: id === 2 ? 9 : 7, currentEpoch: 1 }]));
    const world = new ElectionWorld({ configuration: FIVE, histories });
    for (const id of [1, 2, 3, 4, 5]) {
      world.start(id);
    }
    world.run(300);
    expect(world.leaders()).toEqual({ 1: 2, 2: 2, 3: 2, 4: 2, 5: 2 });
    await expect(transcriptOf(world)).toMatchFileSnapshot('transcripts/five-start.txt');
  });

  test('one comes late', async () => {
    const world = new ElectionWorld({ configuration: THREE });
    world.start(1);
    world.start(2);
    world.run(3000);
    world.transcript.length = 0;
    world.start(3);
    world.run(300);
    expect(world.leaders()).toEqual({ 1: 2, 2: 2, 3: 2 });
    await expect(transcriptOf(world)).toMatchFileSnapshot('transcripts/late-joiner.txt');
  });

  test('an observer starts first', async () => {
    const world = new ElectionWorld({ configuration: configurationOf([1, 2, 3], [4]) });
    for (const id of [4, 1, 2, 3]) {
      world.start(id);
      world.run(1);
    }
    world.run(1000);
    expect(world.leaders()).toEqual({ 1: 3, 2: 3, 3: 3, 4: 3 });
    await expect(transcriptOf(world)).toMatchFileSnapshot('transcripts/observer.txt');
  });

  test('the leader is cut off and comes back', async () => {
    const world = new ElectionWorld({ configuration: THREE });
    for (const id of [1, 2, 3]) {
      world.start(id);
    }
    world.run(3000);
    world.transcript.length = 0;
    world.link((one, other) => one === other || (one !== 3 && other !== 3));
    world.run(5000);
    expect(world.leaders()).toEqual({ 1: 2, 2: 2, 3: null });
    world.link(() => true);
    world.run(4000);
    expect(world.leaders()).toEqual({ 1: 2, 2: 2, 3: 2 });
    await expect(transcriptOf(world)).toMatchFileSnapshot('transcripts/partition.txt');
  });
});

const sizes = fc.constantFrom(1, 2, 3, 4, 5, 7);
/** Half of the notifications come quickly, some late, some never. */
const delays = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 1, max: 20 }) },
    { weight: 3, arbitrary: fc.integer({ min: 20, max: 900 }) },
    { weight: 2, arbitrary: fc.constant(null) },
  ),
  { minLength: 20, maxLength: 200 },
);
const history = fc.record({ lastZxid: fc.nat(3), currentEpoch: fc.nat(2) });
const event = fc.record({
  afterMs: fc.nat(3000),
  server: fc.nat(6),
  what: fc.constantFrom('kill', 'start', 'isolate', 'split', 'heal'),
});

test('whatever happens, when the network heals all that are alive agree on one leader of whom a quorum is in step', () => {
  fc.assert(
    fc.property(
      fc.record({
        size: sizes,
        delays,
        histories: fc.array(history, { minLength: 7, maxLength: 7 }),
        events: fc.array(event, { maxLength: 12 }),
      }),
      ({ size, delays: list, histories, events }) => {
        const ids = Array.from({ length: size }, (_, i) => i + 1);
        const configuration = configurationOf(ids);
        let isHealed = false;
        const world = new ElectionWorld({
          configuration,
          histories: new Map(ids.map((id) => [id, histories[id - 1]])),
          notificationIntervalMsMax: 1600,
          delayMs: (nth) => (isHealed ? 1 + (nth % 5) : list[nth % list.length]),
        });
        for (const id of ids) {
          world.start(id);
        }
        for (const { afterMs, server, what } of events) {
          world.run(afterMs);
          const id = 1 + (server % size);
          disturb(world, id, what);
        }
        isHealed = true;
        world.link(() => true);
        for (const id of ids) {
          if (!(id in world.leaders())) {
            world.start(id);
          }
        }
        world.run(60_000);
        const leaders = Object.values(world.leaders());
        expect(new Set(leaders).size, transcriptOf(world)).toBe(1);
        expect(ids).toContain(leaders[0]);
        const decision = world.election(leaders[0] as number).decided;
        expect(configuration.hasQuorum(decision?.voters ?? new Set())).toBe(true);
      },
    ),
    { numRuns: 150 },
  );
});

function disturb(world: ElectionWorld, id: number, what: string): void {
  if (what === 'kill' && id in world.leaders()) {
    world.kill(id);
  } else if (what === 'start' && !(id in world.leaders())) {
    world.start(id);
  } else if (what === 'isolate') {
    world.link((one, other) => one === other || (one !== id && other !== id));
  } else if (what === 'split') {
    world.link((one, other) => one <= id === other <= id);
  } else if (what === 'heal') {
    world.link(() => true);
  }
}

test('all that decide in one quiet round decide for the best vote', () => {
  fc.assert(
    fc.property(sizes, fc.array(history, { minLength: 7, maxLength: 7 }), (size, histories) => {
      const ids = Array.from({ length: size }, (_, i) => i + 1);
      const world = new ElectionWorld({
        configuration: configurationOf(ids),
        histories: new Map(ids.map((id) => [id, histories[id - 1]])),
      });
      for (const id of ids) {
        world.start(id);
      }
      world.run(1000);
      const rank = (id: number) => [histories[id - 1].currentEpoch, histories[id - 1].lastZxid, id];
      const best = ids.reduce((one, other) => (compare(rank(one), rank(other)) > 0 ? one : other));
      expect(new Set(Object.values(world.leaders()))).toEqual(new Set([best]));
    }),
  );
});

function compare(one: number[], other: number[]): number {
  const at = one.findIndex((number, i) => number !== other[i]);
  return at < 0 ? 0 : one[at] - other[at];
}
