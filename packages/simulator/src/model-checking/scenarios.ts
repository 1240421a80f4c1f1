/**
 * From where the explorer sets out, and how much may happen. Those of `npm test` are seen to their end in seconds; those
 * of `npm run simulate -- --explore` take minutes, or have no end on any machine and are seen as far as time allows.
 */
import { makeZxid } from '@treekeeper/protocol';
import { type DiskState, EMPTY_DISK, type Transaction } from './disk.ts';
import type { ElectionScenario, History } from './elections.ts';
import type { Beginning, Budget } from './ensemble.ts';
import type { Scenario } from './explore.ts';

const NOTHING: Budget = {
  elections: 1,
  writes: 0,
  crashes: 0,
  breaks: 0,
  silences: 0,
  handOvers: 0,
  delays: 0,
};

const A = { zxid: makeZxid(1, 1), text: 'a' };
const B = { zxid: makeZxid(1, 2), text: 'b' };
const C = { zxid: makeZxid(1, 3), text: 'c' };
const D = { zxid: makeZxid(2, 1), text: 'd' };

function diskWith(epoch: number, ...log: Transaction[]): DiskState {
  return { ...EMPTY_DISK, log, acceptedEpoch: epoch, currentEpoch: epoch };
}

function after(
  disks: readonly DiskState[],
  delivered: readonly Transaction[],
  leaders: readonly (readonly [number, number])[],
): Beginning {
  const broadcast = new Map(disks.flatMap(({ log }) => log).map(({ zxid, text }) => [zxid, text]));
  return { disks, chronicle: { delivered, leaders: new Map(leaders), broadcast } };
}

/** Server 3 has led epoch 1; the power failed while its last two transactions were on their way. */
const UNEQUAL = after([diskWith(1, A), diskWith(1, A, B), diskWith(1, A, B, C)], [A, B], [[1, 3]]);

/** Server 3 has led epoch 1 and was alone with its last transaction when server 2 began epoch 2. */
const DIVERGED = after(
  [diskWith(2, A, D), diskWith(2, A, D), diskWith(1, A, B)],
  [A, D],
  [
    [1, 3],
    [2, 2],
  ],
);

/** Server 3 has accepted an epoch that nobody has ever led. */
const PROMISED = after([diskWith(1, A), diskWith(1, A), { ...diskWith(1, A), acceptedEpoch: 5 }], [A], [[1, 1]]);

function scenario(name: string, budget: Partial<Budget>, more: Partial<Scenario> = {}): Scenario {
  return {
    name,
    servers: 3,
    budget: { ...NOTHING, ...budget },
    beginning: null,
    splits: true,
    options: {},
    ...more,
  };
}

/** Differences are not read from the log: who is behind a restarted leader gets a snapshot. */
const BY_SNAPSHOT = { options: { snapshotSizeFactor: -1 } };
const BY_LOG = { options: { snapshotSizeFactor: 0 } };

export const QUICK: readonly Scenario[] = [
  scenario('a first epoch, things put off twice', { writes: 2, delays: 2 }),
  scenario('a crash', { elections: 2, writes: 2, crashes: 1 }, { splits: false }),
  scenario('unequal histories', { elections: 2, writes: 1, crashes: 1 }, { beginning: UNEQUAL, ...BY_LOG }),
  scenario('unequal histories, by snapshot', { elections: 2, breaks: 1 }, { beginning: UNEQUAL, ...BY_SNAPSHOT }),
  scenario('diverged histories', { elections: 2, breaks: 1, writes: 1 }, { beginning: DIVERGED, ...BY_LOG }),
  scenario('a leader that is not heard any more', { elections: 2, writes: 2, silences: 1 }, { splits: false }),
  scenario('an epoch that came to nothing', { elections: 2, writes: 1 }, { beginning: PROMISED }),
  scenario('handing over', { elections: 2, writes: 2, handOvers: 1 }, { splits: false }),
];

export const DEEP: readonly Scenario[] = [
  scenario('everything in any order', { writes: 1, delays: Number.POSITIVE_INFINITY }, { splits: false }),
  scenario('a first epoch, things put off four times', { writes: 2, delays: 4 }),
  scenario('a crash, something put off', { elections: 2, writes: 2, crashes: 1, delays: 1 }),
  scenario('two crashes', { elections: 3, writes: 3, crashes: 2 }, { splits: false }),
  scenario('a crash, and a broken link', { elections: 3, writes: 2, crashes: 1, breaks: 1 }, { splits: false }),
  scenario('unequal histories', { elections: 3, writes: 1, crashes: 1, breaks: 1 }, { beginning: UNEQUAL, ...BY_LOG }),
  scenario(
    'unequal histories, by snapshot',
    { elections: 3, writes: 1, crashes: 2 },
    { beginning: UNEQUAL, ...BY_SNAPSHOT },
  ),
  scenario(
    'diverged histories',
    { elections: 3, writes: 1, crashes: 1, breaks: 1 },
    { beginning: DIVERGED, ...BY_LOG },
  ),
  scenario('two leaders at a time', { elections: 3, writes: 3, silences: 2 }, { splits: false }),
  scenario('a server that changes its mind', { elections: 2, silences: 2 }, { splits: false }),
  scenario('handing over, and a crash', { elections: 2, writes: 2, handOvers: 1, crashes: 1 }, { splits: false }),
  scenario('five servers, a crash', { elections: 2, writes: 1, crashes: 1 }, { servers: 5, splits: false }),
];

const SAME: readonly History[] = [1, 2, 3].map(() => ({ currentEpoch: 1, lastZxid: A.zxid }));
const FIRST_HAS_MOST: readonly History[] = [C, A, A].map(({ zxid }) => ({ currentEpoch: 1, lastZxid: zxid }));
const LAST_IS_BEHIND: readonly History[] = [
  { currentEpoch: 2, lastZxid: A.zxid },
  { currentEpoch: 2, lastZxid: D.zxid },
  { currentEpoch: 1, lastZxid: C.zxid },
];

function election(name: string, histories: readonly History[], more: Partial<ElectionScenario> = {}): ElectionScenario {
  return { name, histories, hastes: 0, losses: 0, restarts: 0, ...more };
}

export const QUICK_ELECTIONS: readonly ElectionScenario[] = [
  election('an election among equals', SAME),
  election('an election in which one has the most', FIRST_HAS_MOST),
  election('an election in which an epoch decides, something lost', LAST_IS_BEHIND, { losses: 1 }),
];

export const DEEP_ELECTIONS: readonly ElectionScenario[] = [
  election('an election among equals, somebody in haste', SAME, { hastes: 1 }),
  election('an election in which one has the most, losses', FIRST_HAS_MOST, { losses: 2 }),
  election('an election in which an epoch decides, somebody starts anew', LAST_IS_BEHIND, { restarts: 1 }),
];
