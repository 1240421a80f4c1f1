/**
 * The leader's side of discovery (quorum-protocol.md §5.3): a quorum tells the epochs it has accepted, out of which the
 * new one is made, and then accepts that one, telling its history, which must not be ahead of the leader's.
 */
import { decodeLearnerInfo, EPOCH_LIMIT, epochOf, PacketType, QUORUM_PROTOCOL_VERSION } from '@treekeeper/protocol';
import type { Membership } from './membership.ts';
import type { Packet } from './packet-stream.ts';
import type { Quorum } from './quorum.ts';

/** How much of the history a server has. */
export interface Progress {
  readonly currentEpoch: number;
  readonly lastZxid: number;
}

export class Discovery {
  readonly #quorum: Quorum;
  readonly #own: Progress;
  readonly #heard: Set<number>;
  readonly #accepted = new Set<number>();
  readonly #serverId: number;
  #candidate: number;
  #epoch: number | null = null;

  constructor(serverId: number, quorum: Quorum, acceptedEpoch: number, own: Progress) {
    this.#quorum = quorum;
    this.#own = own;
    this.#heard = new Set([serverId]);
    this.#serverId = serverId;
    this.#candidate = acceptedEpoch + 1;
  }

  /** The new epoch; null until a quorum has told what it accepted. Then fixed. */
  get epoch(): number | null {
    if (this.#epoch === null && this.#quorum.hasQuorum(this.#heard)) {
      this.#epoch = this.#candidate;
    }
    return this.#epoch;
  }

  /** A quorum has accepted the epoch, this server in it, and nobody ahead of this server. */
  get isComplete(): boolean {
    return this.#accepted.has(this.#serverId) && this.#quorum.hasQuorum(this.#accepted);
  }

  /** The epoch is on disk here. */
  acceptedHere(): void {
    this.#accepted.add(this.#serverId);
  }

  /**
   * A server has told the last epoch it accepted. All count for the number, else one that is ahead could never join;
   * only voters (given by their id) count for the quorum.
   */
  introduced(acceptedEpoch: number, voterId: number | null): void {
    this.#candidate = Math.max(this.#candidate, acceptedEpoch + 1);
    if (voterId !== null) {
      this.#heard.add(voterId);
    }
  }

  /**
   * A server has accepted the epoch. False when it is ahead of this server, which then must not lead it.
   *
   * @param currentEpoch −1: it had accepted the epoch before, in an earlier life, and does not count
   */
  accepted(voterId: number | null, { currentEpoch, lastZxid }: Progress): boolean {
    if (currentEpoch === -1) {
      return true;
    }
    const own = this.#own;
    if (currentEpoch > own.currentEpoch || (currentEpoch === own.currentEpoch && lastZxid > own.lastZxid)) {
      return false;
    }
    if (voterId !== null && lastZxid !== -1) {
      this.#accepted.add(voterId);
    }
    return true;
  }
}

/** What a learner begins with. */
export interface Introduction {
  /** Null: it did not say. */
  readonly serverId: number | null;
  readonly isObserver: boolean;
  readonly acceptedEpoch: number;
}

/** Reads a learner's first packet; a text says why this leader, `leaderId`, cannot have it. */
export function readIntroduction(
  { type, zxid, data }: Packet,
  { committed }: Membership,
  leaderId: number,
): Introduction | string {
  if (type !== PacketType.followerInfo && type !== PacketType.observerInfo) {
    return `began with a packet of type ${type} instead of FOLLOWERINFO or OBSERVERINFO`;
  }
  const { serverId, protocolVersion, configVersion } = decodeLearnerInfo(data);
  const acceptedEpoch = epochOf(zxid);
  if (serverId !== null && Number(serverId) === leaderId) {
    return `has the id of its leader, ${leaderId}: in one of the two myid is wrong`; // it must not count for it
  }
  if (protocolVersion < QUORUM_PROTOCOL_VERSION) {
    return `speaks protocol 0x${protocolVersion.toString(16)}, that of a release before 3.4`;
  }
  if (configVersion > BigInt(committed.version)) {
    return `knows a newer configuration (version ${configVersion.toString(16)}) than its leader`;
  }
  if (acceptedEpoch + 1 >= EPOCH_LIMIT) {
    return `has accepted epoch ${acceptedEpoch}, behind which there is none`;
  }
  const isObserver = type === PacketType.observerInfo;
  return { serverId: serverId === null ? null : Number(serverId), isObserver, acceptedEpoch };
}
