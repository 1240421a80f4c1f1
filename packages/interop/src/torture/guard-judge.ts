/** Whether ACLs and quotas hold: nothing without the right, nothing beyond the limits (client-protocol.md §8, §9). */
import { INNER_NODE, OWNERS_NODE, UNTOUCHED_NODE } from './ground.ts';
import type { FinalState, History, StoreCall, Totals, TryCall } from './history.ts';
import { FIRST_VALUE, told, type Violation } from './judge.ts';

// ACLs

/** Everything that was done without the right to it, or refused to those who have it. */
export function judgeRights({ calls }: History, { closed }: FinalState): Violation[] {
  const violations: Violation[] = [];
  const tries = calls.filter((call): call is TryCall => call.kind === 'try');
  for (const call of tries) {
    if (!call.hasRight && call.outcome === 'done') {
      violations.push({ kind: 'right', text: `${call.act} without the right to it: ${told(call)}` });
    }
    if (call.hasRight && call.code === 'NO_AUTH') {
      violations.push({ kind: 'right', text: `${call.act} is refused to one who may: ${told(call)}` });
    }
  }
  return [...violations, ...judgeClosed(tries, closed)];
}

/** What is left says what became of calls without an answer. */
function judgeClosed(tries: readonly TryCall[], closed: FinalState['closed']): Violation[] {
  const texts: string[] = [];
  const expected = new Set<string>();
  for (const [path, { version, value }] of closed) {
    const name = path.slice(path.lastIndexOf('/') + 1);
    expected.add(name);
    const sets = tries.filter((call) => call.act === 'set' && call.hasRight && call.path === path);
    const done = sets.filter(({ outcome }) => outcome === 'done').length;
    const open = sets.filter(({ outcome }) => outcome === 'unknown').length;
    if (![OWNERS_NODE, UNTOUCHED_NODE, INNER_NODE].includes(name)) {
      texts.push(`${path} has been made without the right to it`);
    } else if (version < done || version > done + open) {
      texts.push(
        `${path} has version ${version} "${value}", and its owners changed it ${done} to ${done + open} times`,
      );
    } else if (version === 0 && value !== FIRST_VALUE) {
      texts.push(`${path} has "${value}" and no other version`);
    }
  }
  for (const name of [OWNERS_NODE, UNTOUCHED_NODE]) {
    const count = [...closed.keys()].filter((path) => path.endsWith(`/${name}`) || path.includes(`/${name}/`)).length;
    if (count < 2) {
      texts.push(`${name} or what is in it has been deleted without the right to it`);
    }
  }
  return texts.map((text) => ({ kind: 'right', text }));
}

// Quotas

/**
 * Every success beyond the limits. As in Apache ZooKeeper, what counts is what has been applied when a request is put
 * in its place (§9): of requests on their way at the same time, several may take the last room. So a node is held
 * against a later one only if it was there for certain when that one was asked for, and until it was done.
 */
export function judgeQuota({ calls }: History, limits: Totals): Violation[] {
  const stores = calls.filter((call): call is StoreCall => call.kind === 'store' && call.outcome !== 'refused');
  const texts: string[] = [];
  for (const call of stores.filter(({ outcome }) => outcome === 'done')) {
    const { count, sizeBytes } = call.act === 'create' ? leastBefore(call, stores) : TOP;
    const isBeyond = count + 1 > limits.count || sizeBytes + call.sizeBytes > limits.sizeBytes;
    if (call.act !== 'delete' && isBeyond) {
      texts.push(`beyond the quota, behind ${count} nodes and ${sizeBytes} bytes: ${told(call)}`);
    }
  }
  return texts.map((text) => ({ kind: 'quota', text }));
}

/** The subtree has a top without data. */
const TOP: Totals = { count: 1, sizeBytes: 0 };

function leastBefore(call: StoreCall, stores: readonly StoreCall[]): Totals {
  const deleted = new Set(stores.filter(({ act, began }) => act === 'delete' && began < call.ended).map(pathOf));
  const there = stores.filter((other) => {
    return other.act === 'create' && other.outcome === 'done' && other.ended < call.began && !deleted.has(other.path);
  });
  return {
    count: TOP.count + there.length,
    sizeBytes: there.reduce((sum, { sizeBytes }) => sum + sizeBytes, TOP.sizeBytes),
  };
}

function pathOf({ path }: StoreCall): string {
  return path;
}
