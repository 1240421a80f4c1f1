/** ACLs as zkCli writes them: `world:anyone:r,digest:ann:hash:cdrwa`. */
import { type ACL, Perms } from '@treekeeper/client';
import { UsageError } from '../../terminal.ts';
import type { Json } from './format.ts';

const LETTERS: Readonly<Record<string, number>> = {
  c: Perms.create,
  d: Perms.delete,
  r: Perms.read,
  w: Perms.write,
  a: Perms.admin,
};

/** @throws UsageError */
export function parseAcl(text: string): ACL[] {
  // A comma within an id (x509:CN=ann,OU=ops:r) is followed by no scheme.
  return text.split(/,(?=[a-z0-9]+:)/).map((entry) => {
    const first = entry.indexOf(':');
    const last = entry.lastIndexOf(':');
    if (first < 1 || first === last) {
      throw new UsageError(
        `'${entry}' is no ACL entry; it is scheme:id:permissions, such as world:anyone:r or auth::cdrwa`,
      );
    }
    const id = entry.slice(first + 1, last);
    return { perms: permissions(entry.slice(last + 1), entry), id: { scheme: entry.slice(0, first), id } };
  });
}

function permissions(letters: string, entry: string): number {
  let perms = 0;
  for (const letter of letters) {
    const bit = LETTERS[letter];
    if (bit === undefined) {
      throw new UsageError(
        `'${letter}' in '${entry}' is no permission; there are c(reate) d(elete) r(ead) w(rite) a(dmin)`,
      );
    }
    perms |= bit;
  }
  return perms;
}

export function permissionLetters(perms: number): string {
  return Object.entries(LETTERS)
    .filter(([, bit]) => (perms & bit) !== 0)
    .map(([letter]) => letter)
    .join('');
}

/**
 * Whether the server has left the hash of a password out of it, as it does for who may read a node and not administer
 * it (client-protocol.md §8.4). A node that is made with such an ACL lets that user in no more.
 */
export function isMasked(acl: readonly ACL[]): boolean {
  return acl.some(({ id: { scheme, id } }) => scheme === 'digest' && id.endsWith(':x'));
}

/** What to do about it. */
export const MASKED_HINT =
  'who may administer a node (a) sees its whole ACL: addauth digest user:password says who you are';

/** Two lines for each entry, as zkCli has them. */
export function aclText(acl: readonly ACL[]): string {
  return acl.map(({ perms, id }) => `'${id.scheme},'${id.id}\n: ${permissionLetters(perms)}`).join('\n');
}

/** As `parseAcl` reads it. */
export function aclLine(acl: readonly ACL[]): string {
  return acl.map(({ perms, id }) => `${id.scheme}:${id.id}:${permissionLetters(perms)}`).join(',');
}

export function aclJson(acl: readonly ACL[]): Json {
  return acl.map(({ perms, id }) => ({ scheme: id.scheme, id: id.id, perms: permissionLetters(perms) }));
}
