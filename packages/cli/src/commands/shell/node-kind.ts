import type { Stat } from '@treekeeper/client';
import { type OwnerKind, ownerKind } from '@treekeeper/protocol';

export const NODE_KINDS: readonly OwnerKind[] = ['persistent', 'ephemeral', 'container', 'ttl'];

/** The owner of a node says of which kind it is. Servers with number 255 cannot have TTL nodes, so nothing is mistaken. */
export function kindOf({ ephemeralOwner }: Stat): OwnerKind {
  return ownerKind(ephemeralOwner, { extendedTypesEnabled: true, emulate353TtlNodes: false });
}
