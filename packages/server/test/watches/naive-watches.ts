import { type ACL, EventType, WatcherType } from '@treekeeper/protocol';
import type { Change } from '../../src/tree/data-tree.ts';
import type { WatchKind } from '../../src/watches/watch-table.ts';

interface Entry<W> {
  readonly path: string;
  readonly watcher: W;
  readonly mode: 'standard' | 'persistent' | 'recursive';
}

export interface Delivered<W> {
  readonly watcher: W;
  readonly type: EventType;
  readonly path: string;
  readonly acl: readonly ACL[];
}

/** Two plain lists of watches and the rules of client-protocol.md §7 read aloud: the oracle of WatchTable. */
export class NaiveWatches<W> {
  #data: Entry<W>[] = [];
  #child: Entry<W>[] = [];

  add(path: string, watcher: W, kind: WatchKind): void {
    if (kind === 'recursive') {
      addTo(this.#data, { path, watcher, mode: 'recursive' });
    } else if (kind === 'persistent') {
      addTo(this.#data, { path, watcher, mode: 'persistent' });
      addTo(this.#child, { path, watcher, mode: 'persistent' });
    } else {
      addTo(kind === 'data' ? this.#data : this.#child, { path, watcher, mode: 'standard' });
    }
  }

  has(path: string, watcher: W, type: number): boolean {
    return [...this.#matching(path, watcher, type)].length > 0;
  }

  remove(path: string, watcher: W, type: number): boolean {
    const gone = new Set(this.#matching(path, watcher, type));
    this.#data = this.#data.filter((entry) => !gone.has(entry));
    this.#child = this.#child.filter((entry) => !gone.has(entry));
    return gone.size > 0;
  }

  removeWatcher(watcher: W): void {
    this.#data = this.#data.filter((entry) => entry.watcher !== watcher);
    this.#child = this.#child.filter((entry) => entry.watcher !== watcher);
  }

  trigger(change: Change): Delivered<W>[] {
    const { path, acl, parentAcl } = change;
    const type = {
      created: EventType.nodeCreated,
      deleted: EventType.nodeDeleted,
      dataChanged: EventType.nodeDataChanged,
    }[change.kind];
    const told = this.#pass(this.#data, path);
    if (change.kind === 'deleted') {
      for (const watcher of this.#pass(this.#child, path)) {
        told.add(watcher);
      }
    }
    const events = [...told].map((watcher): Delivered<W> => ({ watcher, type, path, acl }));
    if (change.kind !== 'dataChanged') {
      const parent = path.slice(0, path.lastIndexOf('/')) || '/';
      for (const watcher of this.#pass(this.#child, parent)) {
        events.push({ watcher, type: EventType.nodeChildrenChanged, path: parent, acl: parentAcl });
      }
    }
    return events;
  }

  get watchCount(): number {
    return pairs(this.#data).size + pairs(this.#child).size;
  }

  summary(): { watchers: number; paths: number; watches: number } {
    return {
      watchers: new Set(this.#data.map((entry) => entry.watcher)).size,
      paths: new Set(this.#data.map((entry) => entry.path)).size,
      watches: pairs(this.#data).size,
    };
  }

  pairs(): Set<string> {
    return pairs(this.#data);
  }

  /** Who is told of an event on `path` by this table; removes the one-shots on it. */
  #pass(table: Entry<W>[], path: string): Set<W> {
    const told = new Set<W>();
    for (const entry of [...table]) {
      const below = entry.path === '/' || (entry.path !== '' && path.startsWith(`${entry.path}/`));
      if (entry.path === path || (entry.mode === 'recursive' && below)) {
        told.add(entry.watcher);
        if (entry.mode === 'standard') {
          table.splice(table.indexOf(entry), 1);
        }
      }
    }
    return told;
  }

  *#matching(path: string, watcher: W, type: number): Generator<Entry<W>> {
    for (const [table, tableType] of [
      [this.#data, WatcherType.data],
      [this.#child, WatcherType.children],
    ] as const) {
      for (const entry of table) {
        const types = {
          standard: tableType,
          persistent: WatcherType.persistent,
          recursive: WatcherType.persistentRecursive,
        };
        if (
          entry.path === path &&
          entry.watcher === watcher &&
          (type === WatcherType.any || type === types[entry.mode])
        ) {
          yield entry;
        }
      }
    }
  }
}

function addTo<W>(table: Entry<W>[], added: Entry<W>): void {
  const known = (e: Entry<W>) => e.path === added.path && e.watcher === added.watcher && e.mode === added.mode;
  if (!table.some(known)) {
    table.push(added);
  }
}

function pairs<W>(table: Entry<W>[]): Set<string> {
  return new Set(table.map((entry) => `${entry.path} ${String(entry.watcher)}`));
}
