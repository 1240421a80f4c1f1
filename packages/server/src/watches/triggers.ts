/** What a change of the tree fires, as a table (client-protocol.md §7.3). */
import { EventType } from '@treekeeper/protocol';
import type { Change } from '../tree/data-tree.ts';

/** Kinds of watches as bits, so that all that one watcher has on one path is one number. */
export const KindBit = { data: 1, child: 2, persistent: 4, recursive: 8 } as const;
export type WatchKind = keyof typeof KindBit;

/** Gone after the first event. */
export const ONE_SHOT = KindBit.data | KindBit.child;

/** ZooKeeper keeps two tables; its counts and listings are of entries in these (client-protocol.md §11). */
export const IN_DATA_TABLE = KindBit.data | KindBit.persistent | KindBit.recursive;
export const IN_CHILD_TABLE = KindBit.child | KindBit.persistent;

export interface Trigger {
  /** The event for watchers of the node itself. */
  readonly event: EventType;
  /** Kinds on the node that the event goes to; recursive watches further up get it too. */
  readonly kinds: number;
  /** Whether the parent's children change: then its child and persistent watches get that event, afterwards. */
  readonly childrenChanged: boolean;
}

export const triggers: Readonly<Record<Change['kind'], Trigger>> = {
  created: { event: EventType.nodeCreated, kinds: IN_DATA_TABLE, childrenChanged: true },
  deleted: { event: EventType.nodeDeleted, kinds: IN_DATA_TABLE | IN_CHILD_TABLE, childrenChanged: true },
  dataChanged: { event: EventType.nodeDataChanged, kinds: IN_DATA_TABLE, childrenChanged: false },
};
