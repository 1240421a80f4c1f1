/**
 * The role of a follower or observer (quorum-protocol.md §5): it reaches the leader, accepts its epoch, takes over its
 * history, and then logs, acknowledges and delivers what the leader proposes and commits.
 */
import { epochOf, JuteError, makeZxid, PacketType } from '@treekeeper/protocol';
import { CatchUp } from './catch-up.ts';
import type { CommittedLog } from './committed-log.ts';
import { Configuration, ConfigurationFault } from './configuration.ts';
import type { Entry, Environment, EpochName, Forwarded, SnapshotIncoming } from './environment.ts';
import { Following, HoleFault, ProtocolFault, readDesignated } from './following.ts';
import type { LeaderLink } from './leader-link.ts';
import { LearnerChanges } from './learner-changes.ts';
import { AT_DISK, type LearnerPhase } from './learner-phase.ts';
import type { Membership } from './membership.ts';
import type { ObserverMaster } from './observer-master.ts';
import type { ZabOptions } from './options.ts';
import type { Packet } from './packet-stream.ts';
import { writeAckEpoch, writeLearnerInfo, writePacket } from './packets.ts';
import { reachLeader } from './reach-leader.ts';

export class Learner {
  readonly leaderId: number;
  readonly isObserver: boolean;
  readonly #options: ZabOptions;
  readonly #environment: Environment;
  readonly #membership: Membership;
  readonly #committedLog: CommittedLog;
  readonly #link: LeaderLink;
  readonly #changes: LearnerChanges;
  #phase: LearnerPhase = 'connecting';
  #nowMs: number;
  #readDeadlineMs = Number.POSITIVE_INFINITY;
  #epoch = 0;
  #snapshot: { readonly zxid: number; readonly incoming: SnapshotIncoming } | null = null;
  #catchUp: CatchUp | null = null;
  #logAwaited = 0;
  #following: Following | null = null;
  #newConfiguration: Configuration | null = null;
  #reload = false;
  #endReason: string | null = null;
  #successor: number | null = null;
  #isRefused = false;
  #needsSnapshot: boolean;
  /** What is here came in a snapshot. */
  isFromSnapshot = false;
  #isLost = false;

  constructor(
    leaderId: number,
    options: ZabOptions,
    environment: Environment,
    membership: Membership,
    committedLog: CommittedLog,
    needsSnapshot: boolean,
    nowMs: number,
    goesToLeader = false,
  ) {
    this.#needsSnapshot = needsSnapshot;
    this.leaderId = leaderId;
    this.isObserver = membership.observes(options.serverId);
    this.#changes = new LearnerChanges(options, environment.service, membership, leaderId);
    this.#options = options;
    this.#environment = environment;
    this.#membership = membership;
    this.#committedLog = committedLog;
    this.#nowMs = nowMs;
    this.#link = reachLeader(leaderId, options, environment, membership, this.isObserver && !goesToLeader, nowMs);
  }

  get phase(): LearnerPhase {
    return this.#phase;
  }

  /** The server that this one is linked to, or tries to be: the leader, or a follower that feeds observers. */
  get masterId(): number {
    return this.#link.serverId;
  }

  /** Of the leader; 0 until it has told it. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Why this role has ended; null: it goes on. */
  get endReason(): string | null {
    return this.#endReason;
  }

  /** Who leads next, without an election; null: an election decides. */
  get successor(): number | null {
    return this.#successor;
  }

  /** The leader will not have this server before the next epoch: trying at once again is of no use. */
  get isRefused(): boolean {
    return this.#isRefused;
  }

  /** This history cannot be made the leader's by cutting it. */
  get needsSnapshot(): boolean {
    return this.#needsSnapshot;
  }

  /** After this transaction the tree here is not the leader's: this role is about to end. */
  diverged(zxid: number): void {
    this.#needsSnapshot = true;
    this.#reload = true;
    this.#following?.diverged(zxid, this.#nowMs);
  }

  /** The leader that is gone without a word; null: it may be there still. */
  get lostLeader(): number | null {
    return this.#isLost ? this.leaderId : null;
  }

  /** Memory holds what never got to disk, or is not what the disk says. */
  get mustReload(): boolean {
    return this.#reload;
  }

  /** Logged here and not known to be committed. */
  outstanding(): readonly Entry[] {
    return this.#following?.outstanding ?? [];
  }

  get deadlineMs(): number {
    const isWaiting = !AT_DISK.has(this.#phase) && this.#phase !== 'ended';
    const silentMs = isWaiting ? this.#readDeadlineMs : Number.POSITIVE_INFINITY;
    return Math.min(this.#link.deadlineMs, silentMs, this.#following?.deadlineMs ?? silentMs);
  }

  get #readTimeoutMs(): number {
    const isSynced = this.#phase === 'synced' || this.#phase === 'following';
    const { initLimitTicks, syncLimitTicks, tickTimeMs } = this.#options;
    return (isSynced ? syncLimitTicks : initLimitTicks) * tickTimeMs;
  }

  #heard(): void {
    this.#readDeadlineMs = this.#nowMs + this.#readTimeoutMs;
  }

  // The link

  owns(link: unknown): boolean {
    return this.#link.owns(link);
  }

  opened(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#link.opened();
    this.#phase = 'introduced';
    this.#heard();
    const { acceptedEpoch } = this.#environment.database;
    const type = this.isObserver ? PacketType.observerInfo : PacketType.followerInfo;
    const { version } = this.#membership.committed;
    writeLearnerInfo(this.#link.output, type, makeZxid(acceptedEpoch, 0), this.#options.serverId, version);
  }

  gone(nowMs: number): void {
    this.#nowMs = nowMs;
    if (this.#link.isHeard) {
      this.#isLost = true;
      this.end('the link to the leader is gone');
    } else if (!this.#link.retry(nowMs)) {
      this.end('the leader cannot be reached');
    } else {
      this.#phase = 'connecting';
    }
  }

  receive(bytes: Uint8Array, nowMs: number): void {
    this.#nowMs = nowMs;
    this.#heard();
    this.#link.receive(bytes);
    this.#goOn();
  }

  /** Works off what has come in, until something has to wait for the disk. */
  #goOn(): void {
    try {
      while (!AT_DISK.has(this.#phase) && this.#endReason === null) {
        if (this.#snapshot !== null) {
          if (!this.#load(this.#snapshot)) {
            return;
          }
          continue;
        }
        const packet = this.#link.input.next();
        if (packet === null) {
          return;
        }
        this.#handle(packet);
      }
    } catch (error) {
      this.#needsSnapshot ||= error instanceof HoleFault;
      if (error instanceof ProtocolFault) {
        this.end(`the leader ${error.message}`);
      } else if (error instanceof JuteError || error instanceof ConfigurationFault) {
        this.end(`what the leader sent cannot be read: ${error.message}`);
      } else {
        throw error;
      }
    }
  }

  #handle(packet: Packet): void {
    const phase = this.#phase;
    if (phase === 'introduced') {
      this.#leaderIntroduced(packet);
    } else if (phase === 'accepted') {
      this.#beginSync(packet);
    } else if (phase === 'syncing' || phase === 'synced') {
      this.#handleCatchingUp(packet);
    } else {
      this.#handleFollowing(packet);
    }
  }

  // Discovery

  #leaderIntroduced({ type, zxid }: Packet): void {
    if (type !== PacketType.leaderInfo) {
      throw new ProtocolFault(`began with a packet of type ${type} instead of LEADERINFO`);
    }
    const { acceptedEpoch } = this.#environment.database;
    this.#epoch = epochOf(zxid);
    if (this.#epoch < acceptedEpoch) {
      this.#isRefused = true;
      this.end(`the leader's epoch is ${this.#epoch}, and epoch ${acceptedEpoch} has been accepted here`);
    } else if (this.#epoch > acceptedEpoch) {
      this.#phase = 'accepting';
      this.#environment.database.persistEpoch('acceptedEpoch', this.#epoch);
    } else {
      // Accepted in an earlier life: it must not count a second time, maybe for another leader.
      this.#acceptEpoch(-1);
    }
  }

  #acceptEpoch(ownEpoch: number): void {
    this.#phase = 'accepted';
    this.#heard();
    this.#environment.tallies.epochAccepted();
    const { damage } = this.#environment.database;
    // Who lacks what it has acknowledged must not vouch for this leader's history: maybe only it had the rest.
    const currentEpoch = damage === null ? ownEpoch : -1;
    // Counter 0 of an epoch to come is what no leader has, and none can cut at: it sends a snapshot. Only a leader that
    // has counted this server already may be told that instead of its history.
    const isHidden = (this.#needsSnapshot || damage !== null) && currentEpoch === -1;
    const lastZxid = isHidden ? makeZxid(this.#epoch + 1, 0) : this.#environment.database.lastZxid;
    writeAckEpoch(this.#link.output, lastZxid, currentEpoch);
  }

  epochPersisted(name: EpochName, nowMs: number): void {
    this.#nowMs = nowMs;
    if (name === 'acceptedEpoch' && this.#phase === 'accepting') {
      this.#acceptEpoch(this.#environment.database.currentEpoch);
    } else if (name === 'currentEpoch' && this.#phase === 'adopting') {
      this.#phase = 'synced';
      this.#heard();
      this.#acknowledge(makeZxid(this.#epoch, 0));
    }
    this.#goOn();
  }

  #acknowledge(zxid: number): void {
    writePacket(this.#link.output, PacketType.ack, zxid, null);
  }

  // Synchronisation

  #beginSync({ type, zxid }: Packet): void {
    const { database } = this.#environment;
    const { diff, snap, trunc } = PacketType;
    if (type !== diff && type !== snap && type !== trunc) {
      throw new ProtocolFault(`sent a packet of type ${type} instead of DIFF, TRUNC or SNAP`);
    }
    if (database.damage !== null && type !== snap) {
      throw new ProtocolFault('did not send a snapshot, and the history here is damaged');
    }
    this.#reload = type !== diff;
    this.isFromSnapshot = type === snap;
    const logs = !this.isObserver || this.#options.observerLogs;
    this.#catchUp = new CatchUp(database, this.#committedLog, this.#reload, logs);
    if (type === diff) {
      this.#phase = 'syncing';
    } else if (type === snap) {
      this.#phase = 'loading';
      this.#snapshot = { zxid, incoming: database.beginIncoming() };
    } else {
      this.#phase = 'truncating';
      this.#committedLog.truncate(zxid);
      database.truncate(zxid);
    }
  }

  /** False: not all of the snapshot has come. */
  #load({ zxid, incoming }: { readonly zxid: number; readonly incoming: SnapshotIncoming }): boolean {
    this.#link.input.drainInto(incoming);
    if (!incoming.done) {
      return false;
    }
    this.#snapshot = null;
    this.#environment.database.endIncoming(zxid);
    this.#committedLog.reset(zxid);
    this.#phase = 'syncing';
    return true;
  }

  truncated(isDone: boolean, nowMs: number): void {
    this.#nowMs = nowMs;
    if (!isDone) {
      this.#needsSnapshot = true;
      this.end('the log here does not reach back to where it should be cut');
    } else if (this.#phase === 'truncating') {
      this.#phase = 'syncing';
      this.#heard();
      this.#goOn();
    }
  }

  #handleCatchingUp({ type, zxid, data }: Packet): void {
    const catchUp = this.#catchUp as CatchUp;
    const payload = data ?? new Uint8Array(0);
    if (type === PacketType.proposal) {
      this.#changes.consider(payload);
      catchUp.proposed({ zxid, payload });
    } else if (type === PacketType.commit) {
      catchUp.committed(zxid);
    } else if (type === PacketType.inform) {
      catchUp.proposed({ zxid, payload });
      catchUp.committed(zxid);
    } else if (type === PacketType.commitAndActivate) {
      catchUp.committed(zxid);
      this.#activate(zxid, readDesignated(payload).leaderId);
    } else if (type === PacketType.informAndActivate) {
      const { leaderId, rest } = readDesignated(payload);
      this.#changes.consider(rest);
      catchUp.proposed({ zxid, payload: rest });
      catchUp.committed(zxid);
      this.#activate(zxid, leaderId);
    } else if (type === PacketType.newLeader && this.#phase === 'syncing') {
      this.#store(catchUp, zxid, payload);
    } else if (type === PacketType.upToDate && this.#phase === 'synced') {
      this.#follow(catchUp);
    } else if (type === PacketType.upToDate) {
      throw new ProtocolFault('sent UPTODATE without NEWLEADER, as releases before 3.4 did');
    } // PINGs are not answered yet (§5.5)
  }

  /** NEWLEADER: first the history goes to disk, then the epoch; only then it is acknowledged (§5.9). */
  #store(catchUp: CatchUp, zxid: number, data: Uint8Array): void {
    if (epochOf(zxid) !== this.#epoch) {
      throw new ProtocolFault(`sent NEWLEADER of epoch ${epochOf(zxid)} after LEADERINFO of ${this.#epoch}`);
    }
    if (data.length > 1 && this.#options.reconfigEnabled) {
      this.#newConfiguration = Configuration.parse(new TextDecoder().decode(data));
    }
    this.#phase = 'storing';
    if (catchUp.isInMemory) {
      return this.#environment.database.writeSnapshot();
    }
    const awaited = catchUp.store();
    this.#logAwaited = awaited ?? 0;
    if (awaited === null) {
      this.#adopt();
    }
  }

  snapshotWritten(nowMs: number): void {
    this.#nowMs = nowMs;
    if (this.#phase === 'storing' && this.#catchUp?.isInMemory === true) {
      this.#catchUp.stored();
      this.#reload = false;
      this.#needsSnapshot &&= !this.isFromSnapshot; // now all that is here, and on disk, is the leader's
      this.#adopt();
    }
  }

  #adopt(): void {
    if (this.#newConfiguration !== null) {
      this.#membership.learn(this.#newConfiguration);
    }
    this.#phase = 'adopting';
    this.#environment.database.persistEpoch('currentEpoch', this.#epoch);
  }

  /** This server's log is on disk through `zxid`. */
  logSynced(zxid: number, nowMs: number): void {
    this.#nowMs = nowMs;
    if (this.#phase === 'storing' && this.#catchUp?.isInMemory === false && zxid >= this.#logAwaited) {
      this.#adopt();
    } else {
      this.#following?.logSynced(zxid);
    }
  }

  // Broadcast

  /** UPTODATE: a quorum has this history, and the leader leads. */
  #follow(catchUp: CatchUp): void {
    if (this.#changes.activateLearnt(this.#newConfiguration, this.#epoch, catchUp.committedThrough)) {
      return this.end('the members have changed');
    }
    this.#phase = 'following';
    this.#acknowledge(makeZxid(this.#epoch, 0));
    const { pending, committedCount } = catchUp.finish();
    this.#catchUp = null;
    this.#following = new Following(
      {
        options: this.#options,
        environment: this.#environment,
        membership: this.#membership,
        committedLog: this.#committedLog,
        link: this.#link,
        isObserver: this.isObserver,
        epoch: this.#epoch,
      },
      this.#nowMs,
    );
    this.#environment.service.follow();
    for (const entry of pending) {
      this.#following.propose(entry);
    }
    for (const { zxid } of pending.slice(0, committedCount)) {
      this.#following.commit(zxid);
    }
  }

  #handleFollowing(packet: Packet): void {
    if (packet.type === PacketType.proposal && packet.data !== null) {
      this.#changes.consider(packet.data);
    } else if (packet.type === PacketType.informAndActivate && packet.data !== null) {
      this.#changes.consider(readDesignated(packet.data).rest);
    }
    const change = this.#following?.handle(packet) ?? null;
    if (change?.kind === 'activate') {
      this.#activate(change.zxid, change.leaderId);
    } else if (change !== null) {
      this.#successor = change.leaderId;
      this.end(`leadership goes to server ${change.leaderId}`);
    }
  }

  /** The members have changed by the transaction `zxid`: maybe this server has to leave. */
  #activate(zxid: number, successor: number): void {
    if (this.#changes.activate(zxid, successor)) {
      this.#successor = successor;
      this.end(`the members have changed: server ${successor} leads`);
    }
  }

  /** Forwards a client's request, session or sync to the leader; without effect unless this server is in step. */
  request(request: Forwarded): void {
    this.#following?.uplink.request(null, request);
  }

  /** Asks the leader whether a client may go on with its session; `revalidated` follows. */
  revalidate(sessionId: bigint, timeoutMs: number): void {
    this.#following?.uplink.revalidate(null, sessionId, timeoutMs);
  }

  /** Feeds observers; null: this server does not, or not yet. */
  get master(): ObserverMaster | null {
    return this.#following?.master ?? null;
  }

  // Time and the end

  tick(nowMs: number): void {
    this.#nowMs = nowMs;
    this.master?.tick(nowMs);
    if (this.#endReason === null && !this.#link.tick(nowMs)) {
      this.end('the leader cannot be reached in time');
    }
    if (this.#following !== null && nowMs >= this.#following.leaveAtMs) {
      this.end("the tree here is not the leader's: it is got anew");
    }
    if (this.#endReason === null && !AT_DISK.has(this.#phase) && nowMs >= this.#readDeadlineMs) {
      this.end(`nothing has come from the leader for ${this.#readTimeoutMs} ms, while ${this.#phase}`);
    }
  }

  /** Sends what the turn brought. True when there is more to send without anything happening. */
  flush(): boolean {
    this.#link.flush();
    return this.master?.flush(this.#nowMs) ?? false;
  }

  /** Ends this role. */
  end(reason: string): void {
    this.#endReason ??= reason;
  }

  /** This role is over: the link is closed. */
  close(): void {
    this.#phase = 'ended';
    this.master?.close();
    this.#link.close();
  }
}
