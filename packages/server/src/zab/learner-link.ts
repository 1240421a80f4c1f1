/**
 * A learner as its leader sees it: the bytes that come in, cut into packets; the bytes that go out, one write a turn;
 * and how far the two have got (quorum-protocol.md §5.10).
 */
import { JuteWriter, PacketType, SNAP_STREAM_END } from '@treekeeper/protocol';
import type { Link } from '../io/peers.ts';
import type { Entry, LearnerId, SnapshotOutgoing } from './environment.ts';
import type { ZabOptions } from './options.ts';
import { type Packet, PacketStream } from './packet-stream.ts';
import { detachOutput, OUTPUT_CAPACITY_BYTES, writePacket } from './packets.ts';
import type { Difference, LogTail, SyncKind } from './synchronize.ts';

/**
 * connected (nothing heard) → waiting (it has told its epoch) → informed (it was told ours) → ready (it has accepted
 * ours) → syncing (history and NEWLEADER are on their way) → synced (it has them on disk) → active.
 */
export type LearnerStage = 'connected' | 'waiting' | 'informed' | 'ready' | 'syncing' | 'synced' | 'active';

/** What a link may use up in a turn. */
export type TransferLimits = Pick<ZabOptions, 'linkUnsentBytesPause' | 'transferBytesPerTurn'>;
/** What may be waiting for a learner. */
export type WaitingLimits = Pick<ZabOptions, 'linkUnsentBytesMax' | 'learnerBacklogBytesMax'>;

/** Live traffic waits in pieces of at least this size. */
const PIECE_BYTES_MIN = 64 * 1024;
/** While a learner catches up, it is sent so many times what is written meanwhile: else it never would. */
const PACE = 2;

export class LearnerLink implements LearnerId {
  readonly link: Link;
  /** NaN until it has introduced itself. */
  serverId = Number.NaN;
  stage: LearnerStage = 'connected';
  /** It came with OBSERVERINFO: it is told what is committed, and asked for nothing. */
  isObserver = false;
  /** Of its history, when it joined. */
  lastZxid = 0;
  /** The end of the leader's history when it was synchronised: all of that it has, once it is in step. */
  syncedZxid = 0;
  /** How it got what it missed; null: not yet. */
  syncedWith: SyncKind | null = null;
  /** Syncs of its clients that are not done. */
  syncsWaiting = 0;
  /** It has said that it can be told who leads next (packets.ts). */
  knowsHandOver = false;
  /** The link is closed when nothing has come in until then. */
  deadlineMs: number;
  /** The proposal whose acknowledgement is timed, and since when; 0: none (§5.10). */
  timedZxid = 0;
  timedSinceMs = 0;
  /** The last proposal that it has acknowledged, and that has not been counted; 0: none. */
  #freshAckZxid = 0;
  readonly #input: PacketStream;
  /** Rounds of the PINGs that it has not echoed yet: a learner echoes each, in order. */
  readonly #unechoed: number[] = [];
  #output = new JuteWriter(OUTPUT_CAPACITY_BYTES);
  /** Live traffic, while a snapshot, a piece of the log, or what came earlier goes out in front of it. */
  #behind: JuteWriter | null = null;
  /** In front of that, oldest first: what came earlier. */
  #pieces: Uint8Array[] = [];
  #piecesBytes = 0;
  /** Of all that is behind, at the end of the last turn; what is there from the beginning is not counted as brought. */
  #behindBytesBefore = Number.POSITIVE_INFINITY;
  #snapshot: SnapshotOutgoing | null = null;
  #tail: LogTail | null = null;

  constructor(link: Link, fieldBytesMax: number, deadlineMs: number) {
    this.link = link;
    this.deadlineMs = deadlineMs;
    this.#input = new PacketStream(fieldBytesMax);
  }

  /** Whether it gets what is proposed and committed from now on. */
  get isLive(): boolean {
    return this.stage === 'syncing' || this.stage === 'synced' || this.stage === 'active';
  }

  /** Its id, where it counts as a voter. Observers have no vote, whatever their configuration says of them. */
  get voterId(): number | null {
    return this.isObserver ? null : this.serverId;
  }

  /** What it has left undone for too long; null: nothing. */
  fault(nowMs: number, ackLimitMs: number, limits: WaitingLimits): string | null {
    if (nowMs >= this.deadlineMs) {
      return 'has been silent for too long';
    }
    const waitingBytes = this.link.unsentBytes + this.#output.length;
    if (waitingBytes > limits.linkUnsentBytesMax) {
      return `does not keep up, ${waitingBytes} bytes are waiting for it`;
    }
    if (this.#behindBytes > limits.learnerBacklogBytesMax) {
      return `does not catch up, ${this.#behindBytes} bytes have been written meanwhile`;
    }
    if (this.isTransferring) {
      this.timedSinceMs = nowMs; // it cannot acknowledge what it has not been sent
    }
    const isLate = this.timedZxid !== 0 && nowMs >= this.timedSinceMs + ackLimitMs;
    return isLate ? `has not acknowledged zxid 0x${this.timedZxid.toString(16)} in time` : null;
  }

  push(bytes: Uint8Array): void {
    this.#input.push(bytes);
  }

  /** The next packet that has come in. Throws JuteError. */
  next(): Packet | null {
    return this.#input.next();
  }

  /** Has read an acknowledgement; the last of many speaks for all of them. */
  acknowledged(zxid: number): void {
    this.#freshAckZxid = Math.max(this.#freshAckZxid, zxid);
  }

  /** The last acknowledgement that was not taken before; 0: there is none. None counts before NEWLEADER's. */
  takeAck(): number {
    if (this.stage !== 'synced' && this.stage !== 'active') {
      return 0;
    }
    const zxid = this.#freshAckZxid;
    this.#freshAckZxid = 0;
    return zxid;
  }

  /** Where to write what it is to get after everything before. */
  get output(): JuteWriter {
    return this.#behind ?? this.#output;
  }

  /** A packet as it is, made once for all learners. */
  send(packet: Uint8Array): void {
    this.output.raw(packet);
  }

  commit(zxid: number): void {
    writePacket(this.output, PacketType.commit, zxid, null);
  }

  /** Observers get a transaction when it is committed. */
  inform(entry: Entry): void {
    writePacket(this.output, PacketType.inform, entry.zxid, entry.payload);
  }

  /** @param round null: it will not echo this one, for it is not in step yet (§5.5) */
  ping(zxid: number, round: number | null): void {
    writePacket(this.output, PacketType.ping, zxid, null);
    if (round !== null) {
      this.#unechoed.push(round);
    }
  }

  /** It has echoed a PING: the round of that one; null: it had none to echo. */
  echoed(): number | null {
    return this.#unechoed.shift() ?? null;
  }

  /** Its oldest sync is done (§7.5). */
  syncDone(): void {
    this.syncsWaiting--;
    writePacket(this.output, PacketType.sync, 0, null);
  }

  /** DIFF or TRUNC, and what it misses. */
  beginDifference(difference: Difference, committedZxid: number): void {
    const { keep, fromLog, fromWindow } = difference;
    if (keep === null) {
      writePacket(this.output, PacketType.diff, committedZxid, null);
    } else {
      writePacket(this.output, PacketType.trunc, keep, null);
    }
    if (fromLog !== null) {
      this.#tail = fromLog;
      this.#behind = new JuteWriter(OUTPUT_CAPACITY_BYTES);
    }
    for (const entry of fromWindow) {
      writeCommitted(this.output, entry);
    }
  }

  /** SNAP, and the stream; `missing` has been committed and is not in it. */
  beginSnapshot(snapshot: SnapshotOutgoing, missing: readonly Entry[]): void {
    writePacket(this.output, PacketType.snap, snapshot.zxid, null);
    this.#snapshot = snapshot;
    this.#behind = new JuteWriter(OUTPUT_CAPACITY_BYTES);
    for (const entry of missing) {
      writeCommitted(this.#behind, entry);
    }
  }

  /**
   * Moves a snapshot or a piece of the log on, as far as a turn allows. True when more could go out at once; what is
   * held up by the network goes on when the network does. Throws GapError.
   */
  transfer(limits: TransferLimits): boolean {
    const broughtBytes = this.#behindBytes - this.#behindBytesBefore;
    const bytesPerTurn = Math.max(limits.transferBytesPerTurn, PACE * broughtBytes);
    const end = Math.min(bytesPerTurn, limits.linkUnsentBytesPause - this.link.unsentBytes);
    if (this.#behind !== null && this.#behind.length >= PIECE_BYTES_MIN) {
      this.#piecesBytes += this.#behind.length;
      this.#pieces.push(detachOutput(this.#behind));
    }
    while (this.#behind !== null && this.#output.length < end) {
      if (!this.#transferOne() && !this.#transferPiece()) {
        this.#output.raw(this.#behind.bytes.subarray(0, this.#behind.length));
        this.#behind = null;
      }
    }
    this.#behindBytesBefore = this.#behindBytes;
    return this.#behind !== null && end === bytesPerTurn;
  }

  get #behindBytes(): number {
    return this.#piecesBytes + (this.#behind?.length ?? 0);
  }

  /** False: no piece is left of what waited. */
  #transferPiece(): boolean {
    const piece = this.#pieces.shift();
    if (piece === undefined) {
      return false;
    }
    this.#piecesBytes -= piece.length;
    this.#output.raw(piece);
    return true;
  }

  /** A transfer is under way. */
  get isTransferring(): boolean {
    return this.#behind !== null;
  }

  #transferOne(): boolean {
    if (this.#snapshot !== null) {
      const slice = this.#snapshot.next();
      if (slice !== null) {
        this.#output.raw(slice);
        return true;
      }
      this.#snapshot.end();
      this.#snapshot = null;
      this.#output.ustring(SNAP_STREAM_END);
      return false;
    }
    const entry = this.#tail?.next() ?? null;
    if (entry === null) {
      this.#tail = null;
      return false;
    }
    writeCommitted(this.#output, entry);
    return true;
  }

  /** What the turn brought leaves, in one write. */
  flush(): void {
    if (this.#output.length > 0) {
      this.link.write(detachOutput(this.#output));
    }
  }

  /** The link is closed, by whomever. */
  end(): void {
    this.#snapshot?.end();
    this.#snapshot = null;
    this.#tail = null;
    this.#behind = null;
    this.#pieces = [];
    this.#piecesBytes = 0;
    this.link.close();
  }
}

function writeCommitted(to: JuteWriter, { zxid, payload }: Entry): void {
  writePacket(to, PacketType.proposal, zxid, payload);
  writePacket(to, PacketType.commit, zxid, null);
}
