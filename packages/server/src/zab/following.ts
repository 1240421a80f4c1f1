/** A learner that is in step with its leader (quorum-protocol.md §6): it logs, acknowledges and delivers. */
import { DesignatedLeader, JuteReader, PacketType, RevalidateResponse } from '@treekeeper/protocol';
import { type CommittedLog, follows } from './committed-log.ts';
import type { Entry, Environment } from './environment.ts';
import type { LeaderLink } from './leader-link.ts';
import type { Membership } from './membership.ts';
import { ObserverMaster } from './observer-master.ts';
import type { ZabOptions } from './options.ts';
import type { Packet } from './packet-stream.ts';
import {
  DIVERGED_PACKET_TYPE,
  HAND_OVER_PACKET_TYPE,
  MOVED_PACKET_TYPE,
  writeHandOverQuery,
  writePacket,
  writePingAnswer,
} from './packets.ts';
import { Uplink } from './uplink.ts';

/** What a packet asks for beyond the history: the leader changes. */
export interface Change {
  readonly kind: 'activate' | 'hand-over';
  readonly zxid: number;
  readonly leaderId: number;
}

/** For what was said last to leave, before the link is closed. */
const PARTING_MS = 20;
const NO_DATA = new Uint8Array(0);

export interface FollowingParts {
  readonly options: ZabOptions;
  readonly environment: Environment;
  readonly membership: Membership;
  readonly committedLog: CommittedLog;
  readonly link: LeaderLink;
  readonly isObserver: boolean;
  /** Of the leader. */
  readonly epoch: number;
}

export class Following {
  readonly uplink: Uplink;
  /** Null: this server feeds no observers. */
  readonly master: ObserverMaster | null;
  readonly #environment: Environment;
  readonly #committedLog: CommittedLog;
  readonly #link: LeaderLink;
  readonly #isObserver: boolean;
  readonly #logs: boolean;
  /** Logged here, and not known to be committed. */
  readonly #outstanding: Entry[] = [];
  /** Logged here, and not acknowledged: the disk is still at it. */
  readonly #unacked: number[] = [];
  #lastProposed: number;
  #leaveAtMs = Number.POSITIVE_INFINITY;

  constructor(parts: FollowingParts, nowMs: number) {
    const { options, environment, committedLog, link, isObserver } = parts;
    this.#environment = environment;
    this.#committedLog = committedLog;
    this.#link = link;
    this.#isObserver = isObserver;
    this.#logs = !isObserver || options.observerLogs;
    this.#lastProposed = environment.database.lastZxid;
    this.uplink = new Uplink(link, environment.service);
    const isMaster = options.hasObserverMasters && !isObserver;
    this.master = isMaster ? new ObserverMaster({ ...parts, uplink: this.uplink }, nowMs) : null;
  }

  /** Logged here and not known to be committed. */
  get outstanding(): readonly Entry[] {
    return this.#outstanding;
  }

  /**
   * Takes a packet. Throws JuteError, and ProtocolFault when the history would not be the leader's any more: a hole
   * must never be acknowledged.
   */
  handle({ type, zxid, data }: Packet): Change | null {
    const { service, log } = this.#environment;
    const payload = data ?? NO_DATA;
    if (type === PacketType.proposal && !this.#isObserver) {
      this.propose({ zxid, payload });
    } else if (type === PacketType.commit && !this.#isObserver) {
      this.commit(zxid);
    } else if (type === PacketType.inform) {
      this.propose({ zxid, payload });
      this.commit(zxid);
    } else if (type === PacketType.ping) {
      const elsewhere = this.master?.takeTouched() ?? [];
      writePingAnswer(this.#link.output, zxid, [...service.takeTouched(), ...elsewhere]);
    } else if (type === PacketType.sync) {
      this.uplink.synced();
    } else if (type === PacketType.revalidate) {
      const { sessionId, valid } = RevalidateResponse.decode(new JuteReader(payload));
      this.uplink.revalidated(sessionId, valid);
    } else if (type === PacketType.commitAndActivate || type === PacketType.informAndActivate) {
      const { leaderId, rest } = readDesignated(payload);
      if (type === PacketType.informAndActivate) {
        this.propose({ zxid, payload: rest });
      }
      this.commit(zxid, leaderId);
      return { kind: 'activate', zxid, leaderId };
    } else if (type === MOVED_PACKET_TYPE) {
      service.takenElsewhere(RevalidateResponse.decode(new JuteReader(payload)).sessionId);
    } else if (type === HAND_OVER_PACKET_TYPE && data === null) {
      writeHandOverQuery(this.#link.output);
    } else if (type === HAND_OVER_PACKET_TYPE) {
      return { kind: 'hand-over', zxid, leaderId: readDesignated(payload).leaderId };
    } else {
      log.warn(`the leader sent a packet of type ${type}, which is ignored`);
    }
    return null;
  }

  /** After this transaction the tree here is not the leader's: the leader is told so, and then it is time to leave. */
  diverged(zxid: number, nowMs: number): void {
    if (this.#leaveAtMs === Number.POSITIVE_INFINITY) {
      this.#leaveAtMs = nowMs + PARTING_MS;
      writePacket(this.#link.output, DIVERGED_PACKET_TYPE, zxid, null);
    }
  }

  get leaveAtMs(): number {
    return this.#leaveAtMs;
  }

  get deadlineMs(): number {
    return Math.min(this.#leaveAtMs, this.master?.deadlineMs ?? Number.POSITIVE_INFINITY);
  }

  propose(entry: Entry): void {
    if (!follows(this.#lastProposed, entry.zxid)) {
      throw new ProtocolFault(`proposed zxid ${hex(entry.zxid)} after ${hex(this.#lastProposed)}`);
    }
    this.#environment.service.proposed(entry.zxid, entry.payload); // first: what is no transaction must not be logged
    this.#lastProposed = entry.zxid;
    this.#outstanding.push(entry);
    if (!this.#isObserver) {
      this.#unacked.push(entry.zxid);
    }
    if (this.#logs) {
      this.#environment.database.append(entry.zxid, entry.payload);
    }
  }

  /** @param leaderId who leads from now on, if the transaction has changed the members */
  commit(zxid: number, leaderId: number | null = null): void {
    const entry = this.#outstanding[0];
    if (entry?.zxid !== zxid) {
      const expected = entry === undefined ? 'nothing' : `zxid ${hex(entry.zxid)}`;
      throw new ProtocolFault(`committed zxid ${hex(zxid)}, where ${expected} was to be committed next`);
    }
    this.#outstanding.shift();
    this.#committedLog.append(entry, this.#environment.database.lastZxid);
    this.#environment.service.committed(zxid);
    this.master?.committed(entry, leaderId);
  }

  /** The log is on disk through `zxid`: one ACK for each transaction, in order (§6.2). */
  logSynced(zxid: number): void {
    const behind = this.#unacked.findIndex((unacked) => unacked > zxid);
    for (const synced of this.#unacked.splice(0, behind < 0 ? this.#unacked.length : behind)) {
      writePacket(this.#link.output, PacketType.ack, synced, null);
    }
  }
}

/** The data of COMMITANDACTIVATE and its like. */
export function readDesignated(data: Uint8Array): { readonly leaderId: number; readonly rest: Uint8Array } {
  const reader = new JuteReader(data);
  const leaderId = Number(DesignatedLeader.decode(reader).serverId);
  return { leaderId, rest: data.subarray(reader.position) };
}

function hex(zxid: number): string {
  return `0x${zxid.toString(16)}`;
}

/** The leader did what no leader does; the message goes on behind "the leader". */
export class ProtocolFault extends Error {
  override readonly name: string = 'ProtocolFault';
}

/** What the leader has of the history has a hole: only a snapshot of its tree leads past it. */
export class HoleFault extends ProtocolFault {
  override readonly name = 'HoleFault';
}
