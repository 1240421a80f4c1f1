/**
 * The order of writes at a learner: its leader makes it. Requests go there as they came, and wait here in one queue;
 * the leader's transactions come back in its order, our own requests' among them (quorum-protocol.md §7.1, §7.2).
 */
import { ErrorNumber, type ErrorTxn, type Id, JuteError, JuteWriter, OpCode } from '@treekeeper/protocol';
import { assert } from '../assert.ts';
import type { Clock } from '../io/clock.ts';
import { errorTxn } from '../operations/error.ts';
import { txnKindOf } from '../operations/index.ts';
import type { Txn, World, WriteOperation } from '../operations/operation.ts';
import { canBecome } from '../operations/outcome.ts';
import { DigestSum } from '../tree/digest.ts';
import type { Forwarded } from '../zab/environment.ts';
import { ProtocolFault } from '../zab/following.ts';
import type { Barrier, ClientConnection } from './client-connection.ts';
import { Fifo } from './fifo.ts';
import type { Instruments } from './instruments.ts';
import type { InFlight, OrderSource, RequestBody } from './order.ts';
import { ProposalTimes } from './proposal-times.ts';
import { PayloadReader } from './replay.ts';
import { Syncs } from './syncs.ts';

/** The way to the leader. */
export interface Uplink {
  /** Sends a request; its body is the caller's again afterwards. */
  request(request: Forwarded): void;
}

/** A request that has gone to the leader and whose transaction has not come yet. */
interface Awaited {
  readonly sessionId: bigint;
  readonly xid: number;
  readonly client: ClientConnection | null;
  readonly operation: WriteOperation | null;
  readonly request: unknown;
  readonly identities: readonly Id[];
  readonly receivedMs: number;
  /** What this server knows against it, and the leader may not; that the session is over comes first. 0: nothing. */
  readonly err: number;
}

const NO_BODY: RequestBody = { bytes: new Uint8Array(0), start: 0, end: 0 };

/**
 * Requests go to the leader, and transactions come back, over a link on which nothing takes longer than syncLimit; and
 * for as long again the leader may hold requests, while it tries to give leadership away. One that has not become a
 * transaction by then, while others have, never will.
 */
const ANSWER_SYNC_LIMITS = 3;

export interface ForwardingParts {
  readonly world: World;
  readonly uplink: Uplink;
  readonly clock: Clock;
  readonly digestEnabled: boolean;
  readonly instruments: Instruments;
  /**
   * The world may show effects of transactions that are still to come, having come from a leader while others wrote:
   * `settled` follows when those have been told.
   */
  readonly isAhead: boolean;
  /** It is told what is committed, and is proposed nothing. */
  readonly isObserver: boolean;
  readonly syncLimitMs: number;
}

export class Forwarding implements OrderSource {
  readonly #world: World;
  readonly #uplink: Uplink;
  readonly #clock: Clock;
  readonly #digestEnabled: boolean;
  readonly #instruments: Instruments;
  readonly #payload = new PayloadReader();
  readonly #awaited = new Fifo<Awaited>();
  readonly #inFlight = new Fifo<InFlight>();
  readonly #syncs = new Syncs();
  #committed: number;
  #isAhead: boolean;
  readonly #answerMsMax: number;
  /** When the leader made what it has proposed, by its wall clock; null: an observer, which acknowledges nothing. */
  readonly #proposals: ProposalTimes | null;
  #loggedThrough = 0;
  #hasAgreed = false;
  /** The last of the transactions whose effects may be there already. */
  #evenAfter = 0;

  constructor(parts: ForwardingParts) {
    const { world, uplink, clock, digestEnabled, instruments, isAhead, isObserver, syncLimitMs } = parts;
    this.#world = world;
    this.#uplink = uplink;
    this.#clock = clock;
    this.#digestEnabled = digestEnabled;
    this.#instruments = instruments;
    this.#committed = world.tree.lastZxid;
    this.#isAhead = isAhead;
    this.#proposals = isObserver ? null : new ProposalTimes();
    this.#answerMsMax = ANSWER_SYNC_LIMITS * syncLimitMs;
  }

  /** The leader prepares. */
  readonly changesInFlight = 0;

  /** Syncs that wait for their answer. */
  get syncsWaiting(): number {
    return this.#syncs.waiting;
  }

  /** Forwarded and not answered, or told by the leader and not applied. */
  get inFlightCount(): number {
    return this.#inFlight.length + this.#awaited.length;
  }

  submit(
    operation: WriteOperation,
    request: unknown,
    sessionId: bigint,
    identities: readonly Id[],
    client: ClientConnection | null,
    xid: number,
    body: RequestBody | null,
  ): void {
    const session = this.#world.sessions.get(sessionId);
    let err = 0;
    if (session !== undefined) {
      if (session.local && !session.upgrading && operation.createsEphemeral?.(request) === true) {
        err = ErrorNumber.EPHEMERAL_ON_LOCAL_SESSION; // the leader does not know the session at all
      }
      if (operation.opcode === OpCode.closeSession) {
        session.closing = true;
      }
    }
    this.#forward(operation, request, sessionId, identities, client, xid, body ?? NO_BODY, err);
  }

  submitMalformed(
    operation: WriteOperation,
    sessionId: bigint,
    client: ClientConnection,
    xid: number,
    body: RequestBody,
  ): void {
    this.#forward(operation, null, sessionId, client.identities, client, xid, body, 0);
  }

  openSession(sessionId: bigint, timeoutMs: number, client: ClientConnection | null): void {
    const writer = new JuteWriter(4);
    writer.int(timeoutMs);
    this.#await(null, null, sessionId, [], client, 0, 0);
    this.#uplink.request({ sessionId, cxid: 0, type: OpCode.createSession, body: writer.copy(), authinfo: null });
  }

  sync({ sessionId, identities }: ClientConnection, cxid: number, { bytes, start, end }: RequestBody): Barrier {
    const barrier = this.#syncs.ask();
    const body = bytes.subarray(start, end);
    this.#uplink.request({ sessionId, cxid, type: OpCode.sync, body, authinfo: identities });
    return barrier;
  }

  #forward(
    operation: WriteOperation,
    request: unknown,
    sessionId: bigint,
    authinfo: readonly Id[],
    client: ClientConnection | null,
    xid: number,
    { bytes, start, end }: RequestBody,
    err: number,
  ): void {
    this.#await(operation, request, sessionId, authinfo, client, xid, err);
    const body = bytes.subarray(start, end);
    this.#uplink.request({ sessionId, cxid: xid, type: operation.opcode, body, authinfo });
  }

  #await(
    operation: WriteOperation | null,
    request: unknown,
    sessionId: bigint,
    identities: readonly Id[],
    client: ClientConnection | null,
    xid: number,
    err: number,
  ): void {
    const receivedMs = this.#clock.nowMs;
    this.#awaited.push({ sessionId, xid, client, operation, request, identities, receivedMs, err });
  }

  /**
   * The leader has proposed a transaction. Throws JuteError when its payload is none, and ProtocolFault when the leader
   * has lost a request. It is matched with what is awaited now and not when it is committed: what the session had asked
   * another server for before it came here was proposed, and told, before the leader let it come.
   */
  proposed(zxid: number, payload: Uint8Array): void {
    const { header, digest } = this.#payload.split(zxid, payload);
    const isTold = digest !== null && header.type !== OpCode.error && !this.#isAhead;
    const { clientId: sessionId, cxid, timeMs, type } = header;
    const kind = txnKindOf(type);
    if (kind === undefined) {
      throw new JuteError('OUT_OF_RANGE', `a proposal of type ${type}, which does not stand on its own`);
    }
    const value = kind.record.decode(this.#payload.txn);
    const awaited = this.#takeAwaited(sessionId, cxid, { kind, value });
    const isOver = kind === errorTxn && (value as ErrorTxn).err === ErrorNumber.SESSION_EXPIRED;
    const ownErr = kind === errorTxn && awaited !== null && !isOver ? awaited.err : 0;
    const txn: Txn = { kind, value: ownErr === 0 ? value : { err: ownErr } };
    this.#inFlight.push({
      zxid,
      timeMs,
      sessionId,
      txn,
      digest: isTold ? DigestSum.of(digest) : null,
      changeCount: 0,
      client: awaited === null ? null : awaited.client,
      xid: cxid,
      operation: awaited === null ? null : awaited.operation,
      request: awaited === null ? null : awaited.request,
      identities: awaited === null ? [] : awaited.identities,
      receivedMs: awaited === null ? this.#clock.nowMs : awaited.receivedMs,
    });
    if (this.#isAhead) {
      this.#evenAfter = zxid;
    }
    this.#instruments.logged();
    if (this.#proposals !== null) {
      this.#proposals.note(zxid, timeMs);
      this.#instruments.proposalReceived(this.#clock.wallMs - timeMs);
    }
  }

  /** The log is on disk through `zxid`: what was proposed is acknowledged. */
  logSynced(zxid: number): void {
    this.#proposals?.addAges(this.#loggedThrough, zxid, this.#clock.wallMs, this.#instruments.ackCreation);
    this.#loggedThrough = zxid;
  }

  /** Everything that the world may be ahead with has been proposed. */
  settled(): void {
    this.#isAhead = false;
  }

  get isEven(): boolean {
    return !this.#isAhead && this.#world.tree.lastZxid >= this.#evenAfter;
  }

  /**
   * The leader keeps the order of our requests, so that it can only be the oldest. Should that never become a
   * transaction, nothing behind it would be answered: then the link ends, and another begins without it.
   */
  #takeAwaited(sessionId: bigint, cxid: number, txn: Txn): Awaited | null {
    const head = this.#awaited.peek();
    if (head === undefined) {
      return null;
    }
    if (head.sessionId === sessionId && head.xid === cxid && canBecome(head.operation, head.request, txn)) {
      this.#awaited.shift();
      return head;
    }
    const waitedMs = this.#clock.nowMs - head.receivedMs;
    if (waitedMs > this.#answerMsMax) {
      throw new ProtocolFault(`has lost a request that was sent ${waitedMs} ms ago`);
    }
    return null;
  }

  /** Everything proposed through `zxid` is committed. */
  committed(zxid: number): void {
    this.#committed = zxid;
    this.#instruments.commitReceived();
  }

  /** The oldest sync has been answered. */
  syncDone(): void {
    this.#syncs.done(this.nextCommitted() === null ? null : this.#committed);
  }

  nextInFlight(): InFlight | null {
    return this.#inFlight.peek() ?? null;
  }

  nextCommitted(): InFlight | null {
    const next = this.#inFlight.peek();
    return next !== undefined && next.zxid <= this.#committed ? next : null;
  }

  apply(entry: InFlight): boolean {
    const { tree } = this.#world;
    // Leaders of ZooKeeper 3.9 and later may give one zxid to two transactions (disk-format.md §2.2).
    assert(entry.zxid >= tree.lastZxid, 'transactions are applied in order');
    entry.txn.kind.apply(this.#world, entry.txn.value, entry);
    tree.lastZxid = entry.zxid;
    const { nowMs, wallMs } = this.#clock;
    this.#instruments.committed(nowMs - entry.receivedMs, wallMs - entry.timeMs);
    if (entry.zxid <= this.#committed) {
      this.#instruments.commitPropagated(wallMs - entry.timeMs);
    }
    this.#inFlight.shift();
    if (!this.#digestEnabled || entry.digest === null) {
      return true;
    }
    const agrees = tree.hasDigest(entry.digest);
    this.#hasAgreed ||= agrees;
    return agrees;
  }

  /** A digest of the leader's has been that of the tree here. */
  get hasAgreed(): boolean {
    return this.#hasAgreed;
  }
}
