/** The watches of one connection as a plain list, and the rules of client-protocol.md §7 read aloud. */
import { type ACL, EventType, WatcherType } from '@treekeeper/protocol';
import { type ModelChange, type ModelTree, parentOf } from './tree.ts';

export type ModelWatchKind = 'data' | 'child' | 'persistent' | 'recursive';

interface ModelWatch {
  readonly path: string;
  readonly kind: ModelWatchKind;
}

export interface ModelEvent {
  readonly type: number;
  readonly path: string;
  /** The event goes only to who may read this. */
  readonly acl: readonly ACL[];
}

/** What a client sends after a reconnect. */
export interface WatchLists {
  readonly relativeZxid: number;
  readonly data: readonly string[];
  readonly exist: readonly string[];
  readonly child: readonly string[];
  readonly persistent: readonly string[];
  readonly recursive: readonly string[];
}

export class ModelWatches {
  #watches: ModelWatch[] = [];

  add(path: string, kind: ModelWatchKind): void {
    if (!this.#watches.some((watch) => watch.path === path && watch.kind === kind)) {
      this.#watches.push({ path, kind });
    }
  }

  has(path: string, type: number): boolean {
    return this.#watches.some((watch) => watch.path === path && isOfType(watch.kind, type));
  }

  remove(path: string, type: number): boolean {
    const had = this.has(path, type);
    this.#watches = this.#watches.filter((watch) => watch.path !== path || !isOfType(watch.kind, type));
    return had;
  }

  /** The events of a change, in order; one-shot watches that fire are gone. */
  fire({ kind, path, acl, parentAcl }: ModelChange): ModelEvent[] {
    const events: ModelEvent[] = [];
    const isOnNode = (watch: ModelWatch) =>
      watch.path === path ? kind === 'deleted' || watch.kind !== 'child' : isAbove(watch, path);
    if (this.#take(isOnNode)) {
      const type = {
        created: EventType.nodeCreated,
        deleted: EventType.nodeDeleted,
        dataChanged: EventType.nodeDataChanged,
      }[kind];
      events.push({ type, path, acl });
    }
    const parent = parentOf(path);
    const isOnParent = (watch: ModelWatch) =>
      watch.path === parent && (watch.kind === 'child' || watch.kind === 'persistent');
    if (kind !== 'dataChanged' && this.#take(isOnParent)) {
      events.push({ type: EventType.nodeChildrenChanged, path: parent, acl: parentAcl });
    }
    return events;
  }

  #take(matches: (watch: ModelWatch) => boolean): boolean {
    const hit = this.#watches.filter(matches);
    const used = hit.filter(({ kind }) => kind === 'data' || kind === 'child');
    this.#watches = this.#watches.filter((watch) => !used.includes(watch));
    return hit.length > 0;
  }

  /** setWatches: what has changed is told now, the rest is watched (§7.6). Returns the events. */
  catchUp(tree: ModelTree, lists: WatchLists): { type: number; path: string }[] {
    const events: { type: number; path: string }[] = [];
    const { relativeZxid } = lists;
    for (const path of lists.data) {
      const node = tree.nodes.get(path);
      if (node === undefined || node.mzxid > relativeZxid) {
        events.push({ type: node === undefined ? EventType.nodeDeleted : EventType.nodeDataChanged, path });
      } else {
        this.add(path, 'data');
      }
    }
    for (const path of lists.exist) {
      if (tree.nodes.has(path)) {
        events.push({ type: EventType.nodeCreated, path });
      } else {
        this.add(path, 'data');
      }
    }
    for (const path of lists.child) {
      const node = tree.nodes.get(path);
      if (node === undefined || node.pzxid > relativeZxid) {
        events.push({ type: node === undefined ? EventType.nodeDeleted : EventType.nodeChildrenChanged, path });
      } else {
        this.add(path, 'child');
      }
    }
    for (const kind of ['persistent', 'recursive'] as const) {
      for (const path of lists[kind]) {
        this.add(path, kind);
      }
    }
    return events;
  }
}

function isAbove({ kind, path }: ModelWatch, changed: string): boolean {
  return kind === 'recursive' && (path === '/' || changed.startsWith(`${path}/`));
}

function isOfType(kind: ModelWatchKind, type: number): boolean {
  const types = {
    data: WatcherType.data,
    child: WatcherType.children,
    persistent: WatcherType.persistent,
    recursive: WatcherType.persistentRecursive,
  };
  return type === WatcherType.any || type === types[kind];
}
