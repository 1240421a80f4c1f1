import type { Stat } from '@treekeeper/client';
import { type OwnerKind, ownerKind } from '@treekeeper/protocol';

export const NODE_KINDS: readonly OwnerKind[] = ['persistent', 'ephemeral', 'container', 'ttl'];

/** By the owner of the node. Servers with number 255 cannot have TTL nodes, so nothing is mistaken for one. */
export function kindOf({ ephemeralOwner }: Stat): OwnerKind {
  return ownerKind(ephemeralOwner, { extendedTypesEnabled: true, emulate353TtlNodes: false });
}
