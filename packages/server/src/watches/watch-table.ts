/**
 * Who watches what (client-protocol.md §7). Watches belong to a watcher, the client's connection, and to an exact path
 * string; kinds on one path are independent of each other (3.10's rules).
 *
 * Each path knows its watchers, each watcher knows its paths with the kinds it has there; nothing is stored per kind.
 * Most paths have one watcher, so that one stands in for the set.
 */
import { type ACL, EventType, parentPath, WatcherType } from '@treekeeper/protocol';
import type { Change } from '../tree/data-tree.ts';
import { IN_CHILD_TABLE, IN_DATA_TABLE, KindBit, ONE_SHOT, triggers, type WatchKind } from './triggers.ts';

export type { WatchKind } from './triggers.ts';

/**
 * Takes an event: drops it unless the watcher may READ `acl` (client-protocol.md §7.4), else sends it. May take watches
 * out of the table, of this watcher or another, but must not add any.
 */
export type Deliver<W> = (watcher: W, type: EventType, path: string, acl: readonly ACL[]) => void;

/** What `wchs` counts: the data table alone. */
export interface WatchSummary {
  readonly watchers: number;
  readonly paths: number;
  readonly watches: number;
}

interface WatchedPath<W> {
  readonly path: string;
  watchers: Holder<W> | Set<Holder<W>>;
}

/** A watcher and its watches. */
class Holder<W> {
  readonly watcher: W;
  /** Kinds by path; never 0. */
  readonly kinds = new Map<WatchedPath<W>, number>();
  /** The last pass that gave this watcher an event: at most one a pass. */
  lastPass = 0;

  constructor(watcher: W) {
    this.watcher = watcher;
  }
}

export class WatchTable<W extends object> {
  readonly #paths = new Map<string, WatchedPath<W>>();
  readonly #holders = new Map<W, Holder<W>>();
  #dataCount = 0;
  #childCount = 0;
  #recursiveCount = 0;
  #pass = 0;

  /** `zk_watch_count`: pairs of path and watcher, counted in each of ZooKeeper's two tables. */
  get watchCount(): number {
    return this.#dataCount + this.#childCount;
  }

  /** Sets a watch; one that is there already stays as it is. Any path is taken, whether or not it can ever fire. */
  add(path: string, watcher: W, kind: WatchKind): void {
    const holder = this.#holders.get(watcher) ?? new Holder(watcher);
    const watched = this.#paths.get(path) ?? { path, watchers: holder };
    const before = holder.kinds.get(watched) ?? 0;
    this.#change(watched, holder, before, before | KindBit[kind]);
  }

  /** Whether the watcher has a watch of that WatcherType on exactly this path (client-protocol.md §7.7). */
  has(path: string, watcher: W, type: number): boolean {
    return (this.#kindsOf(path, watcher) & kindsOfType(type)) !== 0;
  }

  /** Takes the watcher's watches of that WatcherType off exactly this path; false if there was none. */
  remove(path: string, watcher: W, type: number): boolean {
    const before = this.#kindsOf(path, watcher);
    const after = before & ~kindsOfType(type);
    if (after === before) {
      return false;
    }
    const watched = this.#paths.get(path) as WatchedPath<W>;
    this.#change(watched, this.#holders.get(watcher) as Holder<W>, before, after);
    return true;
  }

  /** Takes all watches of a watcher away: its connection is gone. */
  removeWatcher(watcher: W): void {
    const holder = this.#holders.get(watcher);
    if (holder !== undefined) {
      for (const [watched, kinds] of holder.kinds) {
        this.#change(watched, holder, kinds, 0);
      }
    }
  }

  /**
   * Hands the events of a change to `deliver` in the order in which they must be sent (client-protocol.md §7.3), and
   * takes the one-shot watches that fired out of the table, whatever `deliver` makes of the event.
   */
  trigger(change: Change, deliver: Deliver<W>): void {
    if (this.#paths.size === 0) {
      return;
    }
    const { path } = change;
    const { event, kinds, childrenChanged } = triggers[change.kind];
    this.#pass++;
    this.#fire(path, kinds, event, path, change.acl, deliver);
    if (this.#recursiveCount > 0 && path !== '/') {
      for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
        this.#fire(path.slice(0, end), KindBit.recursive, event, path, change.acl, deliver);
      }
      this.#fire('/', KindBit.recursive, event, path, change.acl, deliver);
    }
    if (childrenChanged && this.#childCount > 0) {
      const parent = parentPath(path) || '/';
      this.#pass++;
      this.#fire(parent, IN_CHILD_TABLE, EventType.nodeChildrenChanged, parent, change.parentAcl, deliver);
    }
  }

  summary(): WatchSummary {
    return { watchers: count(this.byWatcher()), paths: count(this.byPath()), watches: this.#dataCount };
  }

  /** `wchc`: each watcher with its paths, of the data table. */
  *byWatcher(): Generator<[watcher: W, paths: string[]]> {
    for (const holder of this.#holders.values()) {
      const paths: string[] = [];
      for (const [watched, kinds] of holder.kinds) {
        if ((kinds & IN_DATA_TABLE) !== 0) {
          paths.push(watched.path);
        }
      }
      if (paths.length > 0) {
        yield [holder.watcher, paths];
      }
    }
  }

  /** `wchp`: each path with its watchers, of the data table. */
  *byPath(): Generator<[path: string, watchers: W[]]> {
    for (const watched of this.#paths.values()) {
      const { watchers } = watched;
      const found: W[] = [];
      for (const holder of watchers instanceof Set ? watchers : [watchers]) {
        if (((holder.kinds.get(watched) as number) & IN_DATA_TABLE) !== 0) {
          found.push(holder.watcher);
        }
      }
      if (found.length > 0) {
        yield [watched.path, found];
      }
    }
  }

  #kindsOf(path: string, watcher: W): number {
    const watched = this.#paths.get(path);
    return watched === undefined ? 0 : (this.#holders.get(watcher)?.kinds.get(watched) ?? 0);
  }

  /** Those with one of `kinds` on the path `at` get the event of `path`. */
  #fire(at: string, kinds: number, event: EventType, path: string, acl: readonly ACL[], deliver: Deliver<W>): void {
    const watched = this.#paths.get(at);
    if (watched === undefined) {
      return;
    }
    const { watchers } = watched;
    if (watchers instanceof Set) {
      for (const holder of watchers) {
        this.#fireOne(watched, holder, kinds, event, path, acl, deliver);
      }
    } else {
      this.#fireOne(watched, watchers, kinds, event, path, acl, deliver);
    }
  }

  #fireOne(
    watched: WatchedPath<W>,
    holder: Holder<W>,
    kinds: number,
    event: EventType,
    path: string,
    acl: readonly ACL[],
    deliver: Deliver<W>,
  ): void {
    const held = holder.kinds.get(watched) ?? 0; // 0 if `deliver` has just removed it
    const fired = held & kinds;
    if (fired === 0) {
      return;
    }
    this.#change(watched, holder, held, held & ~(fired & ONE_SHOT));
    if (holder.lastPass !== this.#pass) {
      holder.lastPass = this.#pass;
      deliver(holder.watcher, event, path, acl);
    }
  }

  /** The one place where watches come and go: turns the kinds that `holder` has on a path into others. */
  #change(watched: WatchedPath<W>, holder: Holder<W>, before: number, after: number): void {
    if (after === before) {
      return;
    }
    this.#dataCount += someOf(after, IN_DATA_TABLE) - someOf(before, IN_DATA_TABLE);
    this.#childCount += someOf(after, IN_CHILD_TABLE) - someOf(before, IN_CHILD_TABLE);
    this.#recursiveCount += someOf(after, KindBit.recursive) - someOf(before, KindBit.recursive);
    if (after === 0) {
      this.#leave(watched, holder);
      return;
    }
    if (before === 0) {
      this.#join(watched, holder);
    }
    holder.kinds.set(watched, after);
  }

  #join(watched: WatchedPath<W>, holder: Holder<W>): void {
    if (holder.kinds.size === 0) {
      this.#holders.set(holder.watcher, holder);
    }
    const { watchers } = watched;
    if (watchers instanceof Set) {
      watchers.add(holder);
    } else if (watchers === holder) {
      this.#paths.set(watched.path, watched);
    } else {
      watched.watchers = new Set([watchers, holder]);
    }
  }

  #leave(watched: WatchedPath<W>, holder: Holder<W>): void {
    holder.kinds.delete(watched);
    if (holder.kinds.size === 0) {
      this.#holders.delete(holder.watcher);
    }
    const { watchers } = watched;
    if (watchers instanceof Set && watchers.size > 1) {
      watchers.delete(holder);
    } else {
      this.#paths.delete(watched.path);
    }
  }
}

function count(items: Iterable<unknown>): number {
  let n = 0;
  for (const _ of items) {
    n++;
  }
  return n;
}

/** 1 if `kinds` has any of `mask`, else 0. */
function someOf(kinds: number, mask: number): number {
  return (kinds & mask) === 0 ? 0 : 1;
}

/** The kinds that a WatcherType number of checkWatches and removeWatches stands for; none for an unknown one. */
function kindsOfType(type: number): number {
  switch (type) {
    case WatcherType.children:
      return KindBit.child;
    case WatcherType.data:
      return KindBit.data;
    case WatcherType.any:
      return IN_DATA_TABLE | IN_CHILD_TABLE;
    case WatcherType.persistent:
      return KindBit.persistent;
    case WatcherType.persistentRecursive:
      return KindBit.recursive;
    default:
      return 0;
  }
}
