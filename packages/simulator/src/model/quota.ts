/** Quotas in the obvious way: whatever is below a limited node is counted anew each time (client-protocol.md §9). */
import { ErrorNumber } from '@treekeeper/protocol';
import type { ModelNode, ModelTree } from './tree.ts';

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

/** What quotas go by: of each limited node what may be below it, and what is. */
export interface QuotaView {
  readonly limited: readonly LimitedNode[];
  /** Views with the same text are the same. */
  readonly text: string;
}

interface LimitedNode {
  readonly prefix: string;
  readonly countHard: number;
  readonly bytesHard: number;
  /** By path, of the node itself and all below it. */
  readonly dataBytes: ReadonlyMap<string, number>;
}

export const NO_QUOTAS: QuotaView = { limited: [], text: '' };

export function quotasOf(tree: ModelTree): QuotaView {
  const limited = limitedPrefixes(tree).map((prefix) => limitedNode(tree, prefix));
  const text = limited
    .map(({ prefix, countHard, bytesHard, dataBytes }) => `${prefix} ${countHard} ${bytesHard} ${[...dataBytes]}`)
    .join(' ');
  return { limited, text };
}

function limitedNode(tree: ModelTree, prefix: string): LimitedNode {
  const { limits, stats } = quotaPaths(prefix);
  const text = Buffer.from(tree.nodes.get(limits)?.data ?? []).toString();
  // Statistics must be there for limits to hold.
  const limitOf = (key: string): number =>
    tree.nodes.has(stats) ? Number(new RegExp(`${key}=(-?[0-9]+)`).exec(text)?.[1] ?? -1) : -1;
  const below = nodesBelow(tree, prefix).map(([path, { data }]): [string, number] => [path, data?.length ?? 0]);
  return {
    prefix,
    countHard: limitOf('countHardLimit'),
    bytesHard: limitOf('byteHardLimit'),
    dataBytes: new Map(below),
  };
}

/**
 * 0, or why a server that goes by these quotas may not create a node (`isNew`), or give one other data. Only the limits
 * of the deepest limited node count, and only hard ones, which is what the workload sets.
 */
export function quotaError({ limited }: QuotaView, path: string, isNew: boolean, dataBytes: number): number {
  const [deepest] = limited
    .filter(({ prefix }) => path === prefix || path.startsWith(`${prefix}/`))
    .sort((one, other) => other.prefix.length - one.prefix.length);
  if (deepest === undefined) {
    return 0;
  }
  const count = deepest.dataBytes.size;
  const bytes = [...deepest.dataBytes.values()].reduce((sum, each) => sum + each, 0);
  // The node that a new one comes after may be there still: what deletes it is on its way.
  const replacedBytes = isNew ? 0 : (deepest.dataBytes.get(path) ?? 0);
  const added = { count: isNew ? 1 : 0, bytes: dataBytes - replacedBytes };
  const exceeds = (limit: number, delta: number, total: number) => limit > -1 && delta !== 0 && total + delta > limit;
  const isTooMuch = exceeds(deepest.countHard, added.count, count) || exceeds(deepest.bytesHard, added.bytes, bytes);
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
  const below = nodesBelow(tree, prefix);
  return { count: below.length, bytes: below.reduce((sum, [, { data }]) => sum + (data?.length ?? 0), 0) };
}

/** With the node itself. */
function nodesBelow(tree: ModelTree, prefix: string): [string, ModelNode][] {
  return [...tree.nodes].filter(([path]) => path === prefix || path.startsWith(`${prefix}/`));
}
