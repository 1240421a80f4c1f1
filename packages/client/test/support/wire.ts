/**
 * A server at the other end of a transport that exists in memory only: a small tree, and a test that says what becomes
 * of each request. It executes and answers in order, and knows which answers never left.
 */
import {
  ConnectRequest,
  ConnectResponse,
  Create2Response,
  CreateRequest,
  DeleteRequest,
  ErrorResult,
  FrameReader,
  GetChildrenResponse,
  GetDataResponse,
  isEphemeralMode,
  isSequentialMode,
  JuteReader,
  JuteWriter,
  MultiHeader,
  OpCode,
  PathRequest,
  ReplyHeader,
  SetAclRequest,
  SetDataRequest,
  SetWatches2,
  StatResponse,
  SyncResponse,
  WatcherType,
  WatchesRequest,
  ZooKeeperError,
} from '@treekeeper/protocol';
import type { Transport, TransportEvents } from '../../src/transport.ts';

export type Refusal = 'SYSTEM_ERROR' | 'NO_AUTH' | 'NOT_READ_ONLY' | 'THROTTLED_OP';

/** `lost`: done, and the connection breaks. `dropped`: it breaks before. `held`: done, and answered at `release`. */
export type Fate = 'answered' | 'lost' | 'dropped' | 'held' | Refusal;

interface Node {
  readonly data: Uint8Array | null;
  readonly version: number;
  readonly owner: bigint;
}

type Answer = (writer: JuteWriter) => void;

const WRITES: ReadonlySet<number> = new Set([
  OpCode.create2,
  OpCode.createContainer,
  OpCode.createTTL,
  OpCode.delete,
  OpCode.setData,
  OpCode.setACL,
  OpCode.multi,
  OpCode.reconfig,
]);

interface Line {
  readonly events: TransportEvents;
  readonly frames: FrameReader;
  isOpen: boolean;
  sessionId: bigint;
  /** Answers that do not leave; null: they do. */
  held: Uint8Array[] | null;
  /** Paths of persistent watches; never fired. */
  readonly watched: Set<string>;
}

export class Wire {
  readonly nodes = new Map<string, Node>([['/', { data: null, version: 0, owner: 0n }]]);
  /** Writes that came in, and the ones of these whose answers have not left. */
  writes = 0;
  unanswered = 0;
  connections = 0;
  /** Before 3.9 there is no removal of a persistent watch alone. */
  isOld = false;
  /** What becomes of a request; asked for each. The path is '' for those without one. */
  fate: (isWrite: boolean, path: string) => Fate = () => 'answered';
  /** Whether a connection is let in; `gone` ends the session that it asks for, `never` is silence, `busy` hangs up. */
  greeting: (sessionId: bigint) => 'welcome' | 'gone' | 'never' | 'busy' = () => 'welcome';
  readonly transport: Transport = {
    connect: (_, events) => {
      this.connections++;
      const frames = new FrameReader(0xfffff);
      const line: Line = { events, frames, isOpen: true, sessionId: -1n, held: null, watched: new Set() };
      queueMicrotask(() => events.opened());
      return {
        write: (bytes) => queueMicrotask(() => this.#read(line, bytes)),
        close: () => this.#hangUp(line),
        destroy: () => this.#hangUp(line),
      };
    },
  };
  #zxid = 0;
  #sessions = 0n;
  #line: Line | null = null;

  /** Paths on which the present connection has a persistent watch. */
  get watched(): string[] {
    return [...(this.#line?.watched ?? [])];
  }

  /** The present connection breaks. */
  cut(): void {
    const line = this.#line;
    if (line?.isOpen === true) {
      this.#hangUp(line);
      line.events.closed(null);
    }
  }

  /** What was held leaves now. */
  release(): void {
    const line = this.#line;
    for (const bytes of line?.held ?? []) {
      line?.events.received(bytes);
    }
    if (line !== null) {
      line.held = null;
    }
  }

  #hangUp(line: Line): void {
    line.isOpen = false;
  }

  #read(line: Line, bytes: Uint8Array): void {
    line.frames.push(bytes, (frame, start, end) => {
      if (line.isOpen) {
        this.#line = line;
        const whole = Uint8Array.from(frame.subarray(start, end));
        if (line.sessionId < 0n) {
          this.#greet(line, ConnectRequest.decode(new JuteReader(whole)).sessionId);
        } else {
          this.#request(line, whole);
        }
      }
      return true;
    });
  }

  #greet(line: Line, asked: bigint): void {
    const how = this.greeting(asked);
    if (how === 'busy') {
      this.cut();
    }
    if (how === 'busy' || how === 'never') {
      return;
    }
    line.sessionId = how === 'gone' ? 0n : asked === 0n ? ++this.#sessions : asked;
    if (how === 'gone') {
      this.#endSession(asked);
    }
    const timeOut = how === 'gone' ? 0 : 30_000;
    send(line, (writer) => {
      ConnectResponse.encode(writer, {
        protocolVersion: 0,
        timeOut,
        sessionId: line.sessionId,
        passwd: new Uint8Array(16),
      });
      writer.boolean(false);
    });
  }

  #request(line: Line, frame: Uint8Array): void {
    const reader = new JuteReader(frame);
    const xid = reader.int();
    const opcode = reader.int();
    if (xid < 0) {
      return; // a ping
    }
    const isWrite = WRITES.has(opcode);
    const fate = opcode === OpCode.closeSession ? 'answered' : this.fate(isWrite, pathOf(opcode, frame));
    this.writes += isWrite ? 1 : 0;
    if (fate === 'dropped' || fate === 'lost' || fate === 'held') {
      this.unanswered += isWrite ? 1 : 0;
    }
    if (fate === 'dropped') {
      this.cut();
      return;
    }
    if (fate === 'held') {
      line.held ??= [];
    }
    const { err, body } = this.#answer(line, opcode, reader, isRefusal(fate) ? fate : null);
    if (fate === 'lost') {
      this.cut();
      return;
    }
    send(line, (writer) => {
      ReplyHeader.encode(writer, { xid, zxid: this.#zxid, err });
      body(writer);
    });
  }

  #answer(line: Line, opcode: number, reader: JuteReader, refusal: Refusal | null): { err: number; body: Answer } {
    try {
      if (refusal !== null) {
        throw new ZooKeeperError(refusal);
      }
      return { err: 0, body: this.#execute(line, opcode, reader) };
    } catch (error) {
      if (!(error instanceof ZooKeeperError)) {
        throw error;
      }
      const err = error.number;
      return opcode === OpCode.multi ? { err: 0, body: refusedMulti(err) } : { err, body: () => undefined };
    }
  }

  #execute(line: Line, opcode: number, reader: JuteReader): Answer {
    const { sessionId } = line;
    switch (opcode) {
      case OpCode.create2:
      case OpCode.createContainer:
      case OpCode.createTTL: {
        const { path, data, flags } = CreateRequest.decode(reader);
        return this.#create(sessionId, path as string, data, flags);
      }
      case OpCode.delete:
        return this.#delete(DeleteRequest.decode(reader).path);
      case OpCode.setData: {
        const { path, data, version } = SetDataRequest.decode(reader);
        return this.#set(path as string, data, version);
      }
      case OpCode.setACL: {
        const path = SetAclRequest.decode(reader).path as string;
        this.#zxid++;
        return statReply(this.#node(path));
      }
      case OpCode.multi:
        return this.#multi(line, reader);
      case OpCode.reconfig: {
        this.#zxid++;
        const config = { data: Buffer.from('version=1'), version: 0, owner: 0n };
        return (writer) => GetDataResponse.encode(writer, { data: config.data, stat: statOf(config) });
      }
      case OpCode.getData: {
        const node = this.#node(reader.ustring());
        return (writer) => GetDataResponse.encode(writer, { data: node.data, stat: statOf(node) });
      }
      case OpCode.exists:
        return statReply(this.#node(reader.ustring()));
      case OpCode.getChildren: {
        const children = this.#children(reader.ustring());
        return (writer) => GetChildrenResponse.encode(writer, { children });
      }
      case OpCode.addWatch:
        line.watched.add(reader.ustring());
        return () => undefined;
      case OpCode.removeWatches:
        return this.#removeWatch(line, WatchesRequest.decode(reader));
      case OpCode.setWatches2: {
        const { persistentWatches, persistentRecursiveWatches } = SetWatches2.decode(reader);
        for (const path of [...persistentWatches, ...persistentRecursiveWatches]) {
          line.watched.add(path);
        }
        return () => undefined;
      }
      case OpCode.setWatches:
        return () => undefined;
      case OpCode.sync: {
        const { path } = PathRequest.decode(reader);
        return (writer) => SyncResponse.encode(writer, { path });
      }
      default:
        this.#endSession(sessionId);
        return () => undefined;
    }
  }

  #removeWatch(line: Line, { path, type }: WatchesRequest): Answer {
    if (this.isOld && type > WatcherType.any) {
      throw new ZooKeeperError('MARSHALLING_ERROR');
    }
    line.watched.delete(path as string);
    return () => undefined;
  }

  #create(sessionId: bigint, asked: string, data: Uint8Array | null, flags: number): Answer {
    const parent = asked.slice(0, Math.max(1, asked.lastIndexOf('/')));
    this.#node(parent);
    const path = isSequentialMode(flags) ? `${asked}${String(this.#zxid).padStart(10, '0')}` : asked;
    if (this.nodes.has(path)) {
      throw new ZooKeeperError('NODE_EXISTS');
    }
    this.#zxid++;
    const node = { data, version: 0, owner: isEphemeralMode(flags) ? sessionId : 0n };
    this.nodes.set(path, node);
    return (writer) => Create2Response.encode(writer, { path, stat: statOf(node) });
  }

  #delete(path: string): Answer {
    this.#node(path);
    this.#zxid++;
    this.nodes.delete(path);
    return () => undefined;
  }

  #set(path: string, data: Uint8Array | null, version: number): Answer {
    const old = this.#node(path);
    if (version !== -1 && version !== old.version) {
      throw new ZooKeeperError('BAD_VERSION');
    }
    this.#zxid++;
    const node = { ...old, data, version: old.version + 1 };
    this.nodes.set(path, node);
    return statReply(node);
  }

  /** A multi of sets and creates. */
  #multi(line: Line, reader: JuteReader): Answer {
    const answers: Answer[] = [];
    for (let header = MultiHeader.decode(reader); !header.done; header = MultiHeader.decode(reader)) {
      const { type } = header;
      const answer = this.#execute(line, type, reader);
      answers.push((writer) => {
        MultiHeader.encode(writer, { type, done: false, err: 0 });
        answer(writer);
      });
    }
    return (writer) => {
      for (const answer of answers) {
        answer(writer);
      }
      MultiHeader.encode(writer, { type: -1, done: true, err: -1 });
    };
  }

  #node(path: string): Node {
    const node = this.nodes.get(path);
    if (node === undefined) {
      throw new ZooKeeperError('NO_NODE');
    }
    return node;
  }

  #children(path: string): string[] {
    this.#node(path);
    const prefix = path === '/' ? '/' : `${path}/`;
    const names = [...this.nodes.keys()].filter((other) => other !== '/' && other.startsWith(prefix));
    return names.map((other) => other.slice(prefix.length)).filter((name) => !name.includes('/'));
  }

  #endSession(sessionId: bigint): void {
    for (const [path, { owner }] of this.nodes) {
      if (owner === sessionId) {
        this.nodes.delete(path);
      }
    }
  }
}

function send(line: Line, write: Answer): void {
  const writer = new JuteWriter();
  writer.int(0);
  write(writer);
  writer.setInt(0, writer.length - 4);
  const bytes = writer.copy();
  if (line.held !== null) {
    line.held.push(bytes);
    return;
  }
  queueMicrotask(() => {
    if (line.isOpen) {
      line.events.received(bytes);
    }
  });
}

function refusedMulti(err: number): Answer {
  return (writer) => {
    MultiHeader.encode(writer, { type: -1, done: false, err });
    ErrorResult.encode(writer, { err });
    MultiHeader.encode(writer, { type: -1, done: true, err: -1 });
  };
}

function isRefusal(fate: Fate): fate is Refusal {
  return fate === 'SYSTEM_ERROR' || fate === 'NO_AUTH' || fate === 'NOT_READ_ONLY' || fate === 'THROTTLED_OP';
}

function statReply(node: Node): Answer {
  return (writer) => StatResponse.encode(writer, { stat: statOf(node) });
}

function statOf({ data, version, owner }: Node) {
  return {
    czxid: 1n,
    mzxid: 1n,
    ctime: 0n,
    mtime: 0n,
    version,
    cversion: 0,
    aversion: 0,
    ephemeralOwner: owner,
    dataLength: data?.length ?? 0,
    numChildren: 0,
    pzxid: 1n,
  };
}

const WITHOUT_PATH: ReadonlySet<number> = new Set([
  OpCode.multi,
  OpCode.multiRead,
  OpCode.reconfig,
  OpCode.setWatches,
  OpCode.setWatches2,
]);

/** Most requests begin with one, behind xid and opcode. */
function pathOf(opcode: number, frame: Uint8Array): string {
  return WITHOUT_PATH.has(opcode) ? '' : new JuteReader(frame.subarray(8)).ustring();
}
