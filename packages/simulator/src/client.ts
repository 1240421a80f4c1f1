/** A simulated client: it speaks the wire protocol over a simulated connection, and takes apart what comes back. */
import {
  ConnectRequest,
  ConnectResponse,
  FrameReader,
  type Infer,
  JuteReader,
  JuteWriter,
  OpCode,
  type RecordType,
  ReplyHeader,
  RequestHeader,
  WatcherEvent,
} from '@treekeeper/protocol';
import type { Input } from '@treekeeper/server/internal';
import type { SimulatedConnection } from './connection.ts';

/** Where a client's bytes go: to the server at once, or over a network that takes its time. */
export interface Network {
  push(input: Input): void;
}

export interface Reply {
  readonly xid: number;
  readonly zxid: bigint;
  readonly err: number;
  readonly body: Buffer;
}

export interface Event {
  readonly type: number;
  readonly path: string;
  readonly zxid: bigint;
}

/** One message of the server after the handshake, in the order of arrival. */
export type Message = ({ readonly kind: 'reply' } & Reply) | ({ readonly kind: 'event' } & Event);

const FRAME_BYTES_MAX = 64 * 1024 * 1024;
const NO_PASSWORD = new Uint8Array(16);

export class SimulatedClient {
  readonly connection: SimulatedConnection;
  sessionId = 0n;
  password: Uint8Array = NO_PASSWORD;
  timeoutMs = 0;
  /** The answer to the handshake, once it has come. */
  handshake: Infer<typeof ConnectResponse> | null = null;
  /** Bytes of the handshake's answer after the record: the read-only flag, if it was asked for. */
  handshakeRest = 0;
  /** That flag; null: it was not asked for. */
  readOnly: boolean | null = null;
  readonly messages: Message[] = [];
  nextXid = 1;
  readonly #network: Network;
  readonly #frames = new FrameReader(FRAME_BYTES_MAX);
  readonly #writer = new JuteWriter();

  constructor(network: Network, connection: SimulatedConnection) {
    this.#network = network;
    this.connection = connection;
    network.push({ kind: 'client-open', connection });
  }

  /** Sends bytes as they are. The server gets a copy of its own. */
  sendBytes(bytes: Uint8Array): void {
    this.#network.push({ kind: 'client-data', connection: this.connection, bytes: Buffer.from(bytes) });
  }

  sendHandshake(request: Partial<Infer<typeof ConnectRequest>> = {}, readOnly: boolean | null = false): void {
    const writer = this.#writer;
    writer.clear();
    writer.int(0);
    ConnectRequest.encode(writer, {
      protocolVersion: 0,
      lastZxidSeen: 0n,
      timeOut: 10_000,
      sessionId: this.sessionId,
      passwd: this.password,
      ...request,
    });
    if (readOnly !== null) {
      writer.boolean(readOnly);
    }
    this.#finish();
  }

  /** Sends a request and returns its xid. */
  send<In>(opcode: number, record: RecordType<unknown, In>, request: In, xid = this.nextXid++): number {
    return this.sendRaw(opcode, (writer) => record.encode(writer, request), xid);
  }

  sendRaw(opcode: number, body: (writer: JuteWriter) => void, xid = this.nextXid++): number {
    const writer = this.#writer;
    writer.clear();
    writer.int(0);
    RequestHeader.encode(writer, { xid, type: opcode });
    body(writer);
    this.#finish();
    return xid;
  }

  closeSession(): number {
    return this.sendRaw(OpCode.closeSession, () => {});
  }

  #finish(): void {
    this.#writer.setInt(0, this.#writer.length - 4);
    this.sendBytes(this.#writer.bytes.subarray(0, this.#writer.length));
  }

  /** The client's end breaks: the server hears of it. */
  disconnect(): void {
    this.connection.closed = true;
    this.#network.push({ kind: 'client-gone', connection: this.connection });
  }

  /** Takes in what the server has sent, or the part of it that has come through; returns the new messages. */
  receive(bytesReceived = this.connection.take()): Message[] {
    const before = this.messages.length;
    this.#frames.push(bytesReceived, (bytes, start, end) => {
      this.#onFrame(new JuteReader(bytes.slice(start, end), FRAME_BYTES_MAX), Buffer.from(bytes.slice(start, end)));
      return true;
    });
    return this.messages.slice(before);
  }

  #onFrame(reader: JuteReader, frame: Buffer): void {
    if (this.handshake === null) {
      this.handshake = ConnectResponse.decode(reader);
      this.handshakeRest = reader.remaining;
      this.readOnly = reader.remaining > 0 ? reader.boolean() : null;
      this.sessionId = this.handshake.sessionId;
      this.password = this.handshake.passwd;
      this.timeoutMs = this.handshake.timeOut;
      return;
    }
    const { xid, zxid, err } = ReplyHeader.decode(reader);
    if (xid === -1) {
      const { type, path } = WatcherEvent.decode(reader);
      this.messages.push({ kind: 'event', type, path, zxid });
    } else {
      this.messages.push({ kind: 'reply', xid, zxid, err, body: frame.subarray(reader.position) });
    }
  }
}
