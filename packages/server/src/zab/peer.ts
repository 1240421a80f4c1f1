/**
 * One server of an ensemble: looking for a leader, leading, following or observing (quorum-protocol.md §5.11), one
 * after the other, for as long as it lives. A pure machine: what happens is told by the methods below, what is to be
 * done goes to the environment, and time passes by `tick`, which comes first in each turn.
 */
import { assert } from '../assert.ts';
import type { Link } from '../io/peers.ts';
import { CommittedLog } from './committed-log.ts';
import type { Configuration } from './configuration.ts';
import { Election } from './election.ts';
import type { Entry, Environment, EpochName } from './environment.ts';
import type { Leader } from './leader.ts';
import { Leadership } from './leadership.ts';
import { Learner } from './learner.ts';
import { Membership } from './membership.ts';
import type { ZabOptions } from './options.ts';

export type PeerStateName = 'looking' | 'leading' | 'following' | 'observing';

const REFUSED_DELAY_MS_MIN = 100;
const REFUSED_DELAY_MS_MAX = 3200;

export class Peer {
  readonly #options: ZabOptions;
  readonly #environment: Environment;
  readonly #membership: Membership;
  readonly #election: Election;
  readonly #committedLog: CommittedLog;
  #nowMs = 0;
  #leadership: Leadership | null = null;
  #learner: Learner | null = null;
  /** A role has ended, and the replica is putting its history in order. */
  #isSettling = false;
  /** Logged in the role that has ended, and not known to be committed. */
  #tail: readonly Entry[] = [];
  /** Who leads next, without an election. */
  #successor: number | null = null;
  /** Not to look for a leader before then; infinite: an election goes on, or a role does. */
  #startAtMs = Number.POSITIVE_INFINITY;
  #notBeforeMs = 0;
  #refusals = 0;
  #isReloading = false;
  /** The next epoch that this server makes is to be later than this one. */
  #epochBefore = 0;
  /** The history here cannot be made the leader's by cutting it. */
  #needsSnapshot = false;
  #isEpochTold = false;
  #knownCommitted: Configuration;
  #knownProposed: Configuration | null;

  /** @param lastSeen a configuration that was proposed, and maybe not committed (`.dynamic.next`); null: none */
  constructor(options: ZabOptions, environment: Environment, committed: Configuration, lastSeen: Configuration | null) {
    this.#options = options;
    this.#environment = environment;
    this.#membership = new Membership(environment, committed, lastSeen);
    this.#knownCommitted = this.#membership.committed;
    this.#knownProposed = this.#membership.proposed;
    this.#committedLog = new CommittedLog(environment.database.lastZxid, {
      entriesMax: options.committedLogEntriesMax,
      sizeBytesMax: options.committedLogSizeBytesMax,
    });
    this.#election = new Election(
      {
        serverId: options.serverId,
        notificationIntervalMsMin: options.notificationIntervalMsMin,
        notificationIntervalMsMax: options.notificationIntervalMsMax,
        adoptsConfigurations: options.reconfigEnabled,
      },
      environment.peers,
      environment.log,
    );
  }

  /** Begins to look for a leader. Call it once, with the database as recovery left it. */
  start(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#look();
  }

  // What it is

  get state(): PeerStateName {
    if (this.#leadership !== null) {
      return 'leading';
    }
    if (this.#learner !== null) {
      return this.#learner.isObserver ? 'observing' : 'following';
    }
    return 'looking';
  }

  /** Where in its state it is, in one word, for whoever looks at it. */
  get phase(): string {
    return this.#leadership?.phase ?? this.#learner?.phase ?? (this.#isSettling ? 'settling' : 'looking');
  }

  /** A role has ended, and the next leader is known: it takes no election to go on. */
  get isSucceeding(): boolean {
    return this.#successor !== null;
  }

  /** The server that leads, as far as this one knows; null while it is looking. */
  get leaderId(): number | null {
    return this.#leadership !== null ? this.#options.serverId : (this.#learner?.leaderId ?? null);
  }

  /** From `Service.lead` to `Service.cease`, the heart of the leader: `nextZxid`, `propose`, `committed`. */
  get leader(): Leader | null {
    return this.#leadership?.leader ?? null;
  }

  /** All of the leader, from the election on. */
  get leadership(): Leadership | null {
    return this.#leadership;
  }

  get learner(): Learner | null {
    return this.#learner;
  }

  get membership(): Membership {
    return this.#membership;
  }

  /** The latest committed transactions, as learners that lag a little get them. */
  get window(): CommittedLog {
    return this.#committedLog;
  }

  /** When `tick` is due although nothing happens. */
  get deadlineMs(): number {
    const role = this.#leadership?.deadlineMs ?? this.#learner?.deadlineMs ?? Number.POSITIVE_INFINITY;
    return Math.min(role, this.#election.deadlineMs, this.#startAtMs);
  }

  // Inputs

  /** A turn begins. */
  tick(nowMs: number): void {
    this.#nowMs = nowMs;
    if (nowMs >= this.#startAtMs) {
      this.#look();
    }
    this.#leadership?.tick(nowMs);
    this.#learner?.tick(nowMs);
    this.#follow();
  }

  /** From a member's election port. */
  notification(serverId: number, bytes: Uint8Array): void {
    const newer = this.#election.receive(serverId, bytes, this.#nowMs);
    if (newer !== null) {
      this.#adopt(newer);
    }
    this.#follow();
  }

  /** A learner has dialled this server, or the link that this server dials is there. */
  linkOpen(link: Link, dialled: boolean): void {
    if (!dialled && this.#leadership !== null) {
      this.#leadership.accept(link, this.#nowMs);
    } else if (dialled && this.#learner?.owns(link)) {
      this.#learner.opened(this.#nowMs);
    } else if (!dialled && this.#learner?.master) {
      this.#learner.master.accept(link, this.#nowMs);
    } else {
      link.close();
    }
  }

  linkData(link: Link, bytes: Uint8Array): void {
    if (this.#learner?.owns(link)) {
      this.#learner.receive(bytes, this.#nowMs);
    } else {
      (this.#leadership ?? this.#learner?.master)?.receive(link, bytes, this.#nowMs);
    }
    this.#follow();
  }

  linkGone(link: Link): void {
    if (this.#learner?.owns(link)) {
      this.#learner.gone(this.#nowMs);
    } else {
      (this.#leadership ?? this.#learner?.master)?.gone(link);
    }
    this.#follow();
  }

  /** Everything appended through `zxid` is on disk. */
  logSynced(zxid: number): void {
    this.#leadership?.logSynced(zxid, this.#nowMs);
    this.#learner?.logSynced(zxid, this.#nowMs);
    this.#follow();
  }

  /**
   * A learner's tree is not the leader's: it leaves, loads what its disk has, and asks for a snapshot. Its log is what it
   * acknowledged, so that its vote counts.
   */
  diverged(zxid: number): void {
    this.#learner?.diverged(zxid);
  }

  /** Ends the role that there is, for a reason of the server's own. */
  leaveRole(reason: string): void {
    this.#leadership?.end(reason, null);
    this.#learner?.end(reason);
    this.#follow();
  }

  epochPersisted(name: EpochName): void {
    this.#leadership?.epochPersisted(name, this.#nowMs);
    this.#learner?.epochPersisted(name, this.#nowMs);
    this.#follow();
  }

  snapshotWritten(): void {
    this.#learner?.snapshotWritten(this.#nowMs);
    this.#follow();
  }

  /** @param isDone false: the log does not reach back so far, and nothing has changed */
  truncated(isDone = true): void {
    this.#learner?.truncated(isDone, this.#nowMs);
    this.#follow();
  }

  /** What `Service.cease` asked for is done: memory holds what the log does, and nothing is under way. */
  settled(): void {
    assert(this.#isSettling, 'history settles after a role');
    this.#isSettling = false;
    this.#realignWindow(this.#isReloading);
    const successor = this.#successor;
    this.#successor = null;
    if (successor !== null) {
      this.#take(successor);
    } else if (this.#nowMs >= this.#notBeforeMs) {
      this.#look();
    } else {
      this.#startAtMs = this.#notBeforeMs;
    }
    this.#follow();
  }

  /** What there is for other servers leaves early in the turn; `flush` follows at its end. */
  send(): void {
    this.#leadership?.send(this.#nowMs);
    this.#learner?.flush();
  }

  /**
   * The turn is over: what it brought for other servers leaves, in one write to each. True when there is more to do
   * although nothing happens.
   */
  flush(): boolean {
    const isMore = this.#leadership?.flush(this.#nowMs) ?? this.#learner?.flush() ?? false;
    this.#follow();
    return isMore;
  }

  // From state to state

  /** Follows up on what the election or the role has come to. */
  #follow(): void {
    this.#followMembership();
    const role = this.#leadership ?? this.#learner;
    if (role === null) {
      this.#election.tick(this.#nowMs);
      const { decided } = this.#election;
      if (decided !== null && !this.#isSettling) {
        this.#take(decided.leader);
        this.#follow();
      }
      return;
    }
    if (!this.#isEpochTold && (this.#leadership?.phase === 'leading' || this.#learner?.phase === 'following')) {
      this.#isEpochTold = true;
      this.#refusals = 0;
      this.#election.synced(role.epoch ?? 0);
    }
    if (role.endReason !== null) {
      this.#leave(role.endReason);
    }
  }

  #look(): void {
    this.#startAtMs = Number.POSITIVE_INFINITY;
    if (this.#mustReloadFirst) {
      this.#isReloading = true;
      this.#isSettling = true;
      this.#environment.service.cease(true);
      return;
    }
    const { lastZxid, currentEpoch, damage } = this.#environment.database;
    const { committed, proposed } = this.#membership;
    const history = { lastZxid, currentEpoch, isDamaged: damage !== null };
    this.#environment.tallies.looking();
    this.#election.start(this.#nowMs, history, committed, proposed);
  }

  /** Leads, or follows this leader. */
  #take(leaderId: number): void {
    const { serverId } = this.#options;
    this.#environment.tallies.elected();
    this.#isEpochTold = false;
    this.#startAtMs = Number.POSITIVE_INFINITY;
    if (leaderId === serverId) {
      assert(this.#environment.database.damage === null, 'who has lost its history does not lead');
      this.#leadership = new Leadership(
        this.#options,
        this.#environment,
        this.#membership,
        this.#committedLog,
        this.#nowMs,
        this.#epochBefore,
      );
    } else {
      this.#learner = new Learner(
        leaderId,
        this.#options,
        this.#environment,
        this.#membership,
        this.#committedLog,
        this.#needsSnapshot,
        this.#nowMs,
        this.#refusals > 0, // only who leads can make an epoch behind the one that was accepted here
      );
    }
  }

  #leave(reason: string): void {
    const { log, service } = this.#environment;
    log.info(`no longer ${this.state}: ${reason}`);
    const role = this.#leadership ?? this.#learner;
    this.#tail = role?.outstanding() ?? [];
    this.#successor = role?.successor ?? null;
    this.#isReloading = this.#mustReloadFirst || (this.#learner?.mustReload ?? false);
    this.#refusals = this.#learner?.isRefused === true ? this.#refusals + 1 : this.#refusals;
    const { isObserver = false, isRefused = false, needsSnapshot = false, lostLeader = null } = this.#learner ?? {};
    this.#needsSnapshot = needsSnapshot;
    this.#epochBefore = Math.max(this.#epochBefore, this.#leadership?.laterEpoch ?? 0);
    role?.close();
    this.#leadership = null;
    this.#learner = null;
    this.#isSettling = true;
    if (this.#successor === null) {
      this.#election.leave(lostLeader);
    } else {
      const { committed } = this.#membership;
      this.#election.designate(this.#successor, committed.version);
    }
    this.#notBeforeMs = this.#nowMs + this.#delayMs(isObserver, isRefused);
    service.cease(this.#isReloading);
  }

  /** How long to wait before the next election: observers come one by one, and who is refused need not hurry. */
  #delayMs(isObserver: boolean, isRefused: boolean): number {
    if (isRefused) {
      return Math.min(REFUSED_DELAY_MS_MIN * 2 ** (this.#refusals - 1), REFUSED_DELAY_MS_MAX);
    }
    const { observerElectionDelayMs, observerReconnectDelayMs, hasObserverMasters } = this.#options;
    const delayMsMax = observerElectionDelayMs + (hasObserverMasters ? observerReconnectDelayMs : 0);
    return isObserver ? Math.floor(this.#environment.random.next() * delayMsMax) : 0;
  }

  /** A voter vouches for what is on its disk. It may have become one since it kept nothing there. */
  get #mustReloadFirst(): boolean {
    return this.#environment.database.isUnlogged && !this.#membership.observes(this.#options.serverId);
  }

  /** The window goes on where the history does, with what was logged and is not known to be committed in it. */
  #realignWindow(isReloaded: boolean): void {
    const { lastZxid } = this.#environment.database;
    const window = this.#committedLog;
    if (isReloaded) {
      window.reset(lastZxid);
    }
    for (const entry of this.#tail) {
      if (entry.zxid > window.last && entry.zxid <= lastZxid) {
        window.append(entry, lastZxid);
      }
    }
    this.#tail = [];
    if (window.last !== lastZxid) {
      window.reset(lastZxid);
    }
  }

  /** A server that is looking hears of a newer configuration. */
  #adopt(newer: Configuration): void {
    const isSame = newer.hasSameMembers(this.#membership.committed);
    this.#membership.activate(newer);
    this.#followMembership();
    if (!isSame && this.#isLooking) {
      this.#look();
    }
  }

  get #isLooking(): boolean {
    return this.state === 'looking' && !this.#isSettling && this.#startAtMs === Number.POSITIVE_INFINITY;
  }

  /** The election must know who may vote, in every state. */
  #followMembership(): void {
    const { committed, proposed } = this.#membership;
    if (committed === this.#knownCommitted && proposed === this.#knownProposed) {
      return;
    }
    const isSame = committed.hasSameMembers(this.#knownCommitted);
    this.#knownCommitted = committed;
    this.#knownProposed = proposed;
    this.#election.configure(committed, proposed);
    if (!isSame) {
      this.#election.restart();
    }
  }
}
