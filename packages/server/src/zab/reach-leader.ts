/** Where a learner dials: its leader, or one of the followers that feed observers (quorum-protocol.md §8). */
import type { Random } from '../io/random.ts';
import type { Environment } from './environment.ts';
import { CONNECT_TRIES_MAX, type Dial, LeaderLink } from './leader-link.ts';
import type { Membership } from './membership.ts';
import type { ZabOptions } from './options.ts';

/** A follower that does not answer must not use up the time for the others: so much of what is left is for each. */
const PATIENCE_WITH_ONE = 1 / 4;

/**
 * Dials at once.
 *
 * @param mayBeFed by a follower
 */
export function reachLeader(
  leaderId: number,
  options: ZabOptions,
  environment: Environment,
  membership: Membership,
  mayBeFed: boolean,
  nowMs: number,
): LeaderLink {
  const { connectLimitTicks, initLimitTicks, tickTimeMs, fieldBytesMax, leaderConnectDelayMs } = options;
  const limitMs = (connectLimitTicks > 0 ? connectLimitTicks : initLimitTicks) * tickTimeMs;
  const masters = mayBeFed && options.hasObserverMasters ? mastersFor(leaderId, environment, membership) : [];
  const dial: Dial = (attempt, timeoutMs) => {
    if (masters.length === 0 || attempt === CONNECT_TRIES_MAX - 1) {
      return { serverId: leaderId, link: environment.peers.connect(leaderId, timeoutMs, 'quorum') };
    }
    const patienceMs = Math.ceil(timeoutMs * PATIENCE_WITH_ONE);
    const serverId = masters[attempt % masters.length];
    return { serverId, link: environment.peers.connect(serverId, patienceMs, 'observers') };
  };
  return new LeaderLink(dial, fieldBytesMax, limitMs, leaderConnectDelayMs, nowMs);
}

/**
 * An observer tries the followers in an order of its own, so that they share the observers; again and again, for they
 * may not be in step yet; and the leader at last: better there than nowhere.
 */
function mastersFor(leaderId: number, { random }: Environment, { committed }: Membership): number[] {
  return shuffled(
    committed.voters.filter((voter) => voter !== leaderId),
    random,
  );
}

function shuffled(serverIds: readonly number[], random: Random): number[] {
  const drawn = serverIds.map((serverId) => ({ serverId, place: random.next() }));
  return drawn.sort((one, other) => one.place - other.place).map(({ serverId }) => serverId);
}
