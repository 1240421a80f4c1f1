/** Which watches are set, what fires them, and how they are set again (client-protocol.md §7, §14). */
import { type Encodable, EventType, type SetWatches2 } from '@treekeeper/protocol';
import type { WatchEventType } from '../types.ts';
import type { Watcher, WatchTableName } from './types.ts';

type Table = Map<string, Set<Watcher>>;

const TABLES: readonly WatchTableName[] = ['data', 'exist', 'child', 'persistent', 'recursive'];

const eventNames = new Map<number, WatchEventType>([
  [EventType.nodeCreated, 'created'],
  [EventType.nodeDeleted, 'deleted'],
  [EventType.nodeDataChanged, 'data-changed'],
  [EventType.nodeChildrenChanged, 'children-changed'],
]);

/** One-shot tables that an event uses up. */
const oneShots: Readonly<Record<string, readonly WatchTableName[]>> = {
  created: ['data', 'exist'],
  deleted: ['data', 'exist', 'child'],
  'data-changed': ['data', 'exist'],
  'children-changed': ['child'],
};

/** Our name of an event type on the wire; undefined for those that servers do not send. */
export function eventName(type: number): WatchEventType | undefined {
  return eventNames.get(type);
}

export class Watches {
  readonly #tables: Readonly<Record<WatchTableName, Table>> = {
    data: new Map(),
    exist: new Map(),
    child: new Map(),
    persistent: new Map(),
    recursive: new Map(),
  };

  add(table: WatchTableName, path: string, watcher: Watcher): void {
    const watchers = this.#tables[table].get(path);
    if (watchers === undefined) {
      this.#tables[table].set(path, new Set([watcher]));
    } else {
      watchers.add(watcher);
    }
  }

  /** Returns whether that was the last one there. */
  remove(table: WatchTableName, path: string, watcher: Watcher): boolean {
    const watchers = this.#tables[table].get(path);
    if (watchers?.delete(watcher) !== true || watchers.size > 0) {
      return false;
    }
    this.#tables[table].delete(path);
    return true;
  }

  /** Takes all watches of some tables off a path. */
  take(tables: readonly WatchTableName[], path: string): Set<Watcher> {
    const taken = new Set<Watcher>();
    for (const name of tables) {
      this.#takeInto(taken, name, path);
    }
    return taken;
  }

  has(path: string): boolean {
    return TABLES.some((name) => this.#tables[name].has(path));
  }

  /** Those whom an event concerns, each once; one-shot watches are used up. */
  fire(type: WatchEventType, path: string, toPersistent: boolean): Set<Watcher> {
    const told = this.take(oneShots[type] ?? [], path);
    if (!toPersistent) {
      return told;
    }
    addAll(told, this.#tables.persistent.get(path));
    if (type !== 'children-changed' && this.#tables.recursive.size > 0) {
      for (let at = path; ; at = at.slice(0, Math.max(1, at.lastIndexOf('/')))) {
        addAll(told, this.#tables.recursive.get(at));
        if (at === '/' || !at.startsWith('/')) {
          break; // a server that tells of anything but a path does not keep us here
        }
      }
    }
    return told;
  }

  /** Every persistent watch, with its path. */
  *persistent(): Iterable<[path: string, watcher: Watcher]> {
    for (const table of [this.#tables.persistent, this.#tables.recursive]) {
      for (const [path, watchers] of table) {
        for (const watcher of watchers) {
          yield [path, watcher];
        }
      }
    }
  }

  /** Forgets everything, and says what it was. */
  clear(): [path: string, watcher: Watcher][] {
    const all = TABLES.flatMap((name) =>
      [...this.#tables[name]].flatMap(([path, watchers]) =>
        [...watchers].map((watcher): [string, Watcher] => [path, watcher]),
      ),
    );
    for (const name of TABLES) {
      this.#tables[name].clear();
    }
    return all;
  }

  get isEmpty(): boolean {
    return TABLES.every((name) => this.#tables[name].size === 0);
  }

  /** Everything as bodies of setWatches2, each with at most `bytesMax` of paths, or a single longer one. */
  batches(relativeZxid: bigint, bytesMax: number): Encodable<typeof SetWatches2>[] {
    const fields = {
      data: 'dataWatches',
      exist: 'existWatches',
      child: 'childWatches',
      persistent: 'persistentWatches',
      recursive: 'persistentRecursiveWatches',
    } as const satisfies Record<WatchTableName, keyof ReturnType<typeof emptyBatch>>;
    const batches: ReturnType<typeof emptyBatch>[] = [];
    let roomBytes = 0;
    for (const name of TABLES) {
      for (const path of this.#tables[name].keys()) {
        const sizeBytes = PATH_PREFIX_BYTES + Buffer.byteLength(path);
        if (batches.length === 0 || sizeBytes > roomBytes) {
          batches.push(emptyBatch(relativeZxid));
          roomBytes = bytesMax;
        }
        batches.at(-1)?.[fields[name]].push(path);
        roomBytes -= sizeBytes;
      }
    }
    return batches;
  }

  #takeInto(taken: Set<Watcher>, name: WatchTableName, path: string): void {
    const watchers = this.#tables[name].get(path);
    if (watchers !== undefined) {
      this.#tables[name].delete(path);
      addAll(taken, watchers);
    }
  }
}

const PATH_PREFIX_BYTES = 4;
/** Of the frame of setWatches2, beside the paths: xid, opcode, zxid, and the lengths of five lists. */
export const SET_WATCHES_BYTES = 4 + 4 + 8 + 5 * 4;

/** The frame that sets a single watch again on another connection. */
export function setAgainBytes(path: string): number {
  return SET_WATCHES_BYTES + PATH_PREFIX_BYTES + Buffer.byteLength(path);
}

function emptyBatch(relativeZxid: bigint) {
  return {
    relativeZxid,
    dataWatches: [] as string[],
    existWatches: [] as string[],
    childWatches: [] as string[],
    persistentWatches: [] as string[],
    persistentRecursiveWatches: [] as string[],
  };
}

function addAll(target: Set<Watcher>, watchers: Set<Watcher> | undefined): void {
  for (const watcher of watchers ?? []) {
    target.add(watcher);
  }
}
