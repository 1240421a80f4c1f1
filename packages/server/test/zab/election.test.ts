/** The sentences of quorum-protocol.md §4.1 to §4.4, one after the other. */
import { describe, expect, test } from 'vitest';
import { Configuration } from '../../src/zab/configuration.ts';
import { isBetterVote, LONG_MIN } from '../../src/zab/vote.ts';
import { Bench, following, joinedBench, leading, observing } from './election-bench.ts';
import { configurationOf } from './support.ts';

describe('§4.1 the own vote', () => {
  test('of a voter: its id, the end of its log, its epoch; round 1 at first', () => {
    const bench = new Bench();
    bench.start();
    expect(bench.said()).toEqual([1, 2, 4, 5].map((to) => `${to}: LOOKING 3 zxid=100 round=1 epoch=1`));
  });

  test('of a participant outside of its own voters: nobody', () => {
    const bench = new Bench({ me: 9 });
    bench.start();
    expect(bench.said()[0]).toBe('1: LOOKING min zxid=100 round=1 epoch=1');
  });

  test('of an observer: nothing at all', () => {
    const bench = new Bench({ me: 4, committed: configurationOf([1, 2, 3], [4]) });
    bench.start();
    expect(bench.said()).toEqual([1, 2, 3].map((to) => `${to}: LOOKING min zxid=min round=1 epoch=min`));
  });

  test('round: one more at each start, from 0 after a restart of the service', () => {
    const bench = Bench.started();
    bench.start();
    expect(bench.said()[0]).toContain('round=2');
    bench.election.restart();
    bench.start();
    expect(bench.said()[0]).toContain('round=1');
  });

  test('zxid −1, ours: LOOKING notifications are ignored, the own one too', () => {
    const bench = Bench.started({
      me: 1,
      committed: configurationOf([1, 2]),
      history: { lastZxid: -1, currentEpoch: 0 },
    });
    bench.hear(2, { leader: 2, zxid: 5, peerEpoch: 1 });
    expect(bench.said()).toEqual([]);
    bench.wait(150);
    expect(bench.election.decided).toBeNull();
  });

  test('zxid −1, theirs: ignored', () => {
    const bench = Bench.started({ committed: configurationOf([1, 3]) });
    bench.hear(1, { leader: 3, zxid: -1, peerEpoch: 1 });
    bench.hear(1, { leader: 1, zxid: -1, peerEpoch: 7 });
    expect(bench.said()).toEqual([]);
  });
});

describe('§4.2 order of votes', () => {
  const vote = { peerEpoch: 2, zxid: 50, leader: 2 };
  test.each([
    [{ ...vote, peerEpoch: 3, zxid: 0, leader: 1 }, true],
    [{ ...vote, peerEpoch: 1, zxid: 99, leader: 9 }, false],
    [{ ...vote, zxid: 51, leader: 1 }, true],
    [{ ...vote, zxid: 49, leader: 9 }, false],
    [{ ...vote, leader: 3 }, true],
    [{ ...vote, leader: 1 }, false],
    [vote, false],
    [{ peerEpoch: LONG_MIN, zxid: LONG_MIN, leader: LONG_MIN }, false],
  ])('%j beats epoch 2, zxid 50, leader 2: %s', (one, expected) => {
    expect(isBetterVote(one, vote)).toBe(expected);
  });

  test('a leader of weight 0 is never voted for', () => {
    const committed = Configuration.parse(`${configurationOf([1, 2, 3]).text}\ngroup.1=1:2:3\nweight.2=0`);
    const bench = Bench.started({ me: 1, committed });
    bench.hear(2, { leader: 2, zxid: 0x900, peerEpoch: 7 });
    expect(bench.said()).toEqual([]);
    bench.hear(3, { leader: 3, zxid: 0x200, peerEpoch: 1 });
    expect(bench.said()[0]).toContain('LOOKING 3');
  });

  test('but it proposes itself at first', () => {
    const committed = Configuration.parse(`${configurationOf([1, 2, 3]).text}\ngroup.1=1:2:3\nweight.2=0`);
    const bench = new Bench({ me: 2, committed });
    bench.start();
    expect(bench.said()[0]).toContain('LOOKING 2');
  });
});

describe('§4.3 who is considered', () => {
  const lastSeen = configurationOf([3, 4, 5], [], 9);

  test('notifications go to the voters of what is committed and of what was seen last', () => {
    const bench = new Bench({ committed: configurationOf([1, 2, 3], [7]), lastSeen });
    bench.start();
    expect(bench.said().map((line) => line.slice(0, 2))).toEqual(['1:', '2:', '4:', '5:']);
  });

  test('a decision needs a quorum of both when the last seen is newer', () => {
    const bench = Bench.started({ committed: configurationOf([1, 2, 3]), lastSeen });
    for (const server of [1, 2, 3]) {
      bench.hear(server, { leader: 3, zxid: 0x100, peerEpoch: 1 });
    }
    bench.wait(199);
    expect(bench.election.decided).toBeNull();
    bench.hear(4, { leader: 3, zxid: 0x100, peerEpoch: 1 });
    bench.wait(200);
    expect(bench.election.decided?.leader).toBe(3);
  });

  test('votes for strangers are not heard', () => {
    const bench = Bench.started();
    bench.hear(1, { leader: 77, zxid: 0x900, peerEpoch: 9 });
    expect(bench.said()).toEqual([]);
  });

  test('a sender outside: answered with the current vote and our round while looking, and not heard', () => {
    const bench = Bench.started({ history: { lastZxid: 0x42, currentEpoch: 6 } });
    bench.hear(77, { leader: 5, zxid: 0x900, round: 8, peerEpoch: 9 });
    expect(bench.said()).toEqual(['77: LOOKING 3 zxid=42 round=1 epoch=6']);
  });

  test('a sender outside, while looking once more: the vote of before', () => {
    const bench = joinedBench();
    bench.election.leave(null);
    bench.start();
    bench.said();
    bench.hear(77, { leader: LONG_MIN });
    expect(bench.said()).toEqual(['77: LOOKING 5 zxid=500 round=5 epoch=4']);
  });

  test('a sender outside that is not looking: no answer, else two servers could answer each other for ever', () => {
    const bench = Bench.started();
    for (const state of [following, leading, observing]) {
      bench.hear(77, { state, leader: 5 });
    }
    expect(bench.said()).toEqual([]);
  });
});

describe('§4.4 looking', () => {
  test('silence: the vote is told again after 200 ms, then 400 and so on up to 60 s, and everybody is dialled', () => {
    const bench = Bench.started();
    const pauses: number[] = [];
    for (let i = 0; i < 11; i++) {
      pauses.push(bench.election.deadlineMs - bench.nowMs);
      bench.wait(bench.election.deadlineMs - bench.nowMs);
      expect(bench.said()).toHaveLength(4);
    }
    expect(pauses).toEqual([200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000]);
    expect(bench.dials).toBe(11);
  });

  test('any notification of an elector starts the pause anew', () => {
    const bench = Bench.started();
    bench.wait(150);
    bench.hear(1, { leader: 1 });
    expect(bench.election.deadlineMs).toBe(bench.nowMs + 200);
  });

  test('a later round is taken over, with the better of their vote and our own first one', () => {
    const bench = Bench.started();
    bench.hear(5, { leader: 5, zxid: 0x900, peerEpoch: 1 });
    bench.said();
    bench.hear(1, { leader: 1, zxid: 0x50, round: 7, peerEpoch: 1 });
    expect(bench.said()[0]).toBe('1: LOOKING 3 zxid=100 round=7 epoch=1');
    bench.hear(2, { leader: 2, zxid: 0x800, round: 9, peerEpoch: 1 });
    expect(bench.said()[0]).toBe('1: LOOKING 2 zxid=800 round=9 epoch=1');
  });

  test('a later round forgets the votes of the one before', () => {
    const bench = Bench.started();
    bench.hear(1, { leader: 3, zxid: 0x100, peerEpoch: 1 });
    bench.hear(2, { leader: 1, round: 2 });
    bench.hear(4, { leader: 3, zxid: 0x100, round: 2, peerEpoch: 1 });
    bench.wait(199); // server 1, 3 and 4 were a quorum
    expect(bench.election.decided).toBeNull();
  });

  test('an earlier round is not heard, and answered with our vote and round', () => {
    const bench = Bench.started();
    bench.start();
    bench.said();
    bench.hear(5, { leader: 5, zxid: 0x900, peerEpoch: 9 });
    expect(bench.said()).toEqual(['5: LOOKING 3 zxid=100 round=2 epoch=1']);
  });

  test('a better vote in our round is taken over and told to all', () => {
    const bench = Bench.started();
    bench.hear(1, { leader: 5, zxid: 0x100, peerEpoch: 1 });
    expect(bench.said()).toEqual([1, 2, 4, 5].map((to) => `${to}: LOOKING 5 zxid=100 round=1 epoch=1`));
  });

  test('a worse vote in our round is counted and not answered', () => {
    const bench = Bench.started();
    bench.hear(1, { leader: 1 });
    expect(bench.said()).toEqual([]);
  });

  test('of each sender the last vote counts', () => {
    const bench = Bench.started();
    bench.hear(1, { leader: 3, zxid: 0x100, peerEpoch: 1 });
    bench.hear(1, { leader: 1 });
    bench.hear(2, { leader: 3, zxid: 0x100, peerEpoch: 1 });
    bench.wait(199);
    expect(bench.election.decided).toBeNull();
  });

  test('the own vote counts: two others are a quorum of five', () => {
    const bench = Bench.started();
    bench.hear(1, { leader: 3, zxid: 0x100, peerEpoch: 1 });
    bench.hear(2, { leader: 3, zxid: 0x100, peerEpoch: 1 });
    bench.wait(199);
    expect(bench.election.decided).toBeNull();
    bench.wait(1);
    expect(bench.election.decided).toEqual({ leader: 3, state: leading, voters: new Set([1, 2, 3]) });
  });

  test.each([
    ['zxid', { zxid: 0xff }],
    ['epoch', { peerEpoch: 0 }],
  ])('votes that differ in the %s are not the same vote', (_field, difference) => {
    const bench = Bench.started();
    bench.hear(1, { leader: 3, zxid: 0x100, peerEpoch: 1, ...difference });
    bench.hear(2, { leader: 3, zxid: 0x100, peerEpoch: 1 });
    bench.wait(199);
    expect(bench.election.decided).toBeNull();
  });

  test('finalize: a better vote, of whatever state and round, puts the decision off', () => {
    const bench = Bench.started();
    bench.hear(1, { leader: 3, zxid: 0x100, peerEpoch: 1 });
    bench.hear(2, { leader: 3, zxid: 0x100, peerEpoch: 1 });
    bench.wait(100);
    bench.hear(5, { state: following, leader: 4, zxid: 0x100, round: 9, peerEpoch: 2 });
    bench.wait(199);
    expect(bench.election.decided).toBeNull();
    bench.hear(4, { leader: 4, zxid: 0x200, peerEpoch: 1 });
    expect(bench.said()).toContain('1: LOOKING 4 zxid=200 round=1 epoch=1');
  });

  test('finalize: others are thrown away, and start the 200 ms anew', () => {
    const bench = Bench.started();
    bench.hear(1, { leader: 3, zxid: 0x100, peerEpoch: 1 });
    bench.hear(2, { leader: 3, zxid: 0x100, peerEpoch: 1 });
    bench.wait(150);
    bench.hear(1, { leader: 1 });
    bench.wait(199);
    expect(bench.election.decided).toBeNull();
    bench.wait(1);
    expect(bench.election.decided?.leader).toBe(3);
  });

  test('finalize: a better vote for a stranger does not disturb', () => {
    const bench = Bench.started();
    bench.hear(1, { leader: 3, zxid: 0x100, peerEpoch: 1 });
    bench.hear(2, { leader: 3, zxid: 0x100, peerEpoch: 1 });
    bench.hear(4, { leader: 99, zxid: 0x900, peerEpoch: 9 });
    bench.wait(200);
    expect(bench.election.decided?.leader).toBe(3);
  });

  test('a leader for whom everybody has voted does not wait', () => {
    const bench = Bench.started();
    for (const server of [1, 2, 4, 5]) {
      bench.hear(server, { leader: 3, zxid: 0x100, peerEpoch: 1 });
    }
    bench.wait(0);
    expect(bench.election.decided?.leader).toBe(3);
  });

  test('an ensemble of one elects itself at once', () => {
    const bench = Bench.started({ me: 1, committed: configurationOf([1]) });
    bench.wait(0);
    expect(bench.election.decided).toEqual({ leader: 1, state: leading, voters: new Set([1]) });
    expect(bench.said()).toEqual([]);
  });

  test('OBSERVING is ignored', () => {
    const bench = Bench.started({ committed: configurationOf([1, 3]) });
    bench.hear(1, { state: observing, leader: 1, zxid: 0x900, peerEpoch: 9 });
    expect(bench.said()).toEqual([]);
  });

  test('decided: the vote is the current one, nothing waits any more, and what comes is not heard', () => {
    const bench = Bench.started();
    bench.hear(5, { leader: 5, zxid: 0x200, peerEpoch: 1 });
    bench.hear(4, { leader: 5, zxid: 0x200, peerEpoch: 1 });
    bench.wait(200);
    expect(bench.election.decided).toMatchObject({ leader: 5, state: following });
    expect(bench.election.currentVote).toEqual({ leader: 5, zxid: 0x200, peerEpoch: 1, round: 1 });
    expect(bench.election.deadlineMs).toBe(Number.POSITIVE_INFINITY);
    bench.said();
    bench.hear(4, { leader: 4, zxid: 0x900, round: 5, peerEpoch: 9 });
    expect(bench.election.round).toBe(1);
  });
});
