/** A client with nothing between the test and the socket. */
import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
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
import { closeSession, type Request } from '../../replica/requests.ts';

const FRAME_BYTES_MAX = 64 * 1024 * 1024;
const PATIENCE_MS = 40_000;

export interface Answer<T> {
  readonly err: number;
  readonly zxid: bigint;
  /** Only of requests that succeeded. */
  readonly body: T;
}

export interface SessionToResume {
  readonly sessionId: bigint;
  readonly password: Uint8Array;
}

export class Client {
  readonly socket: Socket;
  sessionId = 0n;
  password: Uint8Array = new Uint8Array(16);
  timeoutMs = 0;
  readonly events: { readonly type: number; readonly path: string }[] = [];
  /** Resolves when the connection has been closed by either side. */
  readonly closed: Promise<void>;
  readonly #frames = new FrameReader(FRAME_BYTES_MAX);
  readonly #waiting: ((frame: Buffer) => void)[] = [];
  #nextXid = 1;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      socket.once('close', () => resolve());
    });
    socket.on('data', (chunk) => this.#receive(chunk));
  }

  static async connect(port: number, tls?: ConnectionOptions): Promise<Client> {
    const socket = tls === undefined ? connect(port, '127.0.0.1') : connectTls({ port, host: '127.0.0.1', ...tls });
    await new Promise((resolve, reject) => {
      socket.once(tls === undefined ? 'connect' : 'secureConnect', resolve);
      socket.once('error', reject);
    });
    return new Client(socket);
  }

  /** Connects and opens a session, or resumes one: then `sessionId` is 0 when the server knows it no more. */
  static async open(port: number, resume: SessionToResume | null = null, tls?: ConnectionOptions): Promise<Client> {
    const client = await Client.connect(port, tls);
    await client.handshake(resume);
    return client;
  }

  async handshake(resume: SessionToResume | null, timeOut = 30_000): Promise<void> {
    const frame = this.#next();
    this.#send((writer) => {
      const passwd = resume?.password ?? this.password;
      const sessionId = resume?.sessionId ?? 0n;
      ConnectRequest.encode(writer, { protocolVersion: 0, lastZxidSeen: 0n, timeOut, sessionId, passwd });
      writer.boolean(false);
    });
    const answer = ConnectResponse.decode(new JuteReader(await frame, FRAME_BYTES_MAX));
    this.sessionId = answer.sessionId;
    this.password = answer.passwd;
    this.timeoutMs = answer.timeOut;
  }

  /** Sends a request; rejects when the connection ends before the answer. */
  async call<T>(request: Request<T>): Promise<Answer<T>> {
    const frame = this.#next();
    const xid = this.#nextXid++;
    this.#send((writer) => {
      RequestHeader.encode(writer, { xid: request.replyXid ?? xid, type: request.opcode });
      request.encode(writer);
    });
    const reader = new JuteReader(await frame, FRAME_BYTES_MAX);
    const { zxid, err } = ReplyHeader.decode(reader);
    return { err, zxid, body: err === 0 ? request.decode(reader) : (undefined as T) };
  }

  /** Ends the session and waits for the end of the connection. */
  async end(): Promise<void> {
    await this.call(closeSession());
    this.socket.end();
    await this.closed;
  }

  #send(encode: (writer: JuteWriter) => void): void {
    const writer = new JuteWriter();
    writer.int(0);
    encode(writer);
    writer.setInt(0, writer.length - 4);
    this.socket.write(writer.copy());
  }

  #next(): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no answer')), PATIENCE_MS);
      const give = (frame: Buffer): void => {
        clearTimeout(timer);
        resolve(frame);
      };
      this.#waiting.push(give);
      void this.closed.then(() => {
        clearTimeout(timer);
        reject(new Error('the connection was closed'));
      });
    });
  }

  #receive(chunk: Buffer): void {
    this.#frames.push(chunk, (bytes, start, end) => {
      const frame = Buffer.from(bytes.subarray(start, end));
      if (frame.readInt32BE(0) === SpecialXid.watchEvent && frame.length > 16) {
        const reader = new JuteReader(frame, FRAME_BYTES_MAX);
        ReplyHeader.decode(reader);
        const { type, path } = WatcherEvent.decode(reader);
        this.events.push({ type, path });
      } else {
        this.#waiting.shift()?.(frame);
      }
      return true;
    });
  }
}

/** Sends the segments one after the other, each in a packet of its own, and gives all that comes back. */
export async function exchange(port: number, segments: readonly string[]): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString();
  });
  const closed = new Promise<void>((resolve, reject) => {
    socket.once('close', () => resolve());
    socket.once('error', reject);
  });
  closed.catch(() => {}); // awaited below, when it may have failed already
  for (const segment of segments) {
    await new Promise<void>((resolve) => {
      socket.write(segment, () => setImmediate(resolve));
    });
  }
  await closed;
  return text;
}
