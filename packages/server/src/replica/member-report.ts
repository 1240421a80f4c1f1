/** A member of an ensemble, as operators see it. */
import type { Configuration } from '../zab/configuration.ts';
import type { Peer, PeerStateName } from '../zab/peer.ts';

/** Sizes of proposals in bytes; −1 before the first. */
export interface ProposalSizes {
  readonly lastBytes: number;
  readonly minBytes: number;
  readonly maxBytes: number;
}

/** A server that follows this one, or that it feeds. */
export interface LearnerReport {
  readonly serverId: number;
  readonly remoteAddress: string;
  readonly isObserver: boolean;
  /** It follows, and has a vote. */
  readonly isVoter: boolean;
  /** It has this server's history. */
  readonly isSynced: boolean;
}

export interface MemberReport {
  readonly serverId: number;
  readonly state: PeerStateName;
  /** Where in its state it is. */
  readonly phase: string;
  /** The server that leads; null while it is looking. */
  readonly leaderId: number | null;
  /** The server that this learner is linked to, its leader or a follower that feeds observers; null: it is none. */
  readonly masterId: number | null;
  readonly currentEpoch: number;
  /** Of the data here: this server does not vote, and waits for a leader's data. Null: there is none. */
  readonly damage: string | null;
  /** In force. */
  readonly configuration: Configuration;
  /** Of a leader, and of a follower that feeds observers. */
  readonly learners: readonly LearnerReport[];
  readonly proposals: ProposalSizes;
  /** Syncs that wait for the leader's word: of this server's clients, and at the leader of its learners', too. */
  readonly pendingSyncs: number;
  /** Since when this server leads or follows; null: it does not serve. Monotonic. */
  readonly servingSinceMs: number | null;
}

/** What the peer knows of it. */
export function reportOf(
  peer: Peer,
  serverId: number,
): Pick<MemberReport, 'serverId' | 'state' | 'phase' | 'leaderId' | 'masterId' | 'configuration' | 'learners'> {
  const configuration = peer.membership.committed;
  const connected = peer.leadership?.learners ?? peer.learner?.master?.observers ?? [];
  const learners = [...connected].filter((learner) => Number.isFinite(learner.serverId));
  return {
    serverId,
    state: peer.state,
    phase: peer.phase,
    leaderId: peer.leaderId,
    masterId: peer.learner?.masterId ?? null,
    configuration,
    learners: learners.map((learner) => ({
      serverId: learner.serverId,
      remoteAddress: learner.link.remoteAddress,
      isObserver: learner.isObserver,
      isVoter: !learner.isObserver && configuration.isVoter(learner.serverId),
      isSynced: learner.stage === 'active',
    })),
  };
}
