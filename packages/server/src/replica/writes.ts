/**
 * The path of a write through the replica: prepared against the pending changes, proposed, logged by the outbox, and
 * applied when committed, in zxid order. Everything between is in flight here, so that a leader need not decode what it
 * has just encoded.
 */
import { ErrorNumber, type Id, JuteWriter, TxnHeader } from '@treekeeper/protocol';
import { assert } from '../assert.ts';
import type { Clock } from '../io/clock.ts';
import { errorTxn } from '../operations/error.ts';
import type { Txn, World, WriteOperation } from '../operations/operation.ts';
import { createSessionTxn } from '../operations/session.ts';
import type { Barrier, ClientConnection } from './client-connection.ts';
import { Fifo } from './fifo.ts';
import type { Instruments } from './instruments.ts';
import type { InFlight, OrderSource } from './order.ts';
import type { PendingChanges } from './pending-changes.ts';

/** What gives zxids and has proposals logged and acknowledged: zab's leader. */
export interface Proposer {
  readonly lastProposed: number;
  readonly committed: number;
  /** The zxid that the next proposal has to carry. */
  nextZxid(): number;
  /** The payload is the caller's again afterwards. */
  propose(zxid: number, payload: Uint8Array): void;
}

const DIGEST_VERSION = 2;

export class Writes implements OrderSource {
  readonly #world: World;
  readonly #pending: PendingChanges;
  readonly #leader: Proposer;
  readonly #clock: Clock;
  readonly #digestEnabled: boolean;
  readonly #instruments: Instruments;
  readonly #payload = new JuteWriter(4096);
  readonly #inFlight = new Fifo<InFlight>();

  constructor(
    world: World,
    pending: PendingChanges,
    leader: Proposer,
    clock: Clock,
    digestEnabled: boolean,
    instruments: Instruments,
  ) {
    this.#world = world;
    this.#pending = pending;
    this.#leader = leader;
    this.#clock = clock;
    this.#digestEnabled = digestEnabled;
    this.#instruments = instruments;
  }

  /** Proposed and not applied. */
  get inFlightCount(): number {
    return this.#inFlight.length;
  }

  get changesInFlight(): number {
    return this.#pending.length;
  }

  /** Its own history, in its own order. */
  readonly isEven = true;

  /** Everything proposed so far. */
  sync(): Barrier {
    return { zxid: this.#leader.lastProposed };
  }

  /**
   * Prepares and proposes a write. A refused one is proposed too, as an error transaction: it has its place in order.
   * `client` is null for the server's own writes (session 0).
   */
  submit(
    operation: WriteOperation,
    request: unknown,
    sessionId: bigint,
    identities: readonly Id[],
    client: ClientConnection | null,
    xid: number,
  ): void {
    this.#begin(sessionId, identities);
    const result = operation.prepare(this.#pending, request);
    const txn = typeof result === 'number' ? refusal(result) : result;
    this.#propose(txn, sessionId, client, xid, operation, request);
  }

  /** A write whose body does not decode, where that consumes a zxid. */
  submitMalformed(operation: WriteOperation, sessionId: bigint, client: ClientConnection, xid: number): void {
    this.refuse(ErrorNumber.MARSHALLING_ERROR, operation, sessionId, client, xid);
  }

  /** Refuses a write without looking at it further; that, too, has its place in order. */
  refuse(
    err: number,
    operation: WriteOperation | null,
    sessionId: bigint,
    client: ClientConnection | null,
    xid: number,
  ): void {
    this.#begin(sessionId, client === null ? [] : client.identities);
    this.#propose(refusal(err), sessionId, client, xid, operation, null);
  }

  /** A new session; `client` is the connection whose handshake waits for it, null when a local session is upgraded. */
  openSession(sessionId: bigint, timeoutMs: number, client: ClientConnection | null): void {
    this.#begin(sessionId, []);
    this.#propose({ kind: createSessionTxn, value: { timeOut: timeoutMs } }, sessionId, client, 0, null, null);
  }

  #begin(sessionId: bigint, identities: readonly Id[]): void {
    this.#pending.begin(sessionId, identities, this.#leader.nextZxid(), this.#clock.wallMs);
  }

  #propose(
    txn: Txn,
    sessionId: bigint,
    client: ClientConnection | null,
    xid: number,
    operation: WriteOperation | null,
    request: unknown,
  ): void {
    const { zxid, timeMs, identities, changeCount } = this.#pending;
    // A refusal says nothing of the tree.
    const digest = this.#digestEnabled && txn.kind !== errorTxn ? this.#pending.digest.copy() : null;
    const payload = this.#payload;
    payload.clear();
    TxnHeader.encode(payload, { clientId: sessionId, cxid: xid, zxid, time: timeMs, type: txn.kind.type });
    txn.kind.record.encode(payload, txn.value);
    if (digest !== null) {
      payload.int(DIGEST_VERSION);
      digest.write(payload);
    }
    if (payload.length > this.#pending.txnBytesMax) {
      this.#pending.rollback(0);
      this.#propose(refusal(ErrorNumber.MARSHALLING_ERROR), sessionId, client, xid, operation, request);
      return;
    }
    const receivedMs = this.#clock.nowMs;
    this.#inFlight.push({
      zxid,
      timeMs,
      sessionId,
      txn,
      digest,
      changeCount,
      client,
      xid,
      operation,
      request,
      identities,
      receivedMs,
    });
    this.#instruments.proposed();
    this.#pending.end();
    this.#leader.propose(zxid, payload.bytes.subarray(0, payload.length));
  }

  /** The next transaction to apply, committed or not. */
  nextInFlight(): InFlight | null {
    return this.#inFlight.peek() ?? null;
  }

  nextCommitted(): InFlight | null {
    const next = this.#inFlight.peek();
    return next !== undefined && next.zxid <= this.#leader.committed ? next : null;
  }

  /** Applies a transaction to the tables. Returns whether the tree's digest is the one that was predicted. */
  apply(entry: InFlight): boolean {
    const { tree } = this.#world;
    assert(entry.zxid > tree.lastZxid, 'transactions are applied in order');
    entry.txn.kind.apply(this.#world, entry.txn.value, entry);
    tree.lastZxid = entry.zxid;
    const { nowMs, wallMs } = this.#clock;
    this.#instruments.committed(nowMs - entry.receivedMs, wallMs - entry.timeMs);
    this.#inFlight.shift();
    this.#pending.applied(entry.zxid, entry.changeCount);
    return entry.digest === null || tree.hasDigest(entry.digest);
  }
}

function refusal(err: number): Txn {
  return { kind: errorTxn, value: { err } };
}
