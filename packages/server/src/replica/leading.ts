/**
 * The order of writes at the leader of an ensemble: that of a standalone server, and besides its learners' requests,
 * syncs through the quorum, and the question who may speak for a session (quorum-protocol.md §7.1–§7.5).
 */
import { ErrorNumber, type Id, JuteError, JuteReader, OpCode } from '@treekeeper/protocol';
import { operationOf } from '../operations/index.ts';
import type { WriteOperation } from '../operations/operation.ts';
import { closeSession } from '../operations/session.ts';
import type { Session, SessionTable } from '../sessions/session-table.ts';
import type { Forwarded, LearnerId } from '../zab/environment.ts';
import type { Barrier, ClientConnection } from './client-connection.ts';
import type { InFlight, OrderSource, RequestBody } from './order.ts';
import { Syncs } from './syncs.ts';
import type { Writes } from './writes.ts';

export interface LeadingPorts {
  readonly leader: {
    readonly committed: number;
    /** False while leadership is handed over: nothing more is to be proposed. */
    readonly open: boolean;
  };
  /** Has a sync answered when this server is known to lead still (null: one of its own clients), or does `then`. */
  sync(from: LearnerId | null, then?: () => void): void;
}

/** Requests that are taken wherever their session is. */
const ANYWHERE: ReadonlySet<number> = new Set([OpCode.createSession, OpCode.closeSession]);

/** The home of sessions whose clients are connected to the leader. */
const HERE: object = Object.freeze({});

export class Leading implements OrderSource {
  readonly #sessions: SessionTable<ClientConnection>;
  readonly #writes: Writes;
  readonly #ports: LeadingPorts;
  readonly #reader: JuteReader;
  readonly #syncs = new Syncs();
  /** What came while leadership was being handed over: for the time after, should that come to nothing. */
  #held: (() => void)[] = [];

  constructor(sessions: SessionTable<ClientConnection>, writes: Writes, ports: LeadingPorts, fieldBytesMax: number) {
    this.#sessions = sessions;
    this.#writes = writes;
    this.#ports = ports;
    this.#reader = new JuteReader(undefined, fieldBytesMax);
  }

  /** Syncs that wait for their answer. */
  get syncsWaiting(): number {
    return this.#syncs.waiting;
  }

  get inFlightCount(): number {
    return this.#writes.inFlightCount;
  }

  get changesInFlight(): number {
    return this.#writes.changesInFlight;
  }

  /** Who leads has everything that was told to it. */
  readonly isEven = true;

  /**
   * Whether what comes now may be proposed: not before what was held, either. Leadership may stay before the inputs of
   * a turn, and `goOn` comes behind them.
   */
  get #mayPropose(): boolean {
    return this.#held.length === 0 && this.#ports.leader.open;
  }

  // Of this server's clients, and its own

  submit(
    operation: WriteOperation,
    request: unknown,
    sessionId: bigint,
    identities: readonly Id[],
    client: ClientConnection | null,
    xid: number,
    _body: RequestBody | null = null,
    wasLate = false,
  ): void {
    const isOfClient = client !== null && operation.opcode !== OpCode.closeSession;
    const isLate = wasLate || (isOfClient && !this.#isAt(client.session, HERE));
    if (!this.#mayPropose) {
      this.#held.push(() => this.submit(operation, request, sessionId, identities, client, xid, null, isLate));
      return;
    }
    if (isLate) {
      this.#writes.refuse(ErrorNumber.SESSION_MOVED, operation, sessionId, client, xid);
      return;
    }
    this.#writes.submit(operation, request, sessionId, identities, client, xid);
  }

  submitMalformed(operation: WriteOperation, sessionId: bigint, client: ClientConnection, xid: number): void {
    if (!this.#mayPropose) {
      this.#held.push(() => this.submitMalformed(operation, sessionId, client, xid));
      return;
    }
    this.#writes.submitMalformed(operation, sessionId, client, xid);
  }

  openSession(sessionId: bigint, timeoutMs: number, client: ClientConnection | null): void {
    if (!this.#mayPropose) {
      this.#held.push(() => this.openSession(sessionId, timeoutMs, client));
      return;
    }
    this.#open(sessionId, timeoutMs, client, HERE);
  }

  #open(sessionId: bigint, timeoutMs: number, client: ClientConnection | null, home: object): void {
    this.#sessions.expect(sessionId, timeoutMs).home = home;
    this.#writes.openSession(sessionId, timeoutMs, client);
  }

  /** A client of this server goes on with its session here: its requests count from now on, and no other's. */
  resumed(session: Session): void {
    session.home = HERE;
  }

  /** Does something that only who leads may do: when a quorum has shown that no other does. */
  confirm(then: () => void): void {
    this.#ports.sync(null, then);
  }

  sync(): Barrier {
    const barrier = this.#syncs.ask();
    this.#ports.sync(null);
    return barrier;
  }

  /** The oldest sync of this server's own clients is done. */
  syncDone(): void {
    // An epoch without transactions begins with a zxid that nothing brings the tree to.
    this.#syncs.done(this.nextCommitted() === null ? null : this.#ports.leader.committed);
  }

  /** Whose requests are taken for a session: those of the server where its client has shown itself last. */
  #isAt(session: Session | null | undefined, home: object): boolean {
    if (session === null || session === undefined || session.isOnlyHere || session.closing) {
      return true; // its writes are refused for another reason, or are nobody's business but ours
    }
    session.home ??= home;
    return session.home === home;
  }

  // Of learners' clients

  /**
   * A request of a learner's client. It becomes a transaction whatever it is, since the learner waits for one: a
   * refusal is an error transaction.
   *
   * @param wasLate its session was elsewhere when it came and was held: should the session have come back since, what
   *   it asked for elsewhere has gone before
   */
  forwarded(from: LearnerId, request: Forwarded, wasLate = false): void {
    const { sessionId, cxid, type, body, authinfo } = request;
    if (!this.#mayPropose) {
      const isLate = wasLate || (!ANYWHERE.has(type) && !this.#isAt(this.#sessions.get(sessionId), from));
      this.#held.push(() => this.forwarded(from, request, isLate));
      return;
    }
    if (type === OpCode.sync) {
      this.#isAt(this.#sessions.get(sessionId), from);
      this.#ports.sync(from); // whoever has the session
      return;
    }
    if (type === OpCode.createSession && this.#sessions.foreign?.isOver(sessionId) === true) {
      this.#writes.refuse(ErrorNumber.SESSION_EXPIRED, null, sessionId, null, cxid);
      return;
    }
    if (type === OpCode.createSession) {
      this.#reader.reset(body, 0, body.length);
      this.#open(sessionId, this.#reader.int(), null, from);
      return;
    }
    if (type === OpCode.closeSession) {
      this.#writes.submit(closeSession, {}, sessionId, authinfo ?? [], null, cxid);
      return;
    }
    const operation = operationOf(type);
    if (operation === undefined || operation.kind === 'read') {
      // Among them a check that stands alone, whose transaction learners could not read, and deleteContainer (trap 47).
      this.#writes.refuse(ErrorNumber.UNIMPLEMENTED, null, sessionId, null, cxid);
      return;
    }
    if (wasLate || !this.#isAt(this.#sessions.get(sessionId), from)) {
      this.#writes.refuse(ErrorNumber.SESSION_MOVED, operation, sessionId, null, cxid);
      return;
    }
    const decoded = this.#decode(operation, body);
    if (decoded === null) {
      this.#writes.refuse(ErrorNumber.MARSHALLING_ERROR, operation, sessionId, null, cxid);
      return;
    }
    this.#writes.submit(operation, decoded, sessionId, authinfo ?? [], null, cxid);
  }

  /** Null: the body is malformed. */
  #decode(operation: WriteOperation, body: Uint8Array): unknown {
    this.#reader.reset(body, 0, body.length);
    try {
      return operation.request.decode(this.#reader);
    } catch (error) {
      if (error instanceof JuteError) {
        return null;
      }
      throw error;
    }
  }

  /** A learner's client goes on with its session there: it may when the session is alive. Moves the session. */
  revalidate(from: LearnerId, sessionId: bigint, timeoutMs: number): boolean {
    const session = this.#sessions.get(sessionId);
    if (session === undefined || session.isOnlyHere || session.closing) {
      return false;
    }
    session.home = from;
    session.timeoutMs = timeoutMs;
    return true;
  }

  // Of both

  /** Whether `goOn` has something to do. */
  get canGoOn(): boolean {
    return this.#held.length > 0 && this.#ports.leader.open;
  }

  /** In each turn: takes up what was held, once it may be proposed. */
  goOn(): void {
    if (this.canGoOn) {
      const held = this.#held;
      this.#held = [];
      for (const submit of held) {
        submit();
      }
    }
  }

  /** This server leads no more: what is held is left to the next leader, and to who asks for it again. */
  cease(): void {
    this.#held = [];
  }

  nextInFlight(): InFlight | null {
    return this.#writes.nextInFlight();
  }

  nextCommitted(): InFlight | null {
    return this.#writes.nextCommitted();
  }

  apply(entry: InFlight): boolean {
    return this.#writes.apply(entry);
  }
}
