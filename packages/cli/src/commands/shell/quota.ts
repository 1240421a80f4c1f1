/** Quotas are nodes in /zookeeper/quota (client-protocol.md §9): clients write the limits, the server the totals. */
import { type Client, isTreekeeperError, utf8 } from '@treekeeper/client';
import { ShellError } from './explain.ts';
import { joinPath, parentOf } from './paths.ts';

export const QUOTA_ROOT = '/zookeeper/quota';

/** The four limits by zkCli's flags; -1: none. */
export interface Limits {
  n: number;
  b: number;
  N: number;
  B: number;
}

export type LimitFlag = keyof Limits;
export const LIMIT_FLAGS: readonly LimitFlag[] = ['n', 'b', 'N', 'B'];
const NAMES: Readonly<Record<LimitFlag, string>> = { n: 'count', b: 'bytes', N: 'countHardLimit', B: 'byteHardLimit' };

export function quotaPath(path: string): string {
  return QUOTA_ROOT + (path === '/' ? '' : path);
}

export function limitsPath(path: string): string {
  return `${quotaPath(path)}/zookeeper_limits`;
}

export function statsPath(path: string): string {
  return `${quotaPath(path)}/zookeeper_stats`;
}

export function parseLimits(text: string): Limits {
  const values = new Map([...text.matchAll(/(\w+)=(-?\d+)/g)].map(([, name, value]) => [name, Number(value)]));
  const limit = (flag: LimitFlag): number => values.get(NAMES[flag]) ?? -1;
  return { n: limit('n'), b: limit('b'), N: limit('N'), B: limit('B') };
}

/** As Apache ZooKeeper's own shell writes it, the strange `=;` included: servers of all versions read it. */
export function limitsText({ n, b, N, B }: Limits): string {
  return `count=${n},bytes=${b}=;byteHardLimit=${B};countHardLimit=${N}`;
}

export function limitsJson({ n, b, N, B }: Limits) {
  return { count: n, bytes: b, countHardLimit: N, byteHardLimit: B };
}

/** Null where there is no such node. */
export async function textAt(client: Client, path: string): Promise<string | null> {
  try {
    return (await client.get(path, { codec: utf8 })).value;
  } catch (error) {
    if (isTreekeeperError(error, 'NO_NODE')) {
      return null;
    }
    throw error;
  }
}

/** One quota on each line from the root to a leaf is all that servers keep. @throws ShellError naming the other one */
export async function refuseSecondQuota(client: Client, path: string): Promise<void> {
  for (let above = path; above !== '/'; ) {
    above = parentOf(above);
    if (above !== '/' && (await client.exists(limitsPath(above))) !== null) {
      throw new ShellError(`${path} has a parent ${above} which has a quota`, `delquota ${above} takes it away`);
    }
  }
  const below = await quotaBelow(client, quotaPath(path), path);
  if (below !== null) {
    throw new ShellError(`${path} has child ${below} which has a quota`, `delquota ${below} takes it away`);
  }
}

async function quotaBelow(client: Client, node: string, own: string): Promise<string | null> {
  const children = await client.children(node).catch((error: unknown): string[] => {
    if (isTreekeeperError(error, 'NO_NODE')) {
      return [];
    }
    throw error;
  });
  const path = node.slice(QUOTA_ROOT.length);
  if (path !== own && children.includes('zookeeper_limits')) {
    return path;
  }
  for (const child of children.filter((name) => !name.startsWith('zookeeper_'))) {
    const found = await quotaBelow(client, joinPath(node, child), own);
    if (found !== null) {
      return found;
    }
  }
  return null;
}
