import { connect, type Socket } from 'node:net';
import {
  ConnectRequest,
  ConnectResponse,
  FrameReader,
  JuteReader,
  JuteWriter,
  ReplyHeader,
  RequestHeader,
  SpecialXid,
  WatcherEvent,
} from '@treekeeper/protocol';

/** Larger than any reply a test asks for. */
const REPLY_BYTES_MAX = 64 * 1024 * 1024;
const emptyBody = new Uint8Array(0);

export interface Reply {
  readonly kind: 'reply';
  readonly xid: number;
  readonly zxid: bigint;
  readonly err: number;
  readonly body: Buffer;
}

export interface Event {
  readonly kind: 'event';
  readonly zxid: bigint;
  readonly type: number;
  readonly state: number;
  readonly path: string;
}

export interface HandshakeOptions {
  readonly protocolVersion?: number;
  readonly lastZxidSeen?: bigint;
  readonly timeoutMs?: number;
  readonly sessionId?: bigint;
  readonly password?: Uint8Array | null;
  /** Absent: the byte is not sent, as clients up to 3.3 do. */
  readonly readOnly?: boolean | undefined;
}

export interface HandshakeAnswer {
  readonly protocolVersion: number;
  readonly timeoutMs: number;
  readonly sessionId: bigint;
  readonly password: Uint8Array;
  readonly readOnly: boolean | null;
  /** Bytes behind the last known field. */
  readonly rest: string;
}

/** No answer came in time. */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError';
}

/**
 * One socket to a server, with nothing between the test and the bytes: sends any request, well-formed or not, and keeps
 * every frame that arrives, in order, until it is taken.
 */
export class RawConnection {
  readonly #socket: Socket;
  readonly #frames: Buffer[] = [];
  readonly #reader = new FrameReader(REPLY_BYTES_MAX);
  #taken = 0;
  #replies = 0;
  #closed = false;
  #ignoring = false;
  #wake: (() => void) | null = null;
  #wanted = 0;
  /** When set, takes each frame as it arrives, in place of the queue; `onClose` tells the end. */
  onFrame: ((frame: Buffer) => void) | null = null;
  onClose: (() => void) | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#closed = true;
      this.#wakeUp();
      this.onClose?.();
    });
  }

  static async open(port: number, host = '127.0.0.1'): Promise<RawConnection> {
    const socket = connect(port, host);
    await new Promise<void>((done, failed) => {
      socket.once('connect', done);
      socket.once('error', failed);
    });
    return new RawConnection(socket);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Frames that have arrived and are not taken. */
  get waitingFrames(): number {
    return this.#frames.length - this.#taken;
  }

  /** What comes from now on is thrown away: it may be a word's answer, which has no frames. */
  ignoreAnswers(): void {
    this.#ignoring = true;
  }

  #receive(chunk: Buffer): void {
    if (this.#ignoring) {
      return;
    }
    this.#reader.push(chunk, (bytes, start, end) => {
      const frame = Buffer.from(bytes.subarray(start, end));
      if (this.onFrame !== null) {
        this.onFrame(frame);
        return true;
      }
      this.#frames.push(frame);
      if (!isEvent(frame)) {
        this.#replies++;
      }
      return true;
    });
    if (this.#replies >= this.#wanted) {
      this.#wakeUp();
    }
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }

  /** Sends bytes as they are. */
  write(bytes: Uint8Array): void {
    if (!this.#socket.destroyed) {
      this.#socket.write(bytes);
    }
  }

  /** Waits until `count` frames that are not events wait to be taken, or the server has closed. */
  async waitForReplies(count: number, timeoutMs = 20_000): Promise<void> {
    if (this.#replies >= count || this.#closed) {
      return;
    }
    this.#wanted = count;
    await new Promise<void>((done, failed) => {
      const timer = setTimeout(() => {
        this.#wake = null;
        failed(new NoAnswerError(`${this.#replies} of ${count} answers after ${timeoutMs} ms`));
      }, timeoutMs);
      this.#wake = () => {
        clearTimeout(timer);
        done();
      };
    });
  }

  /** Waits until the server closes the connection. */
  async waitForClose(timeoutMs = 20_000): Promise<void> {
    await this.waitForReplies(Number.MAX_SAFE_INTEGER, timeoutMs);
  }

  /** The next frame that has arrived, or null. */
  takeFrame(): Buffer | null {
    if (this.#taken === this.#frames.length) {
      return null;
    }
    const frame = this.#frames[this.#taken++];
    if (!isEvent(frame)) {
      this.#replies--;
    }
    if (this.#taken === this.#frames.length) {
      this.#frames.length = 0;
      this.#taken = 0;
    }
    return frame;
  }

  /** The next reply or event that has arrived, or null. */
  take(): Reply | Event | null {
    const frame = this.takeFrame();
    return frame === null ? null : parseMessage(frame);
  }

  /** Sends the handshake and waits for the answer; null when the server closed instead. */
  async handshake(options: HandshakeOptions = {}): Promise<HandshakeAnswer | null> {
    this.write(handshakeFrame(options));
    await this.waitForReplies(1);
    const frame = this.takeFrame();
    return frame === null ? null : parseHandshakeAnswer(frame);
  }

  /** Sends one request and takes everything up to its reply; null when the server closed before. */
  async request(xid: number, type: number, body: Uint8Array = emptyBody): Promise<Reply | null> {
    this.write(requestFrame(xid, type, body));
    await this.waitForReplies(1);
    for (let message = this.take(); message !== null; message = this.take()) {
      if (message.kind === 'reply') {
        return message;
      }
    }
    return null;
  }

  /** Closes our side at once; the session lives on. */
  destroy(): void {
    this.#socket.destroy();
  }
}

function isEvent(frame: Buffer): boolean {
  return frame.length >= 16 && frame.readInt32BE(0) === SpecialXid.watchEvent;
}

export function parseMessage(frame: Buffer): Reply | Event {
  const reader = new JuteReader(frame);
  const header = ReplyHeader.decode(reader);
  if (header.xid === SpecialXid.watchEvent) {
    const { type, state, path } = WatcherEvent.decode(reader);
    return { kind: 'event', zxid: header.zxid, type, state, path };
  }
  return { kind: 'reply', ...header, body: frame.subarray(reader.position) };
}

function parseHandshakeAnswer(frame: Buffer): HandshakeAnswer {
  const reader = new JuteReader(frame);
  const answer = ConnectResponse.decode(reader);
  const readOnly = reader.remaining > 0 ? reader.boolean() : null;
  return {
    protocolVersion: answer.protocolVersion,
    timeoutMs: answer.timeOut,
    sessionId: answer.sessionId,
    password: answer.passwd,
    readOnly,
    rest: frame.subarray(reader.position).toString('hex'),
  };
}

export function handshakeFrame(options: HandshakeOptions): Buffer {
  return frame((writer) => {
    ConnectRequest.encode(writer, {
      protocolVersion: options.protocolVersion ?? 0,
      lastZxidSeen: options.lastZxidSeen ?? 0n,
      timeOut: options.timeoutMs ?? 30_000,
      sessionId: options.sessionId ?? 0n,
      passwd: options.password === undefined ? new Uint8Array(16) : options.password,
    });
    if (options.readOnly !== undefined) {
      writer.boolean(options.readOnly);
    }
  });
}

export function requestFrame(xid: number, type: number, body: Uint8Array = emptyBody): Buffer {
  return frame((writer) => {
    RequestHeader.encode(writer, { xid, type });
    writer.raw(body);
  });
}

/** Length prefix and whatever `fill` writes. */
export function frame(fill: (writer: JuteWriter) => void): Buffer {
  const writer = new JuteWriter();
  writer.int(0);
  fill(writer);
  writer.setInt(0, writer.length - 4);
  return writer.copy();
}

/** Sends a four-letter word (or any bytes) on a connection of its own and answers everything up to the end. */
export async function fourLetterWord(
  port: number,
  word: string | Uint8Array,
  timeoutMs = 5000,
  host = '127.0.0.1',
): Promise<string> {
  const socket = connect(port, host);
  const chunks: Buffer[] = [];
  return new Promise((done, failed) => {
    socket.setTimeout(timeoutMs, () =>
      socket.destroy(new NoAnswerError(`no end of ${String(word)} in ${timeoutMs} ms`)),
    );
    socket.on('connect', () => socket.write(word));
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', failed);
    socket.on('close', (hadError) => hadError || done(Buffer.concat(chunks).toString('utf8')));
  });
}
