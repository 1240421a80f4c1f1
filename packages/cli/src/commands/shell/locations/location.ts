/** Where trees can be: on a server, in a JSON file, in a directory. `cp`, `mirror` and `diff` know no difference. */
import type { ACL } from '@treekeeper/client';
import { UsageError } from '../../../terminal.ts';
import { aclLine } from '../acl.ts';

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
  | { readonly kind: 'create'; readonly entry: Entry }
  /** `data` and `acl` say what of the node is another there, and only that is to be changed. */
  | { readonly kind: 'set'; readonly entry: Entry; readonly data: boolean; readonly acl: boolean }
  | { readonly kind: 'delete'; readonly path: string };

export interface ReadOptions {
  readonly recursive: boolean;
  readonly acls: boolean;
}

export interface Location extends AsyncDisposable {
  /** As it was named, for messages. */
  readonly name: string;
  /** Whether nodes can have ACLs there. */
  readonly keepsAcls: boolean;
  /** Whether it is all that there is: the root of a server's tree, or that of the file system. */
  readonly isRoot: boolean;
  /** Null when there is nothing. */
  read(options: ReadOptions): Promise<Entries | null>;
  /** Makes the changes: creations parents first, deletions children first. `done` is called after each. */
  apply(changes: readonly Change[], done: () => void): Promise<void>;
}

export interface CompareOptions {
  /** Deletes what the source does not have. */
  readonly deletes: boolean;
  /** Whether a node with another ACL is to be changed; else only new nodes get that of the source, if it has one. */
  readonly acls: boolean;
}

/** What is to be done so that the target becomes as the source. */
export function changesTo(target: Entries, source: Entries, { deletes, acls }: CompareOptions): Change[] {
  const changes: Change[] = [];
  for (const entry of source.values()) {
    const there = target.get(entry.path);
    if (there === undefined) {
      changes.push({ kind: 'create', entry });
      continue;
    }
    const data = !sameData(there.data, entry.data);
    const acl = acls && entry.acl !== null && !(there.acl !== null && sameAcl(there.acl, entry.acl));
    if (data || acl) {
      changes.push({ kind: 'set', entry, data, acl });
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

/** The order of the entries means nothing, nor does one that is there twice: servers drop it. */
function sameAcl(a: readonly ACL[], b: readonly ACL[]): boolean {
  const [one, other] = [a, b].map((acl) => new Set(acl.map((entry) => aclLine([entry]))));
  return one.size === other.size && [...one].every((line) => other.has(line));
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
