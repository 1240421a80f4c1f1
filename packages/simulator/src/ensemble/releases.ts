/**
 * Other releases of the peer protocol, for ensembles that are upgraded one server after the other: what this server
 * says becomes what one of that release would say. What is said to it stays as it is, but for packets of our own: such
 * servers ignore what they do not know (quorum-protocol.md §3, §5.3).
 */
import { PacketType } from '@treekeeper/protocol';

/**
 * `3.4`: no configuration in notifications, and no version of one in a learner's introduction. `apache`: of today, and
 * without the packets that only Treekeeper knows. It comes only where it is asked for.
 */
export type Release = (typeof RELEASES)[number] | 'apache';
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

/** All types of packets that are our own begin with these bytes; with the third changed they are nobody's. */
const OWN_TYPES = Buffer.from([0x00, 0x74, 0x6b]);
const OWN_TYPE_MAX = 3;
const UNKNOWN_TYPE_BYTE = 0x75;
/** What they carry is short, or nothing (−1). */
const OWN_DATA_BYTES_MAX = 16;

/** What goes over a link of which one end does not know our own packets: it takes them for unknown ones. */
export function withoutOwnPackets(bytes: Uint8Array): Uint8Array {
  const packets = Buffer.from(bytes);
  for (let at = packets.indexOf(OWN_TYPES); at >= 0; at = packets.indexOf(OWN_TYPES, at + 1)) {
    const isWhole = at + PACKET_HEADER_BYTES <= packets.length;
    const dataBytes = isWhole ? packets.readInt32BE(at + PACKET_HEADER_BYTES - 4) : OWN_DATA_BYTES_MAX + 1;
    const type = isWhole ? packets[at + OWN_TYPES.length] : 0;
    if (type >= 1 && type <= OWN_TYPE_MAX && dataBytes >= -1 && dataBytes <= OWN_DATA_BYTES_MAX) {
      packets[at + 1] = UNKNOWN_TYPE_BYTE;
    }
  }
  return packets;
}
