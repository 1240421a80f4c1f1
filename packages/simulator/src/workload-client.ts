/**
 * A client as the workload has it: it connects, resumes or gives up its session, pipelines requests, pings (or forgets
 * to) and sets its watches again after a reconnect.
 */
import { CreateMode, OPEN_ACL, OpCode } from '@treekeeper/protocol';
import type { ConnectionView } from './checkers/connection-view.ts';
import { type Message, SimulatedClient } from './client.ts';
import type { Dice } from './dice.ts';
import type { WorkloadPlan } from './faults.ts';
import type { Link } from './link.ts';
import type { Referee } from './referee.ts';
import { type ClientRequest, encodeBody, opcodeOf, xidOf } from './requests.ts';
import { WatchMemory } from './watch-memory.ts';
import { ALICE, type Workload } from './workload.ts';

/** One connection, from the client's side. */
export interface ClientConnection {
  readonly link: Link;
  readonly wire: SimulatedClient;
  readonly view: ConnectionView;
  /** Requests without an answer, oldest first. */
  readonly waiting: ClientRequest[];
}

export interface ClientWorld {
  readonly referee: Referee;
  readonly nowMs: number;
  connect(client: WorkloadClient): Link;
  /** For a reader of the run. */
  tell(line: string): void;
}

const NO_PASSWORD = new Uint8Array(16);
const WRONG_PASSWORD = new Uint8Array(16).fill(7);
const TIMEOUTS_MS = [1, 2000, 5000, 30_000, 100_000];

export class WorkloadClient {
  readonly name: string;
  current: ClientConnection | null = null;
  /** Requests sent in all. */
  requestsSent = 0;
  /** Writes of `demand` that were acknowledged. */
  demandsMet = 0;
  readonly #world: ClientWorld;
  readonly #dice: Dice;
  readonly #plan: WorkloadPlan;
  readonly #workload: Workload;
  readonly #isDiligent: boolean;
  readonly #isAlice: boolean;
  readonly #requestedTimeoutMs: number;
  readonly #watches = new WatchMemory();
  #sessionId = 0n;
  #password: Uint8Array = NO_PASSWORD;
  #timeoutMs = 0;
  /** Of the answers to ordinary requests, as ZooKeeper's clients count. */
  #lastZxidSeen = 0;
  /** Never starts over, so that session and xid name a request. */
  #nextXid = 1;
  #lastSentMs = 0;
  #pendingDemand: number | null = null;

  constructor(name: string, world: ClientWorld, dice: Dice, plan: WorkloadPlan, workload: Workload) {
    this.name = name;
    this.#world = world;
    this.#dice = dice;
    this.#plan = plan;
    this.#workload = workload;
    this.#isDiligent = dice.chance(plan.diligent);
    this.#isAlice = dice.chance(0.3);
    this.#requestedTimeoutMs = dice.pick(TIMEOUTS_MS);
  }

  get isConnected(): boolean {
    return this.current?.wire.handshake !== undefined && this.current?.wire.handshake !== null;
  }

  /** Its situation in words. */
  describe(): string {
    if (this.current === null) {
      return 'not connected';
    }
    const { link, waiting } = this.current;
    const { connection } = link;
    const handshake = this.isConnected ? 'connected' : 'waiting for its session';
    const unread = connection.paused ? ', not read by the server' : '';
    const kinds = waiting.map(({ kind }) => kind).join();
    return `${handshake} on ${connection.remotePort}${unread}, waiting for ${kinds}`;
  }

  get isIdle(): boolean {
    return this.current === null || this.current.waiting.length === 0;
  }

  /** Does something, if it feels like it. Returns how many requests it sent. */
  act(): number {
    const dice = this.#dice;
    if (this.current === null || dice.chance(0.003)) {
      this.#connect(dice.chance(0.03)); // sometimes with the old connection still open
      return 0;
    }
    if (!this.isConnected && !dice.chance(0.05)) {
      return 0; // most clients wait for the answer to their handshake
    }
    let sent = 0;
    while (this.current.waiting.length < this.#plan.pipelineDepth && sent < 20 && dice.chance(0.85)) {
      this.#send(this.#workload.request());
      sent++;
    }
    if (dice.chance(0.01)) {
      this.#send({ kind: 'closeSession' });
      if (dice.chance(0.3)) {
        this.#send(this.#workload.request()); // no client library does this
      }
    } else if (dice.chance(this.#plan.malformed / 10)) {
      this.#sendBadFrame();
    }
    this.keepAlive();
    return sent;
  }

  /** Pings, if that is its habit. */
  keepAlive(): void {
    if (this.current !== null && this.isConnected && this.#isDiligent) {
      if (this.#world.nowMs - this.#lastSentMs > this.#timeoutMs / 3) {
        this.#send({ kind: 'ping' });
      }
    }
  }

  /** Wants one more write done, however often it has to ask. */
  demand(): void {
    if (this.current === null) {
      this.#connect(false);
    } else if (this.isConnected && this.isIdle && this.#pendingDemand === null) {
      this.#pendingDemand = this.#nextXid;
      const flags = CreateMode.persistentSequential;
      const create = { kind: 'create', opcode: OpCode.create2, data: null, acl: OPEN_ACL, flags, ttlMs: 0 } as const;
      this.#send({ ...create, path: `/${this.name}-` });
      this.#send({ kind: 'getChildren2', path: '/', watch: true });
    }
    this.keepAlive();
  }

  #connect(withWrongPassword: boolean): void {
    const link = this.#world.connect(this);
    const { view } = link;
    const wire = new SimulatedClient(link, link.connection);
    this.current = { link, wire, view, waiting: [] };
    link.client = this.current;
    this.#pendingDemand = null;
    const timeOut = this.#dice.chance(0.9) ? this.#requestedTimeoutMs : this.#dice.pick(TIMEOUTS_MS);
    const isResume = this.#sessionId !== 0n;
    wire.sessionId = this.#sessionId;
    wire.password = isResume && withWrongPassword ? WRONG_PASSWORD : this.#password;
    this.#world.referee.handshakeSent(view, {
      sessionId: this.#sessionId,
      requestedTimeoutMs: timeOut,
      hasRightPassword: !(isResume && withWrongPassword),
    });
    wire.sendHandshake({ timeOut, lastZxidSeen: BigInt(this.#lastZxidSeen) }, this.#dice.chance(0.5) ? false : null);
    this.#lastSentMs = this.#world.nowMs;
    if (this.#isAlice) {
      this.#send({ kind: 'auth', user: ALICE.credentials });
      this.#world.referee.identified(view, { scheme: 'digest', id: ALICE.id });
    }
    const lists = isResume ? this.#watches.lists(this.#lastZxidSeen) : null;
    if (lists !== null) {
      this.#send({ kind: 'setWatches2', lists });
    }
  }

  #send(request: ClientRequest): void {
    const { wire, view, link, waiting } = this.current as ClientConnection;
    const xid = xidOf(request, this.#nextXid);
    this.#nextXid++;
    wire.sendRaw(opcodeOf(request), (writer) => encodeBody(writer, request), xid);
    this.#world.referee.sent(view, request, xid, link.sentBytes);
    waiting.push(request);
    this.requestsSent++;
    this.#world.tell(`${this.name} sends ${request.kind} ${xid} on ${link.connection.remotePort}`);
    this.#lastSentMs = this.#world.nowMs;
  }

  /** A frame that is too long: the server cannot go on with this connection. */
  #sendBadFrame(): void {
    (this.current as ClientConnection).wire.sendBytes(Buffer.of(0x7f, 0xff, 0xff, 0xff));
  }

  /** The client has closed its end, or heard that the server has. */
  disconnected(connection: ClientConnection): void {
    if (this.current === connection) {
      this.current = null;
      this.#pendingDemand = null;
    }
  }

  /** Bytes have come through. */
  receive(connection: ClientConnection, bytes: Buffer): void {
    const { wire } = connection;
    const hadHandshake = wire.handshake !== null;
    const messages = wire.receive(bytes);
    if (!hadHandshake && wire.handshake !== null && this.current === connection) {
      this.#sessionAnswered(wire);
    }
    for (const message of messages) {
      this.#message(connection, message);
    }
  }

  #sessionAnswered({ sessionId, password, timeoutMs }: SimulatedClient): void {
    const isOver = sessionId === 0n && this.#sessionId !== 0n;
    if (isOver || sessionId !== this.#sessionId) {
      this.#watches.clear();
      this.#lastZxidSeen = 0;
    }
    this.#sessionId = sessionId;
    this.#password = isOver ? NO_PASSWORD : password;
    this.#timeoutMs = timeoutMs;
  }

  #message(connection: ClientConnection, message: Message): void {
    if (message.kind === 'event') {
      this.#watches.fired(message.type, message.path);
      return;
    }
    const request = connection.waiting.shift();
    if (request === undefined || this.current !== connection) {
      return;
    }
    if (message.xid > 0 && message.zxid > 0n) {
      this.#lastZxidSeen = Number(message.zxid);
    }
    this.#watches.answered(request, message.err);
    if (message.xid === this.#pendingDemand) {
      this.#pendingDemand = null;
      this.demandsMet += message.err === 0 ? 1 : 0;
    }
    if (request.kind === 'closeSession') {
      this.#sessionId = 0n;
      this.#password = NO_PASSWORD;
      this.#watches.clear();
    }
  }
}
