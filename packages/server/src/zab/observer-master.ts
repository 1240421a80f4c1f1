/**
 * A follower that feeds observers in its leader's place (quorum-protocol.md §8): it gives them the history that it has
 * seen committed, tells them what is committed from then on, and hands on what their clients ask for.
 */
import {
  AckEpoch,
  counterOf,
  epochOf,
  ForwardedRequest,
  JuteError,
  JuteReader,
  makeZxid,
  OpCode,
  PacketType,
  RevalidateRequest,
  SessionTouch,
} from '@treekeeper/protocol';
import type { Link } from '../io/peers.ts';
import type { CommittedLog } from './committed-log.ts';
import { readIntroduction } from './discovery.ts';
import type { Entry, Environment } from './environment.ts';
import { LearnerLink } from './learner-link.ts';
import type { Membership } from './membership.ts';
import type { ZabOptions } from './options.ts';
import type { Packet } from './packet-stream.ts';
import { writeActivation, writeLeaderInfo, writeMoved, writeNewLeader, writePacket } from './packets.ts';
import { Synchronizer } from './synchronizer.ts';
import type { Uplink } from './uplink.ts';

const POLL_TRANSFER_MS = 5;
const NO_DATA = new Uint8Array(0);
/** Leaders take these wherever the session is. */
const ANYWHERE: ReadonlySet<number> = new Set([OpCode.createSession, OpCode.closeSession, OpCode.sync]);

export interface ObserverMasterParts {
  readonly options: ZabOptions;
  readonly environment: Environment;
  readonly membership: Membership;
  readonly committedLog: CommittedLog;
  readonly uplink: Uplink;
  /** Of the leader that this server follows. */
  readonly epoch: number;
}

export class ObserverMaster {
  readonly #parts: ObserverMasterParts;
  readonly #links = new Set<LearnerLink>();
  readonly #byLink = new Map<Link, LearnerLink>();
  readonly #synchronizer: Synchronizer;
  readonly #epochZxid: number;
  readonly #initLimitMs: number;
  readonly #syncLimitMs: number;
  readonly #touched = new Map<bigint, number>();
  #nowMs: number;
  #nextPingMs: number;
  #namelessCount = 0;

  /** Opens the port. */
  constructor(parts: ObserverMasterParts, nowMs: number) {
    this.#parts = parts;
    const { options, environment, committedLog, epoch } = parts;
    this.#epochZxid = makeZxid(epoch, 0);
    this.#synchronizer = new Synchronizer(options, environment, committedLog, this.#links);
    this.#initLimitMs = options.initLimitTicks * options.tickTimeMs;
    this.#syncLimitMs = options.syncLimitTicks * options.tickTimeMs;
    this.#nowMs = nowMs;
    this.#nextPingMs = nowMs + options.tickTimeMs / 2;
    environment.peers.listen('observers');
  }

  /** Who is connected, in whatever stage. */
  get observers(): ReadonlySet<LearnerLink> {
    return this.#links;
  }

  get deadlineMs(): number {
    let deadline = this.#links.size > 0 ? this.#nextPingMs : Number.POSITIVE_INFINITY;
    for (const link of this.#links) {
      deadline = Math.min(deadline, link.isTransferring ? this.#nowMs + POLL_TRANSFER_MS : link.deadlineMs);
    }
    return deadline;
  }

  // The links

  accept(link: Link, nowMs: number): void {
    const observer = new LearnerLink(link, this.#parts.options.fieldBytesMax, nowMs + this.#initLimitMs);
    observer.isObserver = true;
    this.#byLink.set(link, observer);
    this.#links.add(observer);
  }

  receive(link: Link, bytes: Uint8Array, nowMs: number): void {
    this.#nowMs = nowMs;
    const observer = this.#byLink.get(link);
    if (observer === undefined) {
      return; // closed by us, with bytes still on their way
    }
    observer.deadlineMs = nowMs + (observer.stage === 'active' ? this.#syncLimitMs : this.#initLimitMs);
    observer.push(bytes);
    try {
      for (let packet = observer.next(); packet !== null && this.#links.has(observer); packet = observer.next()) {
        const fault = this.#handle(observer, packet);
        if (fault !== null) {
          this.#drop(observer, fault);
        }
      }
    } catch (error) {
      if (!(error instanceof JuteError)) {
        throw error;
      }
      this.#drop(observer, `sent what is no packet: ${error.message}`);
    }
  }

  gone(link: Link): void {
    const observer = this.#byLink.get(link);
    if (observer !== undefined) {
      this.#drop(observer, null);
    }
  }

  /** @param fault null: it left by itself */
  #drop(observer: LearnerLink, fault: string | null): void {
    if (fault !== null) {
      const { log } = this.#parts.environment;
      log.warn(`observer ${observer.serverId} at ${observer.link.remoteAddress} ${fault}: link closed`);
    }
    this.#byLink.delete(observer.link);
    this.#links.delete(observer);
    observer.end();
  }

  // What comes in. A text says why the link is closed.

  #handle(observer: LearnerLink, packet: Packet): string | null {
    switch (observer.stage) {
      case 'connected':
        return this.#introduced(observer, packet);
      case 'informed':
        return this.#epochAccepted(observer, packet);
      case 'syncing':
        return this.#newLeaderAcked(observer, packet);
      case 'active':
        return this.#handleActive(observer, packet);
      default:
        return `sent a packet of type ${packet.type} before it was its turn`;
    }
  }

  #introduced(observer: LearnerLink, packet: Packet): string | null {
    const { membership, options } = this.#parts;
    const introduction = readIntroduction(packet, membership, options.serverId);
    if (typeof introduction === 'string') {
      return introduction;
    }
    if (!introduction.isObserver) {
      return 'wants to follow, and this is the port for observers';
    }
    observer.serverId = introduction.serverId ?? --this.#namelessCount;
    const older = [...this.#links].find((one) => one !== observer && one.serverId === observer.serverId);
    if (older !== undefined) {
      this.#drop(older, 'has come again');
    }
    observer.stage = 'informed';
    writeLeaderInfo(observer.output, this.#epochZxid);
    return null;
  }

  #epochAccepted(observer: LearnerLink, { type, zxid, data }: Packet): string | null {
    if (type !== PacketType.ackEpoch || data === null) {
      return `sent a packet of type ${type} instead of ACKEPOCH`;
    }
    AckEpoch.decode(new JuteReader(data));
    const { last } = this.#parts.committedLog;
    if (zxid > last && epochOf(zxid) === this.#parts.epoch) {
      // What it has of this epoch is committed: to cut it off would take its clients back to what was before.
      return `has zxid 0x${zxid.toString(16)} already, and this server 0x${last.toString(16)}: it is to try another`;
    }
    observer.lastZxid = zxid;
    if (this.#synchronizer.begin(observer)) {
      writeNewLeader(observer.output, this.#epochZxid, this.#parts.membership.committed.text);
    }
    return null;
  }

  #newLeaderAcked(observer: LearnerLink, { type, zxid }: Packet): string | null {
    if (type !== PacketType.ack || zxid !== this.#epochZxid) {
      return `sent a packet of type ${type}, zxid 0x${zxid.toString(16)}, instead of the ACK of NEWLEADER`;
    }
    observer.stage = 'active'; // the leader leads already
    observer.deadlineMs = this.#nowMs + this.#syncLimitMs;
    writePacket(observer.output, PacketType.upToDate, -1, null);
    return null;
  }

  #handleActive(observer: LearnerLink, { type, zxid, data, authinfo }: Packet): string | null {
    const { environment, uplink } = this.#parts;
    const bytes = data ?? NO_DATA;
    const reader = new JuteReader(bytes);
    if (type === PacketType.ping) {
      while (reader.remaining > 0) {
        const { sessionId, timeoutMs } = SessionTouch.decode(reader);
        this.#touched.set(sessionId, timeoutMs);
      }
    } else if (type === PacketType.request) {
      const request = ForwardedRequest.decode(reader);
      observer.syncsWaiting += Number(request.type === OpCode.sync);
      const { sessionId } = request;
      const isLate = !ANYWHERE.has(request.type) && environment.service.homes.isElsewhere(observer, sessionId);
      if (isLate) {
        writeMoved(observer.output, sessionId);
      }
      // To the leader the session is here, wherever else it was before. A request that comes too late must have its
      // transaction all the same, for the observer waits for one: without a body the leader refuses it.
      const body = isLate ? NO_DATA : bytes.subarray(reader.position);
      uplink.request(observer, { ...request, body, authinfo });
    } else if (type === PacketType.revalidate) {
      environment.tallies.askedAboutSession();
      const { sessionId, timeoutMs } = RevalidateRequest.decode(reader);
      uplink.revalidate(observer, sessionId, timeoutMs);
    } else if (type !== PacketType.ack) {
      environment.log.warn(`observer ${observer.serverId} sent a packet of type ${type}, which is ignored`);
    } else if (counterOf(zxid) !== 0) {
      return `acknowledged zxid 0x${zxid.toString(16)}, for which it was not asked`;
    }
    return null;
  }

  // What goes out

  /** A transaction is committed. `leaderId`: it has changed the members, and this server leads now; null: it has not. */
  committed(entry: Entry, leaderId: number | null): void {
    for (const observer of this.#links) {
      if (!observer.isLive) {
        continue;
      }
      if (leaderId === null) {
        observer.inform(entry);
      } else {
        writeActivation(observer.output, entry.zxid, leaderId, entry.payload);
      }
    }
  }

  /** Sessions that have shown life at observers since this was last asked. */
  takeTouched(): Iterable<readonly [bigint, number]> {
    const touched = [...this.#touched];
    this.#touched.clear();
    return touched;
  }

  tick(nowMs: number): void {
    this.#nowMs = nowMs;
    const { options, committedLog } = this.#parts;
    for (const observer of this.#links) {
      const fault = observer.fault(nowMs, this.#syncLimitMs, options);
      if (fault !== null) {
        this.#drop(observer, fault);
      }
    }
    if (nowMs >= this.#nextPingMs) {
      this.#nextPingMs = nowMs + options.tickTimeMs / 2;
      for (const observer of this.#links) {
        if (observer.isLive) {
          observer.ping(committedLog.last, null);
        }
      }
    }
  }

  /** Sends what the turn brought. True when there is more to send without anything happening. */
  flush(nowMs: number): boolean {
    this.#nowMs = nowMs;
    let isMore = false;
    for (const observer of this.#links) {
      const transferred = this.#synchronizer.transfer(observer, nowMs);
      if (transferred === null) {
        this.#drop(observer, 'has to begin anew');
      }
      isMore ||= transferred === true;
      observer.flush();
    }
    return isMore;
  }

  /** The port and all links are closed. */
  close(): void {
    this.#parts.environment.peers.stopListening('observers');
    for (const observer of this.#links) {
      observer.end();
    }
    this.#links.clear();
    this.#byLink.clear();
  }
}
