/** Messages between servers: the quorum port (quorum-protocol.md §5.1, §6, §7) and the election port (§2, §3). */
import { JuteError } from '../jute/errors.ts';
import { JuteReader } from '../jute/reader.ts';
import { boolean, buffer, type Infer, int, long, nullable, record, ustring, vector } from '../jute/schema.ts';
import { Id } from './data.ts';

// ---- The quorum port: packets one behind the other, without lengths -------------------------------------------------

/** What a quorum packet is about, by its number on the wire (§5.1). */
export const PacketType = {
  request: 1,
  proposal: 2,
  ack: 3,
  commit: 4,
  ping: 5,
  revalidate: 6,
  sync: 7,
  inform: 8,
  commitAndActivate: 9,
  newLeader: 10,
  followerInfo: 11,
  upToDate: 12,
  diff: 13,
  trunc: 14,
  snap: 15,
  observerInfo: 16,
  leaderInfo: 17,
  ackEpoch: 18,
  informAndActivate: 19,
} as const;
export type PacketType = (typeof PacketType)[keyof typeof PacketType];

/** The protocol that learners and leaders speak since ZooKeeper 3.4. */
export const QUORUM_PROTOCOL_VERSION = 0x10000;
/** The text (a ustring) that ends the snapshot stream behind a SNAP packet. */
export const SNAP_STREAM_END = 'BenWasHere';

/** Every message of the quorum port. Null and empty `data` differ. */
export const QuorumPacket = record('QuorumPacket', {
  type: int,
  zxid: long,
  data: nullable(buffer),
  authinfo: nullable(vector(Id)),
});
export type QuorumPacket = Infer<typeof QuorumPacket>;

/** Data of FOLLOWERINFO and OBSERVERINFO; 3.4 sends the first two fields only (see decodeLearnerInfo). */
export const LearnerInfo = record('LearnerInfo', { serverId: long, protocolVersion: int, configVersion: long });
export type LearnerInfo = Infer<typeof LearnerInfo>;
/** Data of LEADERINFO. */
export const LeaderInfo = record('LeaderInfo', { protocolVersion: int });
export type LeaderInfo = Infer<typeof LeaderInfo>;
/** Data of ACKEPOCH: the learner's current epoch, or −1 when it had accepted this epoch already. */
export const AckEpoch = record('AckEpoch', { currentEpoch: int });
export type AckEpoch = Infer<typeof AckEpoch>;
/** Data of REQUEST, before the client's own request body. */
export const ForwardedRequest = record('ForwardedRequest', { sessionId: long, cxid: int, type: int });
export type ForwardedRequest = Infer<typeof ForwardedRequest>;
/** Data of REVALIDATE on the way to the leader. */
export const RevalidateRequest = record('RevalidateRequest', { sessionId: long, timeoutMs: int });
export type RevalidateRequest = Infer<typeof RevalidateRequest>;
/** Data of REVALIDATE on the way back. */
export const RevalidateResponse = record('RevalidateResponse', { sessionId: long, valid: boolean });
export type RevalidateResponse = Infer<typeof RevalidateResponse>;
/** The data of a PING answer is any number of these, one behind the other. */
export const SessionTouch = record('SessionTouch', { sessionId: long, timeoutMs: int });
export type SessionTouch = Infer<typeof SessionTouch>;
/** Data of COMMITANDACTIVATE; in INFORMANDACTIVATE the data of the proposal follow. */
export const DesignatedLeader = record('DesignatedLeader', { serverId: long });
export type DesignatedLeader = Infer<typeof DesignatedLeader>;

/** What a learner tells of itself; `serverId` is null when it did not say (the leader then numbers it −1, −2, …). */
export interface LearnerIntroduction {
  readonly serverId: bigint | null;
  readonly protocolVersion: number;
  readonly configVersion: bigint;
}

/** LearnerInfo of every age: what is missing gets ZooKeeper's defaults (§5.3 step 2). Never throws. */
export function decodeLearnerInfo(data: Uint8Array | null): LearnerIntroduction {
  const reader = new JuteReader(data ?? new Uint8Array(0));
  const serverId = reader.remaining >= 8 ? reader.long() : null;
  const protocolVersion = serverId !== null && reader.remaining >= 4 ? reader.int() : 1;
  const configVersion = reader.position === 12 && reader.remaining >= 8 ? reader.long() : 0n;
  return { serverId, protocolVersion, configVersion };
}

/** Both ports, before anything else when SASL is on; not behind a length (§2.7). */
export const QuorumAuthPacket = record('QuorumAuthPacket', { magic: long, status: int, token: nullable(buffer) });
export type QuorumAuthPacket = Infer<typeof QuorumAuthPacket>;
export const QUORUM_AUTH_MAGIC = 0x5f2435013501edccn;
export const QuorumAuthStatus = { inProgress: 0, success: 1, error: -1 } as const;

// ---- The election port: INIT once, then notifications as frames -----------------------------------------------------

/** First message of whoever dials, `addresses` being its own `host:port`, several joined by '|' (§2.2). */
export const Init = record('Init', { protocolVersion: long, serverId: long, addresses: ustring });
export type Init = Infer<typeof Init>;
/** One address (3.5 and later), or several (`multiAddress.enabled`). Releases before 3.5 send the bare server id. */
export const InitVersion = { singleAddress: -65536n, multiAddress: -65535n } as const;
export const INIT_ADDRESSES_BYTES_MAX = 2048;

/** An INIT of any age: `addresses` is empty in the form of 3.4. */
export interface InitReceived {
  readonly serverId: bigint;
  readonly addresses: readonly string[];
}

/**
 * Reads the INIT at the front of all bytes that a connection has brought so far; null while it is not whole. Leaves the
 * reader behind it. Throws JuteError when the connection must be closed.
 */
export function decodeInit(reader: JuteReader): InitReceived | null {
  if (reader.remaining < 8) {
    return null;
  }
  const first = reader.long();
  if (first >= 0n) {
    return { serverId: first, addresses: [] };
  }
  if (first !== InitVersion.singleAddress && first !== InitVersion.multiAddress) {
    throw new JuteError('OUT_OF_RANGE', `no INIT begins with ${first}`);
  }
  if (reader.remaining < 12) {
    return null;
  }
  const serverId = reader.long();
  const length = reader.int();
  if (length <= 0 || length > INIT_ADDRESSES_BYTES_MAX) {
    throw new JuteError('UNREASONABLE_LENGTH', `${length} bytes of addresses, limit ${INIT_ADDRESSES_BYTES_MAX}`);
  }
  return reader.remaining < length ? null : { serverId, addresses: reader.text(length).split('|') };
}

/** What a server is doing, as its notifications tell. */
export const PeerState = { looking: 0, following: 1, leading: 2, observing: 3 } as const;
export type PeerState = (typeof PeerState)[keyof typeof PeerState];

/** Longest frame of the election port; the shortest that is allowed has one byte (§2.4). */
export const NOTIFICATION_BYTES_MAX = 524288;

const notificationFields = { state: int, leader: long, zxid: long, round: long };

/** Of releases up to 3.3: 28 bytes. */
export const NotificationV33 = record('NotificationV33', notificationFields);
/** Of releases 3.4.6 to 3.4.14: 40 bytes, `version` 1. */
export const NotificationV34 = record('NotificationV34', { ...notificationFields, peerEpoch: long, version: int });
/** Of 3.5 and later, and what every notification is answered with; `config` is the sender's committed configuration. */
export const Notification = record('Notification', {
  ...notificationFields,
  peerEpoch: long,
  version: int,
  config: ustring,
});
export type Notification = Infer<typeof Notification>;
export const NOTIFICATION_VERSION = 2;

/** A notification of any age; `config` is null when the sender does not tell it. */
export type NotificationReceived = Omit<Notification, 'version' | 'config'> & { readonly config: string | null };

/**
 * Reads a notification, told apart by the size of its frame (§3). Throws JuteError for one that must be dropped (which
 * is no reason to close the connection): too short, a bad length of the configuration, an unknown state.
 */
export function decodeNotification(reader: JuteReader): NotificationReceived {
  const sizeBytes = reader.remaining;
  const vote = NotificationV33.decode(reader);
  if (vote.state < PeerState.looking || vote.state > PeerState.observing) {
    throw new JuteError('OUT_OF_RANGE', `no peer state ${vote.state}`);
  }
  if (sizeBytes === 28) {
    return { ...vote, peerEpoch: vote.zxid >> 32n, config: null };
  }
  const peerEpoch = reader.long();
  const version = reader.int();
  const hasConfig = sizeBytes !== 40 && version >= NOTIFICATION_VERSION;
  return { ...vote, peerEpoch, config: hasConfig ? reader.ustring() : null };
}
