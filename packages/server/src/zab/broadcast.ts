/**
 * An established epoch at its leader (quorum-protocol.md §6): proposals and commits to the learners, PINGs, syncs, the
 * quorum that must stay, and changes of membership (§9). How learners come to be in step is in leadership.ts.
 */
import {
  counterOf,
  epochOf,
  ForwardedRequest,
  JuteReader,
  makeZxid,
  PacketType,
  RevalidateRequest,
  SessionTouch,
} from '@treekeeper/protocol';
import { assert } from '../assert.ts';
import type { CommittedLog } from './committed-log.ts';
import type { Configuration } from './configuration.ts';
import type { Entry, Environment } from './environment.ts';
import { Heirs } from './heirs.ts';
import { Leader } from './leader.ts';
import type { LearnerLink } from './learner-link.ts';
import { hasSameQuorumAddress, type Membership } from './membership.ts';
import type { ZabOptions } from './options.ts';
import type { Packet } from './packet-stream.ts';
import {
  DIVERGED_PACKET_TYPE,
  HAND_OVER_PACKET_TYPE,
  payloadOf,
  proposalPacket,
  writeActivation,
  writeRevalidated,
} from './packets.ts';
import { SyncGate } from './sync-gate.ts';

/** The last counter that is used; the one behind it marks, for Apache ZooKeeper, an epoch that is used up. */
const COUNTER_LAST = 0xfffffffe;
/** When so few are left, leadership is handed over, so that nobody is refused. */
const COUNTER_RESERVE = 0x10000;

interface Proposal extends Entry {
  /** As it went to the followers, with the payload in it. */
  readonly packet: Uint8Array;
}

const NO_DATA = new Uint8Array(0);

export class Broadcast {
  readonly leader: Leader;
  readonly serverId: number;
  readonly heirs: Heirs;
  readonly #options: ZabOptions;
  readonly #environment: Environment;
  readonly #membership: Membership;
  readonly #committedLog: CommittedLog;
  readonly #links: ReadonlySet<LearnerLink>;
  readonly #gate: SyncGate;
  readonly #reader = new JuteReader();
  /** Proposed and not committed, in order. */
  #outstanding: Proposal[] = [];
  #head = 0;
  #nextPingMs = Number.POSITIVE_INFINITY;
  #pings = 0;
  /** The change of membership that is proposed and not committed. */
  #change: { readonly zxid: number; readonly configuration: Configuration } | null = null;
  #successor: number | null = null;
  #isDeposed = false;
  /** Followers that have left because their trees were not this server's, and by which link they said so. */
  readonly #contradicting = new Map<number, LearnerLink>();
  #isOutvoted = false;

  constructor(
    epoch: number,
    options: ZabOptions,
    environment: Environment,
    membership: Membership,
    committedLog: CommittedLog,
    links: ReadonlySet<LearnerLink>,
  ) {
    this.serverId = options.serverId;
    this.#options = options;
    this.#environment = environment;
    this.#membership = membership;
    this.#committedLog = committedLog;
    this.#links = links;
    this.#gate = new SyncGate(options.serverId);
    this.leader = new Leader(options.serverId, membership.quorum, makeZxid(epoch, 0), {
      append: (zxid, payload) => this.#append(zxid, payload),
    });
    this.heirs = new Heirs(options.serverId, this.leader, membership, committedLog, links);
  }

  /** The server that is to lead from now on, by the change of membership that was committed; null: this one goes on. */
  get successor(): number | null {
    return this.#successor;
  }

  get deadlineMs(): number {
    return this.#nextPingMs;
  }

  // Proposals and commits

  #append(zxid: number, payload: Uint8Array): void {
    assert(counterOf(zxid) <= COUNTER_LAST, 'an epoch is left before its counter is used up');
    this.leader.open &&= counterOf(zxid) < COUNTER_LAST;
    const packet = proposalPacket(zxid, payload);
    this.#outstanding.push({ zxid, payload: payloadOf(packet), packet });
    this.#environment.database.append(zxid, payload);
    for (const link of this.#links) {
      if (link.isLive && !link.isObserver) {
        link.send(packet);
      }
    }
  }

  /** Whether so few numbers are left that another epoch has to begin. */
  get isNearlyUsedUp(): boolean {
    return counterOf(this.leader.lastProposed) > COUNTER_LAST - COUNTER_RESERVE;
  }

  /** Whether nothing more can be proposed in this epoch. */
  get isUsedUp(): boolean {
    return counterOf(this.leader.lastProposed) === COUNTER_LAST;
  }

  get isIdle(): boolean {
    return this.#head === this.#outstanding.length;
  }

  /** What is proposed and not committed, to a follower that has everything before it. */
  sendOutstanding(link: LearnerLink): void {
    for (let i = this.#head; i < this.#outstanding.length; i++) {
      link.send(this.#outstanding[i].packet);
    }
  }

  /** What is proposed and not committed, oldest first. */
  outstanding(): readonly Entry[] {
    return this.#outstanding.slice(this.#head);
  }

  /** This server's log is on disk through `zxid`. */
  logSynced(zxid: number): void {
    const { serverId } = this.#options;
    this.#environment.tallies.acknowledged(serverId, this.leader.ackedThrough(serverId), zxid);
    this.leader.synced(zxid);
    this.#sendCommits();
  }

  /** False when this learner acknowledges what was never proposed. */
  acknowledged(link: LearnerLink, zxid: number, nowMs: number): boolean {
    const { leader } = this;
    if (counterOf(zxid) === 0) {
      this.#stopTiming(link, zxid, nowMs);
      return true; // of NEWLEADER and UPTODATE (§5.9)
    }
    // One that is late commits nothing, and yet says what this follower has: who is to lead must have everything.
    const isLate = zxid <= leader.committed;
    if (!isLate && (zxid > leader.lastProposed || epochOf(zxid) !== epochOf(leader.lastProposed))) {
      return false;
    }
    const before = leader.ackedThrough(link.serverId);
    if (!link.isObserver && zxid > before) {
      this.#environment.tallies.acknowledged(link.serverId, Math.max(before, link.syncedZxid), zxid);
      leader.acknowledged(link.serverId, zxid);
      this.#sendCommits();
    }
    this.#stopTiming(link, zxid, nowMs); // what comes next is timed by what is acknowledged now
    return true;
  }

  #sendCommits(): void {
    while (!this.isIdle && this.#outstanding[this.#head].zxid <= this.leader.committed) {
      const entry = this.#outstanding[this.#head];
      const { zxid } = entry;
      this.#head++;
      this.#committedLog.append(entry, this.#environment.database.lastZxid);
      if (zxid === this.#change?.zxid) {
        this.#activateChange(zxid, entry.payload, this.#change.configuration);
        continue;
      }
      for (const link of this.#links) {
        if (!link.isLive) {
          continue;
        }
        if (link.isObserver) {
          link.inform(entry);
        } else {
          link.commit(zxid);
        }
      }
    }
    if (this.isIdle || this.#head > 1024) {
      this.#outstanding = this.#outstanding.slice(this.#head);
      this.#head = 0;
    }
    this.#answerSyncs();
  }

  // Who is there

  /** From activation on: PINGs keep the learners, and show who is there. */
  begin(nowMs: number): void {
    this.#nextPingMs = nowMs + this.#options.tickTimeMs / 2;
  }

  /** A learner's link is gone. */
  forget(link: LearnerLink): void {
    this.#gate.forget(link);
    if (!link.isObserver) {
      this.leader.forget(link.serverId);
    }
  }

  /** Sends PINGs when it is time. False when there is no quorum any more: this server must step down (§6.3). */
  tick(nowMs: number): boolean {
    if (nowMs < this.#nextPingMs) {
      return true;
    }
    this.#nextPingMs = nowMs + this.#options.tickTimeMs / 2;
    this.#pings++;
    this.#ping(nowMs);
    return this.#pings % 2 === 1 || this.hasQuorum(this.#membership.quorum);
  }

  /** Whether the followers that are connected, and this server, are a quorum. */
  hasQuorum(quorum: { hasQuorum(servers: ReadonlySet<number>): boolean }): boolean {
    return quorum.hasQuorum(this.heirs.present());
  }

  #ping(nowMs: number): void {
    const round = this.#gate.beginRound();
    for (const link of this.#links) {
      if (link.isLive) {
        link.ping(this.leader.lastProposed, link.stage === 'active' ? round : null);
        this.#time(link, nowMs);
      }
    }
  }

  /** What a learner that is in step sends, ACKs aside. Throws JuteError. */
  handle(link: LearnerLink, { type, zxid, data, authinfo }: Packet): void {
    const { service, log } = this.#environment;
    const reader = this.#reader;
    const bytes = data ?? NO_DATA;
    reader.reset(bytes, 0, bytes.length);
    if (type === PacketType.ping) {
      this.#echoed(link);
      while (reader.remaining > 0) {
        const { sessionId, timeoutMs } = SessionTouch.decode(reader);
        service.touched(sessionId, timeoutMs);
      }
    } else if (type === PacketType.request && data !== null) {
      const request = ForwardedRequest.decode(reader);
      service.forwarded(link, { ...request, body: data.subarray(reader.position), authinfo });
    } else if (type === PacketType.revalidate) {
      this.#environment.tallies.askedAboutSession();
      const { sessionId, timeoutMs } = RevalidateRequest.decode(reader);
      const answer = (isAlive: boolean): void => writeRevalidated(link.output, zxid, sessionId, isAlive);
      if (service.revalidate(link, sessionId, timeoutMs, false)) {
        answer(true);
      } else {
        this.sync(link, () => answer(service.revalidate(link, sessionId, timeoutMs, true)));
      }
    } else if (type === HAND_OVER_PACKET_TYPE) {
      link.knowsHandOver = true;
    } else if (type === DIVERGED_PACKET_TYPE && !link.isObserver) {
      this.#contradicted(link, zxid);
    } else {
      log.warn(`learner ${link.serverId} sent a packet of type ${type}, which is ignored`);
    }
  }

  /** Of a leader and a majority whose trees differ, the majority is right. */
  #contradicted(link: LearnerLink, zxid: number): void {
    const { database, log } = this.#environment;
    log.error(`server ${link.serverId} has another tree than this one, after zxid 0x${zxid.toString(16)}`);
    this.#contradicting.set(link.serverId, link);
    for (const [serverId, earlier] of this.#contradicting) {
      const now = this.heirs.follower(serverId);
      if (now !== undefined && now !== earlier) {
        this.#contradicting.delete(serverId); // it has come back for this tree
      }
    }
    const serverIds = new Set(this.#contradicting.keys());
    if (!this.#isOutvoted && this.#membership.quorum.hasQuorum(serverIds)) {
      this.#isOutvoted = true;
      this.leader.open = false;
      database.condemn(`servers ${[...serverIds].join(', ')}, a majority, have another tree than this one`);
    }
  }

  /** A majority has another tree: this server must not lead. */
  get isOutvoted(): boolean {
    return this.#isOutvoted;
  }

  #echoed(link: LearnerLink): void {
    const round = link.echoed();
    if (round !== null && !link.isObserver) {
      this.#gate.echoed(link.serverId, round);
      this.#answerSyncs();
    }
  }

  /** One proposal at a time is timed on each link: the last that was sent when nothing was being timed. */
  #time(link: LearnerLink, nowMs: number): void {
    const acked = this.leader.ackedThrough(link.serverId);
    const isBehind = !link.isObserver && !this.isIdle && this.leader.lastProposed > acked;
    if (link.timedZxid === 0 && link.stage === 'active' && isBehind) {
      link.timedZxid = this.leader.lastProposed;
      link.timedSinceMs = nowMs;
    }
  }

  #stopTiming(link: LearnerLink, zxid: number, nowMs: number): void {
    if (link.timedZxid !== 0 && zxid >= link.timedZxid) {
      link.timedZxid = 0;
      this.#time(link, nowMs);
    }
  }

  // Syncs

  /**
   * A sync, of a learner's client or (null) of this server's own: SYNC, or `syncDone`, follows in order.
   *
   * @param then done instead: when all proposed so far is committed, and a quorum has shown that this server leads
   */
  sync(origin: LearnerLink | null, then: (() => void) | null = null): void {
    const isOwn = origin === null && then === null;
    this.#gate.ask(origin, isOwn ? 0 : this.leader.lastProposed, then);
    if (origin !== null && then === null) {
      origin.syncsWaiting++;
    }
    if (this.#membership.quorum.hasQuorum(new Set([this.#options.serverId]))) {
      this.#gate.beginRound(); // nobody else has a say
      this.#answerSyncs();
    }
  }

  #answerSyncs(): void {
    for (const { origin, then } of this.#gate.takeReady(this.leader.committed, this.#membership.quorum)) {
      if (then !== null) {
        then();
      } else if (origin === null) {
        this.#environment.service.syncDone();
      } else {
        origin.syncDone();
      }
    }
  }

  /** At the end of a turn: the syncs of the turn share a round of PINGs. */
  confirmSyncs(nowMs: number): void {
    if (this.#gate.wanted) {
      this.#ping(nowMs);
    }
  }

  // Changes of membership

  /** Whether a change is under way: another must wait for its end. */
  get isChanging(): boolean {
    return this.#membership.proposed !== null;
  }

  /** Proposes the transaction that carries a new configuration, whose version is its zxid. */
  proposeConfiguration(zxid: number, payload: Uint8Array, configuration: Configuration): void {
    assert(!this.isChanging, 'one change of membership at a time');
    assert(configuration.version === zxid, 'a configuration has the zxid of its transaction as its version');
    this.#membership.propose(configuration);
    this.#change = { zxid, configuration };
    this.leader.useQuorum(this.#membership.quorum);
    this.leader.limitCommits(zxid);
    this.leader.propose(zxid, payload);
  }

  /** The change is committed by the old and by the new members: it is in force (§9.3). */
  #activateChange(zxid: number, payload: Uint8Array, configuration: Configuration): void {
    const before = this.#membership.committed;
    const designated = this.#designatedLeader(before, configuration);
    this.#change = null;
    this.#membership.activate(configuration);
    for (const link of this.#links) {
      if (link.isLive) {
        writeActivation(link.output, zxid, designated, link.isObserver ? payload : null);
      }
    }
    if (designated !== this.#options.serverId) {
      this.#leaveTo(designated);
      return;
    }
    this.leader.replaceQuorum(this.#membership.quorum);
    this.leader.limitCommits(Number.POSITIVE_INFINITY);
  }

  /** This server, if it can go on; else the voter of the new configuration that has the most. */
  #designatedLeader(before: Configuration, after: Configuration): number {
    if (this.#canGoOn(before, after)) {
      return this.serverId;
    }
    return this.heirs.bestOf(after.electable) ?? after.electable[0];
  }

  /** Whether those who are told of a change of members find this server as their leader after it as before. */
  #canGoOn(before: Configuration, after: Configuration): boolean {
    return after.electable.includes(this.serverId) && hasSameQuorumAddress(this.serverId, before, after);
  }

  /**
   * At activation: a configuration that the leader before has proposed is in force, a quorum of both being in step.
   * UPTODATE does not say who is to lead. So who has to leave this leader elects, and this one does the same.
   */
  completeChange(configuration: Configuration): void {
    const canGoOn = this.#canGoOn(this.#membership.committed, configuration);
    this.#membership.activate(configuration);
    if (canGoOn) {
      this.leader.replaceQuorum(this.#membership.quorum);
    } else {
      this.leader.limitCommits(this.leader.committed);
      this.leader.open = false;
      this.#isDeposed = true;
    }
  }

  /** A change of membership is in force by which this server cannot lead: the others elect. */
  get isDeposed(): boolean {
    return this.#isDeposed;
  }

  /** Another server leads from now on: nothing more is committed here, and so nothing more is to be proposed. */
  #leaveTo(successor: number): void {
    this.#successor = successor;
    this.leader.open = false;
  }

  // Handing over

  /** Learners that have been told who leads next, and are still here. */
  get hasLeaving(): boolean {
    return [...this.#links].some(({ isLive, knowsHandOver }) => isLive && (knowsHandOver || this.#successor !== null));
  }
}
