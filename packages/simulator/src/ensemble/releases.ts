/**
 * Older releases of the peer protocol, for ensembles that are upgraded one server after the other: what this server
 * says becomes what one of that release would say. What is said to it stays as it is: older servers ignore what they do
 * not know (quorum-protocol.md §3, §5.3).
 */
import { PacketType } from '@treekeeper/protocol';

/** `3.4`: no configuration in notifications, and no version of one in a learner's introduction. */
export type Release = (typeof RELEASES)[number];
export const RELEASES = ['present', '3.4'] as const;

const NOTIFICATION_BYTES_34 = 40;
/** Of a packet: type, zxid, length of the data. */
const PACKET_HEADER_BYTES = 16;
/** Id and protocol version. */
const INFO_BYTES_34 = 12;

export function notificationOf(release: Release, bytes: Uint8Array): Uint8Array {
  return new Uint8Array(release === '3.4' ? bytes.subarray(0, NOTIFICATION_BYTES_34) : bytes);
}

/**
 * What a server says first on a link: the introduction of a learner of 3.4 ends behind the protocol's version. Whatever
 * comes later must not be taken for one: a piece of a snapshot may begin like it.
 */
export function openingOf(release: Release, bytes: Uint8Array): Uint8Array {
  if (release !== '3.4') {
    return bytes;
  }
  const packet = Buffer.from(bytes);
  const type = packet.length > PACKET_HEADER_BYTES ? packet.readInt32BE(0) : 0;
  const isIntroduction = type === PacketType.followerInfo || type === PacketType.observerInfo;
  const dataBytes = isIntroduction ? packet.readInt32BE(PACKET_HEADER_BYTES - 4) : 0;
  if (dataBytes <= INFO_BYTES_34) {
    return bytes;
  }
  const head = Buffer.from(packet.subarray(0, PACKET_HEADER_BYTES + INFO_BYTES_34));
  head.writeInt32BE(INFO_BYTES_34, PACKET_HEADER_BYTES - 4);
  return Buffer.concat([head, packet.subarray(PACKET_HEADER_BYTES + dataBytes)]);
}
