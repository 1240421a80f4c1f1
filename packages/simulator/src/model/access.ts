/** Access rules for the identities that the workload has: the address, and digest users (client-protocol.md §8). */
import { type ACL, ErrorNumber, type Id } from '@treekeeper/protocol';

function isAnyone({ scheme, id }: Id): boolean {
  return scheme === 'world' && id === 'anyone';
}

export function permits(acl: readonly ACL[], perms: number, identities: readonly Id[]): boolean {
  return acl.some(
    ({ perms: granted, id }) =>
      (granted & perms) !== 0 &&
      (isAnyone(id) || identities.some((one) => one.scheme === id.scheme && one.id === id.id)),
  );
}

/** The list as it is stored: `auth` stands for the users that the client has proven to be. Or an error number. */
export function storedAcl(requested: readonly ACL[], identities: readonly Id[]): ACL[] | number {
  const users = identities.filter(({ scheme }) => scheme === 'digest');
  const stored = requested.flatMap(({ perms, id }) =>
    id.scheme === 'auth' ? users.map((user) => ({ perms, id: user })) : [{ perms, id }],
  );
  const lacksUser = users.length === 0 && requested.some(({ id }) => id.scheme === 'auth');
  return requested.length === 0 || lacksUser ? ErrorNumber.INVALID_ACL : stored;
}

/** Without the password hashes, for readers who may not change the list. */
export function maskedAcl(acl: readonly ACL[]): ACL[] {
  return acl.map(({ perms, id }) => {
    const isDigest = id.scheme === 'digest';
    return { perms, id: isDigest ? { scheme: 'digest', id: `${id.id.split(':', 1)[0]}:x` } : id };
  });
}
