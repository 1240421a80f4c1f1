import { UsageError } from '../../../terminal.ts';
import { isMasked, MASKED_HINT } from '../acl.ts';
import { ShellError } from '../explain.ts';
import { counted } from '../format.ts';
import { type Change, changesTo, type Entries, type Entry, type Location } from './location.ts';
import { missing } from './missing.ts';

export interface TransferOptions {
  /** As a person has named the source. */
  readonly fromName: string;
  readonly recursive: boolean;
  readonly acls: boolean;
  /** Deletes what the source does not have. */
  readonly deletes: boolean;
}

export interface Transfer {
  readonly source: Entries;
  /** What is to be done at the target. */
  readonly changes: readonly Change[];
}

/**
 * Reads both places and says what has to be done so that the target becomes as the source. Where ACLs are wanted, all
 * must come along: a node without one of its own is open to everybody.
 *
 * @throws UsageError
 * @throws ShellError
 */
export async function planTransfer(from: Location, to: Location, options: TransferOptions): Promise<Transfer> {
  const { recursive, acls, deletes } = options;
  const lossy = [from, to].find(({ keepsAcls }) => !keepsAcls);
  if (acls && lossy !== undefined) {
    throw new UsageError(`${lossy.name} is a directory, which keeps no ACLs; file:name.json does`);
  }
  const source = await from.read({ recursive, acls });
  if (source === null) {
    throw missing(from, options.fromName);
  }
  const bare = acls ? [...source.values()].filter(({ acl }) => acl === null) : [];
  if (bare.length > 0) {
    throw new ShellError(
      `${from.name} has no ACL for ${counted(bare.length, 'node')}${suchAs(bare)}`,
      'it was written without --acl; without it here, too, new nodes get the ACLs that are in it, others are open to all',
    );
  }
  const masked = [...source.values()].filter(({ acl }) => acl !== null && isMasked(acl));
  if (masked.length > 0) {
    const what = `${from.name} shows ${counted(masked.length, 'ACL')} without the hash of a password${suchAs(masked)}`;
    throw new ShellError(what, MASKED_HINT);
  }
  const target = (await to.read({ recursive, acls })) ?? new Map();
  return { source, changes: changesTo(target, source, { deletes, acls }) };
}

/** An example, if it has a name. */
export function suchAs([first]: readonly Pick<Entry, 'path'>[]): string {
  return first.path === '' ? '' : `, such as ${first.path}`;
}

/** The node of a change, from the top of the tree. */
export function pathOf(change: Change): string {
  return change.kind === 'delete' ? change.path : change.entry.path;
}
