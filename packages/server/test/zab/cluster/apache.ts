/** A server of Apache ZooKeeper, as far as links go: what only Treekeeper says to each other it does not hear. */
import { JuteWriter, PacketType } from '@treekeeper/protocol';
import type { Link } from '../../../src/io/peers.ts';
import { PacketStream } from '../../../src/zab/packet-stream.ts';
import {
  DIVERGED_PACKET_TYPE,
  HAND_OVER_PACKET_TYPE,
  MOVED_PACKET_TYPE,
  writePacket,
} from '../../../src/zab/packets.ts';
import type { Cluster } from './cluster.ts';

const OURS: ReadonlySet<number> = new Set([HAND_OVER_PACKET_TYPE, DIVERGED_PACKET_TYPE, MOVED_PACKET_TYPE]);

/** From now on these servers ignore the packets that Apache ZooKeeper does not know. Without snapshots, so far. */
export function makeApache(cluster: Cluster, ...serverIds: number[]): void {
  const streams = new WeakMap<Link, PacketStream>();
  cluster.network.arriving = (to, link, bytes) => {
    if (!serverIds.includes(to)) {
      return bytes;
    }
    const stream = streams.get(link) ?? new PacketStream();
    streams.set(link, stream);
    stream.push(new Uint8Array(bytes));
    const heard = new JuteWriter();
    for (let packet = stream.next(); packet !== null; packet = stream.next()) {
      const { type, zxid, data } = packet;
      cluster.expect(type !== PacketType.snap, 'what follows SNAP is no packet');
      if (!OURS.has(type)) {
        writePacket(heard, type, zxid, data);
      }
    }
    return heard.copy();
  };
}
