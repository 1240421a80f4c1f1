/**
 * The check that refuses writes before they are ordered (client-protocol.md §8.8): permissions and lists are held
 * against the tree as it is applied, so a refusal costs no transaction. What it lets through is checked again in its
 * order.
 */
import {
  type CreateRequest,
  type DeleteRequest,
  ErrorNumber,
  type Id,
  isValidPath,
  Perms,
  parentPath,
  type RequestAcl,
  type SetAclRequest,
  type SetDataRequest,
} from '@treekeeper/protocol';
import { hasParent } from './checks.ts';
import type { World } from './operation.ts';

/** 0, or NO_AUTH when the node is there and does not let the identities do this. */
function permissionError({ tree, access }: World, identities: readonly Id[], path: string, perms: number): number {
  const node = tree.find(path);
  return node === 0 || access.permits(tree.acl(node), perms, identities) ? 0 : ErrorNumber.NO_AUTH;
}

function listError({ access }: World, identities: readonly Id[], acl: readonly RequestAcl[] | null): number {
  const fixed = access.fixAcl(acl, identities);
  return typeof fixed === 'number' ? fixed : 0;
}

/** Paths that are wrong are left to the check in order. */
export function eagerCreate(world: World, identities: readonly Id[], { path, acl }: CreateRequest): number {
  if (path === null || !hasParent(path)) {
    return 0;
  }
  return listError(world, identities, acl) || permissionError(world, identities, parentPath(path), Perms.create);
}

export function eagerDelete(world: World, identities: readonly Id[], { path }: DeleteRequest): number {
  return hasParent(path) ? permissionError(world, identities, parentPath(path), Perms.delete) : 0;
}

export function eagerSetData(world: World, identities: readonly Id[], { path }: SetDataRequest): number {
  return isValidPath(path) ? permissionError(world, identities, path, Perms.write) : 0;
}

export function eagerSetAcl(world: World, identities: readonly Id[], { path, acl }: SetAclRequest): number {
  if (!isValidPath(path)) {
    return 0;
  }
  return listError(world, identities, acl) || permissionError(world, identities, path, Perms.admin);
}
