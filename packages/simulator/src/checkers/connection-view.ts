/** What is known of a connection from outside: what was sent on it, what was answered, which watches it has. */
import { FrameReader, type Id } from '@treekeeper/protocol';
import { ModelWatches } from '../model/watches.ts';
import type { ClientRequest } from '../requests.ts';
import { ExpectedEvents } from './events.ts';

/** A request on its way, or answered. */
export interface Sent {
  readonly view: ConnectionView;
  readonly request: ClientRequest;
  readonly xid: number;
  /** Those of the client when it sent the request. */
  readonly identities: readonly Id[];
  /** Where it ends in the connection's stream of bytes. */
  readonly endOffset: number;
  /** When the server had it whole, monotonic ms; −1: not yet. */
  deliveredMs: number;
  /** Answered without a transaction: none may turn up later. */
  refused: boolean;
  /** The last transaction that any client had been told of when it was sent. */
  readonly knownZxid: number;
}

export interface SentHandshake {
  readonly sessionId: bigint;
  readonly requestedTimeoutMs: number;
  readonly hasRightPassword: boolean;
}

const FRAME_BYTES_MAX = 1 << 26;
const ADDRESS_IDENTITY: Id = { scheme: 'ip', id: '127.0.0.1' };

export class ConnectionView {
  /** The client's port: its name in messages. */
  readonly port: number;
  readonly frames = new FrameReader(FRAME_BYTES_MAX);
  readonly watches = new ModelWatches();
  readonly events = new ExpectedEvents();
  handshake: SentHandshake | null = null;
  /** 0 until the handshake has been answered. */
  sessionId = 0n;
  identities: readonly Id[] = [ADDRESS_IDENTITY];
  /** Of the last answer. */
  lastZxid = 0;
  /** One of its ends is closed: nothing more is expected. */
  ended = false;
  readonly #sent: Sent[] = [];
  #answered = 0;
  #delivered = 0;

  constructor(port: number) {
    this.port = port;
  }

  sent(request: ClientRequest, xid: number, endOffset: number, knownZxid: number): Sent {
    const { identities } = this;
    const sent = { view: this, request, xid, identities, endOffset, deliveredMs: -1, refused: false, knownZxid };
    this.#sent.push(sent);
    return sent;
  }

  get all(): readonly Sent[] {
    return this.#sent;
  }

  /** The server has been given the stream as far as `offset`. */
  deliveredThrough(offset: number, nowMs: number): void {
    for (; this.#delivered < this.#sent.length && this.#sent[this.#delivered].endOffset <= offset; this.#delivered++) {
      this.#sent[this.#delivered].deliveredMs = nowMs;
    }
  }

  /** The oldest request without an answer. */
  get oldest(): Sent | undefined {
    return this.#sent[this.#answered];
  }

  answered(): void {
    this.#answered++;
  }

  get unansweredCount(): number {
    return this.#sent.length - this.#answered;
  }
}
