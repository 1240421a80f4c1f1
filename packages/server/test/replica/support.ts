/**
 * A server and its clients in a simulated world, so that tests read like the protocol: `client.ask(getData('/a'))`
 * sends a request, lets the world come to rest and returns the answer, decoded by its declared record.
 */
import { type ACL, JuteReader, JuteWriter } from '@treekeeper/protocol';
import { expect } from 'vitest';
import type { SimulatedClient } from '../../../simulator/src/client.ts';
import { StandaloneWorld, type StandaloneWorldOptions } from '../../../simulator/src/standalone-world.ts';
import type { Input } from '../../src/io/input.ts';
import type { Replica } from '../../src/replica/replica.ts';
import { closeSession, type Request } from './requests.ts';

export interface Answer<T> {
  readonly xid: number;
  readonly zxid: number;
  readonly err: number;
  /** Undefined after an error. */
  readonly value: T | undefined;
}

/** A watch event as tests compare it: type, path, zxid. */
export type EventLine = readonly ['event', type: number, path: string, zxid: number];
/** A reply as tests compare it: xid, zxid, err. */
export type ReplyLine = readonly [xid: number, zxid: number, err: number];
export type Line = EventLine | ReplyLine;

/** Nothing that the server must not say: an error line in its log fails the test at once. */
const LOG = {
  info: (): void => {},
  warn: (): void => {},
  error: (message: string): void => {
    throw new Error(`the server logged an error: ${message}`);
  },
};

const READER_BYTES_MAX = 64 * 1024 * 1024;

/** Where a client's bytes go, and what makes things happen. */
export interface ClientHome {
  push(input: Input): void;
  /** A connection that has said nothing yet. */
  connect(remoteAddress?: string): TestClient<ClientHome>;
  settle(): void;
}

export class TestServer implements ClientHome {
  readonly world: StandaloneWorld;
  readonly warnings: string[] = [];
  readonly #clients: TestClient[] = [];

  constructor(options: StandaloneWorldOptions = {}) {
    const log = { ...LOG, warn: (message: string) => void this.warnings.push(message) };
    this.world = new StandaloneWorld({ log, ...options });
    this.world.settle();
  }

  get replica(): Replica {
    return this.world.replica as unknown as Replica;
  }

  get lastZxid(): number {
    return this.replica.world.tree.lastZxid;
  }

  push(input: Input): void {
    this.world.push(input);
  }

  connect(remoteAddress?: string): TestClient {
    const client = new TestClient(this, this.world.connect(remoteAddress));
    this.#clients.push(client);
    return client;
  }

  /** A client with a session of its own. */
  client({ timeoutMs = 10_000, remoteAddress }: { timeoutMs?: number; remoteAddress?: string } = {}): TestClient {
    const client = this.connect(remoteAddress);
    client.shakeHands({ timeOut: timeoutMs });
    return client;
  }

  /** Turns until nothing is left to do. Connections that the server has closed are reported gone, as a host does. */
  settle(): void {
    let more: boolean;
    do {
      this.world.settle();
      more = false;
      for (const client of this.#clients) {
        more = client.reportGone() || more;
      }
    } while (more);
  }

  /** One turn; the disk does nothing, so that what is written stays in flight. */
  turn(): void {
    this.world.turn();
  }

  advance(ms: number, stepMs?: number): void {
    this.world.advance(ms, stepMs);
    this.settle();
  }

  /** The process is killed and started again; all connections are gone. */
  restart(): void {
    this.world.kill();
    for (const client of this.#clients.splice(0)) {
      client.lost();
    }
    this.settle();
  }
}

export class TestClient<Home extends ClientHome = TestServer> {
  readonly server: Home;
  readonly wire: SimulatedClient;
  #gone = false;

  constructor(server: Home, wire: SimulatedClient) {
    this.server = server;
    this.wire = wire;
  }

  get sessionId(): bigint {
    return this.wire.sessionId;
  }

  get closed(): boolean {
    return this.wire.connection.closed;
  }

  /** Sends a ConnectRequest and takes the answer, null when there was none. */
  shakeHands(
    request: Parameters<SimulatedClient['sendHandshake']>[0] = {},
    readOnly: boolean | null = false,
  ): SimulatedClient['handshake'] {
    this.wire.sendHandshake(request, readOnly);
    this.server.settle();
    this.wire.receive();
    return this.wire.handshake;
  }

  /** Another connection for the same session. */
  resume(request: Parameters<SimulatedClient['sendHandshake']>[0] = {}): TestClient<Home> {
    const again = this.server.connect() as TestClient<Home>;
    again.shakeHands({ sessionId: this.wire.sessionId, passwd: this.wire.password, ...request });
    return again;
  }

  /** Sends without waiting. Returns the xid. */
  send(request: Request, xid: number = this.wire.nextXid++): number {
    return this.wire.sendRaw(request.opcode, (writer) => request.encode(writer), xid);
  }

  /** Sends, lets everything happen, and returns the reply to it. Events are left for `events`. */
  ask<T>(request: Request<T>, xid?: number): Answer<T> {
    this.lines();
    const sent = this.send(request, xid);
    this.server.settle();
    const expected = request.replyXid ?? sent;
    let answer: Answer<T> | undefined;
    for (const message of this.wire.receive()) {
      if (message.kind === 'event') {
        this.#events.push(['event', message.type, message.path, Number(message.zxid)]);
      } else {
        expect(answer, 'one reply to one request').toBeUndefined();
        expect(message.xid).toBe(expected);
        answer = { ...message, zxid: Number(message.zxid), value: decoded(request, message.err, message.body) };
      }
    }
    if (answer === undefined) {
      throw new Error(`no reply to opcode ${request.opcode}${this.closed ? ': the connection was closed' : ''}`);
    }
    return answer;
  }

  /** The answers to requests sent before, in order, each decoded by its request. */
  answers(requests: readonly Request[]): Answer<unknown>[] {
    const replies = this.wire.receive().filter((message) => message.kind === 'reply');
    expect(replies.length).toBe(requests.length);
    return replies.map(({ xid, zxid, err, body }, i) => {
      return { xid, zxid: Number(zxid), err, value: decoded(requests[i], err, body) };
    });
  }

  /** What the server answers when all is well; an error fails the test. */
  get<T>(request: Request<T>): T {
    const { err, value } = this.ask(request);
    expect(err).toBe(0);
    return value as T;
  }

  /** The error number of the answer. */
  err(request: Request): number {
    return this.ask(request).err;
  }

  readonly #events: EventLine[] = [];

  /** Events since the last call. */
  events(): EventLine[] {
    this.lines();
    return this.#events.splice(0);
  }

  /** Type and path of the events since the last call. */
  eventNames(): [number, string][] {
    this.server.settle();
    return this.events().map(([, type, path]) => [type, path]);
  }

  /** Everything received since the last call, in order; events are kept for `events` as well. */
  lines(): Line[] {
    return this.wire.receive().map((message): Line => {
      if (message.kind === 'reply') {
        return [message.xid, Number(message.zxid), message.err];
      }
      const line: EventLine = ['event', message.type, message.path, Number(message.zxid)];
      this.#events.push(line);
      return line;
    });
  }

  /** Sends several requests in one go, and returns what comes back, in order. */
  pipeline(...requests: Request[]): Line[] {
    this.lines();
    for (const request of requests) {
      this.send(request);
    }
    this.server.settle();
    return this.lines();
  }

  close(): void {
    this.pipeline(closeSession());
  }

  /** The connection breaks; the session lives on. */
  disconnect(): void {
    this.#gone = true;
    this.wire.disconnect();
    this.server.settle();
  }

  lost(): void {
    this.#gone = true;
    this.wire.connection.closed = true;
  }

  /** As the host does it: a connection that was closed is gone a moment later. True: just reported. */
  reportGone(): boolean {
    if (this.#gone || !this.closed) {
      return false;
    }
    this.#gone = true;
    this.server.push({ kind: 'client-gone', connection: this.wire.connection });
    return true;
  }
}

function decoded<T>(request: Request<T>, err: number, body: Buffer): T | undefined {
  if (err !== 0) {
    expect(body.length, 'a reply with an error has no body').toBe(0);
    return undefined;
  }
  const reader = new JuteReader(body, READER_BYTES_MAX);
  const value = request.decode(reader);
  expect(reader.remaining, 'nothing is left after the reply').toBe(0);
  return value;
}

/** Bytes of a record, for requests that are not what they should be. */
export function bytesOf(write: (writer: JuteWriter) => void): Buffer {
  const writer = new JuteWriter();
  write(writer);
  return Buffer.from(writer.copy());
}

/** A whole frame around a payload. */
export function frame(payload: Uint8Array): Buffer {
  const prefix = Buffer.alloc(4);
  prefix.writeInt32BE(payload.length);
  return Buffer.concat([prefix, payload]);
}

export function digestAcl(id: string, perms = 31): ACL {
  return { perms, id: { scheme: 'digest', id } };
}

export function worldAcl(perms: number): ACL {
  return { perms, id: { scheme: 'world', id: 'anyone' } };
}
