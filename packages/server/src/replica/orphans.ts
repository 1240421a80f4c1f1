/** Ephemeral nodes whose session nobody knows: what is found of them, by who leads or is alone, goes. */
import { ownerKind } from '@treekeeper/protocol';
import type { Log } from '../io/log.ts';
import type { DataTree } from '../tree/data-tree.ts';

/** With extended types on, which marks on owners are those of nodes with a time to live. */
const WITH_TTL = { extendedTypesEnabled: true, emulate353TtlNodes: false };

export interface NodesAndSessions {
  readonly tree: DataTree;
  readonly sessions: { get(id: bigint): object | undefined };
}

/**
 * The sessions that own nodes and do not exist, whose nodes are to be removed. Left out are owners that are none: where
 * extendedTypesEnabled is not set, a node with a time to live looks like an ephemeral one, of a session that no server
 * makes (client-protocol.md §5.2). Apache ZooKeeper removes those nodes; here they stay, and it is told.
 */
export function orphanedSessions({ tree, sessions }: NodesAndSessions, log: Log): bigint[] {
  const unknown = [...tree.sessionsWithEphemerals()].filter((owner) => sessions.get(owner) === undefined);
  const timed = unknown.filter((owner) => ownerKind(owner, WITH_TTL) === 'ttl');
  if (timed.length > 0) {
    const paths = timed.flatMap((owner) => tree.ephemeralsOf(owner));
    log.error(
      `the tree has nodes with a time to live (${paths.length}, among them ${paths[0]}), and extendedTypesEnabled is not ` +
        'set here: they stay, also when their time is over. Set extendedTypesEnabled=true in zoo.cfg or as a property ' +
        '(-Dzookeeper.extendedTypesEnabled=true), on all servers, and start this one again',
    );
  }
  return unknown.filter((owner) => !timed.includes(owner));
}
