/** Whether transactions follow each other without a gap (quorum-protocol.md §5.6, §6.2). */
import { counterOf, epochOf } from '@treekeeper/protocol';

/**
 * Whether `next` can be the transaction right after `zxid`: the next of its epoch, or the first of a later one. That an
 * epoch's last transactions are missing cannot be seen from the numbers.
 */
export function isSuccessor(zxid: number, next: number): boolean {
  return next === zxid + 1 || (epochOf(next) > epochOf(zxid) && counterOf(next) === 1);
}

/**
 * Whether `next` is the transaction right after `zxid` in logs beside which snapshots of these zxids lie. A snapshot
 * between two records may have come from a leader, with transactions that were never logged here.
 */
export function isProvenSuccessor(zxid: number, next: number, snapshotZxids: readonly number[]): boolean {
  const isNext = next === zxid + 1;
  return isNext || (isSuccessor(zxid, next) && !snapshotZxids.some((snapshot) => snapshot > zxid && snapshot < next));
}
