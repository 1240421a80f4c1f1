/** The tree of a snapshot in memory, and what can be said of it. */
import { type ACL, OPEN_ACL, type OwnerKind, ownerKind } from '@treekeeper/protocol';
import type { SnapshotSink, SnapshotTrailer } from '@treekeeper/server/data-files';

export interface SavedNode {
  readonly data: Uint8Array | null;
  readonly acl: readonly ACL[];
  readonly stat: Parameters<SnapshotSink['node']>[3];
}

export interface SavedTree {
  /** By path, in the order of the file: parents before their children. */
  readonly nodes: ReadonlyMap<string, SavedNode>;
  /** Timeouts by id, ms. */
  readonly sessions: ReadonlyMap<bigint, number>;
  readonly trailer: SnapshotTrailer;
}

/** @param read hands a snapshot to the sink that it is given */
export function savedTree(read: (sink: SnapshotSink) => SnapshotTrailer): SavedTree {
  const nodes = new Map<string, SavedNode>();
  const sessions = new Map<bigint, number>();
  const acls = new Map<bigint, ACL[]>();
  const trailer = read({
    session: (id, timeoutMs) => sessions.set(id, timeoutMs),
    acl: (id, acl) => acls.set(id, acl),
    node: (path, data, aclId, stat) =>
      nodes.set(path === '' ? '/' : path, {
        data: data === null ? null : Uint8Array.from(data),
        acl: acls.get(aclId) ?? OPEN_ACL,
        stat,
      }),
  });
  return { nodes, sessions, trailer };
}

/** As a server with TTL nodes switched on would take it. */
export function kindOf({ stat }: SavedNode): OwnerKind {
  return ownerKind(stat.ephemeralOwner, { extendedTypesEnabled: true, emulate353TtlNodes: false });
}

export interface Usage {
  readonly path: string;
  /** 0: the root. */
  readonly depth: number;
  /** Of the node and all below. */
  nodes: number;
  bytes: number;
}

/** Of every subtree; those with the most data come first. */
export function usages(nodes: SavedTree['nodes']): Usage[] {
  const found = new Map<string, Usage>();
  for (const [path, { data }] of nodes) {
    found.set(path, { path, depth: path === '/' ? 0 : path.split('/').length - 1, nodes: 0, bytes: 0 });
    for (let at = path; ; at = parentOf(at)) {
      const usage = found.get(at);
      if (usage !== undefined) {
        usage.nodes++;
        usage.bytes += data?.length ?? 0;
      }
      if (at === '/') {
        break;
      }
    }
  }
  return [...found.values()].sort((a, b) => b.bytes - a.bytes || b.nodes - a.nodes || (a.path < b.path ? -1 : 1));
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf('/')));
}

export interface Difference {
  readonly path: string;
  readonly kind: 'added' | 'removed' | 'changed';
  readonly was: SavedNode | undefined;
  readonly is: SavedNode | undefined;
}

/** By path. A parent is not changed by what happens to its children. */
export function differences(before: SavedTree['nodes'], after: SavedTree['nodes']): Difference[] {
  const found: Difference[] = [];
  for (const path of new Set([...before.keys(), ...after.keys()])) {
    const [was, is] = [before.get(path), after.get(path)];
    if (was === undefined || is === undefined) {
      found.push({ path, kind: was === undefined ? 'added' : 'removed', was, is });
    } else if (!isEqual(was, is)) {
      found.push({ path, kind: 'changed', was, is });
    }
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function isEqual(a: SavedNode, b: SavedNode): boolean {
  const fields = ['czxid', 'mzxid', 'version', 'aversion', 'ephemeralOwner'] as const;
  return (
    fields.every((field) => a.stat[field] === b.stat[field]) &&
    Buffer.compare(a.data ?? EMPTY, b.data ?? EMPTY) === 0 &&
    (a.data === null) === (b.data === null)
  );
}

const EMPTY = new Uint8Array(0);
