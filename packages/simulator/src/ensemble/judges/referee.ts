/**
 * Watches an ensemble from outside and applies the judges. It sees what goes over the seams: what clients send and get,
 * what servers hand to their disks and what the disks do, and the tables of servers that serve. It takes no part: the
 * workload and the faults are drawn without it.
 */
import { type ConnectResponse, epochOf, type Id, type Infer, makeZxid, OpCode } from '@treekeeper/protocol';
import type { Configuration, DiskStep, Replica } from '@treekeeper/server/internal';
import { ConnectionView, type Sent, type SentHandshake } from '../../checkers/connection-view.ts';
import { checkRecoveredState } from '../../checkers/recovery.ts';
import { SequenceChecker } from '../../checkers/sequences.ts';
import { type ReapingRules, TransactionChecker } from '../../checkers/transactions.ts';
import { check } from '../../checkers/violation.ts';
import { ConnectionJudge, type Written } from '../../connection-judge.ts';
import type { Coverage } from '../../coverage.ts';
import { type LoggedTxn, LogTap, zxidText } from '../../history.ts';
import { ModelState } from '../../model/state.ts';
import type { ModelChange } from '../../model/tree.ts';
import { checkDigest } from '../../referee.ts';
import type { ClientRequest } from '../../requests.ts';
import { CommittedOrder } from './committed-order.ts';
import { Holdings } from './holdings.ts';
import { LocalSessions } from './local-sessions.ts';
import { MembershipJudge } from './membership.ts';
import { RealTimeJudge } from './real-time.ts';
import { SessionJudge, type TimeoutBounds } from './sessions.ts';

export interface EnsembleRules extends TimeoutBounds {
  readonly reaper: ReapingRules;
  readonly digestEnabled: boolean;
  readonly enforceQuota: boolean;
  readonly hasObserverMasters: boolean;
  readonly localSessions: LocalSessionRule;
  readonly configuration: Configuration;
}

/** Whether transactions open all sessions; those that none opens become global when they must, or never. */
export type LocalSessionRule = 'none' | 'upgraded' | 'local for ever';

const CONFIG_PATH = '/zookeeper/config';

/** What the judges know of one server. */
class Witnessed {
  readonly judge: ConnectionJudge;
  readonly holdings = new Holdings();
  tap = new LogTap();
  isServing = false;
  /** What serves now; null: nothing. It has been another one before `life` last rose. */
  service: object | null = null;
  life = 0;
  /** It has led this epoch; −1: it is no leader now. */
  leadsEpoch = -1;

  constructor(judge: ConnectionJudge) {
    this.judge = judge;
  }
}

export class EnsembleReferee {
  readonly order = new CommittedOrder();
  readonly sessions: SessionJudge;
  readonly membership: MembershipJudge;
  readonly #locals: LocalSessions | null;
  /** After the last committed transaction. */
  readonly state = new ModelState();
  readonly #rules: EnsembleRules;
  readonly #coverage: Coverage;
  readonly #transactions: TransactionChecker;
  readonly #sequences = new SequenceChecker();
  readonly #realTime = new RealTimeJudge();
  readonly #servers = new Map<number, Witnessed>();
  readonly #serverOf = new Map<ConnectionView, number>();
  readonly #clockRates: ReadonlyMap<number, number>;
  /** The highest zxid that any leader has given away so far. */
  proposedZxid = 0;
  #nowMs = 0;
  #weighedZxid = 0;

  constructor(rules: EnsembleRules, clockRates: ReadonlyMap<number, number>, coverage: Coverage) {
    this.#rules = rules;
    this.#coverage = coverage;
    this.#clockRates = clockRates;
    const isUpgrading = rules.localSessions === 'upgraded';
    this.#locals = rules.localSessions === 'none' ? null : new LocalSessions(isUpgrading, this, coverage);
    this.sessions = new SessionJudge(rules, this.#locals);
    this.membership = new MembershipJudge(rules.configuration);
    const mayHaveMoved = (sessionId: bigint) => this.sessions.mayHaveMoved(sessionId);
    const { enforceQuota, hasObserverMasters } = rules;
    this.#transactions = new TransactionChecker(enforceQuota, mayHaveMoved, hasObserverMasters, this.#locals);
    for (const serverId of clockRates.keys()) {
      this.#servers.set(serverId, new Witnessed(this.#newJudge(serverId)));
    }
  }

  #newJudge(serverId: number): ConnectionJudge {
    return new ConnectionJudge({
      history: this.order,
      coverage: this.#coverage,
      advance: () => this.#advance(this.#server(serverId)),
      handshakeAnswered: (view, asked, answer) => this.#handshakeAnswered(serverId, view, asked, answer),
      endsLocally: (sent) => this.#locals?.endsLocally(sent.view.sessionId) === true,
      endedLocally: (sent) => this.#locals?.closed(sent.view.sessionId, serverId),
      answered: (sent, logged) => this.#answered(serverId, sent, logged),
    });
  }

  /** How often the server has begun to serve, or ceased. */
  lifeOf(serverId: number): number {
    return this.#server(serverId).life;
  }

  #server(serverId: number): Witnessed {
    return this.#servers.get(serverId) as Witnessed;
  }

  /** Answers and events looked at. */
  get framesChecked(): number {
    return [...this.#servers.values()].reduce((sum, { judge }) => sum + judge.framesChecked, 0);
  }

  // What clients do and get

  connected(serverId: number, port: number): ConnectionView {
    const view = new ConnectionView(port);
    this.#serverOf.set(view, serverId);
    this.#server(serverId).judge.connected(view);
    return view;
  }

  handshakeSent(view: ConnectionView, handshake: SentHandshake): void {
    view.handshake = handshake;
    if (handshake.sessionId !== 0n) {
      this.sessions.resuming(handshake.sessionId);
      this.#locals?.resuming(handshake.sessionId, this.#serverOf.get(view) as number);
    }
  }

  sent(view: ConnectionView, request: ClientRequest, xid: number, endOffset: number): Sent {
    const sent = view.sent(request, xid, endOffset, this.#realTime.toldZxid);
    this.#transactions.sent(view.sessionId, sent);
    this.#locals?.sent(view.sessionId, this.#serverOf.get(view) as number, sent);
    if (request.kind === 'closeSession') {
      this.sessions.mayEnd(view.sessionId);
    }
    return sent;
  }

  /** The client has proven to be a user, from its next request on. */
  identified(view: ConnectionView, identity: Id): void {
    if (!view.identities.some(({ scheme, id }) => scheme === identity.scheme && id === identity.id)) {
      view.identities = [...view.identities, identity];
    }
  }

  received(sessionId: bigint, xid: number, zxid: number, sent: Sent | undefined): void {
    this.#realTime.received(sessionId, xid, zxid, sent);
  }

  /** A server says that a session has expired. */
  expired(serverId: number, sessionId: bigint, nowMs: number): void {
    this.sessions.mayEnd(sessionId);
    this.#locals?.expired(sessionId, serverId, nowMs, this.#clockRates.get(serverId) ?? 1);
  }

  /** An end of the connection is closed. */
  ended(view: ConnectionView): void {
    this.#server(this.#serverOf.get(view) as number).judge.ended(view);
  }

  // What servers do

  /** Returns the transactions that are on their way to the disk. */
  submitted(serverId: number, steps: readonly DiskStep[], nowMs: number): LoggedTxn[] {
    const server = this.#server(serverId);
    const submitted: LoggedTxn[] = [];
    for (const step of steps) {
      const txns = server.tap.submitted(step, nowMs);
      server.holdings.submitted(step, txns);
      for (const txn of txns) {
        this.order.logged(txn, serverId);
        submitted.push(txn);
      }
    }
    return submitted;
  }

  diskDone(serverId: number, step: DiskStep): void {
    this.#server(serverId).holdings.done(step);
  }

  /** A process has recovered, and joins its ensemble now. */
  started(serverId: number, replica: Replica): void {
    const server = this.#server(serverId);
    server.tap = new LogTap();
    server.holdings.recovered(replica.world.tree.lastZxid);
  }

  stopped(serverId: number): void {
    const server = this.#server(serverId);
    server.isServing = false;
    server.service = null;
    server.life++;
    server.leadsEpoch = -1;
  }

  wiped(serverId: number): void {
    this.#server(serverId).holdings.wiped();
  }

  /** Whether everything that was ever logged is committed, and on the disks of these servers. */
  holdEverything(serverIds: readonly number[]): boolean {
    const { lastLoggedZxid, lastZxid } = this.order;
    return lastLoggedZxid === lastZxid && serverIds.every((id) => this.#server(id).holdings.has(lastZxid));
  }

  /** A server's turn has ended: what it wrote to connections, in the order of the connections' numbers. */
  turned(serverId: number, replica: Replica, written: readonly Written[], nowMs: number): void {
    this.#nowMs = nowMs;
    const server = this.#server(serverId);
    const { lastZxid, digest } = replica.world.tree;
    const epoch = epochLed(replica);
    const leads = epoch >= 0 || server.leadsEpoch >= 0;
    if (epoch >= 0 && server.leadsEpoch !== epoch) {
      this.#leads(serverId, epoch, lastZxid);
    }
    server.leadsEpoch = epoch;
    const service = replica.member?.service ?? null;
    const isServing = service !== null;
    const hasBegun = service !== null && server.service !== service;
    server.life += Number(hasBegun);
    server.service = service;
    this.proposedZxid = Math.max(this.proposedZxid, replica.member?.peer.leader?.lastProposed ?? 0);
    const wasServing = server.isServing;
    server.isServing = isServing;
    if (epoch >= 0 && this.membership.isWeighted) {
      this.#weigh(epoch);
    }
    if (isServing) {
      this.#reached(serverId, lastZxid, leads);
      if (!wasServing) {
        this.#beginsToServe(server, replica);
      }
    }
    if (!isServing && !wasServing) {
      check(written.length === 0, 'order', () => `server ${serverId} answers clients, and does not serve`);
      return;
    }
    server.judge.turned(written, (shownZxid) => {
      // Having ceased to serve, it may have what is not committed in its tables: what it has shown counts.
      return isServing ? lastZxid : this.#reached(serverId, shownZxid, leads);
    });
    server.life += Number(!isServing); // what it wrote before it ceased was of the life that is over now
    if (isServing) {
      this.#locals?.checkTable(serverId, replica.world.sessions, server.judge.state.sessions);
    }
    if (isServing && this.#rules.digestEnabled) {
      const right = server.judge.state.tree.digest;
      const differs = () => `server ${serverId} has digest ${digest} at ${zxidText(lastZxid)}, not ${right}`;
      check(digest === right, 'digest', differs);
    }
  }

  /** A server has applied what is committed through `zxid`; when a leader does, that commits it. */
  #reached(serverId: number, zxid: number, leads: boolean): number {
    if (leads) {
      for (let next = this.order.nextThrough(zxid); next !== null; next = this.order.nextThrough(zxid)) {
        this.#commit(serverId, next);
      }
    }
    return zxid;
  }

  /** After `turned`, and after the connections that the turn has closed were reported as `ended`. */
  checkNothingOverdue(serverId: number): void {
    this.#server(serverId).judge.checkNothingOverdue();
  }

  #leads(serverId: number, epoch: number, historyEndZxid: number): void {
    this.#coverage.happened('leader established');
    for (const txn of this.order.leads(epoch, serverId, historyEndZxid, this.#nowMs)) {
      this.#coverage.happened('committed by the next leader');
      this.#commit(serverId, txn);
    }
    check(this.membership.mayLead(serverId), 'leaders', () => `server ${serverId} leads, and has no vote`);
  }

  #holdersOf(zxid: number): ReadonlySet<number> {
    return new Set([...this.#servers].filter(([, { holdings }]) => holdings.has(zxid)).map(([id]) => id));
  }

  /** What would be committed next if servers counted and not their weights is noted. */
  #weigh(epoch: number): void {
    const { lastZxid } = this.order;
    const next = epochOf(lastZxid) === epoch ? lastZxid + 1 : makeZxid(epoch, 1);
    const holders = this.#holdersOf(next);
    if (next > this.#weighedZxid && this.membership.isMajority(holders) && !this.membership.suffices(holders, null)) {
      this.#weighedZxid = next;
      this.#coverage.happened('majority without the weight');
    }
  }

  #commit(serverId: number, logged: LoggedTxn): void {
    const { membership } = this;
    const { reaper } = this.#rules;
    const holders = this.#holdersOf(logged.zxid);
    const name = () => `server ${serverId} commits ${zxidText(logged.zxid)}`;
    const isChange = logged.txn.type === OpCode.reconfig;
    const next = isChange ? membership.next(logged, this.#transactions.requestOf(logged)) : null;
    const isHeld = membership.suffices(holders, next);
    check(isHeld, 'quorum', () => `${name()}, which is on the disks of ${[...holders].join() || 'nobody'}`);
    if (membership.isWeighted && !membership.isMajority(holders)) {
      this.#coverage.happened('minority with the weight');
    }
    this.#transactions.check(this.state, logged, reaper);
    this.state.apply(logged.txn, logged);
    checkDigest(logged, this.state);
    const isTold = logged.digest !== null || logged.txn.type === OpCode.error || !this.#rules.digestEnabled;
    check(isTold, 'digest', () => `${name()} without a digest`);
    this.order.commit(logged);
    if (next !== null) {
      this.#coverage.happened('members changed');
      membership.committed(next);
    }
    const { sessionId, cxid, txn, zxid } = logged;
    if (txn.type === OpCode.closeSession) {
      this.sessions.closed(sessionId, zxid);
      const epoch = this.order.epoch(epochOf(zxid));
      if (cxid === 0 && epoch !== undefined) {
        const { leaderId, sinceMs } = epoch;
        this.#coverage.happened('session expired in the ensemble');
        this.sessions.expired(logged, { leaderId, sinceMs, clockRate: this.#clockRates.get(leaderId) ?? 1 });
      }
    }
  }

  #beginsToServe(server: Witnessed, replica: Replica): void {
    const { tree } = replica.world;
    const { lastZxid } = tree;
    const { state } = server.judge;
    this.#coverage.happened('server begins to serve');
    check(this.order.isCommitted(lastZxid), 'order', () => `${zxidText(lastZxid)} is served, and was never committed`);
    const back = () => `${zxidText(lastZxid)} is served after ${zxidText(state.lastZxid)}`;
    check(lastZxid >= state.lastZxid, 'order', back);
    while (state.lastZxid < lastZxid) {
      this.#advance(server);
    }
    this.#adoptConfiguration(state, replica);
    checkRecoveredState(replica, state, (sessionId) => this.#timeouts(sessionId, state));
  }

  /** /zookeeper/config is each server's own. */
  #adoptConfiguration({ tree: model }: ModelState, { world }: Replica): void {
    const { tree } = world;
    const id = tree.find(CONFIG_PATH);
    const node = model.nodes.get(CONFIG_PATH);
    if (node !== undefined) {
      const version = tree.version(id);
      const times = { mzxid: tree.mzxid(id), mtimeMs: tree.mtimeMs(id) };
      model.nodes.set(CONFIG_PATH, { ...node, ...times, data: tree.data(id), version });
    }
  }

  #timeouts(sessionId: bigint, { sessions }: ModelState): ReadonlySet<number> {
    const atStart = sessions.get(sessionId);
    return new Set([...this.sessions.timeoutsOf(sessionId), ...(atStart === undefined ? [] : [atStart])]);
  }

  /** A server applies the next committed transaction. */
  #advance({ judge: { state } }: Witnessed): ModelChange[] {
    const logged = this.order.after(state.lastZxid);
    return state.apply(logged.txn, logged);
  }

  #handshakeAnswered(
    serverId: number,
    view: ConnectionView,
    asked: SentHandshake,
    answer: Infer<typeof ConnectResponse>,
  ): void {
    const stateZxid = this.#server(serverId).judge.state.lastZxid;
    const goesOn = this.sessions.answered(view, asked, answer, { serverId, stateZxid, nowMs: this.#nowMs });
    this.#coverage.happened(
      !goesOn ? 'session refused' : asked.sessionId === 0n ? 'session opened' : 'session resumed',
    );
    if (goesOn) {
      view.sessionId = answer.sessionId;
    }
  }

  #answered(serverId: number, sent: Sent, logged: LoggedTxn | null): void {
    if (logged !== null) {
      this.#sequences.acknowledged(sent.request, logged.txn, this.#server(serverId).judge.state);
    }
    if (sent.request.kind !== 'auth') {
      this.sessions.showedLife(sent.view.sessionId, serverId, sent.deliveredMs);
    }
  }
}

/** The epoch that a server leads; −1: none. */
function epochLed({ member }: Replica): number {
  const peer = member?.peer;
  return peer?.leader == null ? -1 : (peer.leadership?.epoch ?? -1);
}
