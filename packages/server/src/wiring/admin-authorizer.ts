/** Who may take, restore and shed: callers with every permission on the root, or super (client-protocol.md §13). */
import { Perms } from '@treekeeper/protocol';
import type { Authorize } from '../admin/http.ts';
import type { AccessControl } from '../auth/acl.ts';
import { checkAuthPacket } from '../auth/authentication.ts';
import type { AuthRegistry } from '../auth/registry.ts';
import { subjectRfc2253 } from '../host/distinguished-name.ts';
import type { DataTree } from '../tree/data-tree.ts';

const EVERY_PERMISSION = [Perms.read, Perms.write, Perms.create, Perms.delete, Perms.admin];

export function adminAuthorizer(registry: AuthRegistry, access: AccessControl, tree: () => DataTree): Authorize {
  return (scheme, data, { remoteAddress: address, certificate, forwardedFor }) => {
    const remoteAddress = registry.options.useForwardedFor ? (forwardedFor ?? address) : address;
    const certificateSubject = certificate === null ? null : subjectRfc2253(certificate.raw);
    const result = checkAuthPacket(registry, scheme, data, { remoteAddress, certificateSubject });
    if (typeof result === 'string' || result.length === 0) {
      return 'notAuthenticated';
    }
    const acl = tree().acl(tree().find('/'));
    return EVERY_PERMISSION.every((perm) => access.permits(acl, perm, result)) ? 'permitted' : 'notAuthorized';
  };
}
