/**
 * A replica as a member of an ensemble: what its peer (zab/peer.ts) decides, the replica does. It serves while the peer
 * leads or follows, and otherwise puts its history in order and waits (quorum-protocol.md §5.11, §6.4).
 */
import { JuteReader, OpCode, SetDataTxn, TxnHeader, zxidHex } from '@treekeeper/protocol';
import { assert } from '../assert.ts';
import type { DiskCompletion } from '../io/disk.ts';
import type { PeerInput, Peers } from '../io/peers.ts';
import type { Random } from '../io/random.ts';
import { CONFIG_PATH } from '../operations/reconfig.ts';
import { closeSession } from '../operations/session.ts';
import { ForeignSessions } from '../sessions/foreign-sessions.ts';
import { Configuration, ConfigurationFault } from '../zab/configuration.ts';
import type { EpochName, Forwarded, LearnerId, Service as PeerService, SessionHomes } from '../zab/environment.ts';
import type { Leadership } from '../zab/leadership.ts';
import type { Learner } from '../zab/learner.ts';
import type { ZabOptions } from '../zab/options.ts';
import { Peer } from '../zab/peer.ts';
import type { Connections } from './connections.ts';
import { Divergence } from './divergence.ts';
import { Forwarding } from './forwarding.ts';
import { Leading } from './leading.ts';
import { type DatabaseEvents, type DatabaseParts, MemberDatabase } from './member-database.ts';
import { MemberInstruments } from './member-instruments.ts';
import { type MemberReport, reportOf } from './member-report.ts';
import { orphanedSessions } from './orphans.ts';
import { PendingChanges } from './pending-changes.ts';
import { ReadOnly } from './read-only.ts';
import { MemberReconfiguration, RECONFIGURATION_DEFAULTS, type ReconfigurationRules } from './reconfiguration.ts';
import { type ReplicaWorld, type Role, Service, type ServiceParts } from './service.ts';
import { type Proposer, Writes } from './writes.ts';

/** Where configurations are kept between two lives of the server. */
export interface ConfigurationFiles {
  /** In force from now on (§9.4). */
  committed(configuration: Configuration): void;
  /** Proposed, and may come into force (`.dynamic.next`). */
  proposed(configuration: Configuration): void;
}

/** What makes a replica a member. */
export interface EnsembleSeams {
  readonly zab: ZabOptions;
  readonly peers: Peers;
  readonly files: ConfigurationFiles;
  /** In force when the server starts. */
  readonly configuration: Configuration;
  /** Proposed before it was stopped, and maybe not committed; null: none. */
  readonly proposedConfiguration: Configuration | null;
  /** Left out: at least two voters, one address each. */
  readonly reconfiguration?: ReconfigurationRules;
  /** readonlymode.enabled: how long without a leader before read-only clients are served; null, or left out: never. */
  readonly readOnlyDelayMs?: number | null;
  /** leaderServes: clients are taken while this server leads. */
  readonly leaderServes: boolean;
}

export interface MemberParts {
  readonly service: ServiceParts;
  readonly connections: Connections;
  readonly database: Omit<DatabaseParts, 'events'>;
  readonly random: Random;
  world(): ReplicaWorld;
}

/**
 * When leadership is given away, this server serves again in a moment: clients that come meanwhile are better off
 * waiting for that than looking for another server, which does not serve either. Not for longer than this.
 */
const SUCCESSION_MS_MAX = 1000;
/** Where the type ends in a transaction's header. */
const TXN_TYPE_END = 32;

export class Member implements PeerService, DatabaseEvents {
  readonly peer: Peer;
  readonly #seams: EnsembleSeams;
  readonly #parts: MemberParts;
  readonly #database: MemberDatabase;
  #service: Service | null = null;
  #leading: Leading | null = null;
  #forwarding: Forwarding | null = null;
  readonly #instruments: MemberInstruments;
  #servingSinceMs: number | null = null;
  /** Null: without a leader nobody is served. */
  readonly #readOnly: ReadOnly | null;
  readonly #divergence = new Divergence();
  #hasGivenUpLeading = false;
  /** Memory is not what it should be: at the end of this role it is loaded from the disk. */
  #isTreeWrong = false;
  /** A role has ended, and what it began is coming to its end. */
  #ceasing: { readonly reload: boolean } | null = null;

  constructor(seams: EnsembleSeams, parts: MemberParts) {
    this.#seams = seams;
    this.#parts = parts;
    this.#database = new MemberDatabase({ ...parts.database, events: this });
    const { service, connections, random, world } = parts;
    const { readOnlyDelayMs: delayMs = null } = seams;
    this.#readOnly = delayMs === null ? null : new ReadOnly({ service, connections, delayMs, world });
    const { log, clock, instruments } = service;
    this.#instruments = new MemberInstruments(instruments.metrics, clock);
    this.#showConfiguration(seams.configuration);
    this.peer = new Peer(
      seams.zab,
      { database: this.#database, service: this, peers: seams.peers, random, log, tallies: this.#instruments },
      seams.configuration,
      seams.proposedConfiguration,
    );
  }

  /** Null: this server does not serve. One that ceases to may take long, on a full disk, and serves nobody then. */
  get service(): Service | null {
    return this.#ceasing === null ? (this.#service ?? this.#readOnly?.service ?? null) : null;
  }

  /** Reads are served, without a quorum. */
  get isReadOnly(): boolean {
    return this.#readOnly?.service != null;
  }

  get failure(): string | null {
    return this.#database.failure;
  }

  /**
   * Gives leadership to another server, so that writes hardly pause. False: this one does not lead, or there is no
   * other that could.
   *
   * @param heirId null: the one that is best suited
   * @param isLeaving this server stops
   */
  handOver(heirId: number | null, isLeaving = false): boolean {
    return this.peer.leadership?.handOver(heirId, isLeaving) ?? false;
  }

  /** It is still the leader of others that it is giving away. */
  get isHandingOver(): boolean {
    return this.peer.leadership?.isHandingOver ?? false;
  }

  /** For operators. */
  get report(): MemberReport {
    return {
      ...reportOf(this.peer, this.#seams.zab.serverId),
      currentEpoch: this.#database.currentEpoch,
      damage: this.#database.damage,
      proposals: this.#instruments.sizes,
      pendingSyncs: this.#pendingSyncs,
      servingSinceMs: this.#servingSinceMs,
    };
  }

  get #pendingSyncs(): number {
    const learners = [...(this.peer.leadership?.learners ?? [])];
    const own = (this.#leading ?? this.#forwarding)?.syncsWaiting ?? 0;
    return learners.reduce((sum, { syncsWaiting }) => sum + syncsWaiting, own);
  }

  // The turn

  start(): void {
    this.#instruments.unavailable();
    this.peer.start(this.#nowMs);
  }

  get #nowMs(): number {
    return this.#parts.service.clock.nowMs;
  }

  /** First in a turn. */
  tick(): void {
    this.peer.tick(this.#nowMs);
    this.#followState();
  }

  /** Before anything else happens in a role that has just begun, what was served without a leader is over. */
  #followState(): void {
    const hasSomething = this.#ceasing === null && this.#database.damage === null;
    this.#readOnly?.follow(this.peer.state === 'looking' && hasSomething, this.#nowMs);
  }

  receive(input: PeerInput): void {
    this.#receive(input);
    this.#followState();
  }

  #receive(input: PeerInput): void {
    switch (input.kind) {
      case 'notification':
        return this.peer.notification(input.serverId, input.bytes);
      case 'link-open':
        return this.peer.linkOpen(input.link, input.dialled);
      case 'link-data':
        return this.peer.linkData(input.link, input.bytes);
      case 'link-gone':
        return this.peer.linkGone(input.link);
    }
  }

  /** False: it was not for a member. */
  onCompletion(completion: DiskCompletion): boolean {
    return this.#database.onCompletion(completion);
  }

  logSynced(zxid: number): void {
    this.peer.logSynced(zxid);
    this.#forwarding?.logSynced(zxid);
  }

  /** After the inputs: goes on with what had to wait. */
  step(): void {
    this.#database.step();
    this.#settle();
    this.#leading?.goOn();
    this.#becomeEven();
  }

  /** What the leader's snapshot was ahead with came before UPTODATE: it is told in the turn that begins to follow. */
  #becomeEven(): void {
    if (this.#forwarding !== null && this.#database.isAhead) {
      this.#forwarding.settled();
      if (this.#forwarding.isEven) {
        this.#database.becomeEven();
      }
    }
  }

  /** Before what is committed is applied: other servers need not wait for that. */
  send(): void {
    this.peer.send();
  }

  /** Last in a turn. True when there is more to do although nothing happens. */
  flush(): boolean {
    const isMore = this.peer.flush();
    return isMore || this.#leading?.canGoOn === true || (this.#ceasing !== null && this.#database.idle);
  }

  // Of the database

  epochPersisted(name: EpochName): void {
    this.peer.epochPersisted(name);
  }

  snapshotWritten(): void {
    this.peer.snapshotWritten();
  }

  healed(): void {
    this.#parts.service.instruments.metrics.data_healed_count.add(1);
  }

  truncated(isDone: boolean): void {
    if (isDone) {
      this.#showConfiguration(this.peer.membership.committed);
    }
    this.peer.truncated(isDone);
  }

  // Roles

  lead(): void {
    const { leader, leadership } = this.peer;
    assert(leader !== null && leadership !== null, 'who leads has a leader');
    if (this.#database.isAhead) {
      this.#database.becomeEven(); // what it was ahead with was committed: without it nobody is elected
    }
    const world = this.#parts.world();
    this.#showConfiguration(this.peer.membership.committed);
    const { options, clock, instruments } = this.#parts.service;
    const { fieldBytesMax } = options.storage;
    const rules = this.#seams.reconfiguration ?? RECONFIGURATION_DEFAULTS;
    const reconfiguration = new MemberReconfiguration(rules, this.peer.membership, leadership);
    const { changes } = instruments;
    const pending = new PendingChanges(world, options.digestEnabled, fieldBytesMax, changes, reconfiguration);
    const proposer = this.#proposer(leader, leadership);
    const writes = new Writes(world, pending, proposer, clock, options.digestEnabled, instruments);
    const heart = { leader, sync: (from: LearnerId | null, then?: () => void) => leadership.sync(from, then) };
    this.#leading = new Leading(world.sessions, writes, heart, fieldBytesMax);
    world.sessions.foreign = ForeignSessions.of(options, clock);
    const diverged = (): void => this.#giveUpLeading();
    this.#serve({ kind: 'leader', order: this.#leading, diverged }, this.#seams.leaderServes);
    // Ephemerals whose session nobody knows: a transaction removes them everywhere.
    for (const owner of orphanedSessions(world, this.#parts.service.log)) {
      this.#leading.submit(closeSession, {}, owner, [], null, 0);
    }
  }

  /** Tells a change of membership from other transactions. */
  #proposer(leader: Proposer, leadership: Leadership): Proposer {
    return {
      get lastProposed(): number {
        return leader.lastProposed;
      },
      get committed(): number {
        return leader.committed;
      },
      nextZxid: () => leader.nextZxid(),
      propose: (zxid, payload) => {
        this.#instruments.proposed(zxid, payload.length);
        const configuration = this.configurationIn(payload);
        if (configuration === null) {
          leader.propose(zxid, payload);
        } else {
          leadership.proposeConfiguration(zxid, payload, configuration);
        }
      },
    };
  }

  follow(): void {
    const { learner } = this.peer;
    assert(learner !== null, 'who follows has a link to its leader');
    const { options, clock, instruments } = this.#parts.service;
    const world = this.#parts.world();
    this.#showConfiguration(this.peer.membership.committed);
    const { isAhead } = this.#database;
    const { digestEnabled } = options;
    const syncLimitMs = this.#seams.zab.syncLimitTicks * this.#seams.zab.tickTimeMs;
    const { isObserver } = learner;
    const parts = { world, uplink: learner, clock, digestEnabled, instruments, isAhead, isObserver, syncLimitMs };
    this.#forwarding = new Forwarding(parts);
    const revalidate = (sessionId: bigint, timeoutMs: number): void => learner.revalidate(sessionId, timeoutMs);
    const diverged = (zxid: number): void => this.#leaveAsDiverged(learner, zxid);
    this.#serve({ kind: 'learner', order: this.#forwarding, revalidate, diverged }, true);
  }

  /** The tree is not the leader's: it is got anew, unless that would be of no use. */
  #leaveAsDiverged({ endReason, isFromSnapshot }: Learner, zxid: number): void {
    const { hasAgreed = false } = this.#forwarding ?? {};
    if (endReason === null && this.#divergence.found({ hasAgreed, isFromSnapshot })) {
      this.#database.distrust();
      this.peer.diverged(zxid);
    }
  }

  /** Others follow what this tree says, and it is not what it should be. Only once, should the fault be elsewhere. */
  #giveUpLeading(): void {
    this.#isTreeWrong = !this.#hasGivenUpLeading && this.handOver(null);
    this.#hasGivenUpLeading ||= this.#isTreeWrong;
  }

  #serve(role: Role, takesClients: boolean): void {
    assert(this.#service === null && this.#ceasing === null, 'one role after the other');
    const service = new Service(this.#parts.service, this.#parts.world(), role);
    this.#service = service;
    this.#servingSinceMs = this.#nowMs;
    this.#instruments.serves(this.peer.state);
    this.#parts.connections.serve(takesClients ? service : null);
    const { leaderId, state } = this.peer;
    const { lastZxid, nodeCount } = this.#parts.world().tree;
    const who = role.kind === 'leader' ? `leading epoch ${this.#database.currentEpoch}` : `${state} server ${leaderId}`;
    const clients = takesClients ? 'clients are served' : 'clients are not served (leaderServes=no)';
    this.#parts.service.log.info(`${who}: ${clients}; ${nodeCount} nodes, last zxid 0x${zxidHex(lastZxid)}`);
  }

  cease(reload: boolean): void {
    this.#instruments.unavailable();
    const { connections } = this.#parts;
    connections.serve(null, this.peer.isSucceeding ? this.#nowMs + SUCCESSION_MS_MAX : undefined);
    this.#leading?.cease();
    this.#service?.applyCommitted(); // what ends a role may be the answer to a client: a change of members
    connections.closeAll();
    if (this.#service !== null) {
      for (const client of connections.byConnection.values()) {
        this.#service.forget(client);
        client.session = null;
      }
    }
    this.#database.abandon(reload || this.#isTreeWrong);
    this.#ceasing = { reload: reload || this.#isTreeWrong };
    this.#isTreeWrong = false;
  }

  /** When nothing is under way any more, memory becomes what the log is, and the peer goes on. */
  #settle(): void {
    if (this.#ceasing === null || !this.#database.idle) {
      return;
    }
    const { reload } = this.#ceasing;
    this.#ceasing = null;
    this.#service?.fastForward();
    this.#service = null;
    this.#servingSinceMs = null;
    this.#leading = null;
    this.#forwarding = null;
    if (reload) {
      this.#database.reload();
      this.#showConfiguration(this.peer.membership.committed);
    }
    this.#parts.world().sessions.ceaseServing();
    this.peer.settled();
  }

  // Of the learner

  proposed(zxid: number, payload: Uint8Array): void {
    this.#asLearner().proposed(zxid, payload);
  }

  committed(zxid: number): void {
    this.#asLearner().committed(zxid);
  }

  takeTouched(): Iterable<readonly [sessionId: bigint, timeoutMs: number]> {
    return this.#service?.sessions.takeTouched() ?? [];
  }

  revalidated(sessionId: bigint, valid: boolean): void {
    this.#service?.revalidated(sessionId, valid);
  }

  takenElsewhere(sessionId: bigint): void {
    const owner = this.#parts.world().sessions.get(sessionId)?.owner ?? null;
    if (owner !== null) {
      this.#parts.connections.close(owner);
    }
  }

  get homes(): SessionHomes {
    return this.#parts.world().sessions;
  }

  #asLearner(): Forwarding {
    assert(this.#forwarding !== null, 'proposals are for who follows');
    return this.#forwarding;
  }

  // Of the leader

  forwarded(from: LearnerId, request: Forwarded): void {
    this.#leading?.forwarded(from, request);
  }

  revalidate(from: LearnerId, sessionId: bigint, timeoutMs: number, isSure: boolean): boolean {
    const isAlive = this.#leading?.revalidate(from, sessionId, timeoutMs) ?? false;
    if (isAlive) {
      this.touched(sessionId, timeoutMs);
    } else if (isSure) {
      this.#service?.sessions.gone(sessionId);
    }
    return isAlive;
  }

  touched(sessionId: bigint, timeoutMs: number): void {
    this.#service?.sessions.touchedElsewhere(sessionId, timeoutMs);
  }

  // Of both

  syncDone(): void {
    this.#service?.syncDone();
  }

  // Configurations

  configured(configuration: Configuration): void {
    if (this.#service === null) {
      this.#showConfiguration(configuration);
    } // else its transaction does when it is applied, after which its watchers are told
    this.#seams.files.committed(configuration);
  }

  configProposed(configuration: Configuration): void {
    this.#seams.files.proposed(configuration);
  }

  configurationIn(payload: Uint8Array): Configuration | null {
    if (payload[TXN_TYPE_END - 1] !== OpCode.reconfig) {
      return null; // asked of every transaction
    }
    const reader = new JuteReader(payload);
    if (TxnHeader.decode(reader).type !== OpCode.reconfig) {
      return null;
    }
    const { data } = SetDataTxn.decode(reader);
    try {
      return Configuration.parse(Buffer.from(data ?? []).toString());
    } catch (error) {
      if (!(error instanceof ConfigurationFault)) {
        throw error;
      }
      this.#parts.service.log.error(`a proposed configuration is none: ${error.message}`);
      return null;
    }
  }

  /** /zookeeper/config is each server's own: no transaction sets it but those of reconfig (disk-format.md §3.6). */
  #showConfiguration(configuration: Configuration): void {
    const { tree } = this.#parts.world();
    const { clock } = this.#parts.service;
    tree.setData(CONFIG_PATH, Buffer.from(configuration.text), -1, configuration.version, clock.wallMs);
    tree.changes.length = 0;
  }
}
