/** Votes, and the notifications that carry them (quorum-protocol.md §3, §4.2, §4.5). */
import {
  decodeNotification,
  JuteError,
  JuteReader,
  JuteWriter,
  NOTIFICATION_VERSION,
  Notification,
  PeerState,
} from '@treekeeper/protocol';
import type { Configuration } from './configuration.ts';

/** What servers without a vote put in place of every number of one. Exact, although it is not a safe integer. */
export const LONG_MIN = -(2 ** 63);

/** Who shall lead, and why. */
export interface Vote {
  readonly leader: number;
  /** The end of the leader's history. */
  readonly zxid: number;
  /** The leader's current epoch; of a server that follows or leads, the epoch it has joined. */
  readonly peerEpoch: number;
}

/** A notification, and who sent it. */
export interface HeardVote extends Vote {
  readonly serverId: number;
  readonly state: PeerState;
  readonly round: number;
  /** Of 3.5 or later. Older servers go on telling the epoch of before the election when they have a leader. */
  readonly isModern: boolean;
  /** The sender's committed configuration; null when it does not tell it. */
  readonly config: string | null;
}

/** A vote as it is counted. */
export type CountedVote = Pick<HeardVote, 'leader' | 'zxid' | 'peerEpoch' | 'round' | 'state' | 'isModern'>;

/** Whether `one` is the better vote, weights aside: the later epoch, then the longer history, then the larger id. */
export function isBetterVote(one: Vote, other: Vote): boolean {
  if (one.peerEpoch !== other.peerEpoch) {
    return one.peerEpoch > other.peerEpoch;
  }
  return one.zxid === other.zxid ? one.leader > other.leader : one.zxid > other.zxid;
}

/**
 * Whether two votes count for the same. Those who look for a leader must agree in everything. Those who have one report
 * histories and rounds of different elections; what they agree in is the leader, and the epoch if both know it.
 */
export function isSameVote(one: CountedVote, other: CountedVote): boolean {
  if (one.leader !== other.leader) {
    return false;
  }
  if (one.state === PeerState.looking || other.state === PeerState.looking) {
    return one.zxid === other.zxid && one.round === other.round && one.peerEpoch === other.peerEpoch;
  }
  return one.isModern !== other.isModern || one.peerEpoch === other.peerEpoch;
}

/** @param config the sender's committed configuration */
export function encodeNotification(state: PeerState, vote: Vote, round: number, config: string): Uint8Array {
  const writer = new JuteWriter(64 + config.length);
  Notification.encode(writer, {
    state,
    leader: BigInt(vote.leader),
    zxid: BigInt(vote.zxid),
    round: BigInt(round),
    peerEpoch: BigInt(vote.peerEpoch),
    version: NOTIFICATION_VERSION,
    config,
  });
  return writer.detach();
}

/**
 * Reads a notification of any age.
 *
 * @throws JuteError when it must be dropped
 */
export function readNotification(serverId: number, bytes: Uint8Array): HeardVote {
  const { state, leader, zxid, round, peerEpoch, config } = decodeNotification(new JuteReader(bytes));
  return {
    serverId,
    state: state as PeerState,
    leader: exactNumber(leader),
    zxid: exactNumber(zxid),
    round: exactNumber(round),
    peerEpoch: exactNumber(peerEpoch),
    isModern: config !== null,
    config,
  };
}

function exactNumber(long: bigint): number {
  const number = Number(long);
  if (!Number.isSafeInteger(number) && number !== LONG_MIN) {
    throw new JuteError('OUT_OF_RANGE', `${long} in a vote: it would need an epoch of 2^21 or more`);
  }
  return number;
}

/** Those whose vote is this one. */
export function sendersOf(votes: ReadonlyMap<number, CountedVote>, wanted: CountedVote): Set<number> {
  const senders = new Set<number>();
  for (const [sender, vote] of votes) {
    if (isSameVote(vote, wanted)) {
      senders.add(sender);
    }
  }
  return senders;
}

/** What this server can offer: its vote for itself. */
export interface OwnHistory {
  /** The end of its log, committed or not (§4.1). −1: there is no database, and none may be made. */
  readonly lastZxid: number;
  readonly currentEpoch: number;
  /** It is not all that this server has acknowledged: left out, it is. */
  readonly isDamaged?: boolean;
}

/** Of whom has no vote: observers put it in all places. */
export const NO_VOTE: Vote = { leader: LONG_MIN, zxid: LONG_MIN, peerEpoch: LONG_MIN };

/**
 * A vote for oneself: who may not be elected leaves the leader's place empty, observers and those whose history is
 * damaged all places (§4.1). Who is to vote by the next configuration may be elected: maybe only its log has the
 * transaction that changes the members.
 */
export function ownVote(
  serverId: number,
  { lastZxid, currentEpoch, isDamaged = false }: OwnHistory,
  committed: Configuration,
  lastSeen: Configuration | null,
): Vote {
  const isElector = committed.isVoter(serverId) || lastSeen?.isVoter(serverId) === true;
  if (isDamaged || (!isElector && committed.member(serverId)?.role === 'observer')) {
    return NO_VOTE;
  }
  return { leader: isElector ? serverId : LONG_MIN, zxid: lastZxid, peerEpoch: currentEpoch };
}
