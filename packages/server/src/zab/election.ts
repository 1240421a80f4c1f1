/**
 * Fast leader election (quorum-protocol.md §4). Servers that look for a leader tell one another for whom they vote,
 * take over better votes, and decide when a quorum votes alike and nothing better comes for a while. Those that have a
 * leader answer newcomers, who join when a quorum, the leader itself among them, says the same.
 */
import { JuteError, PeerState, zxidHex } from '@treekeeper/protocol';
import { assert } from '../assert.ts';
import type { Log } from '../io/log.ts';
import { Configuration, ConfigurationFault, jointQuorum } from './configuration.ts';
import type { Quorum } from './quorum.ts';
import { RecentAnswers } from './recent-answers.ts';
import {
  type CountedVote,
  encodeNotification,
  type HeardVote,
  isBetterVote,
  isSameVote,
  NO_VOTE,
  type OwnHistory,
  ownVote,
  readNotification,
  sendersOf,
  type Vote,
} from './vote.ts';

export type { OwnHistory };

export interface ElectionOptions {
  readonly serverId: number;
  /** Votes are told again after this long, and then after twice as long each time. */
  readonly notificationIntervalMsMin: number;
  readonly notificationIntervalMsMax: number;
  /** Whether newer configurations are taken over from others (reconfigEnabled). */
  readonly adoptsConfigurations: boolean;
}

/** Part of Peers (io/peers.ts). */
export interface ElectionOutbox {
  notify(serverId: number, notification: Uint8Array): void;
  dialAll(): void;
}

export interface Decision {
  readonly leader: number;
  /** What this server is to be. */
  readonly state: Exclude<PeerState, typeof PeerState.looking>;
  /** Those whose votes made the decision. */
  readonly voters: ReadonlySet<number>;
}

/** How long a quorum waits for a better vote. */
const FINALIZE_MS = 200;
/** Who only asks whether there is a leader asks at least so often. */
const ASKING_INTERVAL_MS_MAX = 1000;
/** Notifications kept for the start; older ones give way. */
const WAITING_MAX = 100;

export class Election {
  readonly #options: ElectionOptions;
  readonly #outbox: ElectionOutbox;
  readonly #log: Log;
  #committed: Configuration | null = null;
  #quorum: Quorum | null = null;
  #memberships: readonly Configuration[] = [];
  #electors: ReadonlySet<number> = new Set();

  #state: PeerState = PeerState.looking;
  #round = 0;
  /** What is reported to those who look for a leader when this server has one, and always to those without a vote. */
  #current: (Vote & { readonly round: number }) | null = null;

  /** An election is going on. */
  #running = false;
  /** This server has no say: it waits until others have a leader. */
  #isMute = false;
  /** The leader that this server has just lost: nobody waits for its vote, as long as it says nothing. */
  #lost: number | null = null;
  #initial: Vote = NO_VOTE;
  #proposed: Vote = NO_VOTE;
  /** Last vote of each server in this round. */
  readonly #received = new Map<number, CountedVote>();
  /** Last vote of each server that has a leader. */
  readonly #established = new Map<number, CountedVote>();
  /** The senders that agree on `#proposed`; null: no quorum yet. */
  #agreeing: Set<number> | null = null;
  /** The own vote reaches `#received` as those of others do: behind what is being handled. */
  #ownVoteSent = false;
  #intervalMs = 0;
  #deadlineMs = Number.POSITIVE_INFINITY;
  #decided: Decision | null = null;

  /** Heard while looking, before the start. */
  #waiting: HeardVote[] = [];
  /** Who has sent something malformed, and nothing good since. */
  readonly #garbled = new Set<number>();
  readonly #answers = new RecentAnswers();
  #parsed: { readonly text: string; readonly configuration: Configuration | null } | null = null;

  constructor(options: ElectionOptions, outbox: ElectionOutbox, log: Log) {
    this.#options = options;
    this.#outbox = outbox;
    this.#log = log;
  }

  /** When `tick` is due; infinite: not before something else happens. */
  get deadlineMs(): number {
    return this.#deadlineMs;
  }

  /** The outcome, from the decision until `leave` or the next `start`; null: none yet. */
  get decided(): Decision | null {
    return this.#decided;
  }

  get state(): PeerState {
    return this.#state;
  }

  get round(): number {
    return this.#round;
  }

  /** The vote that this server reports while it has a leader; null before the first start. */
  get currentVote(): (Vote & { readonly round: number }) | null {
    return this.#current;
  }

  /**
   * Begins an election, in the next round.
   *
   * @param lastSeen a configuration that has been proposed and may not be committed; null: none
   */
  start(nowMs: number, history: OwnHistory, committed: Configuration, lastSeen: Configuration | null): void {
    const { serverId } = this.#options;
    this.configure(committed, lastSeen);
    this.#current ??= { leader: serverId, zxid: history.lastZxid, peerEpoch: history.currentEpoch, round: -1 };
    this.#isMute = history.isDamaged === true;
    this.#initial = ownVote(serverId, history, committed, lastSeen);
    this.#proposed = this.#initial;
    this.#state = PeerState.looking;
    this.#round += 1;
    this.#received.clear();
    this.#established.clear();
    this.#agreeing = null;
    this.#decided = null;
    this.#running = true;
    this.#intervalMs = this.#options.notificationIntervalMsMin;
    this.#deadlineMs = nowMs + this.#intervalMs;
    this.#log.info(
      `looking for a leader, round ${this.#round}: zxid 0x${zxidHex(history.lastZxid)}, epoch ${history.currentEpoch}`,
    );
    this.#tellAll();
    this.#countOwnVote(nowMs);
    for (const heard of this.#waiting.splice(0)) {
      this.#dispatch(heard, nowMs);
    }
  }

  /** The configurations have changed, in any state. */
  configure(committed: Configuration, lastSeen: Configuration | null): void {
    this.#committed = committed;
    this.#quorum = jointQuorum(committed, lastSeen);
    this.#memberships = lastSeen === null ? [committed] : [committed, lastSeen];
    this.#electors = new Set([...committed.voters, ...(lastSeen?.voters ?? [])]);
  }

  /**
   * This server follows or leads no more, and looks for a leader; `start` comes when its history is at rest.
   *
   * @param lostLeader whose link has broken; null: nobody's
   */
  leave(lostLeader: number | null): void {
    this.#lost = lostLeader;
    this.#state = PeerState.looking;
    this.#decided = null;
    this.#stop();
  }

  /** Rounds begin anew: the election service restarts because of a change of members (§2.5). */
  restart(): void {
    this.#round = 0;
    if (this.#state === PeerState.looking) {
      this.#current = null;
      this.#stop();
    }
  }

  /**
   * Synchronisation with the leader is done, or this leader's epoch has begun: from here on the epoch is reported in
   * place of that of the election (§4.6).
   */
  synced(epoch: number): void {
    assert(this.#current !== null, 'a server that is in step has voted');
    this.#current = { ...this.#current, peerEpoch: epoch };
  }

  /**
   * The leader has handed over without an election (§9.4): `configure` with the new configuration comes before.
   *
   * @param zxid of the transaction that said so
   */
  designate(leader: number, zxid: number): void {
    this.#current = { leader, zxid, peerEpoch: -1, round: -1 };
    this.#state = this.#stateUnder(leader);
    this.#decided = null;
    this.#stop();
  }

  /**
   * Takes a notification, in any state; own ones are ignored. Returns a configuration when this server is looking and
   * the sender has committed a newer one: it is to be adopted. If it has other members, the notification has been
   * dropped and the election must be started anew, after `restart`.
   */
  receive(serverId: number, notification: Uint8Array, nowMs: number): Configuration | null {
    if (serverId === this.#options.serverId) {
      return null;
    }
    const heard = this.#read(serverId, notification);
    if (heard === null) {
      return null;
    }
    this.#lost = this.#lost === serverId ? null : this.#lost;
    const newer = this.#newerConfiguration(heard);
    if (newer === null || newer.hasSameMembers(this.#committed as Configuration)) {
      this.#dispatch(heard, nowMs);
    }
    return newer;
  }

  /** Call it when `deadlineMs` has come; earlier calls do nothing. */
  tick(nowMs: number): void {
    if (nowMs < this.#deadlineMs) {
      return;
    }
    if (this.#agreeing !== null) {
      this.#decide({ ...this.#proposed, round: this.#round }, this.#agreeing);
      return;
    }
    const askingMsMax = this.#isMute ? ASKING_INTERVAL_MS_MAX : Number.POSITIVE_INFINITY;
    this.#intervalMs = Math.min(2 * this.#intervalMs, this.#options.notificationIntervalMsMax, askingMsMax);
    this.#deadlineMs = nowMs + this.#intervalMs;
    this.#outbox.dialAll();
    this.#tellAll();
    this.#countOwnVote(nowMs);
  }

  #stop(): void {
    this.#running = false;
    this.#agreeing = null;
    this.#ownVoteSent = false;
    this.#deadlineMs = Number.POSITIVE_INFINITY;
  }

  // ---- The receive layer (§4.6) -------------------------------------------------------------------------------------

  #read(serverId: number, notification: Uint8Array): HeardVote | null {
    try {
      const heard = readNotification(serverId, notification);
      this.#garbled.delete(serverId);
      return heard;
    } catch (error) {
      if (!(error instanceof JuteError)) {
        throw error;
      }
      if (!this.#garbled.has(serverId)) {
        this.#garbled.add(serverId);
        this.#log.warn(`a notification of server ${serverId} cannot be read and is dropped: ${error.message}`);
      }
      return null;
    }
  }

  /** What the sender has committed, if that is newer and this server may take it over. */
  #newerConfiguration({ serverId, config }: HeardVote): Configuration | null {
    const isAdopting = this.#options.adoptsConfigurations && this.#state === PeerState.looking;
    if (!isAdopting || this.#committed === null || config === null) {
      return null;
    }
    if (this.#parsed?.text !== config) {
      this.#parsed = { text: config, configuration: this.#parse(serverId, config) };
    }
    const theirs = this.#parsed.configuration;
    return theirs !== null && theirs.version > this.#committed.version ? theirs : null;
  }

  #parse(serverId: number, text: string): Configuration | null {
    try {
      return Configuration.parse(text);
    } catch (error) {
      if (!(error instanceof ConfigurationFault)) {
        throw error;
      }
      this.#log.warn(`the configuration that server ${serverId} tells is not taken over: ${error.message}`);
      return null;
    }
  }

  #dispatch(heard: HeardVote, nowMs: number): void {
    const isLooking = heard.state === PeerState.looking;
    if (this.#state === PeerState.looking && !this.#running) {
      this.#wait(heard);
    } else if (!this.#electors.has(heard.serverId)) {
      // Only who is looking needs an answer; answering others could go on for ever between two servers that do not
      // take each other for electors.
      if (isLooking && this.#current !== null) {
        this.#answer(heard.serverId, this.#current, this.#round, nowMs);
      }
    } else if (this.#state !== PeerState.looking) {
      if (isLooking && this.#current !== null) {
        this.#tell(heard.serverId, this.#current, this.#current.round);
      }
    } else {
      // Who had a leader still when our vote came has not taken it in.
      const hasMissed = isLooking && this.#established.delete(heard.serverId) && heard.round <= this.#round;
      if (hasMissed || (isLooking && heard.round < this.#round)) {
        this.#answer(heard.serverId, this.#proposed, this.#round, nowMs);
      }
      this.#hear(heard, nowMs);
      this.#countOwnVote(nowMs);
    }
  }

  #wait(heard: HeardVote): void {
    this.#waiting.push(heard);
    if (this.#waiting.length > WAITING_MAX) {
      this.#waiting.shift();
    }
  }

  /** Tells a server that is looking; if this one is, too, they must not answer each other without end. */
  #answer(serverId: number, { leader, zxid, peerEpoch }: Vote, round: number, nowMs: number): void {
    const vote = { leader, zxid, peerEpoch };
    if (this.#state !== PeerState.looking || this.#answers.isNew(serverId, { ...vote, round }, nowMs)) {
      this.#tell(serverId, vote, round);
    }
  }

  // ---- The election (§4.4, §4.5) ------------------------------------------------------------------------------------

  #tellAll(): void {
    for (const elector of this.#electors) {
      if (elector === this.#options.serverId) {
        this.#ownVoteSent = true;
      } else {
        this.#tell(elector, this.#proposed, this.#round);
      }
    }
  }

  #tell(serverId: number, vote: Vote, round: number): void {
    const { text } = this.#committed as Configuration;
    this.#outbox.notify(serverId, encodeNotification(this.#state, vote, round, text));
  }

  #countOwnVote(nowMs: number): void {
    while (this.#ownVoteSent && this.#running) {
      this.#ownVoteSent = false;
      const { serverId } = this.#options;
      const state = PeerState.looking;
      this.#hear({ serverId, state, ...this.#proposed, round: this.#round, isModern: true, config: null }, nowMs);
    }
  }

  #hear(heard: HeardVote, nowMs: number): void {
    if (!this.#running) {
      return;
    }
    const isFromUs = this.#electors.has(heard.serverId) && this.#electors.has(heard.leader);
    if (this.#agreeing !== null) {
      if (!isFromUs || !this.#beats(heard, this.#proposed)) {
        if (heard.state === PeerState.looking && isSameVote(heard, this.#agreedVote())) {
          this.#agreeing.add(heard.serverId);
        }
        this.#awaitBetter(this.#agreeing, nowMs);
        return;
      }
      this.#agreeing = null;
    }
    if (!isFromUs) {
      this.#catchUpWith(heard); // and our vote is told again in its time, however often others ask
      return;
    }
    this.#deadlineMs = nowMs + this.#intervalMs;
    if (heard.state === PeerState.looking) {
      this.#hearLooking(heard, nowMs);
    } else if (heard.state !== PeerState.observing) {
      this.#hearEstablished(heard);
    }
  }

  /** A voter to be that does not know it yet votes for nobody; it can join in when both are in the same round. */
  #catchUpWith({ serverId, state, round }: HeardVote): void {
    if (state === PeerState.looking && round > this.#round && this.#electors.has(serverId)) {
      this.#round = round;
      this.#received.clear();
      this.#propose(this.#initial);
    }
  }

  #hearLooking(heard: HeardVote, nowMs: number): void {
    const isNobodys = heard.zxid === -1 || this.#initial.zxid === -1;
    if (isNobodys || heard.round < this.#round || this.#isMute) {
      return;
    }
    if (heard.round > this.#round) {
      this.#round = heard.round;
      this.#received.clear();
      this.#propose(this.#beats(heard, this.#initial) ? heard : this.#initial);
    } else if (this.#beats(heard, this.#proposed)) {
      this.#propose(heard);
    }
    this.#received.set(heard.serverId, heard);
    const agreeing = sendersOf(this.#received, this.#agreedVote());
    if (this.#quorum?.hasQuorum(agreeing)) {
      this.#awaitBetter(agreeing, nowMs);
    }
  }

  /** What the votes of this round must be like to elect. */
  #agreedVote(): CountedVote {
    return { ...this.#proposed, round: this.#round, state: PeerState.looking, isModern: true };
  }

  /** There is a quorum. Where everybody has voted alike, nobody need wait: who could come with a better vote? */
  #awaitBetter(agreeing: Set<number>, nowMs: number): void {
    this.#agreeing = agreeing;
    const isUnanimous = [...this.#electors].every((elector) => agreeing.has(elector) || elector === this.#lost);
    this.#deadlineMs = isUnanimous ? nowMs : nowMs + FINALIZE_MS;
  }

  #propose({ leader, zxid, peerEpoch }: Vote): void {
    this.#proposed = { leader, zxid, peerEpoch };
    this.#tellAll();
  }

  #beats(one: Vote, other: Vote): boolean {
    if (this.#weightOf(one.leader) === 0) {
      return false;
    }
    const isVoter = this.#committed?.isVoter(one.leader) === true;
    const isLevel = one.peerEpoch === other.peerEpoch && one.zxid === other.zxid;
    // Who does not know of the proposed members can agree to one of those in force only.
    return isLevel && isVoter !== this.#committed?.isVoter(other.leader) ? isVoter : isBetterVote(one, other);
  }

  #weightOf(voterId: number): number {
    const committed = this.#committed as Configuration;
    // Voters of the next configuration only have a weight there; until that counts, one is as good as another.
    return committed.isVoter(voterId) ? committed.weightOf(voterId) : 1;
  }

  #hearEstablished(heard: HeardVote): void {
    if (heard.round === this.#round) {
      // ZooKeeper compares these by leader alone, whatever the epoch: they are kept without their version.
      this.#received.set(heard.serverId, { ...heard, isModern: false });
      if (this.#joins(heard, this.#received)) {
        return;
      }
    }
    this.#established.set(heard.serverId, heard);
    this.#joins(heard, this.#established);
  }

  /**
   * Decides for the leader that `heard` tells of, if a quorum of these votes and the leader itself confirm it. Of two
   * configurations one will do: the leader knows which counts, and the proposed one may have come to nothing.
   */
  #joins(heard: HeardVote, votes: ReadonlyMap<number, CountedVote>): boolean {
    const voters = sendersOf(votes, heard);
    const isConfirmed =
      heard.leader === this.#options.serverId
        ? heard.round === this.#round && !this.#isMute
        : votes.get(heard.leader)?.state === PeerState.leading;
    if (!isConfirmed || !this.#memberships.some((members) => members.hasQuorum(voters))) {
      return false;
    }
    this.#round = heard.round;
    this.#decide(heard, voters);
    return true;
  }

  #decide({ leader, zxid, peerEpoch, round }: Vote & { readonly round: number }, voters: ReadonlySet<number>): void {
    const state = this.#stateUnder(leader);
    this.#current = { leader, zxid, peerEpoch, round };
    this.#state = state;
    this.#decided = { leader, state, voters };
    this.#stop();
    this.#log.info(
      `server ${leader} is elected in round ${round} by ${[...voters].join(', ')}: zxid 0x${zxidHex(zxid)}, epoch ${peerEpoch}`,
    );
  }

  #stateUnder(leader: number): Decision['state'] {
    if (leader === this.#options.serverId) {
      return PeerState.leading;
    }
    const role = this.#committed?.member(this.#options.serverId)?.role;
    return role === 'observer' ? PeerState.observing : PeerState.following;
  }
}
