/** A session on a table: its outputs as lines of text, its inputs by hand, its clock a number. */
import {
  AddWatchRequest,
  AuthPacket,
  ConnectRequest,
  ConnectResponse,
  EmptyRecord,
  GetSaslRequest,
  JuteReader,
  JuteWriter,
  OpCode,
  opCodeName,
  ReplyHeader,
  SetDataRequest,
  SetSaslResponse,
  SetWatches,
  SetWatches2,
  StatResponse,
  WatchedPathRequest,
  WatcherEvent,
} from '@treekeeper/protocol';
import { internalRequest } from '../../src/session/internal-requests.ts';
import { Session } from '../../src/session/session.ts';
import type { SessionConfig, SessionOutput, SessionRequest, Watcher, WireOperation } from '../../src/session/types.ts';
import { sessionConfig } from '../support/session-config.ts';

export const PASSWORD = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
const STAT = {
  czxid: 1n,
  mzxid: 1n,
  ctime: 0n,
  mtime: 0n,
  version: 0,
  cversion: 0,
  aversion: 0,
  ephemeralOwner: 0n,
  dataLength: 0,
  numChildren: 0,
  pzxid: 1n,
};

export const getOperation: WireOperation = {
  opcode: OpCode.getData,
  isRead: true,
  encode: (writer, body) => WatchedPathRequest.encode(writer, body),
  decode: () => 'data',
};
const existsOperation: WireOperation = { ...getOperation, opcode: OpCode.exists };
const setOperation: WireOperation = {
  opcode: OpCode.setData,
  isRead: false,
  encode: (writer, body) => SetDataRequest.encode(writer, body),
  decode: (reader) => StatResponse.decode(reader).stat.version,
};
const addWatchOperation: WireOperation = {
  opcode: OpCode.addWatch,
  isRead: true,
  encode: (writer, body) => AddWatchRequest.encode(writer, body),
  decode: () => null,
};

export interface NamedWatcher extends Watcher {
  readonly name: string;
}

export function watcher(name: string): NamedWatcher {
  return { kind: 'watcher', name };
}

type Answer = Parameters<typeof ConnectResponse.encode>[1];

export class Desk {
  readonly session: Session;
  nowMs = 0;
  /** Bytes of the last write, whole. */
  sent: Buffer = Buffer.alloc(0);
  /** Of the requests sent on this connection and not answered by `reply` yet. */
  xids: number[] = [];
  connection = 0;
  probe = 0;
  #lines: string[] = [];
  readonly #names = new Map<SessionRequest, string>();

  constructor(config: Partial<SessionConfig> = {}) {
    this.session = new Session({ ...sessionConfig, ...config });
  }

  /** What the session has done since the last time. */
  lines(): string[] {
    this.drain();
    return this.#lines.splice(0);
  }

  /** Lengths of the frames of the last write, as servers count them. */
  frameBytes(): number[] {
    const sizes: number[] = [];
    for (let at = 0; at < this.sent.length; at += 4 + (sizes.at(-1) as number)) {
      sizes.push(this.sent.readInt32BE(at));
    }
    return sizes;
  }

  drain(): void {
    for (const output of this.session.outputs.splice(0)) {
      this.#line(output);
    }
    const bytes = this.session.takeBytes();
    if (bytes !== null) {
      this.sent = Buffer.from(bytes);
      this.#frames(this.sent);
    }
  }

  at(nowMs: number): this {
    this.drain();
    this.nowMs = nowMs;
    this.session.tick(nowMs);
    return this;
  }

  /** Up to a connection that waits for the answer to its introduction. */
  open(): this {
    this.drain();
    this.session.resolved(this.connection, ['10.0.0.1'], this.nowMs);
    this.session.opened(this.connection, this.nowMs);
    this.drain();
    return this;
  }

  accept(answer: Partial<Answer> & { readOnly?: boolean } = {}): this {
    const { readOnly = false, ...rest } = answer;
    this.feed((writer) => {
      ConnectResponse.encode(writer, {
        protocolVersion: 0,
        timeOut: 30_000,
        sessionId: 77n,
        passwd: PASSWORD,
        ...rest,
      });
      writer.boolean(readOnly);
    });
    return this;
  }

  gone(): this {
    return this.accept({ timeOut: 0, sessionId: 0n, passwd: new Uint8Array(16) });
  }

  /** From nothing to serving. */
  connected(): this {
    this.session.start(this.nowMs);
    return this.open().accept();
  }

  /** Loses the connection, and has another, behind the pause if there is one. */
  reconnected(): this {
    this.lost().drain();
    return this.#lines.at(-1)?.startsWith('resolve') === true
      ? this.open().accept()
      : this.at(this.session.wakeAtMs).open().accept();
  }

  /** A whole frame from the server. */
  feed(write: (writer: JuteWriter) => void): void {
    const writer = new JuteWriter();
    writer.int(0);
    write(writer);
    writer.setInt(0, writer.length - 4);
    this.session.received(this.connection, writer.copy(), this.nowMs);
  }

  /** Answers the oldest request, or the one of that xid. */
  reply(zxid: number, err = 0, body: (writer: JuteWriter) => void = () => undefined, xid = this.xids.shift()): this {
    this.drain();
    this.feed((writer) => {
      ReplyHeader.encode(writer, { xid: xid ?? this.xids.shift() ?? 0, zxid, err });
      body(writer);
    });
    return this;
  }

  next(): number {
    this.drain();
    return this.xids.shift() as number;
  }

  replyStat(zxid: number): this {
    return this.reply(zxid, 0, (writer) => StatResponse.encode(writer, { stat: STAT }), this.next());
  }

  event(type: number, path: string, zxid: number): this {
    this.feed((writer) => {
      ReplyHeader.encode(writer, { xid: -1, zxid, err: 0 });
      WatcherEvent.encode(writer, { type, state: 3, path });
    });
    return this;
  }

  lost(): this {
    this.session.failed(this.connection, 'cut', this.nowMs);
    return this;
  }

  get(path: string, options: { name?: string; watch?: Watcher; deadlineMs?: number } = {}): SessionRequest {
    const watch = options.watch === undefined ? null : { on: 'data' as const, path, watcher: options.watch };
    return this.submit(getOperation, { path, watch: watch !== null }, watch, options.name ?? `get ${path}`, options);
  }

  exists(path: string, watching: Watcher): SessionRequest {
    const watch = { on: 'exists', path, watcher: watching } as const;
    return this.submit(existsOperation, { path, watch: true }, watch, `exists ${path}`, {});
  }

  addWatch(path: string, watching: Watcher, on: 'persistent' | 'recursive' = 'recursive'): SessionRequest {
    const body = { path, mode: on === 'recursive' ? 1 : 0 };
    return this.submit(addWatchOperation, body, { on, path, watcher: watching }, `watch ${path}`, {});
  }

  set(path: string, data = '', options: { deadlineMs?: number } = {}): SessionRequest {
    const body = { path, data: Buffer.from(data), version: -1 };
    return this.submit(setOperation, body, null, `set ${path}`, options);
  }

  addAuth(scheme: string): SessionRequest {
    const operation: WireOperation = {
      opcode: OpCode.auth,
      isRead: false,
      encode: (writer, body) => AuthPacket.encode(writer, body),
      decode: (reader) => EmptyRecord.decode(reader),
    };
    const request = internalRequest(operation, { type: 0, scheme, auth: Buffer.from('u:p') });
    this.#names.set(request, `auth ${scheme}`);
    this.session.addAuth(request, this.nowMs);
    return request;
  }

  submit(
    operation: WireOperation,
    body: unknown,
    watch: SessionRequest['watch'],
    name: string,
    { deadlineMs = Number.POSITIVE_INFINITY }: { deadlineMs?: number },
  ): SessionRequest {
    const request: SessionRequest = { ...internalRequest(operation, body), watch, deadlineMs };
    this.#names.set(request, name);
    this.session.submit(request, this.nowMs);
    return request;
  }

  #line(output: SessionOutput): void {
    switch (output.kind) {
      case 'request': {
        const { failure, value } = output;
        const name = this.#names.get(output);
        if (name !== undefined) {
          const what = failure === null ? `= ${String(value)}` : `! ${failure.code} ${failure.retry ?? ''}`.trimEnd();
          this.#lines.push(`${name} ${what}`);
        }
        return;
      }
      case 'event':
        this.#lines.push(`${(output.watcher as NamedWatcher).name}: ${output.type} ${output.path} ${output.zxid}`);
        return;
      case 'state':
        this.#lines.push(`* ${output.state}`);
        return;
      case 'resolve':
        this.connection = output.connection;
        this.xids = [];
        this.#lines.push(`resolve ${output.host}`);
        return;
      case 'connect':
        this.#lines.push(`connect ${output.host}:${output.port} at ${output.address}`);
        return;
      case 'disconnect':
        this.#lines.push('disconnect');
        return;
      case 'probe':
        this.probe = output.probe;
        this.#lines.push(`ask ${output.host}`);
        return;
      case 'sasl':
        this.#lines.push(`sasl ${output.host} ${output.challenge === null ? '-' : Buffer.from(output.challenge)}`);
    }
  }

  #frames(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      const length = bytes.readInt32BE(at);
      const reader = new JuteReader(bytes.subarray(at + 4, at + 4 + length));
      this.#lines.push(`> ${this.#frame(reader, length)}`);
      at += 4 + length;
    }
  }

  #frame(reader: JuteReader, length: number): string {
    if (length === 45 && this.session.state !== 'connected') {
      const { lastZxidSeen, timeOut, sessionId, passwd } = ConnectRequest.decode(reader);
      const known = passwd?.some((byte) => byte !== 0) === true ? ' password' : '';
      return `hello session ${sessionId}${known} zxid ${lastZxidSeen} timeout ${timeOut}${reader.boolean() ? ' ro' : ''}`;
    }
    const xid = reader.int();
    const opcode = reader.int();
    if (xid > 0) {
      this.xids.push(xid);
    }
    return `${opCodeName(opcode)}${detail(opcode, reader)}`;
  }
}

function detail(opcode: number, reader: JuteReader): string {
  switch (opcode) {
    case OpCode.getData:
    case OpCode.exists:
    case OpCode.setData:
    case OpCode.addWatch:
      return ` ${reader.ustring()}`;
    case OpCode.auth:
      return ` ${AuthPacket.decode(reader).scheme}`;
    case OpCode.sasl:
      return ` ${Buffer.from(GetSaslRequest.decode(reader).token ?? []).toString()}`;
    case OpCode.setWatches: {
      const { relativeZxid, dataWatches, existWatches, childWatches } = SetWatches.decode(reader);
      return ` ${relativeZxid} data ${dataWatches} exist ${existWatches} child ${childWatches}`;
    }
    case OpCode.setWatches2: {
      const body = SetWatches2.decode(reader);
      return ` ${body.relativeZxid} persistent ${body.persistentWatches} recursive ${body.persistentRecursiveWatches}`;
    }
    default:
      return '';
  }
}

export function saslReply(token: string | null): (writer: JuteWriter) => void {
  return (writer) => SetSaslResponse.encode(writer, { token: token === null ? null : Buffer.from(token) });
}
