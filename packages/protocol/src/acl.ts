/** Permission bits and ready-made lists (client-protocol.md §8.1). */
import type { ACL } from './records/data.ts';

export const Perms = { read: 1, write: 2, create: 4, delete: 8, admin: 16, all: 31 } as const;

/** world:anyone with every permission. */
export const OPEN_ACL: readonly ACL[] = [{ perms: Perms.all, id: { scheme: 'world', id: 'anyone' } }];
/** world:anyone may read. */
export const READ_ACL: readonly ACL[] = [{ perms: Perms.read, id: { scheme: 'world', id: 'anyone' } }];

export function aclEquals(a: readonly ACL[], b: readonly ACL[]): boolean {
  return (
    a.length === b.length &&
    a.every((x, i) => x.perms === b[i].perms && x.id.scheme === b[i].id.scheme && x.id.id === b[i].id.id)
  );
}
