/** What setWatches and setWatches2 do after a reconnect (client-protocol.md §7.6). */
import { EventType } from '@treekeeper/protocol';
import type { WatchKind } from './triggers.ts';

/** What the catch-up asks of the tree; DataTree has it. */
export interface WatchedTree {
  /** 0: no such node. */
  find(path: string): number;
  mzxid(node: number): number;
  pzxid(node: number): number;
}

/** A client's watches and the last zxid it has seen; the persistent lists are those of setWatches2. */
export interface WatchLists {
  readonly relativeZxid: bigint;
  readonly dataWatches: readonly string[];
  readonly existWatches: readonly string[];
  readonly childWatches: readonly string[];
  readonly persistentWatches?: readonly string[];
  readonly persistentRecursiveWatches?: readonly string[];
}

/**
 * Goes through the lists in ZooKeeper's order: what has changed since `relativeZxid` is told at once, and that watch
 * not set; what has not is watched. Neither paths nor permissions are checked. The events carry zxid −1 and come before
 * the reply.
 */
export function catchUp(
  tree: WatchedTree,
  lists: WatchLists,
  tell: (type: EventType, path: string) => void,
  watch: (path: string, kind: WatchKind) => void,
): void {
  const since = lists.relativeZxid;
  for (const path of lists.dataWatches) {
    const node = tree.find(path);
    if (node === 0) {
      tell(EventType.nodeDeleted, path);
    } else if (tree.mzxid(node) > since) {
      tell(EventType.nodeDataChanged, path);
    } else {
      watch(path, 'data');
    }
  }
  for (const path of lists.existWatches) {
    if (tree.find(path) === 0) {
      watch(path, 'data');
    } else {
      tell(EventType.nodeCreated, path); // the node was missing when the watch was set, so its zxid does not matter
    }
  }
  for (const path of lists.childWatches) {
    const node = tree.find(path);
    if (node === 0) {
      tell(EventType.nodeDeleted, path);
    } else if (tree.pzxid(node) > since) {
      tell(EventType.nodeChildrenChanged, path);
    } else {
      watch(path, 'child');
    }
  }
  // Persistent watches are set only: what they missed stays missed.
  for (const path of lists.persistentWatches ?? []) {
    watch(path, 'persistent');
  }
  for (const path of lists.persistentRecursiveWatches ?? []) {
    watch(path, 'recursive');
  }
}
