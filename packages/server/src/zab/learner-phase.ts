/** Where a learner is on its way into step with its leader (quorum-protocol.md §5). */

/**
 * connecting → introduced (the own epoch is told) → accepting (the leader's goes to disk) → accepted → truncating or
 * loading (TRUNC, SNAP) → syncing → storing (the history goes to disk) → adopting (the epoch goes to disk as the
 * current one) → synced (NEWLEADER is acknowledged) → following → ended.
 */
export type LearnerPhase =
  | 'connecting'
  | 'introduced'
  | 'accepting'
  | 'accepted'
  | 'truncating'
  | 'loading'
  | 'syncing'
  | 'storing'
  | 'adopting'
  | 'synced'
  | 'following'
  | 'ended';

/** While the disk is at work for us, what comes in waits. */
export const AT_DISK: ReadonlySet<LearnerPhase> = new Set(['accepting', 'truncating', 'storing', 'adopting']);
