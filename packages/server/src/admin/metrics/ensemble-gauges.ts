/** What `mntr` and Prometheus are told of a member of an ensemble (client-protocol.md §11). */
import type { EnsembleView, ServerMode } from '../view.ts';

export interface EnsembleGauge {
  readonly name: string;
  readonly meaning: string;
  readonly read: (ensemble: EnsembleView, nowMs: number) => number;
}

/** Of each member. */
const memberGauges: readonly EnsembleGauge[] = [
  {
    name: 'quorum_size',
    meaning: 'servers that have a vote',
    read: ({ configuration }) => configuration.voters.length,
  },
];

/** Of a leader besides: who follows it, and how it proposes. */
const leaderGauges: readonly EnsembleGauge[] = [
  { name: 'learners', meaning: 'servers connected to the leader', read: ({ learners }) => learners.length },
  {
    name: 'synced_followers',
    meaning: 'followers that have a vote and the history of the leader',
    read: ({ learners }) => learners.filter(({ isSynced, isVoter }) => isSynced && isVoter).length,
  },
  {
    name: 'synced_non_voting_followers',
    meaning: 'followers that have no vote, and the history of the leader',
    read: ({ learners }) => learners.filter((one) => one.isSynced && !one.isVoter && !one.isObserver).length,
  },
  {
    name: 'synced_observers',
    meaning: 'observers that have the history of the leader',
    read: ({ learners }) => learners.filter(({ isSynced, isObserver }) => isSynced && isObserver).length,
  },
  {
    name: 'leader_uptime',
    meaning: 'milliseconds since this server began to lead',
    read: ({ servingSinceMs }, nowMs) => (servingSinceMs === null ? 0 : Math.trunc(nowMs - servingSinceMs)),
  },
  { name: 'pending_syncs', meaning: 'syncs that wait for a quorum', read: ({ pendingSyncs }) => pendingSyncs },
  { name: 'last_proposal_size', meaning: 'bytes, -1: none', read: ({ proposals }) => proposals.lastBytes },
  { name: 'max_proposal_size', meaning: 'bytes, -1: none', read: ({ proposals }) => proposals.maxBytes },
  { name: 'min_proposal_size', meaning: 'bytes, -1: none', read: ({ proposals }) => proposals.minBytes },
];

export function ensembleGauges(mode: ServerMode): readonly EnsembleGauge[] {
  return mode === 'leader' ? [...memberGauges, ...leaderGauges] : memberGauges;
}

/** Our phases that belong to ZooKeeper's discovery, and to its broadcast; the others are of its synchronisation. */
const DISCOVERY = new Set(['connecting', 'introduced', 'discovery', 'accepting', 'acknowledging', 'accepted']);
const BROADCAST = new Set(['leading', 'following']);

/** As ZooKeeper says it: `election`, `discovery`, `synchronization`, `broadcast`. */
export function zabState({ state, phase }: EnsembleView): string {
  if (state === 'looking') {
    return 'election';
  }
  return DISCOVERY.has(phase) ? 'discovery' : BROADCAST.has(phase) ? 'broadcast' : 'synchronization';
}

/** As ZooKeeper says it: `leading - broadcast`, `looking - election`. */
export function peerState(ensemble: EnsembleView): string {
  return `${ensemble.state} - ${zabState(ensemble)}`;
}
