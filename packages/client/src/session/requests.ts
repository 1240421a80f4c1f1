/** Requests on their way: those that wait, those that were sent, and the bytes of those that leave next. */
import { type JuteReader, JuteWriter, OpCode, SpecialXid } from '@treekeeper/protocol';
import { codeOfNumber, type TreekeeperErrorCode } from '../errors.ts';
import { limits } from '../limits.ts';
import { Deque } from './deque.ts';
import type { SessionConfig, SessionOutput, SessionRequest } from './types.ts';
import { setAgainBytes } from './watches.ts';

const XID_MAX = 0x7ffffffe;
const UNIMPLEMENTED = -6;
/** Length and header: xid, opcode. */
const PREFIX_BYTES = 4;

/** A reply that has no request, or cannot be: the stream cannot be trusted any further. */
export class ProtocolViolation extends Error {
  override readonly name = 'ProtocolViolation';
}

export class Requests {
  readonly #config: SessionConfig;
  readonly #outputs: SessionOutput[];
  readonly #out = new JuteWriter(limits.batchBytesMin);
  readonly #scratch = new JuteWriter(limits.batchBytesMin);
  readonly #waiting = new Deque<SessionRequest>();
  readonly #inFlight = new Deque<SessionRequest>();
  #xid = 0;
  /** Not later than the first deadline of any request here. */
  #soonestDeadlineMs = Number.POSITIVE_INFINITY;

  constructor(config: SessionConfig, outputs: SessionOutput[]) {
    this.#config = config;
    this.#outputs = outputs;
  }

  get soonestDeadlineMs(): number {
    return this.#soonestDeadlineMs;
  }

  get hasBytes(): boolean {
    return this.#out.length > 0;
  }

  /** Sent, and not answered yet. */
  get inFlight(): number {
    return this.#inFlight.length;
  }

  /** Encodes now, in any case; sends now if `open` and there is room. */
  submit(request: SessionRequest, open: boolean, nowMs: number): void {
    if (request.deadlineMs <= nowMs) {
      this.fail(request, 'TIMEOUT', 'not sent: its deadline had passed');
      return;
    }
    this.#soonestDeadlineMs = Math.min(this.#soonestDeadlineMs, request.deadlineMs);
    if (open && this.#waiting.length === 0 && this.#inFlight.length < this.#config.inFlightMax) {
      this.sendNow(request);
      return;
    }
    if (this.#waiting.length >= this.#config.queuedMax) {
      this.fail(request, 'QUEUE_FULL');
      return;
    }
    this.#scratch.clear();
    if (this.#encode(request, this.#scratch)) {
      request.encoded = this.#scratch.copy();
      request.phase = 'queued';
      this.#waiting.push(request);
    }
  }

  /** Sends what waits, as far as there is room. */
  pump(): void {
    while (this.#waiting.length > 0 && this.#inFlight.length < this.#config.inFlightMax) {
      const request = this.#waiting.shift();
      if (request !== undefined && request.phase !== 'done') {
        this.sendNow(request);
      }
    }
  }

  /** Whatever is in flight already: for what the session itself has to say, before everything that waits. */
  sendNow(request: SessionRequest): void {
    const xid = this.#nextXid();
    if (this.#frame(request, xid)) {
      request.xid = xid;
      this.#inFlight.push(request);
    }
  }

  /** Auth packets have an id of their own and are answered apart from the rest. False: it cannot be sent, and fails. */
  sendAuth(request: SessionRequest): boolean {
    return this.#frame(request, SpecialXid.auth);
  }

  /** Whether a request on its way leaves a watch on this path. */
  isToWatch(path: string): boolean {
    return [this.#inFlight, this.#waiting].some((requests) => {
      for (const { watch, phase } of requests) {
        if (watch?.path === path && phase !== 'done') {
          return true;
        }
      }
      return false;
    });
  }

  sendPing(): void {
    const at = this.#out.reserve(PREFIX_BYTES);
    this.#out.int(SpecialXid.ping);
    this.#out.int(OpCode.ping);
    this.#out.setInt(at, this.#out.length - at - PREFIX_BYTES);
  }

  /** A frame without header: the handshake. */
  sendBare(write: (writer: JuteWriter) => void): void {
    const at = this.#out.reserve(PREFIX_BYTES);
    write(this.#out);
    this.#out.setInt(at, this.#out.length - at - PREFIX_BYTES);
  }

  #frame(request: SessionRequest, xid: number): boolean {
    const out = this.#out;
    const at = out.reserve(PREFIX_BYTES);
    out.int(xid);
    if (request.encoded !== null) {
      out.raw(request.encoded);
      request.encoded = null;
    } else if (!this.#encode(request, out)) {
      out.length = at;
      return false;
    }
    request.phase = 'sent';
    out.setInt(at, out.length - at - PREFIX_BYTES);
    return true;
  }

  /** Opcode and body. False: it failed, and what it has written is for the caller to take back. */
  #encode(request: SessionRequest, writer: JuteWriter): boolean {
    const start = writer.length;
    try {
      writer.int(request.operation.opcode);
      request.operation.encode(writer, request.body as never);
    } catch (cause) {
      this.fail(request, 'BAD_ARGUMENTS', cause instanceof Error ? cause.message : String(cause), cause);
      return false;
    }
    // Behind the length stand the xid and what was written here.
    const sizeBytes = PREFIX_BYTES + writer.length - start;
    request.requestBytes = sizeBytes;
    const { requestBytesMax } = this.#config;
    const what =
      sizeBytes > requestBytesMax
        ? `the request has ${sizeBytes} bytes`
        : request.watch !== null && setAgainBytes(request.watch.path) > requestBytesMax
          ? `to set its watch again on another connection takes ${setAgainBytes(request.watch.path)} bytes`
          : null;
    if (what !== null) {
      this.fail(request, 'REQUEST_TOO_LARGE', tooLarge(what, requestBytesMax));
    }
    return what === null;
  }

  #nextXid(): number {
    this.#xid = this.#xid >= XID_MAX ? 1 : this.#xid + 1;
    return this.#xid;
  }

  /** The bytes to be written now, given away; null when there are none. */
  takeBytes(): Uint8Array | null {
    return this.#out.length === 0 ? null : this.#out.detach(Math.max(limits.batchBytesMin, this.#out.length));
  }

  /**
   * Finds the request that a reply answers, and fills it in: still to be completed. Replies come in the order of the
   * requests; only the refusal of an unknown opcode may overtake (client-protocol.md §2.9).
   */
  answered(xid: number, zxid: bigint, errorNumber: number, reader: JuteReader): SessionRequest {
    const first = this.#inFlight.peek();
    if (first?.xid === xid) {
      this.#inFlight.shift();
      this.#fill(first, zxid, errorNumber, reader);
      return first;
    }
    const request = errorNumber === UNIMPLEMENTED ? this.#inFlight.take((other) => other.xid === xid) : undefined;
    if (request === undefined) {
      throw new ProtocolViolation(`a reply with xid ${xid}, expected ${first?.xid ?? 'none'}`);
    }
    this.#fill(request, zxid, errorNumber, reader);
    return request;
  }

  #fill(request: SessionRequest, zxid: bigint, errorNumber: number, reader: JuteReader): void {
    if (request.phase === 'done') {
      return; // nobody waits for it any more
    }
    if (errorNumber === 0) {
      request.replyBytes = reader.remaining;
      try {
        request.value = request.operation.decode(reader);
      } catch (cause) {
        // Not lost with the connection: a read would be sent again at once, and answered so again.
        this.fail(request, 'INVALID_REPLY', cause instanceof Error ? cause.message : String(cause), cause);
        throw cause;
      }
    } else {
      const code = codeOfNumber(errorNumber);
      const message = code === 'SYSTEM_ERROR' ? `the server answers with error ${errorNumber}; see its log` : undefined;
      request.failure = { code, retry: undefined, message, cause: undefined };
    }
    request.zxid = zxid;
  }

  /**
   * The next frame is too long to be taken. Replies come in the order of the requests, and all else that a server says
   * is short: it is the oldest one's, which would be answered so again.
   */
  replyTooLarge(sizeBytes: number): void {
    const request = this.#inFlight.shift();
    if (request !== undefined) {
      const { replyBytesMax } = this.#config;
      const message = `the reply has ${sizeBytes} bytes, and this client takes ${replyBytesMax}; read less at a time, or raise replyBytesMax`;
      this.fail(request, 'REPLY_TOO_LARGE', message);
    }
  }

  complete(request: SessionRequest): void {
    if (request.phase !== 'done') {
      request.phase = 'done';
      this.#outputs.push(request);
    }
  }

  /** Without an answer: what was sent may have been done. */
  fail(request: SessionRequest, code: TreekeeperErrorCode, message?: string, cause?: unknown): void {
    if (request.phase === 'done') {
      return;
    }
    const mayHaveHappened = request.phase === 'sent' && !request.operation.isRead;
    const mayRepeat = code === 'CONNECTION_LOSS' || code === 'TIMEOUT' || code === 'ABORTED';
    const retry = mayHaveHappened ? 'unknown' : mayRepeat ? 'safe' : undefined;
    request.failure = { code, retry, message, cause };
    request.encoded = null;
    this.complete(request);
  }

  /** The connection is gone: whatever was sent on it has an unknown fate; bytes not written yet are dropped. */
  connectionLost(reason: string): void {
    this.#out.clear();
    for (const request of this.#inFlight.drain()) {
      this.fail(request, 'CONNECTION_LOSS', `the connection was lost before the answer came (${reason})`);
    }
  }

  failAll(code: TreekeeperErrorCode, message?: string): void {
    this.#out.clear();
    for (const request of [...this.#inFlight.drain(), ...this.#waiting.drain()]) {
      this.fail(request, code, message);
    }
  }

  /** Fails what is overdue. Requests in flight keep their place: their replies will come. */
  expire(nowMs: number, others: Iterable<SessionRequest>, why: string): void {
    let soonestMs = Number.POSITIVE_INFINITY;
    for (const requests of [this.#inFlight, this.#waiting, others]) {
      for (const request of requests) {
        if (request.phase === 'done') {
          continue;
        }
        if (request.deadlineMs <= nowMs) {
          this.fail(request, 'TIMEOUT', request.phase === 'sent' ? undefined : `not sent before the deadline: ${why}`);
        } else {
          soonestMs = Math.min(soonestMs, request.deadlineMs);
        }
      }
    }
    this.#waiting.filter((request) => request.phase !== 'done');
    this.#soonestDeadlineMs = soonestMs;
  }

  noteDeadline(deadlineMs: number): void {
    this.#soonestDeadlineMs = Math.min(this.#soonestDeadlineMs, deadlineMs);
  }
}

function tooLarge(what: string, limitBytes: number): string {
  return `${what}, and servers take ${limitBytes}; write less, or raise jute.maxbuffer on all servers and requestBytesMax here`;
}
