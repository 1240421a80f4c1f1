/**
 * Whether persistent recursive watches told everything in its order, but for the gaps that they told of, and whether
 * who followed them ended with the tree that is there (client-protocol.md §7.1, §7.6).
 */
import { Changes, toldNotice } from './changes.ts';
import type { FinalState, History, Notice, NoticeType, Pursuit } from './history.ts';
import type { Violation } from './judge.ts';

/** A recursive watch tells of nodes, never of lists of children. */
const TYPES: readonly NoticeType[] = ['created', 'deleted', 'data-changed'];
const TYPE_OF = { create: 'created', set: 'data-changed', delete: 'deleted' } as const;

/** Everything that persistent watches did wrong; empty when all is well. */
export function judgePursuits(history: History, final: FinalState): Violation[] {
  const changes = new Changes(history);
  return history.pursuits.flatMap((pursuit) => [
    ...judgeOrder(pursuit, changes),
    ...judgeCompleteness(pursuit, changes),
    ...judgeEnd(pursuit, history, final),
  ]);
}

function violation(pursuit: Pursuit, text: string): Violation {
  return { kind: 'watch', text: `${text} (recursive watch of session ${pursuit.session.index})` };
}

/** Each event is of a change, none comes twice, and none behind a later one. */
function judgeOrder(pursuit: Pursuit, changes: Changes): Violation[] {
  const violations: Violation[] = [];
  const seen = new Set<string>();
  const namesZxids = pursuit.notices.some(({ type, zxid }) => type !== 'gap' && zxid !== null);
  let last = 0n;
  for (const notice of pursuit.notices.filter(({ type }) => type !== 'gap')) {
    const isBelow = notice.path === pursuit.path || notice.path.startsWith(`${pursuit.path}/`);
    if (!TYPES.includes(notice.type) || !isBelow) {
      violations.push(violation(pursuit, `told what it was not set for: ${toldNotice(notice)}`));
    } else if (!changes.explain(notice, 0n)) {
      violations.push(violation(pursuit, `told what nobody did: ${toldNotice(notice)}`));
    }
    if (notice.zxid === null) {
      if (namesZxids) {
        violations.push(violation(pursuit, `told without a zxid: ${toldNotice(notice)}`));
      }
    } else {
      if (notice.zxid < last) {
        violations.push(violation(pursuit, `told late, behind 0x${last.toString(16)}: ${toldNotice(notice)}`));
      }
      last = notice.zxid;
      if (seen.has(keyOf(notice))) {
        violations.push(violation(pursuit, `told twice: ${toldNotice(notice)}`));
      }
      seen.add(keyOf(notice));
    }
  }
  return violations;
}

/** Within each stretch that is covered, all changes are told of which anybody knows. */
function judgeCompleteness(pursuit: Pursuit, changes: Changes): Violation[] {
  const violations: Violation[] = [];
  // Before 3.9 no event says of which change it tells.
  const isNameless = pursuit.notices.some(({ type, zxid }) => type !== 'gap' && zxid === null);
  if (isNameless) {
    return [];
  }
  const seen = new Set(pursuit.notices.map(keyOf));
  for (const [from, to] of stretchesOf(pursuit)) {
    for (const { zxid, act, path } of changes.done) {
      const isWithin = zxid > from && zxid <= to && path.startsWith(`${pursuit.path}/`);
      const change = { type: TYPE_OF[act], path, zxid, position: 0 };
      if (isWithin && !seen.has(keyOf(change))) {
        violations.push(violation(pursuit, `never told: ${act} ${path} of 0x${zxid.toString(16)}`));
      }
    }
  }
  return violations;
}

/** Zxids behind which, and up to which, nothing may be missing. */
function stretchesOf({ readyZxid, notices }: Pursuit): (readonly [bigint, bigint])[] {
  const stretches: (readonly [bigint, bigint])[] = [];
  let from = readyZxid;
  for (const { type, zxid } of notices) {
    if (zxid !== null && from !== null && zxid > from) {
      stretches.push([from, zxid]);
    }
    // Behind a gap it is not known from where on all is told, until something is.
    from = type === 'gap' ? null : (zxid ?? from);
  }
  return stretches;
}

function keyOf({ type, path, zxid }: Notice): string {
  return `${type} ${path} ${zxid}`;
}

/** Whoever lives in the end has heard of the mark, and knows the tree. */
function judgeEnd(pursuit: Pursuit, { markZxid }: History, { watched }: FinalState): Violation[] {
  const { tree, isOver, path } = pursuit;
  if (tree === null) {
    return isOver ? [] : [violation(pursuit, 'never told: the mark behind all changes')];
  }
  const violations: Violation[] = [];
  const paths = new Set([...tree.keys(), ...watched.keys()]);
  paths.delete(path);
  for (const node of paths) {
    const [known, there] = [tree.get(node), watched.get(node)?.zxid];
    // A call that was given up may yet have been done behind the mark.
    const isLater = there !== undefined && there > markZxid;
    if (known !== there && !isLater) {
      const [ours, theirs] = [known, there].map((zxid) => (zxid === undefined ? 'no node' : `0x${zxid.toString(16)}`));
      violations.push(violation(pursuit, `the last thing told of ${node} was ${ours}, and it is ${theirs}`));
    }
  }
  return violations;
}
