/** Byte for byte what Apache ZooKeeper's servers send in the same place. */
import { readFileSync } from 'node:fs';
import { epochOf, JuteWriter, LearnerInfo, makeZxid, PacketType, QuorumPacket } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { Configuration } from '../../src/zab/configuration.ts';
import type { Entry } from '../../src/zab/environment.ts';
import type { Packet } from '../../src/zab/packet-stream.ts';
import { LoneLeader, LoneLearner, packetBytes, packetsIn, type TestLink } from './cluster/one-side.ts';
import { Disk } from './cluster/storage.ts';

const folder = new URL('../golden/quorum/', import.meta.url);

interface Capture {
  readonly title: string;
  readonly followerId: number;
  readonly leaderId: number;
  readonly packets: readonly { readonly from: number; readonly bytes: Buffer; readonly packet: Packet }[];
}

const captures: Capture[] = readFileSync(new URL('synchronizations.txt', folder), 'utf8')
  .split(/^== /m)
  .slice(1)
  .map((section) => {
    const [title, ...lines] = section.trim().split('\n');
    const [, followerId, leaderId] = /follower (\d), leader (\d)/.exec(title) ?? [];
    const packets = lines.map((line) => {
      const [way, hex] = line.split(' ');
      const bytes = Buffer.from(hex, 'hex');
      return { from: Number(way[0]), bytes, packet: packetsIn(bytes)[0] };
    });
    return { title, followerId: Number(followerId), leaderId: Number(leaderId), packets };
  });

const OPENINGS: ReadonlySet<number> = new Set([PacketType.diff, PacketType.trunc]);

/** What the log held that was not captured: only the zxids matter. */
function filled(disk: Disk, through: number): Disk {
  for (let zxid = through - (through % 2 ** 32) + 1; zxid <= through; zxid++) {
    disk.log.push({ zxid, payload: new Uint8Array(0) });
  }
  return disk;
}

function packetOf({ packets }: Capture, type: number): Packet {
  const found = packets.find(({ packet }) => packet.type === type);
  if (found === undefined) {
    throw new Error(`no packet of type ${type}`);
  }
  return found.packet;
}

function configurationOf(capture: Capture): Configuration {
  return Configuration.parse(Buffer.from(packetOf(capture, PacketType.newLeader).data ?? []).toString());
}

describe.each(captures)('$title', (capture) => {
  const { followerId, leaderId, packets } = capture;
  const info = packetOf(capture, PacketType.followerInfo);
  const ackEpoch = packetOf(capture, PacketType.ackEpoch);
  const newEpoch = epochOf(packetOf(capture, PacketType.leaderInfo).zxid);

  test('a follower answers as it does', () => {
    const disk = filled(new Disk(), ackEpoch.zxid);
    disk.epochs.acceptedEpoch = epochOf(info.zxid);
    disk.epochs.currentEpoch = epochOf(info.zxid);
    const lone = new LoneLearner(followerId, leaderId, configurationOf(capture), disk);
    const sent: Buffer[] = [];
    for (const { from, bytes } of packets) {
      if (from === leaderId) {
        lone.receive(bytes);
      }
      runSilently(lone);
      sent.push(lone.link.take());
    }
    const expected = packets.filter(({ from }) => from === followerId).map(({ bytes }) => bytes);
    expect(Buffer.concat(sent).toString('hex')).toBe(Buffer.concat(expected).toString('hex'));
  });

  test('a leader says the same', () => {
    const proposals = packets
      .filter(({ packet }) => packet.type === PacketType.proposal)
      .map(({ packet }): Entry => ({ zxid: packet.zxid, payload: packet.data ?? new Uint8Array(0) }));
    const committed = packets.find(({ packet }) => OPENINGS.has(packet.type))?.packet.zxid ?? 0;
    const isFirst = committed === 0;
    const disk = new Disk();
    disk.epochs.acceptedEpoch = newEpoch - 1;
    disk.epochs.currentEpoch = newEpoch - 1;
    if (!isFirst && epochOf(committed) < newEpoch) {
      filled(disk, committed);
    }
    const lone = new LoneLeader(leaderId, configurationOf(capture), disk, { tickTimeMs: 100_000 });
    if (!isFirst) {
      const helper = establish(lone, [1, 2, 3].find((id) => id !== followerId && id !== leaderId) ?? 0);
      const through = proposals.at(-1)?.zxid ?? committed;
      for (let zxid = makeZxid(newEpoch, 1); zxid <= through; zxid++) {
        lone.propose(proposals.find((proposal) => proposal.zxid === zxid)?.payload ?? new Uint8Array(0));
        if (zxid <= committed) {
          lone.receive(helper, packetBytes(PacketType.ack, zxid));
        }
      }
    }
    const link = lone.accept();
    const sent: Buffer[] = [];
    for (const { from, bytes } of packets) {
      if (from === followerId) {
        lone.receive(link, bytes);
      }
      lone.run();
      sent.push(link.take());
    }
    const expected = packets.filter(({ from }) => from === leaderId).map(({ bytes }) => bytes);
    expect(Buffer.concat(sent).toString('hex')).toBe(Buffer.concat(expected).toString('hex'));
  });
});

/** Another follower joins, so that the epoch is established. */
function establish(lone: LoneLeader, serverId: number): TestLink {
  const link = lone.accept();
  const { acceptedEpoch, currentEpoch, lastZxid } = lone.database;
  const info = new JuteWriter();
  LearnerInfo.encode(info, { serverId, protocolVersion: 0x10000, configVersion: 0 });
  const epoch = new JuteWriter();
  epoch.int(currentEpoch);
  lone.receive(link, packetBytes(PacketType.followerInfo, makeZxid(acceptedEpoch, 0), info.copy()));
  lone.run();
  lone.receive(link, packetBytes(PacketType.ackEpoch, lastZxid, epoch.copy()));
  lone.run();
  lone.receive(link, packetBytes(PacketType.ack, makeZxid(acceptedEpoch + 1, 0)));
  expect(lone.leadership.phase).toBe('leading');
  return link;
}

function runSilently(lone: LoneLearner): void {
  const endMs = lone.events.nowMs + 50;
  while (lone.events.step(endMs)) {
    lone.database.flush();
  }
  lone.learner.flush();
}

test('packets of every type are read, and written again as they were', () => {
  const lines = readFileSync(new URL('packets.txt', folder), 'utf8').trim().split('\n');
  for (const line of lines) {
    const hex = line.split(' ')[1];
    const [packet, ...more] = packetsIn(Buffer.from(hex, 'hex'));
    expect(more).toEqual([]);
    const writer = new JuteWriter();
    QuorumPacket.encode(writer, packet);
    expect(writer.copy().toString('hex'), line.split(' ')[0]).toBe(hex);
  }
  expect(lines.length).toBeGreaterThan(20);
});
