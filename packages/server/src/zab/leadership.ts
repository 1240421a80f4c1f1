/**
 * The role of a leader, from the election on (quorum-protocol.md §5): it makes the new epoch with a quorum (discovery),
 * gives every learner its own history (synchronisation), and is then the leader of an established epoch (broadcast.ts).
 */
import { AckEpoch, epochOf, JuteError, JuteReader, makeZxid, PacketType } from '@treekeeper/protocol';
import { assert } from '../assert.ts';
import type { Link } from '../io/peers.ts';
import { Broadcast } from './broadcast.ts';
import type { CommittedLog } from './committed-log.ts';
import type { Configuration } from './configuration.ts';
import { Discovery, readIntroduction } from './discovery.ts';
import type { Entry, Environment, EpochName, LearnerId } from './environment.ts';
import type { Leader } from './leader.ts';
import { LearnerLink } from './learner-link.ts';
import type { Membership } from './membership.ts';
import type { ZabOptions } from './options.ts';
import type { Packet } from './packet-stream.ts';
import { writeLeaderInfo, writeNewLeader, writePacket } from './packets.ts';
import { Succession } from './succession.ts';
import { Synchronizer } from './synchronizer.ts';

/**
 * discovery (epochs are told) → acknowledging (a quorum accepts ours, while it goes to disk) → synchronizing (a quorum
 * gets our history, while it goes to disk as the current one) → leading → ended.
 */
export type LeadershipPhase = 'discovery' | 'acknowledging' | 'synchronizing' | 'leading' | 'ended';

const POLL_TRANSFER_MS = 5;

export class Leadership {
  readonly #options: ZabOptions;
  readonly #environment: Environment;
  readonly #membership: Membership;
  readonly #committedLog: CommittedLog;
  readonly #discovery: Discovery;
  readonly #byLink = new Map<Link, LearnerLink>();
  readonly #links = new Set<LearnerLink>();
  /** This server's own counts when its epoch is on disk, and is needed. */
  readonly #newLeaderAcks = new Set<number>();
  readonly #synchronizer: Synchronizer;
  #phase: LeadershipPhase = 'discovery';
  #broadcast: Broadcast | null = null;
  #nowMs: number;
  #phaseDeadlineMs: number;
  readonly #impatientMs: number;
  readonly #initLimitMs: number;
  readonly #syncLimitMs: number;
  #namelessCount = 0;
  #succession: Succession | null = null;
  #endReason: string | null = null;
  #successor: number | null = null;
  /** A member has accepted this epoch, which is later than the one here: only behind it can that member join. */
  laterEpoch = 0;

  constructor(
    options: ZabOptions,
    environment: Environment,
    membership: Membership,
    committedLog: CommittedLog,
    nowMs: number,
    epochBefore = 0,
  ) {
    this.#options = options;
    this.#environment = environment;
    this.#membership = membership;
    this.#committedLog = committedLog;
    this.#nowMs = nowMs;
    this.#impatientMs = nowMs + (options.epochWaitMsMax < 0 ? Number.POSITIVE_INFINITY : options.epochWaitMsMax);
    this.#initLimitMs = options.initLimitTicks * options.tickTimeMs;
    this.#syncLimitMs = options.syncLimitTicks * options.tickTimeMs;
    this.#phaseDeadlineMs = nowMs + this.#initLimitMs;
    const { acceptedEpoch, currentEpoch, lastZxid } = environment.database;
    assert(committedLog.last === lastZxid, 'the window ends where the history does');
    const own = { currentEpoch, lastZxid };
    this.#discovery = new Discovery(options.serverId, membership.quorum, Math.max(acceptedEpoch, epochBefore), own);
    this.#synchronizer = new Synchronizer(options, environment, committedLog, this.#links);
    environment.peers.listen('quorum');
    this.#considerEpoch();
  }

  get phase(): LeadershipPhase {
    return this.#phase;
  }

  /** The heart, from activation to the end; null before and after. */
  get leader(): Leader | null {
    return this.#phase === 'leading' ? (this.#broadcast?.leader ?? null) : null;
  }

  /** Null: not fixed yet. */
  get epoch(): number | null {
    return this.#discovery.epoch;
  }

  /** Null: this role goes on. */
  get endReason(): string | null {
    return this.#endReason;
  }

  /** Who leads next, without an election; null: an election decides. */
  get successor(): number | null {
    return this.#successor;
  }

  /** Logged here and not known to be committed. */
  outstanding(): readonly Entry[] {
    return this.#broadcast?.outstanding() ?? [];
  }

  /** Who is connected, in whatever stage. */
  get learners(): ReadonlySet<LearnerLink> {
    return this.#links;
  }

  get deadlineMs(): number {
    let deadline = Math.min(this.#phaseDeadlineMs, this.#broadcast?.deadlineMs ?? Number.POSITIVE_INFINITY);
    for (const link of this.#links) {
      deadline = Math.min(deadline, link.isTransferring ? this.#nowMs + POLL_TRANSFER_MS : link.deadlineMs);
    }
    return Math.min(deadline, this.#succession?.deadlineMs ?? deadline);
  }

  /** A learner has dialled. */
  accept(link: Link, nowMs: number): void {
    if (this.#succession?.isFarewell) {
      return link.close();
    }
    const learner = new LearnerLink(link, this.#options.fieldBytesMax, nowMs + this.#initLimitMs);
    this.#byLink.set(link, learner);
    this.#links.add(learner);
  }

  receive(link: Link, bytes: Uint8Array, nowMs: number): void {
    this.#nowMs = nowMs;
    const learner = this.#byLink.get(link);
    if (learner === undefined) {
      return; // closed by us, with bytes still on their way
    }
    learner.deadlineMs = nowMs + (learner.stage === 'active' ? this.#syncLimitMs : this.#initLimitMs);
    learner.push(bytes);
    try {
      for (let packet = learner.next(); packet !== null; packet = learner.next()) {
        this.#handle(learner, packet);
        if (!this.#links.has(learner)) {
          return;
        }
      }
      this.#acknowledged(learner, learner.takeAck());
    } catch (error) {
      if (!(error instanceof JuteError)) {
        throw error;
      }
      this.#drop(learner, `sent what is no packet: ${error.message}`);
    }
  }

  gone(link: Link): void {
    const learner = this.#byLink.get(link);
    if (learner) {
      this.#drop(learner);
      if (this.#phase === 'discovery' && this.#membership.roleOf(learner.serverId) === 'voter') {
        this.#phaseDeadlineMs = Math.min(this.#phaseDeadlineMs, this.#impatientMs);
      }
    }
  }

  /** @param fault left out: it left by itself */
  #drop(learner: LearnerLink, fault?: string): void {
    if (fault !== undefined) {
      this.#environment.log.warn(`learner ${learner.serverId} at ${learner.link.remoteAddress} ${fault}: link closed`);
    }
    this.#byLink.delete(learner.link);
    this.#links.delete(learner);
    learner.end();
    this.#broadcast?.forget(learner);
  }

  #handle(learner: LearnerLink, packet: Packet): void {
    const { stage } = learner;
    if (stage === 'connected') {
      this.#introduced(learner, packet);
    } else if (stage === 'informed') {
      this.#epochAccepted(learner, packet);
    } else if (stage === 'syncing') {
      this.#newLeaderAcked(learner, packet);
    } else if (stage !== 'synced' && stage !== 'active') {
      this.#drop(learner, `sent a packet of type ${packet.type} before it was its turn`);
    } else if (packet.type === PacketType.ack) {
      learner.acknowledged(packet.zxid);
    } else {
      this.#broadcast?.handle(learner, packet);
    }
  }

  // Discovery

  #introduced(learner: LearnerLink, packet: Packet): void {
    const introduction = readIntroduction(packet, this.#membership, this.#options.serverId);
    if (typeof introduction === 'string') {
      return this.#drop(learner, introduction);
    }
    const { serverId, isObserver, acceptedEpoch } = introduction;
    learner.isObserver = isObserver;
    learner.serverId = serverId ?? --this.#namelessCount;
    const older = [...this.#links].find((link) => link !== learner && link.serverId === learner.serverId);
    if (older !== undefined) {
      this.#drop(older, 'has come again');
    }
    learner.stage = 'waiting';
    if (this.#phase !== 'discovery') {
      this.#inform(learner);
      if (acceptedEpoch > epochOf(this.#epochZxid) && this.#membership.roleOf(learner.serverId) !== 'stranger') {
        this.laterEpoch = Math.max(this.laterEpoch, acceptedEpoch);
        this.handOver(this.#options.serverId); // it could never join this epoch: a new one is made (§5.3)
      }
      return;
    }
    this.#discovery.introduced(acceptedEpoch, learner.voterId);
    this.#considerEpoch();
  }

  /**
   * The new epoch is told at once, and this server's own acceptance of it counts when it is on disk: after a crash the
   * epoch may be told a second time, and nobody accepts it twice.
   */
  #considerEpoch(): void {
    const { epoch } = this.#discovery;
    if (this.#phase !== 'discovery' || epoch === null) {
      return;
    }
    this.#phase = 'acknowledging';
    this.#phaseDeadlineMs = this.#nowMs + this.#initLimitMs;
    this.#environment.database.persistEpoch('acceptedEpoch', epoch);
    for (const learner of this.#links) {
      if (learner.stage === 'waiting') {
        this.#inform(learner);
      }
    }
  }

  epochPersisted(name: EpochName, nowMs: number): void {
    this.#nowMs = nowMs;
    if (name === 'acceptedEpoch') {
      this.#discovery.acceptedHere();
      this.#considerHistory();
    } else {
      this.#newLeaderAcks.add(this.#options.serverId);
      this.#considerActivation();
    }
  }

  get #epochZxid(): number {
    const { epoch } = this.#discovery;
    assert(epoch !== null, 'the epoch is fixed');
    return makeZxid(epoch, 0);
  }

  #inform(learner: LearnerLink): void {
    learner.stage = 'informed';
    writeLeaderInfo(learner.output, this.#epochZxid);
  }

  #epochAccepted(learner: LearnerLink, { type, zxid, data }: Packet): void {
    if (type !== PacketType.ackEpoch || data === null) {
      return this.#drop(learner, `sent a packet of type ${type} instead of ACKEPOCH`);
    }
    const { currentEpoch } = AckEpoch.decode(new JuteReader(data));
    learner.lastZxid = zxid;
    learner.stage = 'ready';
    if (this.#broadcast !== null) {
      this.#synchronize(learner);
      return;
    }
    if (!this.#discovery.accepted(learner.voterId, { currentEpoch, lastZxid: zxid })) {
      this.#drop(learner, `is ahead of its leader: epoch ${currentEpoch}, zxid 0x${zxid.toString(16)}`);
      return;
    }
    this.#considerHistory();
  }

  #considerHistory(): void {
    if (this.#phase === 'acknowledging' && this.#discovery.isComplete) {
      this.#environment.database.persistEpoch('currentEpoch', epochOf(this.#epochZxid));
      this.#establish();
    }
  }

  // Synchronisation

  /** A quorum follows: this history is the one that goes on. */
  #establish(): void {
    const epoch = epochOf(this.#epochZxid);
    this.#phase = 'synchronizing';
    this.#phaseDeadlineMs = this.#nowMs + this.#initLimitMs;
    const { committed, proposed } = this.#membership;
    if (this.#options.reconfigEnabled && committed.version === 0 && proposed === null) {
      this.#membership.propose(committed.withVersion(this.#epochZxid)); // its first version (§9.6)
    }
    this.#broadcast = new Broadcast(
      epoch,
      this.#options,
      this.#environment,
      this.#membership,
      this.#committedLog,
      this.#links,
    );
    this.#succession = new Succession(this.#broadcast, this.#links, this.#environment.log, this.#syncLimitMs);
    for (const learner of this.#links) {
      if (learner.stage === 'ready') {
        this.#synchronize(learner);
      }
    }
  }

  #synchronize(learner: LearnerLink): void {
    if (!this.#synchronizer.begin(learner)) {
      return;
    }
    if (!learner.isObserver) {
      this.#broadcast?.sendOutstanding(learner);
    }
    // Observers are not sent what is outstanding: they could not tell that the proposed configuration is not in force.
    const { committed, lastSeen } = this.#membership;
    const isInForce = learner.isObserver && this.#phase === 'leading';
    writeNewLeader(learner.output, this.#epochZxid, (isInForce ? committed : lastSeen).text);
  }

  /** The first ACK is that of NEWLEADER. Releases 3.5.9 to 3.8.4 may send those of proposals before it. */
  #newLeaderAcked(learner: LearnerLink, { type, zxid }: Packet): void {
    if (type !== PacketType.ack) {
      this.#drop(learner, `sent a packet of type ${type} instead of the ACK of NEWLEADER`);
      return;
    }
    if (zxid !== this.#epochZxid) {
      return learner.acknowledged(zxid);
    }
    learner.stage = 'synced';
    if (!learner.isObserver) {
      this.#newLeaderAcks.add(learner.serverId);
    }
    if (this.#phase === 'leading') {
      this.#upToDate(learner);
    } else {
      this.#considerActivation();
    }
  }

  #considerActivation(): void {
    const acks = this.#newLeaderAcks;
    const isReady = acks.has(this.#options.serverId) && this.#membership.quorum.hasQuorum(acks);
    if (this.#phase !== 'synchronizing' || !isReady) {
      return;
    }
    this.#phase = 'leading';
    this.#phaseDeadlineMs = Number.POSITIVE_INFINITY;
    const { proposed } = this.#membership;
    if (proposed !== null) {
      this.#broadcast?.completeChange(proposed);
    }
    this.#broadcast?.begin(this.#nowMs);
    this.#environment.service.lead(epochOf(this.#epochZxid));
    for (const learner of this.#links) {
      if (learner.stage === 'synced') {
        this.#upToDate(learner);
      }
    }
  }

  #upToDate(learner: LearnerLink): void {
    writePacket(learner.output, PacketType.upToDate, -1, null);
    learner.stage = 'active';
    learner.deadlineMs = this.#nowMs + this.#syncLimitMs;
  }

  // Broadcast

  #acknowledged(learner: LearnerLink, zxid: number): void {
    if (this.#broadcast?.acknowledged(learner, zxid, this.#nowMs) === false) {
      this.#drop(learner, `acknowledged zxid 0x${zxid.toString(16)}, which was not proposed`);
    }
  }

  /** This server's log is on disk through `zxid`. */
  logSynced(zxid: number, nowMs: number): void {
    this.#nowMs = nowMs;
    this.#broadcast?.logSynced(zxid);
  }

  /** Orders a sync for a learner's client, or (null) for one of this server; `syncDone` follows there, or `then`. */
  sync(origin: LearnerId | null, then: (() => void) | null = null): void {
    const learner = origin === null ? null : this.#byLink.get(origin.link);
    if (learner !== undefined) {
      this.#broadcast?.sync(learner, then);
    }
  }

  /** Proposes the transaction that carries a new configuration, whose version is its zxid. */
  proposeConfiguration(zxid: number, payload: Uint8Array, configuration: Configuration): void {
    this.#broadcast?.proposeConfiguration(zxid, payload, configuration);
  }

  /**
   * Whether the connected servers, this one among them, are a quorum of a configuration: else it cannot be proposed.
   */
  canReach(configuration: Configuration): boolean {
    return this.#broadcast?.hasQuorum(configuration) ?? false;
  }

  tick(nowMs: number): void {
    this.#nowMs = nowMs;
    for (const learner of this.#links) {
      const fault = learner.fault(nowMs, this.#syncLimitMs, this.#options);
      if (fault !== null) {
        this.#drop(learner, fault);
      }
    }
    if (nowMs >= this.#phaseDeadlineMs) {
      if (this.#phase === 'discovery' && this.#phaseDeadlineMs === this.#impatientMs) {
        this.#environment.tallies.deserted();
      }
      return this.end(`no quorum of learners in time, while ${this.#phase}`, null);
    }
    if (this.#phase !== 'leading' || this.#broadcast === null) {
      return;
    }
    if (!this.#broadcast.tick(nowMs)) {
      return this.end('the quorum of followers is lost', null);
    }
    this.#goOnHandingOver();
  }

  /** Sends what the turn brought. True when there is more to send without anything happening. */
  flush(nowMs: number): boolean {
    this.#nowMs = nowMs;
    if (this.#phase === 'leading') {
      this.#goOnHandingOver();
    }
    let isMore = false;
    for (const learner of this.#links) {
      const transferred = this.#synchronizer.transfer(learner, nowMs);
      if (transferred === null) {
        this.#drop(learner, 'has to begin anew');
      }
      isMore ||= transferred === true;
    }
    this.send(nowMs);
    return isMore;
  }

  /** Sends what there is already: others can go on while this server is at work on the rest of its turn. */
  send(nowMs: number): void {
    if (this.#phase === 'leading') {
      this.#broadcast?.confirmSyncs(nowMs);
    }
    for (const learner of this.#links) {
      learner.flush();
    }
  }

  /**
   * Gives leadership away: nothing more is proposed, and when everything is committed, the learners are told whom to
   * follow (Apache ZooKeeper's ignore that, and elect). False when there is no follower that could lead.
   *
   * @param heirId null: the one that has acknowledged the most
   * @param isLeaving this server stops, or can log nothing: the next leader has to find a quorum without it
   */
  handOver(heirId: number | null, isLeaving = false): boolean {
    return this.#phase === 'leading' && this.#succession?.begin(heirId, this.#nowMs, isLeaving) === true;
  }

  /** It is being given away. */
  get isHandingOver(): boolean {
    return this.#succession?.isUnderWay ?? false;
  }

  #goOnHandingOver(): void {
    const ending = this.#succession?.step(this.#nowMs);
    if (ending) {
      this.end(ending.reason, ending.successor);
    }
  }

  /** Ends this role; null as successor: an election decides. */
  end(reason: string, successor: number | null): void {
    this.#phase = 'ended';
    this.#endReason = reason;
    this.#successor = successor;
  }

  /** This role is over: all links are closed. */
  close(): void {
    this.#environment.peers.stopListening('quorum');
    for (const learner of this.#links) {
      learner.end();
    }
    this.#links.clear();
    this.#byLink.clear();
    this.#phase = 'ended';
  }
}
