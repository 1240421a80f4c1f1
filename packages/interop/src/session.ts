import {
  Create2Response,
  CreateMode,
  CreateResponse,
  GetAclResponse,
  GetChildren2Response,
  GetDataResponse,
  type Infer,
  JuteReader,
  OpCode,
  type RecordType,
  SpecialXid,
  type Stat,
  StatResponse,
} from '@treekeeper/protocol';
import * as bodies from './bodies.ts';
import {
  type Event,
  type HandshakeOptions,
  parseMessage,
  RawConnection,
  type Reply,
  requestFrame,
} from './raw-client.ts';

/** The server closed the connection, or refused the session, before it answered. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
}

/** The server refused the request. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly err: number;

  constructor(err: number, what: string) {
    super(`${what}: error ${err}`);
    this.err = err;
  }
}

interface Pending {
  readonly done: (reply: Reply) => void;
  readonly failed: (error: Error) => void;
}

/** A session over a raw connection, requests pipelined: calls may be made without waiting for earlier ones. */
export class Session {
  readonly connection: RawConnection;
  readonly id: bigint;
  readonly password: Uint8Array;
  readonly timeoutMs: number;
  /** Watch events, in the order they came. */
  readonly events: Event[] = [];
  lastZxid = 0n;
  readonly #pending: Pending[] = [];
  #head = 0;
  #xid = 0;
  #lost = false;

  private constructor(
    connection: RawConnection,
    answer: { sessionId: bigint; password: Uint8Array; timeoutMs: number },
  ) {
    this.connection = connection;
    this.id = answer.sessionId;
    this.password = answer.password;
    this.timeoutMs = answer.timeoutMs;
    connection.onFrame = (frame) => this.#receive(frame);
    connection.onClose = () => this.#lose();
    // What arrived between the handshake's answer and now.
    for (let frame = connection.takeFrame(); frame !== null; frame = connection.takeFrame()) {
      this.#receive(frame);
    }
    if (connection.closed) {
      this.#lose();
    }
  }

  /** Opens a session, or resumes one whose id and password are given; throws ConnectionLost when refused. */
  static async open(port: number, options: HandshakeOptions = {}, host?: string): Promise<Session> {
    const connection = await RawConnection.open(port, host);
    const answer = await connection.handshake({ readOnly: false, ...options });
    if (answer === null || answer.timeoutMs === 0) {
      connection.destroy();
      throw new ConnectionLost(answer === null ? 'no answer to the handshake' : 'the session is gone');
    }
    return new Session(connection, answer);
  }

  get lost(): boolean {
    return this.#lost;
  }

  #receive(frame: Buffer): void {
    const message = parseMessage(frame);
    if (message.kind === 'event') {
      this.events.push(message);
      return;
    }
    if (message.zxid > this.lastZxid) {
      this.lastZxid = message.zxid;
    }
    const pending = this.#pending[this.#head++];
    if (this.#head > 1000 && this.#head * 2 > this.#pending.length) {
      this.#pending.splice(0, this.#head);
      this.#head = 0;
    }
    pending?.done(message);
  }

  #lose(): void {
    this.#lost = true;
    for (const { failed } of this.#pending.splice(this.#head)) {
      failed(new ConnectionLost('connection closed'));
    }
  }

  /** Sends one request; rejects with ConnectionLost when the connection ends before the reply. */
  call(opcode: number, body: Uint8Array = bodies.emptyBody): Promise<Reply> {
    if (this.#lost) {
      return Promise.reject(new ConnectionLost('connection closed'));
    }
    const xid = opcode === OpCode.ping ? SpecialXid.ping : opcode === OpCode.auth ? SpecialXid.auth : ++this.#xid;
    const reply = new Promise<Reply>((done, failed) => this.#pending.push({ done, failed }));
    this.connection.write(requestFrame(xid, opcode, body));
    return reply;
  }

  async #ask<R extends RecordType>(what: string, opcode: number, body: Uint8Array, record: R): Promise<Infer<R>> {
    const reply = await this.call(opcode, body);
    if (reply.err !== 0) {
      throw new Refused(reply.err, what);
    }
    return record.decode(new JuteReader(reply.body, 64 * 1024 * 1024)) as Infer<R>;
  }

  async #demand(what: string, opcode: number, body: Uint8Array): Promise<void> {
    const reply = await this.call(opcode, body);
    if (reply.err !== 0) {
      throw new Refused(reply.err, what);
    }
  }

  /** Answers the path; `flags` is the create mode; a TTL mode needs `ttlMs`. */
  async create(
    path: string,
    data: Uint8Array | null = null,
    flags = 0,
    acl: readonly bodies.AclEntry[] = bodies.openAcl,
    ttlMs?: bigint,
  ): Promise<string> {
    const opcode =
      ttlMs !== undefined ? OpCode.createTTL : flags === CreateMode.container ? OpCode.createContainer : OpCode.create;
    const record = opcode === OpCode.create ? CreateResponse : Create2Response;
    const body = bodies.createBody(path, data, acl, flags, ttlMs);
    return (await this.#ask(`create ${path}`, opcode, body, record as typeof CreateResponse)).path;
  }

  async delete(path: string, version = -1): Promise<void> {
    await this.#demand(`delete ${path}`, OpCode.delete, bodies.versionBody(path, version));
  }

  async setData(path: string, data: Uint8Array | null, version = -1): Promise<Stat> {
    const body = bodies.setDataBody(path, data, version);
    return (await this.#ask(`setData ${path}`, OpCode.setData, body, StatResponse)).stat;
  }

  async setAcl(path: string, acl: readonly bodies.AclEntry[]): Promise<Stat> {
    return (await this.#ask(`setACL ${path}`, OpCode.setACL, bodies.setAclBody(path, acl), StatResponse)).stat;
  }

  async getData(path: string, watch = false): Promise<Infer<typeof GetDataResponse>> {
    return this.#ask(`getData ${path}`, OpCode.getData, bodies.watchedBody(path, watch), GetDataResponse);
  }

  /** The Stat, or null where there is no node. */
  async exists(path: string, watch = false): Promise<Stat | null> {
    const reply = await this.call(OpCode.exists, bodies.watchedBody(path, watch));
    return reply.err === 0 ? StatResponse.decode(new JuteReader(reply.body)).stat : null;
  }

  async getChildren(path: string, watch = false): Promise<Infer<typeof GetChildren2Response>> {
    const body = bodies.watchedBody(path, watch);
    return this.#ask(`getChildren ${path}`, OpCode.getChildren2, body, GetChildren2Response);
  }

  async getAcl(path: string): Promise<Infer<typeof GetAclResponse>> {
    return this.#ask(`getACL ${path}`, OpCode.getACL, bodies.pathBody(path), GetAclResponse);
  }

  async auth(userAndPassword: string): Promise<void> {
    await this.#demand('auth', OpCode.auth, bodies.authBody('digest', Buffer.from(userAndPassword)));
  }

  async ping(): Promise<void> {
    await this.call(OpCode.ping);
  }

  async multi(ops: readonly bodies.MultiOp[]): Promise<Reply> {
    return this.call(OpCode.multi, bodies.multiBody(ops));
  }

  /** closeSession, and the end of the connection. */
  async close(): Promise<void> {
    await this.call(OpCode.closeSession);
    this.connection.destroy();
  }

  /** Cuts the connection; the session lives on. */
  abandon(): void {
    this.connection.destroy();
  }
}
