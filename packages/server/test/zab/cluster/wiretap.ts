/** Reads what goes over the links: as text for transcripts, and to check what learners promise. */
import { counterOf, epochOf, JuteReader, makeZxid, PacketType, zxidHex } from '@treekeeper/protocol';
import type { Link } from '../../../src/io/peers.ts';
import { follows } from '../../../src/zab/committed-log.ts';
import { type Packet, PacketStream } from '../../../src/zab/packet-stream.ts';
import { HAND_OVER_PACKET_TYPE } from '../../../src/zab/packets.ts';
import type { Cluster } from './cluster.ts';
import { isWhatIsDurable } from './step.ts';
import { FakeDatabase } from './storage.ts';

const NAMES = new Map<number, string>(Object.entries(PacketType).map(([name, type]) => [type, name.toUpperCase()]));
NAMES.set(HAND_OVER_PACKET_TYPE, 'HANDOVER');

const JOINING: readonly number[] = [PacketType.followerInfo, PacketType.observerInfo];
const DECISIONS: readonly number[] = [PacketType.diff, PacketType.trunc, PacketType.snap];
const NEW_TXN: readonly number[] = [PacketType.proposal, PacketType.inform, PacketType.informAndActivate];

interface Ear {
  readonly stream: PacketStream;
  readonly isLearner: boolean;
  readonly proposed: number[];
  epoch: number;
  /** Of a learner: the end of its history when it joined, and then of what it was sent. */
  lastZxid: number;
  /** What its leader had committed when it decided how to bring it up to date. */
  dueZxid: number;
  incoming: ReturnType<FakeDatabase['beginIncoming']> | null;
}

export class Wiretap {
  readonly #cluster: Cluster;
  readonly #ears = new Map<Link, Ear>();
  /** The end at the other side. */
  readonly #peers = new Map<Link, Link>();
  readonly #epochsAcknowledged = new Map<number, number>();
  isTranscribing = false;
  /** Everything that was sent. */
  onPacket: (from: number, to: number, packet: Packet) => void = () => undefined;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    cluster.network.wiretap = (from, to, link, bytes) => this.#hear(from, to, link, bytes);
    cluster.network.onDial = (_from, _to, dialling, accepting) => {
      const ear = { proposed: [], epoch: 0, lastZxid: 0, dueZxid: 0, incoming: null };
      this.#ears.set(dialling, { ...ear, stream: new PacketStream(), isLearner: true });
      this.#ears.set(accepting, { ...ear, stream: new PacketStream(), isLearner: false });
      this.#peers.set(dialling, accepting);
      this.#peers.set(accepting, dialling);
    };
  }

  /** A server has lost its disk, and with it what it has promised. */
  forget(serverId: number): void {
    this.#epochsAcknowledged.delete(serverId);
  }

  #hear(from: number, to: number, link: Link, bytes: Uint8Array): void {
    const ear = this.#ears.get(link) as Ear;
    ear.stream.push(new Uint8Array(bytes));
    for (;;) {
      if (ear.incoming !== null) {
        ear.stream.drainInto(ear.incoming);
        if (!ear.incoming.done) {
          return;
        }
        ear.incoming = null;
        this.#transcribe(from, to, '(snapshot)');
      }
      const packet = ear.stream.next();
      if (packet === null) {
        return;
      }
      this.#transcribe(from, to, describe(packet));
      this.onPacket(from, to, packet);
      if (packet.type === PacketType.snap) {
        ear.incoming = FakeDatabase.prototype.beginIncoming.call({});
      }
      if (ear.isLearner) {
        this.#check(from, ear, packet);
      } else {
        this.#follow(from, to, link, packet);
      }
    }
  }

  #transcribe(from: number, to: number, text: string): void {
    if (this.isTranscribing) {
      this.#cluster.note(from, `→ ${to} ${text}`);
    }
  }

  /** What the leader sends is what the learner answers to. */
  #follow(from: number, to: number, link: Link, { type, zxid }: Packet): void {
    const learner = this.#ears.get(this.#peers.get(link) as Link) as Ear;
    if (type === PacketType.proposal) {
      learner.proposed.push(zxid);
    } else if (type === PacketType.leaderInfo) {
      learner.epoch = epochOf(zxid);
    } else if (type === PacketType.newLeader) {
      const accepted = this.#cluster.disks.get(from)?.epochs.acceptedEpoch;
      this.#cluster.expect(accepted === epochOf(zxid), `6: server ${from} leads on before it has its epoch on disk`);
    } else if (type === PacketType.trunc) {
      this.#checkCut(from, to, learner.lastZxid, zxid);
    }
    if (DECISIONS.includes(type)) {
      learner.dueZxid = this.#cluster.server(from).database.lastZxid;
    }
    if (type === PacketType.trunc || type === PacketType.snap) {
      learner.lastZxid = zxid;
    } else if (NEW_TXN.includes(type)) {
      const [name, last] = [zxidHex(zxid), zxidHex(learner.lastZxid)];
      this.#cluster.expect(follows(learner.lastZxid, zxid), `19: server ${from} sends ${name} behind ${last}`);
      learner.lastZxid = zxid;
    }
  }

  /** Where a learner whose history ends at `lastZxid` is told to cut it. */
  #checkCut(leaderId: number, learnerId: number, lastZxid: number, zxid: number): void {
    const { database } = this.#cluster.server(leaderId);
    const isPlace = database.state.has(zxid) && epochOf(zxid) === epochOf(lastZxid);
    const name = `17: server ${leaderId} has a learner at ${zxidHex(lastZxid)} cut at ${zxidHex(zxid)}`;
    this.#cluster.expect(isPlace || zxid === database.lastZxid, name);
    const lost = this.#cluster.disks.get(learnerId)?.log.filter((entry) => entry.zxid > zxid) ?? [];
    const isDelivered = lost.some((entry) => this.#cluster.isDelivered(entry.zxid));
    this.#cluster.expect(!isDelivered, `${name}, before what was delivered`);
  }

  #check(serverId: number, ear: Ear, { type, zxid, data }: Packet): void {
    const cluster = this.#cluster;
    const disk = cluster.disks.get(serverId);
    const acknowledged = this.#epochsAcknowledged.get(serverId) ?? 0;
    if (JOINING.includes(type)) {
      const isSo = isWhatIsDurable(cluster.server(serverId));
      cluster.expect(isSo, `16: server ${serverId} joins with another history than its disk has`);
    } else if (type === PacketType.ackEpoch) {
      ear.lastZxid = zxid;
    }
    if (type === PacketType.ackEpoch && data !== null && new JuteReader(data).int() >= 0) {
      cluster.expect(
        ear.epoch > acknowledged,
        `3: server ${serverId} accepts epoch ${ear.epoch} after ${acknowledged}`,
      );
      this.#epochsAcknowledged.set(serverId, ear.epoch);
      cluster.expect(disk?.epochs.acceptedEpoch === ear.epoch, `5.3: server ${serverId} accepts before it is on disk`);
    }
    if (type !== PacketType.ack) {
      return;
    }
    cluster.expect(ear.epoch >= acknowledged, `4: server ${serverId} acknowledges to an old leader`);
    if (zxid === makeZxid(ear.epoch, 0)) {
      const isHere = disk?.epochs.currentEpoch === ear.epoch;
      cluster.expect(isHere, `7: server ${serverId} joins before its epoch is on disk`);
      const isWhole = counterOf(ear.dueZxid) === 0 || disk?.holds(ear.dueZxid) === true;
      cluster.expect(isWhole, `7: server ${serverId} joins without ${zxidHex(ear.dueZxid)} on its disk`);
      return;
    }
    for (const proposed of ear.proposed.filter((proposal) => proposal <= zxid)) {
      const isThere = disk?.holds(proposed);
      cluster.expect(
        isThere === true,
        `8: server ${serverId} acknowledges ${zxidHex(zxid)} without ${zxidHex(proposed)}`,
      );
    }
  }
}

/** A packet in one line. */
export function describe({ type, zxid, data }: Packet): string {
  const name = NAMES.get(type) ?? `type ${type}`;
  const where = zxid === -1 ? '' : ` 0x${zxidHex(zxid)}`;
  return data === null ? `${name}${where}` : `${name}${where} ${detail(type, data)}`;
}

function detail(type: number, data: Uint8Array): string {
  const reader = new JuteReader(data);
  switch (type) {
    case PacketType.proposal:
    case PacketType.inform:
      return `'${Buffer.from(data)}'`;
    case PacketType.newLeader:
      return `configuration ${Buffer.from(data).toString().split('\n').at(-1)}`;
    case PacketType.followerInfo:
    case PacketType.observerInfo:
      return `of server ${reader.long()}`;
    case PacketType.ackEpoch:
      return `current epoch ${reader.int()}`;
    case PacketType.request:
      return `'${Buffer.from(data.subarray(16))}'`;
    case PacketType.commitAndActivate:
    case HAND_OVER_PACKET_TYPE:
      return `to server ${reader.long()}`;
    case PacketType.informAndActivate:
      return `to server ${reader.long()} with ${data.length - 8} bytes`;
    default:
      return data.length === 0 ? '(empty)' : Buffer.from(data).toString('hex');
  }
}
