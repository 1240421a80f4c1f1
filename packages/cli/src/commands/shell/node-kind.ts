import type { Stat } from '@treekeeper/client';

/** Servers do not tell containers and TTL nodes from persistent ones (client-protocol.md §5.2). */
export const NODE_KINDS = ['persistent', 'ephemeral'] as const;

export function kindOf({ ephemeralOwner }: Stat): (typeof NODE_KINDS)[number] {
  return ephemeralOwner === 0n ? 'persistent' : 'ephemeral';
}
