/**
 * Watches a run from outside and applies the checkers. It sees what goes over the seams: what clients send, what the
 * server hands to the disk, what it writes to connections, and the tables that it has after a restart. It takes no
 * part: the workload and the faults are drawn without it.
 */
import { type ConnectResponse, type Id, type Infer, OpCode } from '@treekeeper/protocol';
import type { DiskStep, Replica } from '@treekeeper/server/internal';
import { ConnectionView, type Sent, type SentHandshake } from './checkers/connection-view.ts';
import { ExpiryChecker } from './checkers/expiry.ts';
import { checkRecoveredState, checkRecoveredZxid } from './checkers/recovery.ts';
import { SequenceChecker } from './checkers/sequences.ts';
import { type ReapingRules, TransactionChecker } from './checkers/transactions.ts';
import { check } from './checkers/violation.ts';
import { ConnectionJudge, type Written } from './connection-judge.ts';
import type { Coverage } from './coverage.ts';
import { describeTxn, History, type LoggedTxn, sessionHex } from './history.ts';
import { ModelState } from './model/state.ts';
import type { ModelChange } from './model/tree.ts';
import type { ClientRequest } from './requests.ts';

export interface RefereeOptions {
  readonly minSessionTimeoutMs: number;
  readonly maxSessionTimeoutMs: number;
  readonly reaper: ReapingRules;
  readonly rules: { readonly enforceQuota: boolean };
}

export class Referee {
  readonly history = new History();
  readonly #options: RefereeOptions;
  readonly #coverage: Coverage;
  readonly #judge: ConnectionJudge;
  readonly #transactions: TransactionChecker;
  readonly #sequences = new SequenceChecker();
  readonly #expiry = new ExpiryChecker();
  readonly #timeouts = new Map<bigint, Set<number>>();
  readonly #passwords = new Map<bigint, Buffer>();
  #nowMs = 0;

  constructor(options: RefereeOptions, coverage: Coverage) {
    this.#options = options;
    this.#transactions = new TransactionChecker(options.rules.enforceQuota);
    this.#coverage = coverage;
    this.#judge = new ConnectionJudge({
      history: this.history,
      coverage,
      advance: () => this.#advance(),
      handshakeAnswered: (view, asked, answer) => this.#handshakeAnswered(view, asked, answer),
      answered: (sent, logged) => this.#answered(sent, logged),
    });
  }

  /** After the last transaction that the server is known to have applied. */
  get state(): ModelState {
    return this.#judge.state;
  }

  /** The last transaction that any client has been shown. */
  get seenZxid(): number {
    return this.#judge.seenZxid;
  }

  /** Answers and events looked at. */
  get framesChecked(): number {
    return this.#judge.framesChecked;
  }

  // What clients do

  connected(port: number): ConnectionView {
    const view = new ConnectionView(port);
    this.#judge.connected(view);
    return view;
  }

  handshakeSent(view: ConnectionView, handshake: SentHandshake): void {
    view.handshake = handshake;
  }

  sent(view: ConnectionView, request: ClientRequest, xid: number, endOffset: number): void {
    const sent = view.sent(request, xid, endOffset, this.seenZxid);
    if (view.sessionId !== 0n) {
      this.#belongsTo(view.sessionId, sent);
    }
  }

  #belongsTo(sessionId: bigint, sent: Sent): void {
    this.#transactions.sent(sessionId, sent);
    if (sent.request.kind === 'closeSession') {
      this.#expiry.closeRequested(sessionId);
    }
  }

  /** The client has proven to be a user, from its next request on. */
  identified(view: ConnectionView, identity: Id): void {
    view.identities = [...view.identities, identity];
  }

  /** An end of the connection is closed. */
  ended(view: ConnectionView): void {
    this.#judge.ended(view);
  }

  // What the server does

  wallClockIs(offsetMs: number, nowMs: number): void {
    this.#expiry.wallClockIs(offsetMs, nowMs);
  }

  submitted(steps: readonly DiskStep[], nowMs: number): LoggedTxn[] {
    return this.history.submitted(steps, nowMs);
  }

  /** A turn has ended: what it wrote to connections, in the order of the connections' numbers. */
  turned(replica: Replica, written: readonly Written[], nowMs: number): void {
    this.#nowMs = nowMs;
    const { lastZxid } = replica.world.tree;
    check(lastZxid >= this.state.lastZxid, 'order', () => `zxid ${lastZxid} after ${this.state.lastZxid}`);
    this.#judge.turned(written, () => lastZxid);
  }

  /** After `turned`, and after the connections that the turn has closed were reported as `ended`. */
  checkNothingOverdue(): void {
    this.#judge.checkNothingOverdue();
  }

  #handshakeAnswered(view: ConnectionView, asked: SentHandshake, answer: Infer<typeof ConnectResponse>): void {
    const { sessionId, timeOut, passwd } = answer;
    const name = sessionHex(sessionId === 0n ? asked.sessionId : sessionId);
    const problem = (what: string) => () => `connection ${view.port}, session ${name}: ${what}`;
    if (sessionId === 0n) {
      this.#coverage.happened('session refused');
      check(asked.sessionId !== 0n, 'handshake', problem('a new session was refused'));
      if (asked.hasRightPassword) {
        this.#expiry.refused(asked.sessionId, this.#nowMs);
      }
      this.#expiry.closeRequested(asked.sessionId); // it is gone as far as its client knows
      return;
    }
    checkTimeout(asked, timeOut, this.#options, problem);
    const known = this.#passwords.get(sessionId);
    if (asked.sessionId === 0n) {
      check(known === undefined, 'handshake', problem('it was given to two clients'));
      this.#passwords.set(sessionId, Buffer.from(passwd));
    } else {
      check(sessionId === asked.sessionId && asked.hasRightPassword, 'handshake', problem('it was resumed wrongly'));
      check(known?.equals(passwd) === true, 'handshake', problem('its password has changed'));
    }
    view.sessionId = sessionId;
    this.#coverage.happened(asked.sessionId === 0n ? 'session opened' : 'session resumed');
    this.#expiry.opened(sessionId, timeOut, this.#nowMs);
    this.#timeoutsOf(sessionId).add(timeOut);
    for (const sent of view.all) {
      this.#belongsTo(sessionId, sent);
    }
  }

  #timeoutsOf(sessionId: bigint): Set<number> {
    const timeouts = this.#timeouts.get(sessionId) ?? new Set();
    this.#timeouts.set(sessionId, timeouts);
    return timeouts;
  }

  #answered(sent: Sent, logged: LoggedTxn | null): void {
    if (logged !== null) {
      this.#sequences.acknowledged(sent.request, logged.txn, this.state);
    }
    if (sent.request.kind !== 'auth') {
      this.#expiry.showedLife(sent.view.sessionId, sent.deliveredMs);
    }
  }

  /** The next transaction is applied. */
  #advance(): ModelChange[] {
    const { state } = this;
    const logged = this.history.at(state.lastZxid + 1);
    const { sessionId, txn, cxid, loggedMs } = logged;
    this.#transactions.check(state, logged, this.#options.reaper);
    const changes = state.apply(txn, logged);
    checkDigest(logged, state);
    if (txn.type === OpCode.createSession) {
      this.#timeoutsOf(sessionId).add(txn.value.timeOut);
      this.#expiry.opened(sessionId, txn.value.timeOut, loggedMs);
    } else if (txn.type === OpCode.closeSession && cxid === 0) {
      this.#expiry.expired(logged);
    }
    return changes;
  }

  // Restarts

  /** The server says that it has nothing left to write: all that it has proposed must be found. */
  allIsDurable(): void {
    this.#judge.seenZxid = this.history.lastZxid;
  }

  /** The server has come up again. All connections are gone. */
  restarted(replica: Replica, nowMs: number): void {
    const { lastZxid } = replica.world.tree;
    checkRecoveredZxid(lastZxid, this.seenZxid, this.history.lastZxid);
    this.history.forgetAfter(lastZxid);
    if (lastZxid < this.state.lastZxid) {
      this.#judge.state = this.#replayed(lastZxid); // applied and lost, but nobody had seen it
    }
    while (this.state.lastZxid < lastZxid) {
      this.#advance();
    }
    checkRecoveredState(replica, this.state, (sessionId) => this.#timeoutsOf(sessionId));
    for (const [sessionId, timeoutMs] of replica.world.sessions.globalTimeouts()) {
      this.#expiry.opened(sessionId, timeoutMs, nowMs);
    }
  }

  #replayed(zxid: number): ModelState {
    const state = new ModelState();
    while (state.lastZxid < zxid) {
      const logged = this.history.at(state.lastZxid + 1);
      state.apply(logged.txn, logged);
    }
    return state;
  }
}

/** The timeout of a session is the one that was asked for, within the server's bounds. */
export function checkTimeout(
  { requestedTimeoutMs }: SentHandshake,
  actualMs: number,
  { minSessionTimeoutMs, maxSessionTimeoutMs }: Omit<RefereeOptions, 'reaper' | 'rules'>,
  problem: (what: string) => () => string,
): void {
  const timeoutMs = Math.min(Math.max(requestedTimeoutMs, minSessionTimeoutMs), maxSessionTimeoutMs);
  check(actualMs === timeoutMs, 'handshake', problem(`a timeout of ${actualMs} ms, not ${timeoutMs}`));
}

/** The digest that was logged with a transaction, against the model's after it. */
export function checkDigest(logged: LoggedTxn, { tree }: ModelState): void {
  const { digest } = logged;
  const differs = () => `${describeTxn(logged)} was logged with digest ${digest}; it is ${tree.digest}`;
  check(digest === null || digest === tree.digest, 'digest', differs);
}
