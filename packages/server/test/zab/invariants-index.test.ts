/**
 * Each invariant of the quorum protocol (quorum-protocol.md §14), and where it is asserted: at every step of the
 * ensembles in cluster/, at every step of the simulator, in all states of the model, or in a test of its own.
 */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const COUNT = 33;
const CLUSTER = 'zab/cluster/cluster.ts';
const WIRETAP = 'zab/cluster/wiretap.ts';
const STEP = 'zab/cluster/step.ts';
const KNOWN_BUGS = 'zab/known-bugs.test.ts';
const ELECTION = 'zab/election.test.ts';
const RECONFIG = 'replica/reconfig.test.ts';
const SIMULATOR = '../../simulator/src/';

const ASSERTED_BY: readonly (readonly [invariant: number, file: string, text: string])[] = [
  [1, CLUSTER, '`1: epoch'],
  [2, CLUSTER, '`2: server'],
  [3, WIRETAP, '`3: server'],
  [4, WIRETAP, '`4: server'],
  [5, KNOWN_BUGS, 'does not lead a server that has more of the history'],
  [6, WIRETAP, '`6: server'],
  [6, CLUSTER, "'6: the epoch is on disk before it is led'"],
  [7, WIRETAP, 'joins before its epoch is on disk'],
  [7, WIRETAP, 'on its disk`'],
  [8, WIRETAP, '`8: server'],
  [9, CLUSTER, '`9: '],
  [10, CLUSTER, '`10: server'],
  [11, CLUSTER, '`11: '],
  [12, CLUSTER, '`12: '],
  [13, 'zab/paper.test.ts', 'integrity: what is delivered has been broadcast, by somebody, as it is'],
  [14, CLUSTER, '`14: '],
  [15, CLUSTER, '`15: server'],
  [16, STEP, '`16: server'],
  [16, WIRETAP, '`16: server'],
  [17, CLUSTER, '`17: server'],
  [17, WIRETAP, '`17: server'],
  [18, STEP, '`18: the window'],
  [19, WIRETAP, '`19: server'],
  [20, STEP, 'takes clients while'],
  [20, STEP, 'which is not what its disk has'],
  [21, ELECTION, 'votes for strangers are not heard'],
  [21, ELECTION, 'a leader of weight 0 is never voted for'],
  [22, `${SIMULATOR}model-checking/elections.ts`, "'rounds'"],
  [23, 'zab/election-answers.test.ts', 'a dead leader is not joined on the word of its followers'],
  [24, CLUSTER, '`24: server'],
  [24, RECONFIG, 'a second change while the first is not committed'],
  [25, 'zab/leader.test.ts', 'the change and what follows it by both'],
  [25, `${SIMULATOR}ensemble/judges/membership.ts`, 'decide(next, holders)'],
  [26, RECONFIG, 'the leader may leave: another leads at once'],
  [27, KNOWN_BUGS, 'observers count for nothing'],
  [27, 'zab/quorum.test.ts', 'does not count strangers'],
  [28, `${SIMULATOR}checkers/replies.ts`, 'came instead'],
  [28, `${SIMULATOR}ensemble/judges/real-time.ts`, "'sessions'"],
  [29, `${SIMULATOR}ensemble/judges/sessions.ts`, 'it was resumed after'],
  [29, `${SIMULATOR}ensemble/judges/sessions.ts`, "'expiry'"],
  [30, KNOWN_BUGS, 'a sync of a learner is answered behind the commits of what was outstanding'],
  [31, KNOWN_BUGS, 'steps down within a tick when its followers are gone, and within syncLimit ticks'],
  [32, KNOWN_BUGS, 'leaves the epoch before its counter is used up, and refuses nobody'],
  [33, 'zab/configuration.test.ts', 'parse, print, parse is the identity'],
];

test('none is left out', () => {
  const numbers = new Set(ASSERTED_BY.map(([number]) => number));
  expect([...numbers]).toEqual(Array.from({ length: COUNT }, (_, i) => i + 1));
});

test.each(ASSERTED_BY)('%s: %s, %s', (_invariant, file, text) => {
  const source = readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');
  expect(source.includes(text), 'the assertion has gone, or has another text').toBe(true);
});
