import { makeZxid, zxidHex } from '@treekeeper/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CommittedLog } from '../../src/zab/committed-log.ts';
import type { Entry, LogWalk } from '../../src/zab/environment.ts';
import { synchronize } from '../../src/zab/synchronize.ts';

const entry = (zxid: number): Entry => ({ zxid, payload: new Uint8Array(1) });

/** `2.5` is counter 5 of epoch 2. */
function zxid(text: string): number {
  const [epoch, counter] = text.split('.').map(Number);
  return makeZxid(epoch, counter);
}

function windowOf(base: string, ...zxids: string[]): CommittedLog {
  const window = new CommittedLog(zxid(base), { entriesMax: 500, sizeBytesMax: 1e6 });
  for (const text of zxids) {
    window.append(entry(zxid(text)), 0);
  }
  return window;
}

function walk(from: number, zxids: readonly number[]): LogWalk | null {
  const start = zxids.findLastIndex((logged) => logged <= from);
  let at = start;
  return start < 0 ? null : { next: () => (at < zxids.length ? entry(zxids[at++]) : null) };
}

/** The decision in words. */
function decide(learner: string, window: CommittedLog, ...log: string[]): string {
  const decision = synchronize(zxid(learner), window, () => walk(zxid(learner), log.map(zxid)));
  if (decision.kind === 'snapshot') {
    return 'SNAP';
  }
  const sent = [...decision.fromWindow];
  for (let next = decision.fromLog?.next() ?? null; next !== null; next = decision.fromLog?.next() ?? null) {
    sent.splice(sent.length - decision.fromWindow.length, 0, next);
  }
  const words = sent.map((each) => `${Math.floor(each.zxid / 2 ** 32)}.${each.zxid >>> 0}`);
  return [decision.keep === null ? 'DIFF' : `TRUNC ${zxidHex(decision.keep)}`, ...words].join(' ');
}

describe('a learner whose last transaction', () => {
  test.each([
    ['is the last: nothing else', '1.7', windowOf('1.4', '1.5', '1.6', '1.7'), [], 'DIFF'],
    ['is none, as there are none', '0.0', windowOf('0.0'), [], 'DIFF'],
    ['is none, and the window is the whole history', '0.0', windowOf('0.0', '1.1', '1.2'), [], 'DIFF 1.1 1.2'],
    ['4352: is none, and the window is not the whole history', '0.0', windowOf('1.1', '1.2'), [], 'SNAP'],
    ['is in the window', '1.5', windowOf('1.4', '1.5', '1.6', '1.7'), [], 'DIFF 1.6 1.7'],
    ['is the one in front of the window', '1.4', windowOf('1.4', '1.5', '1.6'), [], 'DIFF 1.5 1.6'],
    ['ends the epoch before', '1.7', windowOf('1.6', '1.7', '2.1'), [], 'DIFF 2.1'],
    ['is ahead in this epoch', '1.9', windowOf('1.6', '1.7'), [], 'TRUNC 100000007'],
    ['is ahead, in an epoch of which nothing is left: no cut crosses it', '2.1', windowOf('1.6', '1.7'), [], 'SNAP'],
    ['is ahead of an epoch that has gone on', '1.9', windowOf('1.6', '1.7', '2.1'), [], 'SNAP'],
    ['is ahead of an empty history, which has no place to cut at', '1.2', windowOf('0.0'), [], 'SNAP'],
    ['is ahead of a history that ended with a snapshot of an idle epoch', '2.3', windowOf('2.0'), [], 'SNAP'],
    ['is the start of an idle epoch', '2.0', windowOf('1.6', '1.7', '3.1'), [], 'DIFF 3.1'],
    ['is the start of a later epoch than all', '4.0', windowOf('1.6', '1.7'), [], 'SNAP'],
    [
      'is older, and the log on disk has it',
      '1.2',
      windowOf('1.4', '1.5'),
      ['1.1', '1.2', '1.3', '1.4', '1.5'],
      'DIFF 1.3 1.4 1.5',
    ],
    ['is older than the log on disk', '1.2', windowOf('1.6', '1.7'), ['1.4', '1.5', '1.6', '1.7'], 'SNAP'],
    [
      'is missing in the log on disk, where its epoch ends',
      '1.4',
      windowOf('2.1', '2.2'),
      ['1.3', '2.1', '2.2'],
      'SNAP',
    ],
    ['ends an epoch before those in the log', '1.3', windowOf('2.1', '2.2'), ['1.3', '2.1', '2.2'], 'DIFF 2.1 2.2'],
  ] as const)('%s', (_what, learner, window, log, expected) => {
    expect(decide(learner, window, ...log)).toBe(expected);
  });

  test('2418: a gap between the log on disk and the window is found', () => {
    const window = windowOf('1.6', '1.7');
    expect(() => decide('1.2', window, '1.1', '1.2', '1.3')).toThrow(
      'the log on disk has a gap between zxid 0x100000003 and 0x100000006',
    );
  });
});

describe('the learner ends with the history of the leader', () => {
  /** Histories of a few epochs; each server's is a prefix of it, with a tail of its own epoch that nobody else has. */
  const history = fc
    .array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 4 })
    .map((counts) => counts.flatMap((count, i) => Array.from({ length: count }, (_, k) => makeZxid(i + 1, k + 1))));

  test('whatever it had, by DIFF or TRUNC where they are chosen', () => {
    fc.assert(
      fc.property(history, fc.nat(), fc.nat(), fc.nat(3), fc.boolean(), (leader, cut, windowCut, tail, hasLog) => {
        const base = windowCut % (leader.length + 1);
        const window = new CommittedLog(base === 0 ? 0 : leader[base - 1], { entriesMax: 500, sizeBytesMax: 1e6 });
        for (const each of leader.slice(base)) {
          window.append(entry(each), 0);
        }
        const learner = leader.slice(0, cut % (leader.length + 1));
        const from = learner.at(-1) ?? makeZxid(1, 0);
        for (let i = 1; i <= tail && learner.length > 0 && !leader.includes(from + i); i++) {
          learner.push(from + i); // proposed at the end of that epoch, and never committed
        }
        const last = learner.at(-1) ?? 0;
        const decision = synchronize(last, window, () => (hasLog ? walk(last, leader) : null));
        if (decision.kind === 'snapshot') {
          return;
        }
        const { keep, fromLog, fromWindow } = decision;
        const result = keep === null ? learner : learner.filter((each) => each <= keep);
        for (let next = fromLog?.next() ?? null; next !== null; next = fromLog?.next() ?? null) {
          result.push(next.zxid);
        }
        result.push(...fromWindow.map((each) => each.zxid));
        expect(result).toEqual(leader);
      }),
      { numRuns: 2000 },
    );
  });
});
