/** All judges of a history, one after the other. */
import { judgeEphemerals } from './ephemeral-judge.ts';
import { limits } from './ground.ts';
import { judgeQuota, judgeRights } from './guard-judge.ts';
import type { FinalState, History } from './history.ts';
import { judge, type Violation } from './judge.ts';
import { judgeObjects } from './objects.ts';
import { judgePursuits } from './pursuit-judge.ts';
import { judgeSequences } from './sequence-judge.ts';
import { judgeWatches } from './watch-judge.ts';

/** Everything that must not be; empty when all is well. */
export function judgeAll(history: History, final: FinalState): Violation[] {
  return [
    ...judge(history, final),
    ...judgeObjects(history, final),
    ...judgeSequences(history),
    ...judgeEphemerals(history, final),
    ...judgeWatches(history),
    ...judgePursuits(history, final),
    ...judgeRights(history, final),
    ...judgeQuota(history, limits),
  ];
}
