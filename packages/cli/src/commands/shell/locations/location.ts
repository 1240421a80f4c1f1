/** Where trees can be: on a server, in a JSON file, in a directory. `cp`, `mirror` and `diff` know no difference. */
import type { ACL } from '@treekeeper/client';
import { UsageError } from '../../../terminal.ts';

/** A node of a tree, wherever it is. */
export interface Entry {
  /** From the top of the tree: '' is the top itself, `a/b` is below it. */
  readonly path: string;
  readonly data: Uint8Array | null;
  /** Null: not asked for, or not known there. */
  readonly acl: readonly ACL[] | null;
}

/** By their paths, parents before children. */
export type Entries = ReadonlyMap<string, Entry>;

export type Change =
  | { readonly kind: 'create' | 'set'; readonly entry: Entry }
  | { readonly kind: 'delete'; readonly path: string };

export interface ReadOptions {
  readonly recursive: boolean;
  readonly acls: boolean;
}

export interface Location extends AsyncDisposable {
  /** As it was named, for messages. */
  readonly name: string;
  /** Null when there is nothing. */
  read(options: ReadOptions): Promise<Entries | null>;
  /** Makes the changes: creations parents first, deletions children first. `done` is called after each. */
  apply(changes: readonly Change[], done: () => void): Promise<void>;
}

export interface CompareOptions {
  /** Deletes what the source does not have. */
  readonly deletes: boolean;
}

/** What is to be done so that the target becomes as the source. */
export function changesTo(target: Entries, source: Entries, { deletes }: CompareOptions): Change[] {
  const changes: Change[] = [];
  for (const entry of source.values()) {
    const there = target.get(entry.path);
    if (there === undefined) {
      changes.push({ kind: 'create', entry });
    } else if (!sameData(there.data, entry.data)) {
      changes.push({ kind: 'set', entry });
    }
  }
  if (deletes) {
    const surplus = [...target.keys()].filter((path) => !source.has(path));
    changes.push(...surplus.reverse().map((path) => ({ kind: 'delete', path }) as const));
  }
  return changes;
}

/** Files cannot tell no data from empty data, so nobody does. */
export function sameData(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return Buffer.compare(a ?? new Uint8Array(), b ?? new Uint8Array()) === 0;
}

/** The name of a location, taken apart. */
export type LocationName =
  | { readonly kind: 'node'; readonly path: string }
  | { readonly kind: 'server'; readonly servers: string; readonly path: string }
  | { readonly kind: 'file'; readonly file: string };

/**
 * `/app` is a node here, `zk://host:2181/app` one on another server, `file:backup.json` a file, `file:conf` a directory.
 *
 * @throws UsageError
 */
export function parseLocation(text: string): LocationName {
  const [, scheme, rest] = /^(\w+):(.*)$/s.exec(text) ?? [];
  if (scheme === undefined || text.startsWith('/')) {
    return { kind: 'node', path: text };
  }
  if (scheme === 'file' && rest !== '') {
    return { kind: 'file', file: rest.replace(/^\/\/(?=\/)/, '') };
  }
  const [, servers, path] = scheme === 'zk' ? (/^\/\/([^/]+)(\/.*)?$/s.exec(rest) ?? []) : [];
  if (servers === undefined) {
    throw new UsageError(
      `${text} is no place for nodes; write /path for a node here, zk://host:2181/path for one on another server, ` +
        'file:name.json or file:directory for files',
    );
  }
  return { kind: 'server', servers, path: path ?? '/' };
}
