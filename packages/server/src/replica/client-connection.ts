/** One client connection as the replica keeps it: its phase, its identities, its queue of requests, its output. */
import { FrameReader, type Id, type JuteWriter } from '@treekeeper/protocol';
import type { Connection } from '../io/connection.ts';
import { ConnectionStatistics } from '../metrics/statistics.ts';
import type { ReadOperation, Watcher } from '../operations/operation.ts';
import type { Expiring } from '../sessions/expiry.ts';
import type { Session } from '../sessions/session-table.ts';
import { Fifo } from './fifo.ts';

/**
 * new → (probe: closed after the answer) | handshake → opening (createSession on its way) → open → closing (nothing
 * more is read; closed when the output has left).
 */
export type Phase = 'new' | 'opening' | 'open' | 'closing';

/** Why reading from a client is paused; a set of bits. */
export const PauseReason = { opening: 1, outstanding: 2, output: 4, serving: 8 } as const;

/** What a sync waits for: that everything through `zxid` has been applied here. Infinity: not known yet. */
export interface Barrier {
  readonly zxid: number;
}

/**
 * A request that waits for its place: answers leave in request order. A write waits for its transaction to be applied,
 * a read for the writes before it, a ready answer for everything before it.
 */
export type Waiting =
  | {
      readonly kind: 'write';
      /** The request's size if it counts as a large one, else 0. */
      readonly largeBytes: number;
    }
  | {
      readonly kind: 'read';
      readonly xid: number;
      readonly operation: ReadOperation;
      readonly request: unknown;
      /** As they were when the request was read: a later auth packet does not reach back. */
      readonly identities: readonly Id[];
      readonly receivedMs: number;
      /** What the answer is likely to take, for the limit of answers that wait. */
      readonly replyBytes: number;
      /** Of a sync. */
      readonly barrier: Barrier;
    }
  | Answer;

/** An answer that is known already. */
export interface Answer {
  readonly kind: 'answer';
  readonly xid: number;
  /** Null: the last applied when the answer leaves. */
  readonly zxid: number | null;
  readonly err: number;
  readonly body: Uint8Array | null;
  /** The connection is closed behind it. */
  readonly close: boolean;
}

export class ClientConnection implements Watcher, Expiring {
  readonly connection: Connection;
  readonly frames: FrameReader;
  readonly statistics: ConnectionStatistics;
  /** Wall clock time of accept. */
  readonly establishedWallMs: number;
  phase: Phase = 'new';
  /** Replaced as a whole when an identity is added. */
  identities: readonly Id[];
  session: Session<ClientConnection> | null = null;
  sessionId = 0n;
  /** Whether the handshake carried the read-only byte; the answer has it exactly then. */
  readOnlyByte = false;
  /** The buffer of this turn's output, when there is any. */
  output: JuteWriter | null = null;
  pauses = 0;
  /** Since when requests that have been received are held back by a limit; −1: none are. */
  heldSinceMs = -1;
  gone = false;
  /** Its session was found to be at another server: one answer is left out, so none may follow. */
  hasMoved = false;
  closeAfterFlush = false;
  /** Its last request has been taken: what else it sends is read and dropped, so that closing resets nothing. */
  ending = false;
  /** In the queue of connections without a session. */
  expiresAtMs = 0;
  /** Whether the first bytes may still turn out to be a four-letter word. */
  probe: 'maybe' | 'no' = 'maybe';
  probeBytes: Uint8Array = new Uint8Array(0);
  /** Bytes of large requests that count against the limit until they are answered. */
  largeRequestBytes = 0;
  /** What the answers to the reads in the queue are likely to take. */
  waitingReplyBytes = 0;
  /** Output that waited for the client when its requests were paused for it: it had asked for that. 0: not paused. */
  askedBytes = 0;
  readonly #sendEvent: (client: ClientConnection, type: number, path: string, zxid: number) => void;
  readonly #waiting = new Fifo<Waiting>();

  constructor(
    connection: Connection,
    frameBytesMax: number,
    identities: readonly Id[],
    establishedWallMs: number,
    sendEvent: (client: ClientConnection, type: number, path: string, zxid: number) => void,
  ) {
    this.connection = connection;
    this.frames = new FrameReader(frameBytesMax);
    this.identities = identities;
    this.statistics = new ConnectionStatistics();
    this.establishedWallMs = establishedWallMs;
    this.#sendEvent = sendEvent;
  }

  /** A connection asks for itself. */
  get watcher(): Watcher {
    return this;
  }

  sendEvent(type: number, path: string, zxid: number): void {
    this.#sendEvent(this, type, path, zxid);
  }

  /** Requests received and not answered. */
  get waitingCount(): number {
    return this.#waiting.length;
  }

  enqueue(entry: Waiting): void {
    this.#waiting.push(entry);
    if (entry.kind === 'read') {
      this.waitingReplyBytes += entry.replyBytes;
    }
  }

  /** The oldest waiting request. */
  peek(): Waiting | undefined {
    return this.#waiting.peek();
  }

  shift(): void {
    const entry = this.#waiting.shift();
    if (entry?.kind === 'read') {
      this.waitingReplyBytes -= entry.replyBytes;
    }
  }

  dropWaiting(): number {
    const dropped = this.#waiting.length;
    this.#waiting.clear();
    this.waitingReplyBytes = 0;
    return dropped;
  }
}
