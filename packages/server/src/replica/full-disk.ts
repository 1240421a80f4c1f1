/** What a member of an ensemble does while its log finds no space (docs/decisions/0005-storage.md). */
import type { Log } from '../io/log.ts';
import type { Peer } from '../zab/peer.ts';

/**
 * A leader gives leadership away, when the followers in step are a quorum without it: they go on committing what others
 * write, and this server would have to keep all of that in memory, and let no session expire. Where it is needed
 * nothing can be committed anyway: it stays, and serves reads.
 */
export function leadElsewhere({ leadership, membership }: Peer, log: Log): void {
  if (leadership === null || leadership.isHandingOver) {
    return;
  }
  const inStep = [...leadership.learners].filter(({ stage, isObserver }) => stage === 'active' && !isObserver);
  const voters = inStep.map(({ serverId }) => serverId).filter((serverId) => !membership.observes(serverId));
  if (membership.quorum.hasQuorum(new Set(voters)) && leadership.handOver(null, true)) {
    log.warn('leadership is given away, for this server cannot log anything: it follows when its disk has space again');
  }
}
