import { createHash } from 'node:crypto';
import { type ACL, Perms } from '@treekeeper/protocol';

/**
 * Everything, for whoever creates the node: its identities of schemes that prove who they are. Needs addAuth before.
 *
 * @example
 * ```ts
 * await client.addAuth('digest', 'ann:secret');
 * await client.create('/private', 'mine', { acl: CREATOR_ALL_ACL });
 * ```
 */
export const CREATOR_ALL_ACL: readonly ACL[] = [{ perms: Perms.all, id: { scheme: 'auth', id: '' } }];

/**
 * The id of scheme digest that stands for a user and password in an ACL: `user:` and a hash of both.
 *
 * @example
 * ```ts
 * const ann = { scheme: 'digest', id: digestId('ann', 'secret') };
 * await client.create('/anns', null, { acl: [{ perms: Perms.read | Perms.write, id: ann }] });
 * ```
 */
export function digestId(user: string, password: string): string {
  const hash = createHash('sha1').update(`${user}:${password}`).digest('base64');
  return `${user}:${hash}`;
}
