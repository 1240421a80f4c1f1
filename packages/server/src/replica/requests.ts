/**
 * Requests of open sessions: each frame is decoded, looked up in the table of operations, and answered in its place.
 * A read with nothing before it is answered at once, straight from the tree; anything else waits in the connection's
 * queue (client-protocol.md §3.7).
 */
import { ErrorNumber, type Id, JuteError, JuteReader, type JuteWriter, OpCode, SpecialXid } from '@treekeeper/protocol';
import { errorTxn } from '../operations/error.ts';
import { operationOf } from '../operations/index.ts';
import type { ReadOperation, WriteOperation } from '../operations/operation.ts';
import type { Barrier } from './client-connection.ts';
import { type Answer, type ClientConnection, PauseReason, type Waiting } from './client-connection.ts';
import type { Instruments } from './instruments.ts';
import type { RequestLimits } from './options.ts';
import type { InFlight } from './order.ts';
import { beginReply, endReply, REPLY_PREFIX_BYTES } from './output.ts';
import type { RequestPorts } from './request-ports.ts';

export class Requests {
  readonly #ports: RequestPorts;
  readonly #limits: RequestLimits;
  readonly #reader: JuteReader;
  /** Of the request that is being taken. */
  readonly #body = { bytes: NOTHING, start: 0, end: 0 };
  #waitingTotal = 0;
  #largeBytesTotal = 0;
  readonly #instruments: Instruments;
  readonly #pausedForOutstanding = new Set<ClientConnection>();
  readonly #waitingReadBytesMin: number;

  constructor(ports: RequestPorts, limits: RequestLimits) {
    this.#ports = ports;
    this.#limits = limits;
    this.#reader = new JuteReader(undefined, limits.fieldLengthBytesMax, false);
    this.#instruments = ports.instruments;
    this.#waitingReadBytesMin = ports.replyBytesPause / WAITING_READS_MAX;
  }

  /** Requests received and not answered, of all connections. */
  get outstanding(): number {
    return this.#waitingTotal;
  }

  /** Takes a whole frame of an open session. False: read no further from this connection for now. */
  accept(client: ClientConnection, bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start < REQUEST_HEADER_BYTES) {
      this.#ports.close(client); // no request header, nothing to answer to
      return false;
    }
    const reader = this.#reader;
    reader.reset(bytes, start, end);
    const xid = reader.int();
    const opcode = reader.int();
    client.statistics.packetsReceived++;
    this.#instruments.statistics.packetsReceived++;
    if (opcode === OpCode.auth || opcode === OpCode.sasl) {
      this.#authenticate(client, xid, opcode);
      return !client.ending && client.phase === 'open' && this.#withinLimits(client);
    }
    if (!this.#ports.credentials.mayRequest(client.identities)) {
      this.#answer(client, xid, 0, ErrorNumber.SESSION_CLOSED_REQUIRE_AUTH, null, true);
      return false;
    }
    const operation = operationOf(opcode);
    if (operation === undefined) {
      this.#answer(client, xid, -1, ErrorNumber.UNIMPLEMENTED, null, true);
      return false;
    }
    this.#ports.touch(client);
    if (client.heldSinceMs >= 0 && this.#isTooLate(client, xid, opcode)) {
      return this.#withinLimits(client);
    }
    this.#instruments.operations.record(opcode);
    this.#body.bytes = bytes;
    this.#body.start = start + REQUEST_HEADER_BYTES;
    this.#body.end = end;
    if (operation.kind === 'read') {
      this.#read(client, xid, operation);
    } else {
      const sizeBytes = end - start;
      if (!this.#admitsLarge(sizeBytes)) {
        this.#instruments.metrics.large_requests_rejected.add(1);
        this.#ports.close(client);
        return false;
      }
      this.#write(client, xid, operation, sizeBytes);
      if (opcode === OpCode.closeSession && client.session?.closing === true) {
        client.ending = true; // what comes behind it is not for this session any more
        return false;
      }
    }
    return this.#withinLimits(client);
  }

  /** A request that a limit has held back (§12). True: it has been dealt with. */
  #isTooLate(client: ClientConnection, xid: number, opcode: number): boolean {
    const heldMs = this.#ports.clock.nowMs - client.heldSinceMs;
    const { metrics } = this.#instruments;
    metrics.request_throttle_queue_time_ms.add(heldMs);
    if (this.#limits.dropsStale && client.session !== null && heldMs > client.session.timeoutMs) {
      metrics.stale_requests.add(1);
      metrics.stale_requests_dropped.add(1);
      this.#ports.close(client);
      return true;
    }
    const { throttledAfterMs } = this.#limits;
    if (throttledAfterMs <= 0 || heldMs <= throttledAfterMs || UNTHROTTLED.has(opcode)) {
      return false;
    }
    metrics.throttled_ops.add(1);
    this.#answer(client, xid, null, ErrorNumber.THROTTLED_OP, null, false);
    return true;
  }

  #read(client: ClientConnection, xid: number, operation: ReadOperation): void {
    if (operation.opcode === OpCode.sync && this.#ports.isReadOnly) {
      this.#answer(client, xid, null, ErrorNumber.NOT_READ_ONLY, null, false);
      return;
    }
    let request: unknown;
    try {
      request = operation.request.decode(this.#reader);
    } catch (error) {
      this.#answer(client, xid, null, malformed(error), null, false);
      return;
    }
    const replyXid = operation.opcode === OpCode.ping ? SpecialXid.ping : xid;
    const now = this.#ports.clock.nowMs;
    const { writes, world } = this.#ports;
    const barrier = operation.opcode === OpCode.sync ? writes.sync(client, xid, this.#body) : NO_BARRIER;
    if (client.waitingCount === 0 && barrier.zxid <= world.tree.lastZxid) {
      this.#answerRead(client, replyXid, operation, request, client.identities, now);
      return;
    }
    const { identities } = client;
    this.#enqueue(client, {
      kind: 'read',
      xid: replyXid,
      operation,
      request,
      identities,
      receivedMs: now,
      replyBytes: Math.max(this.#waitingReadBytesMin, operation.replyBytes?.(world, request) ?? 0),
      barrier,
    });
    if (client.waitingCount === 1) {
      this.#syncing.add(client);
    }
  }

  /** Connections whose oldest request is a sync that must wait: they are looked at when something has been applied. */
  readonly #syncing = new Set<ClientConnection>();

  #answerRead(
    client: ClientConnection,
    xid: number,
    operation: ReadOperation,
    request: unknown,
    identities: readonly Id[],
    receivedMs: number,
  ): void {
    const { world, outputs, clock } = this.#ports;
    const requester =
      identities === client.identities ? client : { sessionId: client.sessionId, identities, watcher: client };
    const output = outputs.of(client);
    let err = 0;
    if (operation.sendsEvents === true) {
      err = operation.answer(world, requester, request, output); // its events go out before its answer
    }
    const start = beginReply(output);
    if (operation.sendsEvents !== true) {
      err = operation.answer(world, requester, request, output);
    }
    const { lastZxid } = world.tree;
    endReply(output, start, xid, lastZxid, err);
    const latencyMs = clock.nowMs - receivedMs;
    const bodyBytes = this.#replied(output, start);
    this.#instruments.read(latencyMs, request, bodyBytes);
    this.#sent(client, operation.opcode, xid, lastZxid, latencyMs);
  }

  #write(client: ClientConnection, xid: number, operation: WriteOperation, sizeBytes: number): void {
    const { writes, world, isReadOnly, writesRefused } = this.#ports;
    // Refusals that are no transactions carry the last zxid applied when they leave: one from before could be behind
    // that of the answer in front of it, and one that is only proposed could be lost.
    if ((isReadOnly || writesRefused()) && !isOwnEnd(client, operation)) {
      this.#answer(client, xid, null, ErrorNumber.NOT_READ_ONLY, null, false);
      return;
    }
    let request: unknown;
    try {
      request = operation.request.decode(this.#reader);
    } catch (error) {
      const err = malformed(error);
      if (operation.malformedConsumesZxid === true) {
        writes.submitMalformed(operation, client.sessionId, client, xid, this.#body);
        this.#enqueueWrite(client, sizeBytes);
      } else {
        this.#answer(client, xid, null, err, null, false);
      }
      return;
    }
    if (world.access.eager && operation.eagerAclCheck !== undefined) {
      const refused = operation.eagerAclCheck(world, client.identities, request);
      if (refused !== 0) {
        this.#answer(client, xid, 0, refused, null, false);
        return;
      }
    }
    const { session } = client;
    if (session?.local === true && !session.upgrading) {
      if (operation.opcode === OpCode.closeSession) {
        this.#ports.closeLocalSession(session);
        this.#answer(client, xid, null, 0, null, true);
        return;
      }
      if (operation.createsEphemeral?.(request) === true) {
        this.#ports.upgradeSession(session);
      }
    }
    writes.submit(operation, request, client.sessionId, client.identities, client, xid, this.#body);
    this.#enqueueWrite(client, sizeBytes);
  }

  /** An answer that is known already, in its place. A zxid of null: that of the last applied transaction then. */
  #answer(
    client: ClientConnection,
    xid: number,
    zxid: number | null,
    err: number,
    body: Uint8Array | null,
    close: boolean,
  ): void {
    if (close) {
      client.ending = true;
    }
    const entry: Answer = { kind: 'answer', xid, zxid, err, body, close };
    if (client.waitingCount === 0) {
      this.#sendAnswer(client, entry);
    } else {
      this.#enqueue(client, entry);
    }
  }

  #sendAnswer(client: ClientConnection, { xid, zxid, err, body, close }: Answer): void {
    const output = this.#ports.outputs.of(client);
    const start = beginReply(output);
    const { lastZxid } = this.#ports.world.tree;
    endReply(output, start, xid, zxid ?? lastZxid, err);
    if (body !== null) {
      output.raw(body);
      output.setInt(start, output.length - start - 4);
    }
    this.#replied(output, start);
    this.#sent(client, OpCode.notification, xid, zxid ?? lastZxid, 0);
    if (close) {
      this.#ports.close(client);
    }
  }

  #authenticate(client: ClientConnection, xid: number, opcode: number): void {
    const { credentials } = this.#ports;
    const verdict = credentials.receive(client, opcode, this.#reader);
    this.#instruments.statistics.authFailedCount = credentials.failures;
    if (verdict.failure !== null) {
      const { remoteAddress, remotePort } = client.connection;
      this.#ports.log.info(`${remoteAddress}:${remotePort} could not authenticate: ${verdict.failure}`);
    }
    if (!verdict.answer) {
      this.#ports.close(client);
      return;
    }
    // In its place in the queue although Java answers at once: kazoo takes any answer for that of its oldest request.
    this.#answer(client, xid, 0, verdict.err, verdict.body, verdict.close);
  }

  #enqueue(client: ClientConnection, entry: Waiting): void {
    client.enqueue(entry);
    this.#waitingTotal++;
  }

  /** A transaction of this connection has been applied: its answer, and what waited behind it. */
  applied(entry: InFlight, client: ClientConnection): void {
    if (client.gone || client.hasMoved) {
      this.#instruments.metrics.stale_replies.add(1);
      return;
    }
    const { outputs, world, clock } = this.#ports;
    const { txn, xid, zxid, receivedMs, request } = entry;
    const { opcode, reply } = entry.operation as WriteOperation;
    const err = txn.kind === errorTxn ? (txn.value as { err: number }).err : 0;
    if (err === ErrorNumber.SESSION_MOVED) {
      client.hasMoved = true;
      this.#ports.close(client); // without a word: its client is elsewhere (client-protocol.md §2.6)
      return;
    }
    const output = outputs.of(client);
    const start = beginReply(output);
    if (err === 0) {
      reply(world, txn, output);
    }
    endReply(output, start, xid, zxid, err);
    const latencyMs = clock.nowMs - receivedMs;
    this.#replied(output, start);
    this.#instruments.written(opcode, err, latencyMs, request);
    this.#sent(client, opcode, xid, zxid, latencyMs);
    this.#dequeueWrite(client);
    if (opcode === OpCode.closeSession) {
      this.#ports.close(client);
      return;
    }
    const queued = client.waitingCount;
    if (queued > 0) {
      this.#drain(client);
      this.#instruments.drained(queued, queued - client.waitingCount);
    }
  }

  /**
   * A transaction of this connection is about to be applied: syncs that were asked for before it are answered now, with
   * what waited behind them, whether or not the leader has confirmed them. That it is committed says as much: a quorum
   * followed this leader after it had been asked.
   */
  applying(client: ClientConnection): void {
    if (client.peek()?.kind === 'read') {
      this.#syncing.delete(client);
      this.#drain(client, Number.POSITIVE_INFINITY);
    }
  }

  /**
   * Answers what is at the head of the queue up to the next write that is still on its way.
   *
   * @param reachedZxid syncs that wait for this, or less, have waited enough
   */
  #drain(client: ClientConnection, reachedZxid = this.#ports.world.tree.lastZxid): void {
    if (client.hasMoved) {
      return;
    }
    for (let entry = client.peek(); entry !== undefined; entry = client.peek()) {
      if (entry.kind === 'write') {
        break;
      }
      if (entry.kind === 'read' && entry.barrier.zxid > reachedZxid) {
        this.#syncing.add(client);
        break;
      }
      client.shift();
      this.#waitingTotal--;
      if (entry.kind === 'answer') {
        this.#sendAnswer(client, entry);
        if (entry.close) {
          return;
        }
      } else {
        this.#instruments.readWaited(this.#ports.clock.nowMs - entry.receivedMs);
        this.#answerRead(client, entry.xid, entry.operation, entry.request, entry.identities, entry.receivedMs);
      }
    }
  }

  /** Between two transactions: syncs whose turn it is, and what waited behind them. */
  answerSyncs(): void {
    const { lastZxid } = this.#ports.world.tree;
    for (const client of this.#syncing) {
      const head = client.peek();
      if (client.gone || head?.kind !== 'read' || head.barrier.zxid <= lastZxid) {
        this.#syncing.delete(client);
        this.#drain(client); // it comes back if there is another sync in its queue
      }
    }
  }

  /** After a turn's transactions have been applied: syncs that waited for the last one, and connections held back. */
  settle(): void {
    this.answerSyncs();
    if (this.#pausedForOutstanding.size > 0 && this.#waitingTotal <= this.#limits.outstandingRequestsMax) {
      for (const client of [...this.#pausedForOutstanding]) {
        if (client.waitingReplyBytes <= this.#ports.replyBytesPause) {
          this.#pausedForOutstanding.delete(client);
          this.#ports.resume(client, PauseReason.outstanding);
        }
      }
    }
  }

  /** The connection is gone: nobody waits for its answers. Transactions on their way are applied all the same. */
  forget(client: ClientConnection): void {
    this.#waitingTotal -= client.dropWaiting();
    this.#pausedForOutstanding.delete(client);
    this.#largeBytesTotal -= client.largeRequestBytes;
    client.largeRequestBytes = 0;
  }

  #withinLimits(client: ClientConnection): boolean {
    if (this.#waitingTotal > this.#limits.outstandingRequestsMax && client.waitingCount > 0) {
      this.#pausedForOutstanding.add(client);
      this.#instruments.metrics.request_throttle_wait_count.add(1);
      if (client.heldSinceMs < 0) {
        client.heldSinceMs = this.#ports.clock.nowMs;
      }
      this.#ports.pause(client, PauseReason.outstanding);
      return false;
    }
    if (client.waitingReplyBytes > this.#ports.replyBytesPause) {
      this.#pausedForOutstanding.add(client);
      this.#ports.pause(client, PauseReason.outstanding);
    }
    if (client.output !== null && client.output.length > this.#ports.replyBytesPause) {
      this.#ports.pause(client, PauseReason.output); // a chunk of small requests can ask for gigabytes
    }
    return client.pauses === 0 && !client.ending && client.phase === 'open';
  }

  #isLarge(sizeBytes: number): boolean {
    const { largeRequestThresholdBytes } = this.#limits;
    return largeRequestThresholdBytes >= 0 && sizeBytes > largeRequestThresholdBytes;
  }

  /** Large requests in flight have a limit of their own, in bytes; one beyond it costs the connection. */
  #admitsLarge(sizeBytes: number): boolean {
    return !this.#isLarge(sizeBytes) || this.#largeBytesTotal + sizeBytes <= this.#limits.largeRequestBytesMax;
  }

  #enqueueWrite(client: ClientConnection, sizeBytes: number): void {
    if (this.#isLarge(sizeBytes)) {
      this.#largeBytesTotal += sizeBytes;
      client.largeRequestBytes += sizeBytes;
      this.#enqueue(client, { kind: 'write', largeBytes: sizeBytes });
    } else {
      this.#enqueue(client, WRITE);
    }
  }

  /** The oldest waiting request is a write that has been answered. */
  #dequeueWrite(client: ClientConnection): void {
    const entry = client.peek();
    if (entry?.kind === 'write' && entry.largeBytes > 0) {
      this.#largeBytesTotal -= entry.largeBytes;
      client.largeRequestBytes -= entry.largeBytes;
    }
    client.shift();
    this.#waitingTotal--;
  }

  /** Counts the reply that begins at `start`; returns the size of its body. */
  #replied(output: JuteWriter, start: number): number {
    const frameBytes = output.length - start;
    const bodyBytes = frameBytes - REPLY_PREFIX_BYTES;
    this.#instruments.replied(frameBytes, bodyBytes);
    return bodyBytes;
  }

  #sent(client: ClientConnection, opcode: number, xid: number, zxid: number, latencyMs: number): void {
    const { clock } = this.#ports;
    const { statistics } = this.#instruments;
    client.statistics.packetsSent++;
    client.statistics.recordAnswer(opcode, xid, zxid, latencyMs, clock.nowMs);
    statistics.packetsSent++;
    statistics.recordLatency(latencyMs);
  }
}

/** xid and opcode. */
const REQUEST_HEADER_BYTES = 8;
const NOTHING: Uint8Array = new Uint8Array(0);
const NO_BARRIER: Barrier = { zxid: 0 };

/** Of a connection, for its writes; fewer where answers are large now. They leave at once, however nodes have grown. */
const WAITING_READS_MAX = 64;

const UNTHROTTLED: ReadonlySet<number> = new Set([OpCode.ping, OpCode.closeSession]);

/** Nearly all writes wait alike: what they need is with the transaction in flight. */
const WRITE: Waiting = { kind: 'write', largeBytes: 0 };

function malformed(error: unknown): number {
  if (error instanceof JuteError) {
    return ErrorNumber.MARSHALLING_ERROR;
  }
  throw error;
}

/** A local session that is closed by its client: nobody else need know. */
function isOwnEnd({ session }: ClientConnection, { opcode }: WriteOperation): boolean {
  return opcode === OpCode.closeSession && session?.local === true && !session.upgrading;
}
