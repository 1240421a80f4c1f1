/**
 * How a learner's history is made the leader's: a decision, taken once for each learner that joins
 * (quorum-protocol.md §5.6).
 */
import { counterOf, epochOf } from '@treekeeper/protocol';
import { type CommittedLog, follows } from './committed-log.ts';
import type { Entry, LogWalk } from './environment.ts';

/** The learner keeps its history through `keep` (TRUNC), or all of it (DIFF), and gets what comes behind it. */
export interface Difference {
  readonly kind: 'difference';
  /** Null: DIFF. */
  readonly keep: number | null;
  /** What is older than the window, read from the log on disk. */
  readonly fromLog: LogTail | null;
  /** Goes behind it. */
  readonly fromWindow: readonly Entry[];
}

export type SyncKind = Synchronization['kind'];
export type Synchronization = Difference | { readonly kind: 'snapshot' };

const SNAPSHOT: Synchronization = { kind: 'snapshot' };

/**
 * @param learnerZxid the last transaction that the learner has
 * @param committed the end of the leader's history; all of it counts as committed, and all that follows is live
 * @param readLog the log on disk, from the last record at or before the learner's; null: it cannot serve (or shall not)
 */
export function synchronize(
  learnerZxid: number,
  committed: CommittedLog,
  readLog: () => LogWalk | null,
): Synchronization {
  const { last } = committed;
  if (learnerZxid === last) {
    return { kind: 'difference', keep: null, fromLog: null, fromWindow: [] };
  }
  if (learnerZxid > last) {
    // What it has beyond was never committed.
    return isCuttable(last, learnerZxid) ? { kind: 'difference', keep: last, fromLog: null, fromWindow: [] } : SNAPSHOT;
  }
  if (learnerZxid >= committed.base) {
    return fromWindow(learnerZxid, committed);
  }
  const walk = readLog();
  return walk === null ? SNAPSHOT : fromLog(learnerZxid, committed, walk);
}

function fromWindow(learnerZxid: number, committed: CommittedLog): Synchronization {
  const missing = committed.after(learnerZxid);
  const before = committed.after(committed.base).at(-missing.length - 1)?.zxid ?? committed.base;
  const junction = joinAt(learnerZxid, before, missing[0]);
  return junction === null ? SNAPSHOT : { kind: 'difference', ...junction, fromLog: null, fromWindow: missing };
}

function fromLog(learnerZxid: number, committed: CommittedLog, walk: LogWalk): Synchronization {
  let before = -1;
  let entry = walk.next();
  while (entry !== null && entry.zxid <= learnerZxid) {
    before = entry.zxid;
    entry = walk.next();
  }
  const first = entry ?? committed.after(committed.base)[0];
  if (before < 0 || first === undefined) {
    return SNAPSHOT; // the log begins too late, or the learner's place in it cannot be found
  }
  const junction = joinAt(learnerZxid, before, first);
  if (junction === null) {
    return SNAPSHOT;
  }
  const tail = new LogTail(walk, before, entry, committed.base);
  return { kind: 'difference', ...junction, fromLog: tail, fromWindow: committed.after(committed.base) };
}

/**
 * How a history that ends at `learnerZxid` goes on with `next`, when the leader's has `before` in front of it; null: it
 * cannot. An epoch that begins without a transaction (counter 0) is no difference.
 */
function joinAt(learnerZxid: number, before: number, next: Entry): { readonly keep: number | null } | null {
  if (learnerZxid === before || counterOf(learnerZxid) === 0) {
    return { keep: null };
  }
  return epochOf(next.zxid) === epochOf(learnerZxid) && isCuttable(before, learnerZxid) ? { keep: before } : null;
}

/**
 * Whether the history of a learner can be cut behind `keep`. Counter 0 names no transaction: there is nothing at which
 * one could cut. And no cut crosses epochs: of an earlier one the learner may have nothing in its log (a snapshot
 * brought it), and Apache ZooKeeper then keeps the first record behind it, which is one that is to go (trap 23).
 */
function isCuttable(keep: number, learnerZxid: number): boolean {
  return counterOf(learnerZxid) > 0 && counterOf(keep) > 0 && epochOf(keep) === epochOf(learnerZxid);
}

/** The part of the log on disk that a learner misses, up to where the window begins. */
export class LogTail {
  readonly #walk: LogWalk;
  readonly #end: number;
  #previous: number;
  #next: Entry | null;

  /**
   * @param previous the transaction in front of it
   * @param first already taken from the walk; null: there was none
   * @param end the last transaction that is wanted
   */
  constructor(walk: LogWalk, previous: number, first: Entry | null, end: number) {
    this.#walk = walk;
    this.#previous = previous;
    this.#next = first;
    this.#end = end;
  }

  /** The next transaction; null: that was all. Throws GapError when one is missing in the log. */
  next(): Entry | null {
    const entry = this.#next;
    if (entry === null || entry.zxid > this.#end) {
      if (this.#previous !== this.#end) {
        throw new GapError(this.#previous, this.#end);
      }
      return null;
    }
    if (!follows(this.#previous, entry.zxid)) {
      throw new GapError(this.#previous, entry.zxid);
    }
    this.#previous = entry.zxid;
    this.#next = this.#walk.next();
    return entry;
  }
}

/** The log on disk does not hold everything between two transactions. */
export class GapError extends Error {
  override readonly name = 'GapError';

  constructor(after: number, before: number) {
    super(`the log on disk has a gap between zxid 0x${after.toString(16)} and 0x${before.toString(16)}`);
  }
}
