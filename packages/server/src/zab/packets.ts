/** Packets of the quorum port (quorum-protocol.md §5.1) as bytes, for those who send them. */
import {
  DesignatedLeader,
  ForwardedRequest,
  JuteWriter,
  LeaderInfo,
  LearnerInfo,
  PacketType,
  QUORUM_PROTOCOL_VERSION,
  RevalidateRequest,
  RevalidateResponse,
  SessionTouch,
} from '@treekeeper/protocol';
import type { Forwarded } from './environment.ts';

/** Type, zxid and the length of the data. */
export const PACKET_HEADER_BYTES = 16;
const NULL = -1;
const TWO_32 = 4294967296;
const utf8 = new TextEncoder();
const scratch = new JuteWriter(256);

/**
 * Of our own, and ignored by Apache ZooKeeper, as is every packet of a type that it does not know. Without data: the
 * leader asks whether its learner knows this packet, and a learner that does sends it back. With data: the leader steps
 * down, and this is who leads next, without an election.
 */
export const HAND_OVER_PACKET_TYPE = 0x746b01;

/**
 * Not one of Apache ZooKeeper's, whose leaders ignore it: after the transaction that it names, the learner's tree is not
 * the leader's.
 */
export const DIVERGED_PACKET_TYPE = 0x746b02;

/**
 * Not one of Apache ZooKeeper's, whose observers ignore it: a session that an observer has spoken for has gone on
 * elsewhere, and who is connected with it there is to be cut off.
 */
export const MOVED_PACKET_TYPE = 0x746b03;

export const OUTPUT_CAPACITY_BYTES = 4096;
const OUTPUT_CAPACITY_BYTES_MAX = 64 * 1024;

/** Takes what a turn has written for a link. The next turn is likely to write as much: it need not grow a buffer. */
export function detachOutput(output: JuteWriter): Uint8Array {
  const fitting = Math.min(2 ** Math.ceil(Math.log2(output.length)), OUTPUT_CAPACITY_BYTES_MAX);
  return output.detach(Math.max(fitting, OUTPUT_CAPACITY_BYTES), fitting);
}

/** Appends a packet without authinfo. */
export function writePacket(to: JuteWriter, type: number, zxid: number, data: Uint8Array | null): void {
  if (data === null && zxid >= 0) {
    writeBarePacket(to, type, zxid);
    return;
  }
  to.int(type);
  to.long(zxid);
  to.buffer(data);
  to.int(NULL);
}

/** ACKs and COMMITs: one for each transaction and server. */
function writeBarePacket(to: JuteWriter, type: number, zxid: number): void {
  const at = to.reserve(PACKET_HEADER_BYTES + 4);
  to.setInt(at, type);
  to.setInt(at + 4, Math.floor(zxid / TWO_32));
  to.setInt(at + 8, zxid | 0);
  to.setInt(at + 12, NULL);
  to.setInt(at + 16, NULL);
}

/** A PROPOSAL as it goes to every follower. Its payload is `payloadOf` the packet. */
export function proposalPacket(zxid: number, payload: Uint8Array): Uint8Array {
  const packet = Buffer.allocUnsafe(PACKET_HEADER_BYTES + payload.length + 4); // small ones share memory
  packet.writeInt32BE(PacketType.proposal, 0);
  packet.writeInt32BE(Math.floor(zxid / TWO_32), 4);
  packet.writeInt32BE(zxid | 0, 8);
  packet.writeInt32BE(payload.length, 12);
  packet.set(payload, PACKET_HEADER_BYTES);
  packet.writeInt32BE(NULL, packet.length - 4);
  return packet;
}

/** The payload of a packet made by `proposalPacket`, in place. */
export function payloadOf(proposal: Uint8Array): Uint8Array {
  return proposal.subarray(PACKET_HEADER_BYTES, proposal.length - 4);
}

/** COMMITANDACTIVATE, or INFORMANDACTIVATE when there is a payload. */
export function writeActivation(to: JuteWriter, zxid: number, leaderId: number, payload: Uint8Array | null): void {
  scratch.clear();
  DesignatedLeader.encode(scratch, { serverId: leaderId });
  if (payload !== null) {
    scratch.raw(payload);
  }
  writePacket(to, payload === null ? PacketType.commitAndActivate : PacketType.informAndActivate, zxid, written());
}

export function writeHandOver(to: JuteWriter, lastProposed: number, leaderId: number): void {
  scratch.clear();
  DesignatedLeader.encode(scratch, { serverId: leaderId });
  writePacket(to, HAND_OVER_PACKET_TYPE, lastProposed, written());
}

/** The data is that of an answer to REVALIDATE. */
export function writeMoved(to: JuteWriter, sessionId: bigint): void {
  scratch.clear();
  RevalidateResponse.encode(scratch, { sessionId, valid: false });
  writePacket(to, MOVED_PACKET_TYPE, -1, written());
}

/** The question whether the other knows of handing over, and the answer that it does. */
export function writeHandOverQuery(to: JuteWriter): void {
  writePacket(to, HAND_OVER_PACKET_TYPE, -1, null);
}

/** FOLLOWERINFO or OBSERVERINFO. */
export function writeLearnerInfo(
  to: JuteWriter,
  type: number,
  acceptedEpochZxid: number,
  serverId: number,
  configVersion: number,
): void {
  scratch.clear();
  LearnerInfo.encode(scratch, { serverId, protocolVersion: QUORUM_PROTOCOL_VERSION, configVersion });
  writePacket(to, type, acceptedEpochZxid, written());
}

export function writeLeaderInfo(to: JuteWriter, epochZxid: number): void {
  scratch.clear();
  LeaderInfo.encode(scratch, { protocolVersion: QUORUM_PROTOCOL_VERSION });
  writePacket(to, PacketType.leaderInfo, epochZxid, written());
}

export function writeAckEpoch(to: JuteWriter, lastZxid: number, currentEpoch: number): void {
  scratch.clear();
  scratch.int(currentEpoch);
  writePacket(to, PacketType.ackEpoch, lastZxid, written());
}

export function writeNewLeader(to: JuteWriter, epochZxid: number, configuration: string): void {
  writePacket(to, PacketType.newLeader, epochZxid, utf8.encode(configuration));
}

/** A learner's answer to a PING. Its data is empty and never null when no session was touched: Java wants it so. */
export function writePingAnswer(to: JuteWriter, zxid: number, touched: Iterable<readonly [bigint, number]>): void {
  scratch.clear();
  for (const [sessionId, timeoutMs] of touched) {
    SessionTouch.encode(scratch, { sessionId, timeoutMs });
  }
  writePacket(to, PacketType.ping, zxid, written());
}

/** Session, cxid and type, in front of the client's body. */
const REQUEST_HEADER_BYTES = 16;

export function writeRequest(to: JuteWriter, request: Forwarded): void {
  const { sessionId, cxid, type, body, authinfo } = request;
  to.int(PacketType.request);
  to.long(-1);
  to.int(REQUEST_HEADER_BYTES + body.length);
  ForwardedRequest.encode(to, { sessionId, cxid, type });
  to.raw(body);
  to.int(authinfo === null ? NULL : authinfo.length);
  for (const { scheme, id } of authinfo ?? []) {
    to.ustring(scheme);
    to.ustring(id);
  }
}

export function writeRevalidate(to: JuteWriter, sessionId: bigint, timeoutMs: number): void {
  scratch.clear();
  RevalidateRequest.encode(scratch, { sessionId, timeoutMs });
  writePacket(to, PacketType.revalidate, -1, written());
}

export function writeRevalidated(to: JuteWriter, zxid: number, sessionId: bigint, valid: boolean): void {
  scratch.clear();
  RevalidateResponse.encode(scratch, { sessionId, valid });
  writePacket(to, PacketType.revalidate, zxid, written());
}

function written(): Uint8Array {
  return scratch.bytes.subarray(0, scratch.length);
}
