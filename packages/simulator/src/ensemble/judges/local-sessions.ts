/**
 * Sessions that no transaction has opened (client-protocol.md §2.7): one server knows each of them, while it serves,
 * and nobody else does. With its first ephemeral node one becomes global, by one transaction of its own id, and is like
 * any other from then on. Of one that is over nothing is left, and nothing is done any more.
 */
import { ErrorNumber, OpCode } from '@treekeeper/protocol';
import type { Replica } from '@treekeeper/server/internal';
import type { Sent } from '../../checkers/connection-view.ts';
import type { LocalStandings } from '../../checkers/transactions.ts';
import { check } from '../../checkers/violation.ts';
import type { Coverage } from '../../coverage.ts';
import { describeTxn, type LoggedTxn, sessionHex, zxidText } from '../../history.ts';
import type { Standing } from '../../model/prepare.ts';
import type { ModelState } from '../../model/state.ts';
import { type ClientRequest, createsEphemeral } from '../../requests.ts';

/** Where a session is known: a server, from when it begins to serve to when it ceases. */
interface Home {
  readonly serverId: number;
  readonly life: number;
}

type SessionTable = Replica['world']['sessions'];

/** What a server says of itself. */
export interface Homes {
  lifeOf(serverId: number): number;
  /** The highest zxid that any leader has given away so far. */
  readonly proposedZxid: number;
}

class LocalSession {
  readonly home: Home;
  readonly timeoutMs: number;
  /** Of the last sign of life that its home has certainly seen. */
  seenMs: number;
  /** Of its createSession; 0: it has none. */
  globalZxid = 0;
  /** Its home has ended it, by itself or for its client. */
  isOver = false;
  /** A server has said that it is gone: what was not proposed by then never is. */
  goneZxid = Number.POSITIVE_INFINITY;
  /** Its client has come to another server with it, which may have been told to say so. */
  isAskedElsewhere = false;
  /** Requests for ephemeral nodes that its home was sent. */
  readonly ephemeralsAsked: Sent[] = [];

  constructor(home: Home, timeoutMs: number, nowMs: number) {
    this.home = home;
    this.timeoutMs = timeoutMs;
    this.seenMs = nowMs;
  }
}

export class LocalSessions implements LocalStandings {
  readonly #isUpgrading: boolean;
  readonly #homes: Homes;
  readonly #coverage: Coverage;
  readonly #sessions = new Map<bigint, LocalSession>();

  /** @param isUpgrading they become global when they are to own ephemeral nodes */
  constructor(isUpgrading: boolean, homes: Homes, coverage: Coverage) {
    this.#isUpgrading = isUpgrading;
    this.#homes = homes;
    this.#coverage = coverage;
  }

  // What servers tell clients

  opened(sessionId: bigint, serverId: number, timeoutMs: number, nowMs: number): void {
    const home = { serverId, life: this.#homes.lifeOf(serverId) };
    this.#sessions.set(sessionId, new LocalSession(home, timeoutMs, nowMs));
    this.#coverage.happened('local session opened');
  }

  /** A server that it is not global for as yet lets its client go on. */
  resumed(sessionId: bigint, serverId: number, nowMs: number): void {
    const session = this.#sessions.get(sessionId);
    if (session === undefined) {
      return;
    }
    if (session.globalZxid > 0) {
      if (serverId !== session.home.serverId) {
        this.#coverage.happened('upgraded session resumed elsewhere');
      }
      return;
    }
    const name = () => `server ${serverId} goes on with the local session ${sessionHex(sessionId)}`;
    check(!session.isOver, 'handshake', () => `${name()}, which is over`);
    if (this.#isAtHome(session, serverId)) {
      session.seenMs = Math.max(session.seenMs, nowMs);
      this.#coverage.happened('local session resumed at home');
      return;
    }
    // The leader vouches for one as soon as it has proposed to open it.
    check(this.#mayBecomeGlobal(session), 'handshake', () => `${name()} of server ${session.home.serverId}`);
  }

  /** Whether a server may say of the session that it is gone, although nobody has ended it. */
  mayBeGoneAt(sessionId: bigint, serverId: number): boolean {
    const session = this.#sessions.get(sessionId);
    if (session === undefined || session.globalZxid > 0) {
      return false;
    }
    return !this.#isAtHome(session, serverId) || session.isAskedElsewhere;
  }

  /** Its client has come to a server with it. */
  resuming(sessionId: bigint, serverId: number): void {
    const session = this.#sessions.get(sessionId);
    if (session !== undefined && !this.#isAtHome(session, serverId)) {
      session.isAskedElsewhere = true;
    }
  }

  /** A server has said so. */
  refused(sessionId: bigint, serverId: number): void {
    const session = this.#sessions.get(sessionId);
    if (session === undefined) {
      return;
    }
    session.goneZxid = Math.min(session.goneZxid, this.#homes.proposedZxid);
    if (session.globalZxid === 0 && !session.isOver) {
      const isThere = this.#isServedAtHome(session) && serverId !== session.home.serverId;
      this.#coverage.happened(isThere ? 'local session refused elsewhere' : 'local session lost with its server');
    }
  }

  /** A client that may have been connected elsewhere before sends a request to a server. */
  sent(sessionId: bigint, serverId: number, sent: Sent): void {
    const session = this.#sessions.get(sessionId);
    if (session !== undefined && this.#isAtHome(session, serverId) && createsEphemeral(sent.request)) {
      session.ephemeralsAsked.push(sent);
    }
  }

  /** A request that the server had at `deliveredMs` has been answered. */
  showedLife(sessionId: bigint, serverId: number, deliveredMs: number): void {
    const session = this.#sessions.get(sessionId);
    if (session?.home.serverId === serverId) {
      session.seenMs = Math.max(session.seenMs, deliveredMs);
    }
  }

  /** Whether its end needs no transaction. */
  endsLocally(sessionId: bigint): boolean {
    return this.#sessions.get(sessionId)?.globalZxid === 0;
  }

  /** Its client was told that it has ended it. */
  closed(sessionId: bigint, serverId: number): void {
    const session = this.#sessions.get(sessionId);
    if (session !== undefined) {
      const where = () => `server ${serverId} ends the local session ${sessionHex(sessionId)}`;
      check(this.#isAtHome(session, serverId), 'sessions', () => `${where()} of server ${session.home.serverId}`);
      check(!session.isOver, 'sessions', () => `${where()} again`);
      session.isOver = true;
    }
  }

  /** A server says that a session has expired. `clockRate`: milliseconds of its clock in one of the world's. */
  expired(sessionId: bigint, serverId: number, nowMs: number, clockRate: number): void {
    const session = this.#sessions.get(sessionId);
    if (session === undefined || session.globalZxid > 0) {
      return; // it is the leader's to expire, and another judge's business
    }
    const { timeoutMs, seenMs, home } = session;
    const name = `the local session ${sessionHex(sessionId)} of server ${home.serverId}, timeout ${timeoutMs} ms`;
    if (serverId !== home.serverId && this.#mayBecomeGlobal(session)) {
      return; // its client has gone on there, by the leader's word, before its createSession is committed
    }
    check(this.#isAtHome(session, serverId), 'expiry', () => `server ${serverId} has ${name} expire`);
    // Clocks show whole milliseconds: a millisecond may be missing at either end.
    const isSilent = (nowMs - seenMs) * clockRate >= timeoutMs - 2;
    check(isSilent, 'expiry', () => `${name}, expires ${nowMs - seenMs} ms after its client was heard`);
    session.isOver = true;
    this.#coverage.happened('local session expired');
  }

  /**
   * The table of a server that serves the state `global` sessions are of: those, its own, and such as the leader has
   * vouched for.
   */
  checkTable(serverId: number, table: SessionTable, global: ReadonlyMap<bigint, number>): void {
    const problem = (id: bigint, what: string) => () => `server ${serverId}, session ${sessionHex(id)}: ${what}`;
    for (const { id, local, opening, closing } of table.values()) {
      if (local) {
        const session = this.#sessions.get(id);
        const isHere = session !== undefined && this.#isAtHome(session, serverId) && (!session.isOver || closing);
        check(isHere, 'sessions', problem(id, 'it is local here, and should not be'));
      } else {
        check(opening || global.has(id), 'sessions', problem(id, 'it is global here, and should not be'));
      }
    }
    for (const id of global.keys()) {
      const known = table.get(id);
      check(known !== undefined && !known.local, 'sessions', problem(id, 'it is not global here, and should be'));
    }
  }

  // What becomes a transaction

  of(state: ModelState, { sessionId, zxid, txn }: LoggedTxn, request: ClientRequest): readonly Standing[] {
    const session = this.#sessions.get(sessionId);
    if (state.sessions.has(sessionId)) {
      return ['global'];
    }
    if (session === undefined || session.globalZxid > 0) {
      return ['gone'];
    }
    if (txn.type === OpCode.error && txn.value.err === ErrorNumber.SESSION_EXPIRED) {
      this.#coverage.happened('late request of a local session refused');
    }
    const isOver = this.#mayBeOver(session);
    if (zxid > session.goneZxid) {
      return ['gone'];
    }
    if (createsEphemeral(request)) {
      if (this.#isUpgrading) {
        return isOver ? ['gone'] : [];
      }
      this.#coverage.happened('ephemeral refused to a local session');
    }
    if (request.kind === 'closeSession') {
      return isOver ? ['gone'] : [];
    }
    return isOver ? ['local', 'gone'] : ['local'];
  }

  checkOpened(logged: LoggedTxn): void {
    const { sessionId, zxid, txn } = logged;
    const session = this.#sessions.get(sessionId);
    const problem = (what: string) => () => `${describeTxn(logged)}: ${what}`;
    check(this.#isUpgrading, 'transactions', problem('local sessions never become global'));
    check(session !== undefined, 'transactions', problem('nobody has this session'));
    check(session.globalZxid === 0, 'transactions', problem(`it was opened by ${zxidText(session.globalZxid)}`));
    const isAsked = this.#mayBecomeGlobal(session);
    check(isAsked, 'transactions', problem('its client has asked its server for no ephemeral node'));
    const isGone = session.goneZxid < Number.POSITIVE_INFINITY;
    // One that has expired meanwhile has its end behind its beginning.
    check(!isGone || session.isOver, 'transactions', problem('its client had been told that it is gone'));
    if (txn.type === OpCode.createSession) {
      const differs = problem(`its timeout is ${session.timeoutMs} ms`);
      check(txn.value.timeOut === session.timeoutMs, 'transactions', differs);
    }
    session.globalZxid = zxid;
    this.#coverage.happened('local session upgraded');
    if (!this.#isServedAtHome(session)) {
      this.#coverage.happened('upgrade crossed a fail-over');
    }
  }

  isRefusedUpgrade(logged: LoggedTxn): boolean {
    const { sessionId, cxid, txn } = logged;
    const session = this.#sessions.get(sessionId);
    if (cxid !== 0 || session === undefined || txn.type !== OpCode.error) {
      return false;
    }
    const isRight = txn.value.err === ErrorNumber.SESSION_EXPIRED && session.globalZxid === 0;
    const why = () => `${describeTxn(logged)}: its session might have been opened`;
    check(isRight && this.#mayBeOver(session) && this.#mayBecomeGlobal(session), 'transactions', why);
    this.#coverage.happened('upgrade refused to who has gone');
    return true;
  }

  #isServedAtHome({ home }: LocalSession): boolean {
    return this.#homes.lifeOf(home.serverId) === home.life;
  }

  #isAtHome(session: LocalSession, serverId: number): boolean {
    return serverId === session.home.serverId && this.#isServedAtHome(session);
  }

  #mayBeOver(session: LocalSession): boolean {
    return session.isOver || session.isAskedElsewhere || !this.#isServedAtHome(session);
  }

  /** Its home has had a request for which it becomes global. */
  #mayBecomeGlobal({ ephemeralsAsked }: LocalSession): boolean {
    return this.#isUpgrading && ephemeralsAsked.some(({ deliveredMs }) => deliveredMs >= 0);
  }
}
