/**
 * Watches a run from outside and applies the checkers. It sees what goes over the seams: what clients send, what the
 * server hands to the disk, what it writes to connections, and the tables that it has after a restart. It takes no
 * part: the workload and the faults are drawn without it.
 */
import { ConnectResponse, type Id, JuteReader, OpCode, Perms, WatcherEvent } from '@treekeeper/protocol';
import type { DiskStep, Replica } from '@treekeeper/server/internal';
import { ConnectionView, type Sent, type SentHandshake } from './checkers/connection-view.ts';
import { ExpiryChecker } from './checkers/expiry.ts';
import { checkRecoveredState, checkRecoveredZxid } from './checkers/recovery.ts';
import { checkReply } from './checkers/replies.ts';
import { SequenceChecker } from './checkers/sequences.ts';
import { type ReapingRules, TransactionChecker } from './checkers/transactions.ts';
import { check } from './checkers/violation.ts';
import type { Coverage } from './coverage.ts';
import { describeTxn, History, type LoggedTxn, sessionHex } from './history.ts';
import { permits } from './model/access.ts';
import { ModelState } from './model/state.ts';
import type { ClientRequest } from './requests.ts';

/** A frame that the server has sent, with the zxid of the state that it shows. */
interface Frame {
  readonly xid: number;
  readonly zxid: number;
  readonly err: number;
  readonly body: Uint8Array;
  /** In the order of transactions it belongs here. */
  place: number;
}

interface Output {
  readonly view: ConnectionView;
  readonly frames: Frame[];
  next: number;
}

export interface RefereeOptions {
  readonly minSessionTimeoutMs: number;
  readonly maxSessionTimeoutMs: number;
  readonly reaper: ReapingRules;
}

const REPLY_HEADER_BYTES = 16;
const EVENT_XID = -1;

export class Referee {
  readonly history = new History();
  /** After the last transaction that the server is known to have applied. */
  state = new ModelState();
  /** The last transaction that any client has been shown. */
  seenZxid = 0;
  /** Answers and events looked at. */
  framesChecked = 0;
  readonly #options: RefereeOptions;
  readonly #coverage: Coverage;
  readonly #transactions = new TransactionChecker();
  readonly #sequences = new SequenceChecker();
  readonly #expiry = new ExpiryChecker();
  readonly #views = new Set<ConnectionView>();
  readonly #timeouts = new Map<bigint, Set<number>>();
  readonly #passwords = new Map<bigint, Buffer>();
  /** Catch-up events of a setWatches that are still to come. */
  readonly #catchUps = new Map<ConnectionView, { type: number; path: string }[]>();
  #nowMs = 0;

  constructor(options: RefereeOptions, coverage: Coverage) {
    this.#options = options;
    this.#coverage = coverage;
  }

  // What clients do

  connected(port: number): ConnectionView {
    const view = new ConnectionView(port);
    this.#views.add(view);
    return view;
  }

  handshakeSent(view: ConnectionView, handshake: SentHandshake): void {
    view.handshake = handshake;
  }

  sent(view: ConnectionView, request: ClientRequest, xid: number, endOffset: number): void {
    const sent = view.sent(request, xid, endOffset);
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
    view.ended = true;
    this.#views.delete(view);
    this.#catchUps.delete(view);
  }

  // What the server does

  wallClockIs(offsetMs: number, nowMs: number): void {
    this.#expiry.wallClockIs(offsetMs, nowMs);
  }

  submitted(steps: readonly DiskStep[], nowMs: number): LoggedTxn[] {
    return this.history.submitted(steps, nowMs);
  }

  /** A turn has ended: what it wrote to connections, in the order of the connections' numbers. */
  turned(replica: Replica, written: readonly { view: ConnectionView; bytes: Buffer }[], nowMs: number): void {
    this.#nowMs = nowMs;
    const { lastZxid } = replica.world.tree;
    check(lastZxid >= this.state.lastZxid, 'order', () => `zxid ${lastZxid} after ${this.state.lastZxid}`);
    const outputs = written.map(({ view, bytes }) => ({ view, frames: this.#cut(view, bytes), next: 0 }));
    for (const output of outputs) {
      place(output.frames, this.state.lastZxid);
    }
    for (;;) {
      for (const output of outputs) {
        this.#framesThrough(output, this.state.lastZxid);
      }
      if (this.state.lastZxid === lastZxid) {
        break;
      }
      this.#advance();
    }
    for (const { view, frames, next } of outputs) {
      const early = frames[next];
      const what = () => `connection ${view.port} was told of zxid ${early.zxid}; the last applied is ${lastZxid}`;
      check(next === frames.length, 'order', what);
    }
  }

  /** After `turned`, and after the connections that the turn has closed were reported as `ended`. */
  checkNothingOverdue(): void {
    for (const view of this.#views) {
      view.events.checkDelivered(this.state.lastZxid, () => `the end of the turn, connection ${view.port},`);
    }
  }

  #cut(view: ConnectionView, bytes: Buffer): Frame[] {
    const frames: Frame[] = [];
    view.frames.push(bytes, (chunk, start, end) => {
      const frame = Buffer.from(chunk.subarray(start, end));
      this.framesChecked++;
      if (view.handshake !== null && view.sessionId === 0n) {
        this.#handshakeAnswered(view, view.handshake, frame);
        return true;
      }
      check(frame.length >= REPLY_HEADER_BYTES, 'replies', () => `a frame of ${frame.length} bytes`);
      const zxid = Number(frame.readBigInt64BE(4));
      const body = frame.subarray(REPLY_HEADER_BYTES);
      frames.push({ xid: frame.readInt32BE(0), zxid, err: frame.readInt32BE(12), body, place: zxid });
      return true;
    });
    return frames;
  }

  #handshakeAnswered(view: ConnectionView, asked: SentHandshake, frame: Buffer): void {
    const { sessionId, timeOut, passwd } = ConnectResponse.decode(new JuteReader(frame));
    const name = sessionHex(sessionId === 0n ? asked.sessionId : sessionId);
    const problem = (what: string) => () => `connection ${view.port}, session ${name}: ${what}`;
    view.handshake = null;
    if (sessionId === 0n) {
      this.#coverage.happened('session refused');
      check(asked.sessionId !== 0n, 'handshake', problem('a new session was refused'));
      if (asked.hasRightPassword) {
        this.#expiry.refused(asked.sessionId, this.#nowMs);
      }
      this.#expiry.closeRequested(asked.sessionId); // it is gone as far as its client knows
      return;
    }
    const { minSessionTimeoutMs, maxSessionTimeoutMs } = this.#options;
    const timeoutMs = Math.min(Math.max(asked.requestedTimeoutMs, minSessionTimeoutMs), maxSessionTimeoutMs);
    check(timeOut === timeoutMs, 'handshake', problem(`a timeout of ${timeOut} ms, not ${timeoutMs}`));
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
    this.#expiry.opened(sessionId, timeoutMs, this.#nowMs);
    this.#timeoutsOf(sessionId).add(timeoutMs);
    for (const sent of view.all) {
      this.#belongsTo(sessionId, sent);
    }
  }

  #timeoutsOf(sessionId: bigint): Set<number> {
    const timeouts = this.#timeouts.get(sessionId) ?? new Set();
    this.#timeouts.set(sessionId, timeouts);
    return timeouts;
  }

  #framesThrough(output: Output, zxid: number): void {
    const { view, frames } = output;
    for (; output.next < frames.length && frames[output.next].place <= zxid; output.next++) {
      const frame = frames[output.next];
      check(frame.place === zxid, 'order', () => `connection ${view.port}: zxid ${frame.place} came after ${zxid}`);
      this.seenZxid = Math.max(this.seenZxid, frame.zxid);
      if (frame.xid === EVENT_XID) {
        this.#event(view, frame);
      } else {
        this.#reply(view, frame);
      }
    }
  }

  #event(view: ConnectionView, { zxid, body }: Frame): void {
    const { type, path } = WatcherEvent.decode(new JuteReader(body));
    this.#coverage.happened(zxid >= 0 ? 'event' : 'event of setWatches');
    if (zxid >= 0) {
      view.events.delivered(type, path, zxid);
      return;
    }
    const next = this.#catchUp(view).shift();
    check(
      next?.type === type && next.path === path,
      'events',
      () => `connection ${view.port}: catch-up event ${type} for ${path} came where ${JSON.stringify(next)} was due`,
    );
  }

  /** What the setWatches that is to be answered next has to tell. */
  #catchUp(view: ConnectionView): { type: number; path: string }[] {
    let events = this.#catchUps.get(view);
    if (events === undefined) {
      const request = view.oldest?.request;
      events = request?.kind === 'setWatches2' ? view.watches.catchUp(this.state.tree, request.lists) : [];
      this.#catchUps.set(view, events);
    }
    return events;
  }

  #reply(view: ConnectionView, frame: Frame): void {
    const sent = view.oldest;
    check(
      sent !== undefined,
      'replies',
      () => `connection ${view.port}: an answer that nobody waits for, ${frame.xid}`,
    );
    view.events.checkDelivered(frame.place, () => `the answer of ${sent.request.kind} ${sent.xid}`);
    if (sent.request.kind === 'setWatches2') {
      const [missing] = this.#catchUp(view);
      check(missing === undefined, 'events', () => `connection ${view.port}: ${JSON.stringify(missing)} was not told`);
      this.#catchUps.delete(view);
    }
    const logged = checkReply(sent, frame, this.state, this.history);
    view.answered();
    if (sent.refused) {
      this.#coverage.happened('write refused for a full disk');
    } else if (logged === null) {
      this.#coverage.happened('read answered');
    } else {
      this.#coverage.happened(frame.err === 0 ? 'write acknowledged' : 'write refused');
      this.#sequences.acknowledged(sent.request, logged.txn, this.state);
    }
    if (sent.request.kind !== 'auth') {
      this.#expiry.showedLife(view.sessionId, sent.deliveredMs);
    }
  }

  /** The next transaction is applied. */
  #advance(): void {
    const { state } = this;
    const logged = this.history.at(state.lastZxid + 1);
    const { sessionId, zxid, txn, digest, cxid, loggedMs } = logged;
    this.#transactions.check(state, logged, this.#options.reaper);
    const changes = state.apply(txn, logged);
    const differs = () => `${describeTxn(logged)} was logged with digest ${digest}; it is ${state.tree.digest}`;
    check(digest === null || digest === state.tree.digest, 'digest', differs);
    if (txn.type === OpCode.createSession) {
      this.#timeoutsOf(sessionId).add(txn.value.timeOut);
      this.#expiry.opened(sessionId, txn.value.timeOut, loggedMs);
    } else if (txn.type === OpCode.closeSession && cxid === 0) {
      this.#expiry.expired(logged);
    }
    for (const change of changes) {
      for (const view of this.#views) {
        for (const { type, path, acl } of view.watches.fire(change)) {
          if (permits(acl, Perms.read, view.identities)) {
            view.events.expect(type, path, zxid);
          }
        }
      }
    }
  }

  // Restarts

  /** The server says that it has nothing left to write: all that it has proposed must be found. */
  allIsDurable(): void {
    this.seenZxid = this.history.lastZxid;
  }

  /** The server has come up again. All connections are gone. */
  restarted(replica: Replica, nowMs: number): void {
    const { lastZxid } = replica.world.tree;
    checkRecoveredZxid(lastZxid, this.seenZxid, this.history.lastZxid);
    this.history.forgetAfter(lastZxid);
    if (lastZxid < this.state.lastZxid) {
      this.state = this.#replayed(lastZxid); // applied and lost, but nobody had seen it
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

/**
 * Gives frames without a zxid of their own a place: events made up by setWatches belong to the answer that follows,
 * answers to auth packets (zxid 0) to what came before.
 */
function place(frames: Frame[], zxidBefore: number): void {
  for (let i = frames.length - 1; i >= 0; i--) {
    const frame = frames[i];
    if (frame.xid === EVENT_XID && frame.zxid < 0) {
      frame.place = frames[i + 1]?.place ?? zxidBefore;
    }
  }
  let last = zxidBefore;
  for (const frame of frames) {
    if (frame.zxid === 0 && frame.xid !== EVENT_XID) {
      frame.place = last;
    }
    last = frame.place;
  }
}
