/** Quotas in the obvious way: whatever is below a limited node is counted anew each time (client-protocol.md §9). */
import { ErrorNumber } from '@treekeeper/protocol';
import type { ModelTree } from './tree.ts';

const QUOTA_ROOT = '/zookeeper/quota';
const LIMITS = '/zookeeper_limits';
const STATISTICS = '/zookeeper_stats';

interface Totals {
  readonly count: number;
  readonly bytes: number;
}

/** Where a node with limits for `prefix` and one with its statistics are. */
export function quotaPaths(prefix: string): { readonly top: string; readonly limits: string; readonly stats: string } {
  const top = QUOTA_ROOT + prefix;
  return { top, limits: top + LIMITS, stats: top + STATISTICS };
}

export function limitsText(countHard: number, bytesHard: number): string {
  return `count=-1,bytes=-1;byteHardLimit=${bytesHard};countHardLimit=${countHard}`;
}

/**
 * 0, or why a server whose tree is this one may not create a node (`isNew`), or give one other data. Only the limits of
 * the deepest limited node count, and only hard ones, which is what the workload sets.
 */
export function quotaError(tree: ModelTree, path: string, isNew: boolean, dataBytes: number): number {
  const prefix = limitedPrefixes(tree)
    .filter((limited) => path === limited || path.startsWith(`${limited}/`))
    .sort((one, other) => other.length - one.length)[0];
  if (prefix === undefined || !tree.nodes.has(quotaPaths(prefix).stats)) {
    return 0; // statistics must be there for limits to hold
  }
  const text = Buffer.from(tree.nodes.get(quotaPaths(prefix).limits)?.data ?? []).toString();
  const limitOf = (key: string): number => Number(new RegExp(`${key}=(-?[0-9]+)`).exec(text)?.[1] ?? -1);
  const { count, bytes } = totalsOf(tree, prefix);
  // The node that a new one comes after may be there still: what deletes it is on its way.
  const replacedBytes = isNew ? 0 : (tree.nodes.get(path)?.data?.length ?? 0);
  const added = { count: isNew ? 1 : 0, bytes: dataBytes - replacedBytes };
  const exceeds = (limit: number, delta: number, total: number) => limit > -1 && delta !== 0 && total + delta > limit;
  const isTooMuch =
    exceeds(limitOf('countHardLimit'), added.count, count) || exceeds(limitOf('byteHardLimit'), added.bytes, bytes);
  return isTooMuch ? ErrorNumber.QUOTA_EXCEEDED : 0;
}

/** After a transaction: statistics say what is there. */
export function refreshStatistics(tree: ModelTree): void {
  for (const prefix of limitedPrefixes(tree)) {
    const { stats } = quotaPaths(prefix);
    if (tree.nodes.has(stats)) {
      const { count, bytes } = totalsOf(tree, prefix);
      tree.rewrite(stats, Buffer.from(`count=${count},bytes=${bytes}`));
    }
  }
}

function limitedPrefixes(tree: ModelTree): string[] {
  if (!tree.hasQuotas) {
    return [];
  }
  return [...tree.nodes.keys()]
    .filter((path) => path.startsWith(`${QUOTA_ROOT}/`) && path.endsWith(LIMITS))
    .map((path) => path.slice(QUOTA_ROOT.length, -LIMITS.length));
}

function totalsOf(tree: ModelTree, prefix: string): Totals {
  const below = [...tree.nodes].filter(([path]) => path === prefix || path.startsWith(`${prefix}/`));
  return { count: below.length, bytes: below.reduce((sum, [, { data }]) => sum + (data?.length ?? 0), 0) };
}
