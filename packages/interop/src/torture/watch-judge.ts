/**
 * Whether one-shot watches kept their promises: once, only of a change, of the first one, before any answer on the same
 * session that shows it, over reconnects too (client-protocol.md §3.7, §7). Nothing is asked for that the protocol does
 * not promise: of a node that was not there, and was made and deleted while the connection was away, nobody is told.
 */
import { Changes, toldNotice } from './changes.ts';
import type { AnyCall, ChangeCall, History, NoticeType, SightCall } from './history.ts';
import { told, type Violation } from './judge.ts';

const TYPES: Readonly<Record<SightCall['of'] | 'nothing', readonly NoticeType[]>> = {
  data: ['data-changed', 'deleted'],
  children: ['children-changed', 'deleted'],
  nothing: ['created'],
};

/** Everything that one-shot watches, and synced looks at the same nodes, did wrong; empty when all is well. */
export function judgeWatches(history: History): Violation[] {
  return new WatchJudge(history).violations;
}

class WatchJudge {
  readonly violations: Violation[] = [];
  readonly #changes: Changes;
  /** From 3.9 on servers say of which transaction they tell, unless it is found out after a reconnect. */
  readonly #namesZxids: boolean;

  constructor(history: History) {
    this.#changes = new Changes(history);
    const sights = history.calls.filter((call): call is SightCall => call.kind === 'sight');
    this.#namesZxids = sights.some(({ notices }) => notices.some(({ zxid }) => zxid !== null));
    const bySession: AnyCall[][] = history.sessions.map(() => []);
    // Calls are in the order in which they were sent, and so are the answers of a session.
    for (const call of history.calls) {
      bySession[call.session.index].push(call);
    }
    for (const calls of bySession) {
      this.#judgeSession(calls);
    }
    for (const sight of sights.filter(({ isSynced, outcome }) => isSynced && outcome === 'done')) {
      this.#judgeSynced(sight);
    }
  }

  #that(kind: Violation['kind'], holds: boolean, text: () => string): void {
    if (!holds) {
      this.violations.push({ kind, text: text() });
    }
  }

  #judgeSession(calls: readonly AnyCall[]): void {
    for (const [i, call] of calls.entries()) {
      if (call.kind === 'sight' && call.isWatched && call.outcome === 'done') {
        this.#judgeNotices(call);
        this.#judgeAnswers(call, calls, i + 1);
      }
    }
  }

  // What was told

  #judgeNotices(sight: SightCall): void {
    const [first, ...more] = sight.notices;
    if (first === undefined) {
      return;
    }
    const about = () => `${toldNotice(first)}: ${told(sight)}`;
    this.#that('watch', more.length === 0, () => `told twice: ${about()}, ${more.map(toldNotice).join()}`);
    const isRightType = TYPES[sight.isThere ? sight.of : 'nothing'].includes(first.type) && first.path === sight.path;
    this.#that('watch', isRightType, () => `told what it was not set for: ${about()}`);
    const { zxid } = first;
    this.#that('watch', zxid === null || zxid > sight.zxid, () => `told what had been seen already: ${about()}`);
    this.#that('watch', this.#changes.explain(first, sight.zxid), () => `told what nobody did: ${about()}`);
    if (zxid !== null) {
      const earlier = this.#firstChange(sight, first.position);
      const isFirst = earlier === null || earlier.zxid >= zxid;
      this.#that('watch', isFirst, () => `told of a later change: ${about()} after ${earlier && told(earlier)}`);
    } else {
      const mayLack = !this.#namesZxids || isBroken(sight, first.position);
      this.#that('watch', mayLack, () => `told as if after a reconnect: ${about()}`);
    }
  }

  /** The first change behind what was seen that must be told, as far as it is known; null: none is. */
  #firstChange(sight: SightCall, until: number): ChangeCall | null {
    if (!sight.isThere) {
      // What is made and deleted while the connection is away is not told; what was before may be long gone.
      const made = ({ act, began }: ChangeCall) => act === 'create' && began > sight.ended;
      return isBroken(sight, until) ? null : (this.#changes.ofNode(sight.path).find(made) ?? null);
    }
    const later = ({ zxid }: ChangeCall) => zxid > sight.zxid;
    if (sight.of === 'data') {
      return this.#changes.ofNode(sight.path).find(later) ?? null;
    }
    const ofChildren = this.#changes.ofChildren(sight.path).find(later);
    const deleted = this.#changes.ofNode(sight.path).find((change) => change.act === 'delete' && later(change));
    const both = [ofChildren, deleted].filter((change) => change !== undefined);
    return both.sort((a, b) => (a.zxid < b.zxid ? -1 : 1))[0] ?? null;
  }

  // What was not told in time

  #judgeAnswers(sight: SightCall, calls: readonly AnyCall[], from: number): void {
    const toldAt = sight.notices[0]?.position ?? Number.POSITIVE_INFINITY;
    for (let i = from; i < calls.length; i++) {
      const answer = calls[i];
      if (answer.outcome === 'done' && answer.ended >= toldAt) {
        return;
      }
      if (answer.ended < toldAt && this.#showsChange(sight, answer)) {
        const when = toldAt === Number.POSITIVE_INFINITY ? 'never told' : `told at ${toldAt} only`;
        this.violations.push({ kind: 'watch', text: `${when}: ${told(sight)}, though there was ${told(answer)}` });
        return;
      }
    }
  }

  #showsChange(sight: SightCall, answer: AnyCall): boolean {
    if (answer.kind === 'sight' && answer.path === sight.path && showsOther(sight, answer)) {
      return true;
    }
    if (answer.outcome !== 'done' || answer.zxid === 0n) {
      return false;
    }
    const change = this.#firstChange(sight, answer.ended);
    return change !== null && change.zxid <= answer.zxid;
  }

  // Looks behind a sync

  #judgeSynced(sight: SightCall): void {
    if (sight.of !== 'data') {
      return;
    }
    const before = this.#changes.ofNode(sight.path).filter(({ ended }) => ended < sight.began);
    const last = before[before.length - 1];
    if (last === undefined) {
      return;
    }
    if (sight.isThere) {
      const isNew = last.act === 'delete' ? sight.zxid > last.zxid : sight.zxid >= last.zxid;
      this.#that('stale', isNew, () => `stale: ${told(sight)} after ${told(last)}`);
    } else {
      const mayDelete = ({ path, act, zxid, began, outcome }: ChangeCall): boolean => {
        const isLater = outcome === 'unknown' || zxid >= last.zxid;
        return path === sight.path && act === 'delete' && isLater && began < sight.ended;
      };
      const isDeleted = [...this.#changes.ofNode(sight.path), ...this.#changes.open].some(mayDelete);
      this.#that('stale', isDeleted, () => `gone, and nobody deleted it: ${told(sight)} after ${told(last)}`);
    }
  }
}

/** A later look in the same session sees something else. */
function showsOther(sight: SightCall, later: SightCall): boolean {
  const isMissing = later.code === 'NO_NODE' || (later.outcome === 'done' && !later.isThere);
  if (isMissing) {
    return sight.isThere;
  }
  if (later.outcome !== 'done') {
    return false;
  }
  return sight.isThere ? later.of === sight.of && later.zxid > sight.zxid : true;
}

function isBroken({ session, began }: SightCall, until: number): boolean {
  return session.breaks.some((at) => at > began && at < until);
}
