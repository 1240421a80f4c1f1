/**
 * Each known bug of Apache ZooKeeper's quorum protocol (quorum-protocol.md §16), and the test that shows it absent. The
 * numbers are those of its reports.
 */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const KNOWN_BUGS = 'zab/known-bugs.test.ts';
const HISTORY_FIRST = 'has the transactions on disk and applied, then its epoch on disk, and then says so';

const SHOWN_BY: readonly (readonly [reports: string, file: string, title: string])[] = [
  ['4646, 4643, 4785, 3023, 3911', KNOWN_BUGS, HISTORY_FIRST],
  ['4685', KNOWN_BUGS, 'an ACK of a proposal is not taken for that of NEWLEADER'],
  ['4394', KNOWN_BUGS, 'outstanding proposals may be committed between NEWLEADER and UPTODATE'],
  ['4925', KNOWN_BUGS, 'what was applied on the way in is in the window afterwards'],
  ['4712, 2845', KNOWN_BUGS, 'who leaves a role votes with all that is in its log'],
  ['3642, 5094', KNOWN_BUGS, 'a database that is only in memory is dropped when the link is lost'],
  ['4882', 'storage/log.test.ts', 'after a failed write nothing is acknowledged any more'],
  ['3104', KNOWN_BUGS, 'NEWLEADER comes behind the snapshot and all that was proposed while it was sent'],
  ['2846', 'storage/log-walk.test.ts', 'a gap'],
  ['4352', 'zab/synchronize.test.ts', '4352'],
  ['2418', 'zab/synchronize.test.ts', 'a gap between the log on disk and the window is found'],
  ['3526', 'replica/read-only.test.ts', 'a quorum ends it: clients come again, and nothing of it is left'],
  ['3127, 3144, 3145', 'tree/golden.test.ts', 'a snapshot taken under load comes right with the log'],
  ['2355', KNOWN_BUGS, 'what is no packet ends the link, and nothing else'],
  ['1732, 1805, 1818', 'zab/election-answers.test.ts', 'members may tell histories and rounds of different elections'],
  ['3537', 'zab/election-answers.test.ts', 'those who have a leader count together with those who are looking'],
  ['3769', 'zab/election-answers.test.ts', 'malformed ones are dropped, with one line until a good one comes'],
  ['2164', 'host/election-port.test.ts', '[::]:1'],
  ['3720', 'host/election-port.test.ts', 'of a server with several addresses'],
  ['3756, 2930', 'host/election-port.test.ts', 'a server that cannot be reached is mentioned once'],
  ['4787', 'zab/configuration.test.ts', 'parse, print, parse is the identity'],
  ['4886', 'host/peer-security.test.ts', 'none where it is required: refused'],
  ['3829, 2819', 'zab/election-answers.test.ts', 'or without reconfigEnabled'],
  ['4708', 'replica/reconfig.test.ts', 'the leader may leave: another leads at once'],
  [
    '2307, 2354, 4269',
    'storage/epochs.test.ts',
    'a crash at any moment of the writing leaves the old or the new epoch',
  ],
  [
    '1653',
    'storage/epochs.test.ts',
    'a crash between a synchronisation and the writing of currentEpoch needs no operator',
  ],
  ['2959', KNOWN_BUGS, 'observers count for nothing'],
  ['1277', KNOWN_BUGS, 'leaves the epoch before its counter is used up, and refuses nobody'],
  ['4537', 'zab/leader.test.ts', 'commits what a majority has, as the obvious count says'],
  ['2623', 'replica/ensemble-hostile.test.ts', 'becomes an error and no transaction'],
  ['5088', 'replica/ensemble-observers.test.ts', 'comes while the follower has proposals that are not committed'],
  ['4409, 4541', KNOWN_BUGS, 'a link that is lost, and closed twice, while the disk is at work'],
  ['1675, 2136', KNOWN_BUGS, 'a leader that has been replaced without noticing answers no sync'],
  ['1549', KNOWN_BUGS, 'what is committed and not applied is not in a snapshot, and goes behind it'],
];

test.each(SHOWN_BY)('%s: %s, %s', (_reports, file, title) => {
  const text = readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');
  expect(text.includes(title), 'the test has gone, or has another name').toBe(true);
});
