/** Two servers that are looking, of which one does not take the other for an elector, do not talk without a pause. */
import { describe, expect, test } from 'vitest';
import { Election } from '../../src/zab/election.ts';
import { RecentAnswers } from '../../src/zab/recent-answers.ts';
import { configurationOf, SILENT } from './support.ts';

const INTERVALS = { notificationIntervalMsMin: 200, notificationIntervalMsMax: 60_000, adoptsConfigurations: false };
const HISTORY = { lastZxid: 0, currentEpoch: 0 };

test('a server that another does not know, in a later round', () => {
  const sent: { readonly to: number; readonly bytes: Uint8Array }[] = [];
  const elections = new Map<number, Election>();
  for (const serverId of [1, 2]) {
    const notify = (to: number, bytes: Uint8Array): void => void sent.push({ to, bytes });
    elections.set(serverId, new Election({ serverId, ...INTERVALS }, { notify, dialAll: () => {} }, SILENT));
  }
  const [knowing, other] = [...elections.values()];
  knowing.start(0, HISTORY, configurationOf([1, 2, 3]), null);
  knowing.start(0, HISTORY, configurationOf([1, 2, 3]), null);
  other.start(0, HISTORY, configurationOf([2, 3, 4]), null);
  let delivered = 0;
  for (let next = sent.shift(); next !== undefined; next = sent.shift()) {
    const { to, bytes } = next;
    elections.get(to)?.receive(3 - to, bytes, 1);
    expect(delivered++).toBeLessThan(50);
  }
  expect(knowing.decided).toBeNull();
});

describe('an answer', () => {
  const answer = { leader: 1, zxid: 5, peerEpoch: 1, round: 3 };

  test('is not repeated at once, and is after a while', () => {
    const answers = new RecentAnswers();
    expect([0, 50, 99, 100, 101].map((nowMs) => answers.isNew(7, { ...answer }, nowMs))).toEqual([
      true,
      false,
      false,
      true,
      false,
    ]);
  });

  test('that says something else, or goes to somebody else, is new', () => {
    const answers = new RecentAnswers();
    expect(answers.isNew(7, answer, 0)).toBe(true);
    expect(answers.isNew(8, answer, 0)).toBe(true);
    for (const change of [{ leader: 2 }, { zxid: 6 }, { peerEpoch: 2 }, { round: 4 }]) {
      expect(answers.isNew(7, { ...answer, ...change }, 0)).toBe(true);
    }
  });
});
