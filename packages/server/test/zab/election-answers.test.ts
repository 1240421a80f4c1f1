/** The sentences of quorum-protocol.md §4.5 to §4.7, and of §3, one after the other. */
import { JuteWriter, NotificationV33, NotificationV34 } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { isSameVote, LONG_MIN } from '../../src/zab/vote.ts';
import { Bench, following, joinedBench, leading, looking, observing } from './election-bench.ts';
import { configurationOf, SILENT } from './support.ts';

describe('§4.5 joining those who have a leader', () => {
  const of5 = { leader: 5, zxid: 0x20, round: 4, peerEpoch: 4 };

  test('takes a quorum, and the LEADING of the leader itself; the own vote does not help', () => {
    const bench = Bench.started();
    bench.hear(1, { state: following, ...of5 });
    bench.hear(2, { state: following, ...of5 });
    bench.hear(4, { state: following, ...of5 });
    expect(bench.election.decided).toBeNull();
    bench.hear(5, { state: leading, ...of5 });
    expect(bench.election.decided).toEqual({ leader: 5, state: following, voters: new Set([1, 2, 4, 5]) });
  });

  test('the leader and one follower are no quorum of five', () => {
    const bench = Bench.started();
    bench.hear(5, { state: leading, ...of5 });
    bench.hear(1, { state: following, ...of5 });
    expect(bench.election.decided).toBeNull();
  });

  test('sets the round to theirs, −1 after a hand-over included', () => {
    const bench = Bench.started({ committed: configurationOf([1, 2, 3]) });
    bench.hear(1, { state: leading, leader: 1, zxid: 0x20, round: -1, peerEpoch: 4 });
    bench.hear(2, { state: following, leader: 1, zxid: 0x20, round: -1, peerEpoch: 4 });
    expect(bench.election.decided?.leader).toBe(1);
    expect(bench.election.round).toBe(-1);
  });

  test('members may tell histories and rounds of different elections', () => {
    const bench = Bench.started({ committed: configurationOf([1, 2, 3]) });
    bench.hear(1, { state: leading, leader: 1, zxid: 0x20, round: 8, peerEpoch: 4 });
    bench.hear(2, { state: following, leader: 1, zxid: 0x77, round: -1, peerEpoch: 4 });
    expect(bench.election.decided?.leader).toBe(1);
  });

  test('but not different epochs, in other rounds than ours', () => {
    const bench = Bench.started({ committed: configurationOf([1, 2, 3]) });
    bench.hear(1, { state: leading, leader: 1, round: 8, peerEpoch: 4 });
    bench.hear(2, { state: following, leader: 1, round: 8, peerEpoch: 3 });
    expect(bench.election.decided).toBeNull();
  });

  test('in our round: those who have a leader count together with those who are looking', () => {
    const bench = Bench.started();
    const vote = { leader: 1, zxid: 0x200, peerEpoch: 1 };
    bench.hear(2, vote); // we vote for server 1 as well now
    expect(bench.election.decided).toBeNull();
    bench.hear(1, { state: leading, ...vote });
    expect(bench.election.decided).toMatchObject({ leader: 1, voters: new Set([1, 2, 3]) });
  });

  test('in our round: only the leader counts among those who have one, since the epoch may have come between', () => {
    const bench = Bench.started();
    bench.hear(5, { state: leading, leader: 5, round: 1, peerEpoch: 4 });
    bench.hear(1, { state: following, leader: 5, round: 1, peerEpoch: 3 });
    bench.hear(2, { state: following, leader: 5, round: 1, peerEpoch: 4 });
    expect(bench.election.decided?.voters).toEqual(new Set([1, 2, 5]));
  });

  test('a leader that its own members tell of: only in our round', () => {
    const bench = Bench.started();
    for (const server of [1, 2, 4]) {
      bench.hear(server, { state: following, leader: 3, round: 4, peerEpoch: 1 });
    }
    expect(bench.election.decided).toBeNull();
    bench.hear(5, { leader: 1, round: 4 }); // moves us to round 4
    bench.hear(1, { state: following, leader: 3, round: 4, peerEpoch: 1 });
    expect(bench.election.decided).toMatchObject({ leader: 3, state: leading });
  });

  test('a dead leader is not joined on the word of its followers', () => {
    const bench = Bench.started();
    for (const server of [1, 2, 4]) {
      bench.hear(server, { state: following, ...of5 });
    }
    bench.hear(5, { leader: 5, round: 1 });
    expect(bench.election.decided).toBeNull();
  });

  test.each([
    ['both looking', looking, looking, true, true, { zxid: 1 }, false],
    ['one looking', looking, following, true, true, { round: 1 }, false],
    ['neither looking', leading, following, true, true, { zxid: 1, round: 7 }, true],
    ['neither looking', leading, following, true, true, { peerEpoch: 1 }, false],
    ['one of 3.4', leading, following, true, false, { peerEpoch: 1 }, true],
    ['both of 3.4', leading, following, false, false, { peerEpoch: 1 }, false],
    ['one of 3.4', leading, following, true, false, { leader: 9 }, false],
  ])('equality, %s', (_name, state, otherState, isModern, otherModern, difference, expected) => {
    const vote = { leader: 5, zxid: 0, round: 0, peerEpoch: 0 };
    const one = { ...vote, state, isModern };
    const other = { ...vote, ...difference, state: otherState, isModern: otherModern };
    expect([isSameVote(one, other), isSameVote(other, one)]).toEqual([expected, expected]);
  });
});

describe('§4.6 answers', () => {
  test('following: an elector that is looking gets the current vote with its own round', () => {
    const bench = joinedBench();
    bench.hear(2, { leader: 2, round: 9 });
    expect(bench.said()).toEqual(['2: FOLLOWING 5 zxid=500 round=4 epoch=4']);
  });

  test('following: electors that are not looking get none', () => {
    const bench = joinedBench();
    for (const state of [following, leading, observing]) {
      bench.hear(2, { state, leader: 5, round: 9 });
    }
    expect(bench.said()).toEqual([]);
  });

  test('following: someone outside gets the round of our counter', () => {
    const bench = Bench.started({ committed: configurationOf([1, 2, 3]) });
    bench.hear(1, { state: leading, leader: 1, round: 4, peerEpoch: 4 });
    bench.hear(2, { state: following, leader: 1, round: 3, peerEpoch: 4 });
    bench.said();
    bench.hear(77, { leader: LONG_MIN });
    expect(bench.said()).toEqual(['77: FOLLOWING 1 zxid=0 round=3 epoch=4']);
  });

  test('after synchronisation the epoch is the new one, zxid and round stay those of the election', () => {
    const bench = joinedBench();
    bench.election.synced(5);
    bench.hear(2, { leader: 2, round: 9 });
    expect(bench.said()).toEqual(['2: FOLLOWING 5 zxid=500 round=4 epoch=5']);
  });

  test('after a hand-over: round −1, epoch −1 until synchronisation is done', () => {
    const bench = joinedBench();
    bench.election.designate(3, 0x501);
    bench.hear(2, { leader: 2 });
    expect(bench.said()).toEqual(['2: LEADING 3 zxid=501 round=-1 epoch=-1']);
    bench.election.synced(6);
    bench.hear(2, { leader: 2 });
    expect(bench.said()).toEqual(['2: LEADING 3 zxid=501 round=-1 epoch=6']);
    bench.election.designate(1, 0x502);
    bench.hear(2, { leader: 2 });
    expect(bench.said()).toEqual(['2: FOLLOWING 1 zxid=502 round=-1 epoch=-1']);
  });

  test('between two elections: electors wait for the start, and are heard then', () => {
    const bench = joinedBench();
    bench.election.leave(null);
    expect(bench.election.decided).toBeNull();
    bench.hear(2, { leader: 2, zxid: 0x600, round: 9, peerEpoch: 5 });
    expect(bench.said()).toEqual([]);
    bench.start();
    expect(bench.said()).toContain('1: LOOKING 2 zxid=600 round=9 epoch=5');
  });

  test('before the start as well: a hundred are kept, the last ones', () => {
    const bench = new Bench();
    for (let zxid = 1; zxid <= 150; zxid++) {
      bench.hear(2, { leader: 2, zxid, round: 200 - zxid, peerEpoch: 1 });
    }
    bench.start();
    expect(bench.election.round).toBe(149);
  });

  test('all forms are answered in the newest', () => {
    const writer = new JuteWriter();
    const vote = { state: looking, leader: 2n, zxid: 0n, round: 1n };
    NotificationV33.encode(writer, vote);
    const v33 = writer.copy();
    writer.clear();
    NotificationV34.encode(writer, { ...vote, peerEpoch: 0n, version: 1 });
    const bench = joinedBench();
    bench.election.receive(2, v33, bench.nowMs);
    bench.election.receive(2, writer.copy(), bench.nowMs);
    expect(bench.said()).toEqual(Array(2).fill('2: FOLLOWING 5 zxid=500 round=4 epoch=4'));
  });
});

describe('§4.7 observers', () => {
  const committed = configurationOf([1, 2, 3], [4]);

  test('take over votes, and observe whom a quorum elects', () => {
    const bench = Bench.started({ me: 4, committed });
    bench.hear(1, { leader: 2, zxid: 0x10 });
    expect(bench.said()).toHaveLength(3);
    bench.hear(2, { leader: 2, zxid: 0x10 });
    bench.wait(200);
    expect(bench.election.decided).toEqual({ leader: 2, state: observing, voters: new Set([1, 2]) });
  });

  test('do not count themselves', () => {
    const bench = Bench.started({ me: 4, committed });
    bench.hear(1, { leader: 2, zxid: 0x10 });
    bench.wait(199);
    expect(bench.election.decided).toBeNull();
  });

  test('join an established ensemble', () => {
    const bench = Bench.started({ me: 4, committed });
    bench.hear(2, { state: leading, leader: 2, round: 3, peerEpoch: 3 });
    bench.hear(1, { state: following, leader: 2, round: 3, peerEpoch: 3 });
    expect(bench.election.decided).toMatchObject({ leader: 2, state: observing });
  });

  test('a joiner that nobody knows follows', () => {
    const bench = Bench.started({ me: 9, committed });
    bench.hear(2, { state: leading, leader: 2, round: 3, peerEpoch: 3 });
    bench.hear(1, { state: following, leader: 2, round: 3, peerEpoch: 3 });
    expect(bench.election.decided).toMatchObject({ leader: 2, state: following });
  });
});

describe('§3 what notifications bring', () => {
  test('malformed ones are dropped, with one line until a good one comes', () => {
    const warnings: string[] = [];
    const bench = Bench.started({ log: { ...SILENT, warn: (message) => warnings.push(message) } });
    const garbage = [new Uint8Array(27), new Uint8Array(36), new Uint8Array(44).fill(0xff), new Uint8Array(0)];
    for (const bytes of garbage) {
      expect(bench.election.receive(2, bytes, bench.nowMs)).toBeNull();
    }
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('a notification of server 2');
    bench.hear(2, { leader: 2 });
    bench.election.receive(2, garbage[0], bench.nowMs);
    expect(warnings).toHaveLength(2);
  });

  test('votes beyond what numbers hold exactly are dropped', () => {
    const bench = Bench.started();
    bench.hear(1, { leader: 1, zxid: 2 ** 60, peerEpoch: 2 ** 28 });
    expect(bench.said()).toEqual([]);
  });

  test('notifications that claim to be our own are ignored', () => {
    const bench = Bench.started();
    bench.hear(3, { leader: 5, zxid: 0x900, peerEpoch: 9 });
    expect(bench.said()).toEqual([]);
  });

  const newer = configurationOf([1, 2, 3, 4, 5, 6], [], 0x77);

  test('a newer configuration is handed over while looking, and the vote dropped if members differ', () => {
    const bench = Bench.started({ adoptsConfigurations: true });
    const vote = { leader: 5, zxid: 0x900, peerEpoch: 9 };
    expect(bench.hear(1, { ...vote, config: newer.text })?.text).toBe(newer.text);
    expect(bench.said()).toEqual([]);
    const sameMembers = bench.committed.withVersion(0x77);
    expect(bench.hear(1, { ...vote, config: sameMembers.text })?.version).toBe(0x77);
    expect(bench.said()).toHaveLength(4);
  });

  test('also when the sender is a stranger to us', () => {
    const bench = Bench.started({ adoptsConfigurations: true });
    expect(bench.hear(6, { state: leading, leader: 6, config: newer.text })?.version).toBe(0x77);
  });

  test('not an older one, a broken one, or when it has a leader, or without reconfigEnabled', () => {
    const bench = Bench.started({ adoptsConfigurations: true, committed: newer.withVersion(0x78) });
    expect(bench.hear(1, { leader: 1, config: newer.text })).toBeNull();
    expect(bench.hear(1, { leader: 1, config: 'server.1=nonsense' })).toBeNull();
    expect(joinedBench().hear(1, { leader: 1, config: newer.text })).toBeNull();
    const fixed = Bench.started();
    expect(fixed.hear(1, { leader: 5, zxid: 0x900, peerEpoch: 1, config: newer.text })).toBeNull();
    expect(fixed.said()).toHaveLength(4);
  });

  test('ours goes with every notification', () => {
    const bench = Bench.started();
    bench.election.configure(newer, null);
    bench.hear(77, { leader: 5 });
    bench.wait(200);
    expect(bench.configs).toEqual([...Array(4).fill(bench.committed.text), ...Array(6).fill(newer.text)]);
  });
});

describe('when a leader is lost', () => {
  const voteFor4 = { leader: 4, zxid: 0x500, round: 5, peerEpoch: 4 };

  function looking3(lost: number | null): Bench {
    const bench = joinedBench();
    bench.election.leave(lost);
    bench.start({ lastZxid: 0x500, currentEpoch: 4 });
    bench.said();
    return bench;
  }

  test('and all others have voted alike: decided at once', () => {
    const bench = looking3(5);
    for (const server of [1, 2, 4]) {
      bench.hear(server, voteFor4);
    }
    bench.wait(0);
    expect(bench.election.decided).toMatchObject({ leader: 4, voters: new Set([1, 2, 3, 4]) });
  });

  test('but is heard of, or another is silent: decided after 200 ms', () => {
    const heard = looking3(5);
    heard.hear(5, { leader: 5, zxid: 0x400, round: 5, peerEpoch: 4 });
    const silent = looking3(5);
    const notLost = looking3(null);
    for (const bench of [heard, silent, notLost]) {
      for (const server of bench === silent ? [1, 4] : [1, 2, 4]) {
        bench.hear(server, voteFor4);
      }
      bench.wait(199);
      expect(bench.election.decided).toBeNull();
      bench.wait(1);
      expect(bench.election.decided).toMatchObject({ leader: 4 });
    }
  });

  test('who had it still when our vote came is told it again when it looks, too; once', () => {
    const bench = looking3(5);
    bench.hear(1, { state: following, leader: 5, zxid: 0x500, round: 4, peerEpoch: 4 });
    bench.hear(1, { leader: 1, zxid: 0x500, round: 5, peerEpoch: 4 });
    bench.hear(1, { leader: 1, zxid: 0x500, round: 5, peerEpoch: 4 });
    expect(bench.said()).toEqual(['1: LOOKING 3 zxid=500 round=5 epoch=4']);
  });
});
