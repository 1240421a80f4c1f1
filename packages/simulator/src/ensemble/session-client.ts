/**
 * A client as a program would be one: the real session machine, driven by simulated time and connections, with a
 * program behind it that asks for what the workload says.
 */
import {
  authOperation,
  internalRequest,
  limits,
  Session,
  type SessionOutput,
  type SessionRequest,
  type Watcher,
  type WatchRegistration,
  type WireOperation,
} from '@treekeeper/client/internal';
import { AddWatchMode, CreateMode, FrameReader, OPEN_ACL, OpCode } from '@treekeeper/protocol';
import type { Sent } from '../checkers/connection-view.ts';
import type { Dice } from '../dice.ts';
import { type ClientRequest, encodeBody, isWrite, opcodeOf } from '../requests.ts';
import { ALICE, type Workload } from '../workload.ts';
import type { ClientPort, PortOwner } from './client-port.ts';
import type { Events } from './events.ts';
import { OPERATOR } from './operator.ts';
import { handshakeIn, requestIn } from './wire.ts';

/** What a client is like. */
export interface ClientPlan {
  readonly sessionTimeoutMs: number;
  readonly expireByOwnClock: boolean;
  readonly pipelineDepth: number;
  /** Pause between two stretches of work, at most. */
  readonly thinkMsMax: number;
  /** Share of stretches that ask for a sync and then read. */
  readonly syncedReads: number;
  /** Share of stretches in whose place it ends its session; a few unless it says so. */
  readonly closes?: number;
  /** The servers that it knows; all unless it says so. */
  readonly hosts?: readonly number[] | undefined;
  /** It is a superuser, who works only when told to. */
  readonly isOperator?: boolean;
}

/** The world of a client. */
export interface ClientWorld {
  readonly events: Events;
  readonly serverIds: readonly number[];
  /** Dials a server; null: nobody answers, which the client finds out later. */
  connect(client: SessionClient, serverId: number, owner: PortOwner): ClientPort | null;
  /** A frame has been sent. Returns what the judges call it. */
  sent(port: ClientPort, request: ClientRequest, xid: number): Sent;
  handshakeSent(port: ClientPort, sessionId: bigint, timeoutMs: number): void;
  /** A reply or an event has come in; `sent`: what it answers, if that is an ordinary request. */
  received(client: SessionClient, frame: { xid: number; zxid: number; err: number }, sent: Sent | undefined): void;
  /** For a reader of the run. */
  tell(line: () => string): void;
}

const REPLY_HEADER_BYTES = 16;
const CLOSES = 0.005;
const FIRST_PORT = 2181;

interface Asked extends SessionRequest {
  readonly body: ClientRequest;
}

export class SessionClient {
  readonly name: string;
  /** Of its machine. */
  readonly hostId: number;
  session: Session;
  requestsSent = 0;
  demandsMet = 0;
  #port: ClientPort | null = null;
  /** Of the connection of the moment: what others say comes too late. */
  #dial: object | null = null;
  readonly #world: ClientWorld;
  readonly #dice: Dice;
  readonly #plan: ClientPlan;
  readonly #workload: Workload;
  readonly #watcher: Watcher = { kind: 'watcher' };
  readonly #isAlice: boolean;
  #asked = new Set<SessionRequest>();
  #sent = new Map<number, Sent>();
  #frames = new FrameReader(limits.replyBytesMax);
  #hasHandshake = false;
  #wakesAtMs = Number.POSITIVE_INFINITY;
  #isSilent = false;
  #heldBytes: Uint8Array[] = [];
  #demand: SessionRequest | null = null;
  #isResting = false;
  #hasVanished = false;

  constructor(name: string, hostId: number, world: ClientWorld, dice: Dice, plan: ClientPlan, workload: Workload) {
    this.name = name;
    this.hostId = hostId;
    this.#world = world;
    this.#dice = dice;
    this.#plan = plan;
    this.#workload = workload;
    this.#isAlice = dice.chance(0.3);
    this.session = this.#newSession();
  }

  #newSession(): Session {
    const { sessionTimeoutMs, expireByOwnClock, pipelineDepth, hosts = this.#world.serverIds } = this.#plan;
    const session = new Session({
      hosts: hosts.map((id) => ({ host: `s${id}`, port: FIRST_PORT })),
      shuffle: true,
      sessionTimeoutMs,
      readOnly: false,
      session: null,
      onExpired: 'new-session',
      expireByOwnClock,
      sasl: false,
      inFlightMax: pipelineDepth,
      queuedMax: limits.queuedMax,
      requestBytesMax: limits.requestBytesMax,
      replyBytesMax: limits.replyBytesMax,
      random: () => this.#dice.next(),
    });
    const credentials = this.#isOperator ? OPERATOR.credentials : this.#isAlice ? ALICE.credentials : null;
    if (credentials !== null) {
      const body = { type: 0, scheme: 'digest', auth: Buffer.from(credentials) };
      session.addAuth(internalRequest(authOperation, body), this.#nowMs);
    }
    return session;
  }

  get #isOperator(): boolean {
    return this.#plan.isOperator === true;
  }

  get #nowMs(): number {
    return this.#world.events.nowMs;
  }

  get isIdle(): boolean {
    return this.#asked.size === 0;
  }

  get isSilent(): boolean {
    return this.#isSilent;
  }

  get port(): ClientPort | null {
    return this.#port;
  }

  /** Its situation in words. */
  describe(): string {
    const kinds = [...this.#asked].map((request) => (request as Asked).body.kind).join();
    const { state, host } = this.session;
    return `${state} at ${host?.host}, waiting for ${kinds === '' ? 'nothing' : kinds}; ${this.session.faults}`;
  }

  start(): void {
    this.session.start(this.#nowMs);
    this.#drain();
  }

  // What the program does

  /** Works, thinks, works. */
  work(): void {
    if (this.#isOperator) {
      return;
    }
    this.#world.events.after(this.#dice.next() * this.#plan.thinkMsMax, () => {
      if (!this.#isResting) {
        this.#act();
        this.work();
      }
    });
  }

  #act(): void {
    const dice = this.#dice;
    if (this.#isSilent || this.#asked.size >= this.#plan.pipelineDepth) {
      return;
    }
    if (dice.chance(this.#plan.closes ?? CLOSES)) {
      this.session.close(this.#nowMs, dice.chance(0.3));
    } else if (dice.chance(this.#plan.syncedReads)) {
      const path = this.#workload.path();
      this.ask({ kind: 'sync', path });
      this.ask({ kind: 'getData', path, watch: dice.chance(0.3) });
    } else {
      for (let i = dice.between(1, 4); i > 0; i--) {
        const request = this.#workload.request();
        if (request.kind !== 'ping') {
          this.ask(request); // pings are the session's own
        }
      }
    }
    this.#drain();
  }

  /** Writes at once, whatever it was about to do. */
  hurry(): void {
    if (!this.#isOperator && !this.#isResting && !this.#isSilent && this.#asked.size < this.#plan.pipelineDepth) {
      this.ask(this.#workload.write());
      this.ask(this.#workload.write());
      this.#drain();
    }
  }

  /** No more work is begun. */
  rest(): void {
    this.#isResting = true;
  }

  /** Asks for one thing, now. */
  request(request: ClientRequest): SessionRequest {
    const asked = this.ask(request);
    this.#drain();
    return asked;
  }

  ask(request: ClientRequest): SessionRequest {
    const operation: WireOperation = {
      opcode: opcodeOf(request),
      isRead: !isWrite(request),
      encode: (writer) => encodeBody(writer, request),
      decode: () => null, // what it says is for the judges
    };
    const asked: SessionRequest = { ...internalRequest(operation, request), watch: this.#registration(request) };
    this.#asked.add(asked);
    this.requestsSent++;
    this.session.submit(asked, this.#nowMs);
    return asked;
  }

  #registration(request: ClientRequest): WatchRegistration | null {
    const watcher = this.#watcher;
    if (request.kind === 'addWatch') {
      return { on: request.mode === AddWatchMode.persistent ? 'persistent' : 'recursive', path: request.path, watcher };
    }
    if (!('watch' in request) || !request.watch) {
      return null;
    }
    const on = request.kind === 'getData' ? 'data' : request.kind === 'exists' ? 'exists' : 'child';
    return { on, path: request.path, watcher };
  }

  /** Wants one more write done, however often it has to ask. */
  demand(): void {
    if (this.#demand === null && this.isIdle) {
      const flags = CreateMode.persistentSequential;
      const path = `/${this.name}-`;
      this.#demand = this.ask({
        kind: 'create',
        opcode: OpCode.create2,
        data: null,
        acl: OPEN_ACL,
        flags,
        ttlMs: 0,
        path,
      });
      this.ask({ kind: 'sync', path: '/' });
      this.ask({ kind: 'getChildren2', path: '/', watch: true });
      this.#drain();
    }
  }

  /** The program stands still, and its machine with it; or it goes on. */
  setSilent(isSilent: boolean): void {
    if (isSilent === this.#isSilent) {
      return;
    }
    this.#isSilent = isSilent;
    this.#port?.setBlocked(isSilent);
    if (!isSilent) {
      for (const bytes of this.#heldBytes.splice(0)) {
        this.#received(bytes);
      }
      this.#tick();
    }
  }

  /** Goes away without a word. */
  vanish(): void {
    this.#hasVanished = true;
    this.#isSilent = true;
    this.#dial = null;
    this.#port?.cut();
    this.#port = null;
  }

  // The session machine and its world

  #drain(): void {
    const { session } = this;
    const { outputs } = session;
    for (let i = 0; i < outputs.length; i++) {
      this.#perform(outputs[i]);
    }
    outputs.length = 0;
    const bytes = session.takeBytes();
    if (bytes !== null && this.#port !== null) {
      this.#send(this.#port, bytes);
    }
    if (session.state === 'closed' && !this.#hasVanished) {
      this.#sent.clear();
      this.session = this.#newSession();
      this.start();
      return;
    }
    this.#setTimer();
  }

  #perform(output: SessionOutput): void {
    switch (output.kind) {
      case 'request':
        return this.#answered(output);
      case 'state':
        return this.#world.tell(() => `${this.name} is ${output.state} ${output.reason ?? ''}`);
      case 'resolve':
        return this.session.resolved(output.connection, [output.host], this.#nowMs);
      case 'connect':
        return this.#connect(output.connection, Number(output.host.slice(1)));
      case 'disconnect':
        this.#port?.closeByClient();
        this.#port = null;
        return;
    }
  }

  #answered(request: SessionRequest): void {
    this.#asked.delete(request);
    if (request === this.#demand) {
      this.#demand = null;
      this.demandsMet += request.failure === null ? 1 : 0;
    }
  }

  #connect(connection: number, serverId: number): void {
    const dial = { connection };
    this.#dial = dial;
    this.#frames = new FrameReader(limits.replyBytesMax);
    this.#hasHandshake = false;
    this.#heldBytes = [];
    const feed = (input: () => void): void => {
      if (this.#dial === dial) {
        input();
        this.#drain();
      }
    };
    this.#port = this.#world.connect(this, serverId, {
      opened: () => feed(() => this.session.opened(connection, this.#nowMs)),
      received: (bytes) => this.#dial === dial && this.#received(bytes),
      closed: (reason) => feed(() => this.session.failed(connection, reason, this.#nowMs)),
    });
  }

  #send(port: ClientPort, bytes: Uint8Array): void {
    const buffer = Buffer.from(bytes);
    for (let at = 0; at < buffer.length; ) {
      const end = at + 4 + buffer.readInt32BE(at);
      const frame = buffer.subarray(at + 4, end);
      port.send(buffer.subarray(at, end));
      if (port.sentBytes === end - at) {
        const { sessionId, timeOut } = handshakeIn(frame);
        this.#world.handshakeSent(port, sessionId, timeOut);
      } else {
        const { xid, request } = requestIn(frame, (wanted) => this.#requestOf(wanted));
        const sent = this.#world.sent(port, request, xid);
        if (xid > 0) {
          this.#sent.set(xid, sent);
        }
        this.#world.tell(() => `${this.name} sends ${request.kind} ${xid} on ${port.connection.remotePort}`);
      }
      at = end;
    }
  }

  #requestOf(xid: number): ClientRequest | null {
    for (const asked of this.#asked) {
      if (asked.xid === xid && asked.phase === 'sent') {
        return (asked as Asked).body;
      }
    }
    return null;
  }

  #received(bytes: Uint8Array): void {
    if (this.#isSilent) {
      this.#heldBytes.push(bytes);
      return;
    }
    this.#frames.push(bytes, (chunk, start, end) => {
      const frame = Buffer.from(chunk.subarray(start, end));
      if (!this.#hasHandshake) {
        this.#hasHandshake = true;
      } else if (frame.length >= REPLY_HEADER_BYTES) {
        const head = { xid: frame.readInt32BE(0), zxid: Number(frame.readBigInt64BE(4)), err: frame.readInt32BE(12) };
        this.#world.received(this, head, this.#sent.get(head.xid));
        this.#sent.delete(head.xid);
      }
      return true;
    });
    this.session.received(this.session.connection, bytes, this.#nowMs);
    this.#drain();
  }

  #setTimer(): void {
    const { events } = this.#world;
    const atMs = this.session.wakeAtMs;
    if (atMs < this.#wakesAtMs) {
      this.#wakesAtMs = atMs;
      events.after(atMs - events.nowMs, () => {
        if (this.#wakesAtMs === atMs) {
          this.#wakesAtMs = Number.POSITIVE_INFINITY;
          this.#tick();
        }
      });
    }
  }

  #tick(): void {
    if (this.#isSilent) {
      return;
    }
    if (this.#nowMs >= this.session.wakeAtMs) {
      this.session.tick(this.#nowMs);
    }
    this.#drain();
  }
}
