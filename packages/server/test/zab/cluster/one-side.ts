/** One role alone, with a test at the other end of its links: for what no honest server would say. */

import { JuteWriter } from '@treekeeper/protocol';
import type { Link } from '../../../src/io/peers.ts';
import { CommittedLog } from '../../../src/zab/committed-log.ts';
import type { Configuration } from '../../../src/zab/configuration.ts';
import type { Environment } from '../../../src/zab/environment.ts';
import { Leadership } from '../../../src/zab/leadership.ts';
import { Learner } from '../../../src/zab/learner.ts';
import { Membership } from '../../../src/zab/membership.ts';
import { ZAB_DEFAULTS, type ZabOptions } from '../../../src/zab/options.ts';
import { type Packet, PacketStream } from '../../../src/zab/packet-stream.ts';
import { writePacket } from '../../../src/zab/packets.ts';
import { NO_TALLIES } from '../../../src/zab/tallies.ts';
import { Events } from './events.ts';
import { Disk, FakeDatabase } from './storage.ts';
import { describe } from './wiretap.ts';

/** The near end of a link: what the role writes to it is kept. */
export class TestLink implements Link {
  readonly remoteAddress = 'test';
  unsentBytes = 0;
  isClosed = false;
  #written: Uint8Array[] = [];

  write(bytes: Uint8Array): void {
    this.#written.push(new Uint8Array(bytes));
  }

  close(): void {
    this.isClosed = true;
  }

  /** In how many pieces, since the last call of `take`. */
  get writes(): number {
    return this.#written.length;
  }

  /** What has been written since the last call. */
  take(): Buffer {
    return Buffer.concat(this.#written.splice(0));
  }

  /** The same, packet by packet and in words. */
  packets(): string[] {
    return packetsIn(this.take()).map(describe);
  }
}

export function packetsIn(bytes: Uint8Array): Packet[] {
  const stream = new PacketStream();
  stream.push(bytes);
  const packets: Packet[] = [];
  for (let packet = stream.next(); packet !== null; packet = stream.next()) {
    packets.push(packet);
  }
  return packets;
}

/** A packet without authinfo. */
export function packetBytes(type: number, zxid: number, data: Uint8Array | null = null): Buffer {
  const writer = new JuteWriter();
  writePacket(writer, type, zxid, data);
  return writer.copy();
}

class World {
  readonly events = new Events();
  readonly disk: Disk;
  readonly database: FakeDatabase;
  readonly options: ZabOptions;
  readonly membership: Membership;
  readonly committedLog: CommittedLog;
  readonly environment: Environment;
  /** What the service was told. */
  readonly told: string[] = [];
  readonly dialled: TestLink[] = [];

  constructor(serverId: number, configuration: Configuration, disk: Disk, options: Partial<ZabOptions>) {
    this.disk = disk;
    this.database = new FakeDatabase(disk, this.events, (run) => run());
    this.options = { ...ZAB_DEFAULTS, tickTimeMs: 100, ...options, serverId };
    const tell =
      (what: string) =>
      (...details: readonly unknown[]): void => {
        this.told.push([what, ...details.filter((detail) => typeof detail !== 'object')].join(' '));
      };
    this.environment = {
      database: this.database,
      random: { next: () => 0 },
      log: { info: tell('info'), warn: tell('warn'), error: tell('error') },
      peers: {
        setMembers: () => undefined,
        notify: () => undefined,
        dialAll: () => undefined,
        listen: () => undefined,
        stopListening: () => undefined,
        connect: () => {
          const link = new TestLink();
          this.dialled.push(link);
          return link;
        },
      },
      tallies: { ...NO_TALLIES, deserted: tell('deserted') },
      service: {
        lead: tell('lead'),
        follow: tell('follow'),
        cease: tell('cease'),
        proposed: tell('proposed'),
        committed: tell('committed'),
        configurationIn: () => null,
        forwarded: tell('forwarded'),
        revalidate: () => true,
        touched: tell('touched'),
        takeTouched: () => [],
        revalidated: tell('revalidated'),
        takenElsewhere: tell('takenElsewhere'),
        homes: { claim: () => {}, moveTo: () => {}, isElsewhere: () => false },
        syncDone: tell('syncDone'),
        configured: tell('configured'),
        configProposed: tell('configProposed'),
      },
    };
    this.membership = new Membership(this.environment, configuration, null);
    const limits = { entriesMax: this.options.committedLogEntriesMax, sizeBytesMax: 1e6 };
    this.committedLog = new CommittedLog(this.database.lastZxid, limits);
  }
}

/** A learner whose leader is the test. */
export class LoneLearner extends World {
  readonly learner: Learner;

  constructor(
    serverId: number,
    leaderId: number,
    configuration: Configuration,
    disk = new Disk(),
    options: Partial<ZabOptions> = {},
  ) {
    super(serverId, configuration, disk, options);
    const { environment, membership, committedLog } = this;
    this.learner = new Learner(leaderId, this.options, environment, membership, committedLog, false, this.events.nowMs);
    this.database.synced = (zxid) => this.learner.logSynced(zxid, this.events.nowMs);
    this.database.persisted = (name) => this.learner.epochPersisted(name, this.events.nowMs);
    this.database.snapshotWritten = () => this.learner.snapshotWritten(this.events.nowMs);
    this.database.truncated = (isDone) => this.learner.truncated(isDone, this.events.nowMs);
    this.learner.opened(0);
  }

  get link(): TestLink {
    return this.dialled[0];
  }

  /** The leader sends this. */
  receive(bytes: Uint8Array): void {
    this.learner.receive(new Uint8Array(bytes), this.events.nowMs);
    this.database.flush();
  }

  /** Time for the disk; returns what was sent meanwhile. */
  run(durationMs = 100): string[] {
    const endMs = this.events.nowMs + durationMs;
    while (this.events.step(endMs)) {
      this.database.flush();
    }
    this.learner.flush();
    return this.link.packets();
  }
}

/** A leader whose learners are the test. */
export class LoneLeader extends World {
  readonly leadership: Leadership;

  constructor(serverId: number, configuration: Configuration, disk = new Disk(), options: Partial<ZabOptions> = {}) {
    super(serverId, configuration, disk, options);
    const { environment, membership, committedLog } = this;
    this.leadership = new Leadership(this.options, environment, membership, committedLog, this.events.nowMs);
    this.database.synced = (zxid) => this.leadership.logSynced(zxid, this.events.nowMs);
    this.database.persisted = (name) => this.leadership.epochPersisted(name, this.events.nowMs);
  }

  /** A learner dials. */
  accept(): TestLink {
    const link = new TestLink();
    this.leadership.accept(link, this.events.nowMs);
    return link;
  }

  receive(link: TestLink, bytes: Uint8Array): void {
    this.leadership.receive(link, new Uint8Array(bytes), this.events.nowMs);
    this.database.flush();
  }

  run(durationMs = 20): void {
    const endMs = this.events.nowMs + durationMs;
    while (this.events.step(endMs)) {
      this.database.flush();
    }
    this.leadership.tick(this.events.nowMs);
    this.leadership.flush(this.events.nowMs);
  }

  propose(payload: Uint8Array): number {
    const { leader } = this.leadership;
    if (leader === null) {
      throw new Error('it does not lead');
    }
    const zxid = leader.nextZxid();
    leader.propose(zxid, payload);
    this.database.flush();
    return zxid;
  }
}
