/**
 * An ensemble in memory: Peers on simulated disks and links. After every turn what quorum-protocol.md §14 demands is
 * checked; numbers in the messages are those of its list.
 */
import { zxidHex } from '@treekeeper/protocol';
import { SeededRandom } from '../../../src/host/node-random.ts';
import { Configuration } from '../../../src/zab/configuration.ts';
import { parseMember } from '../../../src/zab/members.ts';
import { ZAB_DEFAULTS, type ZabOptions } from '../../../src/zab/options.ts';
import { Events } from './events.ts';
import { Network } from './network.ts';
import { Server } from './server.ts';
import { checkStep } from './step.ts';
import { Disk } from './storage.ts';
import { Wiretap } from './wiretap.ts';

/** A transaction, when its leader proposed it. */
export interface BroadcastEvent {
  readonly zxid: number;
  readonly text: string;
  /** What the leader had delivered by then. */
  readonly before: readonly number[];
}

export interface ClusterOptions extends Partial<ZabOptions> {
  readonly voters: number;
  readonly observers?: number;
}

export function configurationWith(voters: readonly number[], observers: readonly number[], version = 0): Configuration {
  const member = (id: number, role: string) => parseMember(id, `10.0.0.${id}:2888:3888:${role}`);
  return new Configuration({
    members: [...voters.map((id) => member(id, 'participant')), ...observers.map((id) => member(id, 'observer'))],
    version,
  });
}

export class Cluster {
  readonly random: SeededRandom;
  readonly events = new Events();
  readonly network: Network;
  readonly options: Omit<ZabOptions, 'serverId'>;
  readonly servers = new Map<number, Server>();
  readonly disks = new Map<number, Disk>();
  readonly configurations = new Map<number, Configuration>();
  readonly proposedConfigurations = new Map<number, Configuration>();
  readonly trace: string[] = [];
  readonly broadcasts: BroadcastEvent[] = [];
  /** What each server delivered in each of its roles, from the start of its history on. */
  readonly deliveries: number[][] = [];
  readonly #delivering = new Map<number, number[]>();
  readonly wiretap: Wiretap;
  readonly #initial: Configuration;
  /** What has been delivered anywhere, in order. */
  readonly #order: number[] = [];
  readonly #position = new Map<number, number>();
  /** Every payload that was ever proposed or delivered. */
  readonly #payloads = new Map<number, string>();
  readonly #deciders = new Map<number, readonly Configuration[]>();
  readonly #leaders = new Map<number, number>();
  readonly #epochs = new Map<number, { accepted: number; current: number }>();
  /** Of the configuration that each server knows to be in force. */
  readonly #versions = new Map<number, number>();
  isTracing = true;

  constructor(seed: number, { voters, observers = 0, ...options }: ClusterOptions) {
    this.random = new SeededRandom(seed);
    this.network = new Network(this.events, this.random);
    this.options = { ...ZAB_DEFAULTS, tickTimeMs: 100, ...options };
    const ids = Array.from({ length: voters + observers }, (_, i) => i + 1);
    this.#initial = configurationWith(ids.slice(0, voters), ids.slice(voters));
    this.wiretap = new Wiretap(this);
  }

  get ids(): number[] {
    return [...new Set([...this.#initial.members.map(({ id }) => id), ...this.servers.keys()])];
  }

  configurationOf(serverId: number): Configuration {
    return this.configurations.get(serverId) ?? this.#initial;
  }

  proposedConfigurationOf(serverId: number): Configuration | null {
    return this.proposedConfigurations.get(serverId) ?? null;
  }

  server(serverId: number): Server {
    const server = this.servers.get(serverId);
    if (server === undefined) {
      throw new Error(`server ${serverId} was not started`);
    }
    return server;
  }

  /** Starts a server, for the first time or again. */
  start(...serverIds: number[]): void {
    for (const serverId of serverIds) {
      const disk = this.disks.get(serverId) ?? new Disk();
      this.disks.set(serverId, disk);
      this.note(serverId, 'starts');
      const server = new Server(this, serverId, disk);
      this.servers.set(serverId, server);
      this.network.attach(server);
      server.start();
    }
  }

  crash(...serverIds: number[]): void {
    for (const serverId of serverIds) {
      this.note(serverId, 'crashes');
      this.server(serverId).crash();
    }
  }

  /** A server that is down gets a new disk. */
  wipe(serverId: number): void {
    this.disks.delete(serverId);
    this.#epochs.delete(serverId);
    this.#versions.delete(serverId);
    this.wiretap.forget(serverId);
  }

  /** Lets time pass. */
  run(durationMs: number): void {
    const endMs = this.events.nowMs + durationMs;
    while (this.events.step(endMs)) {
      // one event after the other
    }
  }

  /** Lets time pass until something is so; fails when that takes too long. */
  until(what: string, isSo: () => boolean, limitMs = 60_000): void {
    const endMs = this.events.nowMs + limitMs;
    while (!isSo()) {
      if (!this.events.step(endMs)) {
        throw new Error(`${what}: not within ${limitMs} ms; ${this.describe()}`);
      }
    }
  }

  get up(): Server[] {
    return [...this.servers.values()].filter(({ isUp }) => isUp);
  }

  get leader(): Server | undefined {
    return this.up.filter(({ peer }) => peer.leader !== null).sort((a, b) => epochOf(b) - epochOf(a))[0];
  }

  /** Everyone who is up follows one leader. */
  get isWhole(): boolean {
    const { leader } = this;
    return leader !== undefined && this.up.every((server) => server === leader || isInStepWith(server, leader));
  }

  untilWhole(limitMs?: number): Server {
    this.until('everyone follows one leader', () => this.isWhole, limitMs);
    return this.leader as Server;
  }

  describe(): string {
    return this.up
      .map(({ serverId, peer, database }) => {
        const { lastZxid, currentEpoch } = database;
        return `${serverId}: ${peer.state} ${peer.phase} ${peer.leaderId ?? '-'} ${currentEpoch}/${zxidHex(lastZxid)}`;
      })
      .join(', ');
  }

  note(serverId: number, text: string): void {
    if (this.isTracing) {
      this.trace.push(`${String(this.events.nowMs).padStart(6)} ${serverId} ${text}`);
    }
  }

  expect(fact: boolean, what: string): void {
    if (!fact) {
      throw new Error(`${what} (at ${this.events.nowMs} ms; ${this.describe()})`);
    }
  }

  // What must hold

  /** What has been answered to clients so far. */
  get answeredCount(): number {
    return this.#order.length;
  }

  get order(): readonly number[] {
    return this.#order;
  }

  payloadOf(zxid: number): string | undefined {
    return this.#payloads.get(zxid);
  }

  #beginDelivering(server: Server): void {
    const delivered = server.database.history();
    this.deliveries.push(delivered);
    this.#delivering.set(server.serverId, delivered);
  }

  activated(server: Server, epoch: number): void {
    this.#beginDelivering(server);
    const before = this.#leaders.get(epoch);
    this.expect(before === undefined, `1: epoch ${epoch} is led by ${before} and by ${server.serverId}`);
    this.#leaders.set(epoch, server.serverId);
    this.note(server.serverId, `leads epoch ${epoch}`);
    this.expect(server.disk.epochs.currentEpoch === epoch, '6: the epoch is on disk before it is led');
    const history = server.database.history();
    const joined = [...this.disks].filter(([, disk]) => disk.epochs.currentEpoch >= epoch);
    this.#expectQuorum(server, new Set(joined.map(([id]) => id)), `6: epoch ${epoch} is led`);
    for (const zxid of history.slice(this.#order.length)) {
      this.#deciders.delete(zxid); // whoever decides now has this history
      this.#checkQuorumHolds(server, zxid);
    }
    for (const [i, zxid] of this.#order.entries()) {
      this.expect(
        history[i] === zxid,
        `11: ${zxidHex(zxid)} was delivered, and is not in the history of epoch ${epoch}`,
      );
    }
    for (const zxid of history.slice(this.#order.length)) {
      this.#deliver(server, zxid); // the initial history is committed now
    }
  }

  following(server: Server): void {
    this.#beginDelivering(server);
    this.note(server.serverId, 'is in step');
    const history = server.database.history();
    for (const [i, zxid] of history.entries()) {
      this.expect(
        this.#order[i] === zxid,
        `10: server ${server.serverId} has ${zxidHex(zxid)}, others delivered another`,
      );
    }
    for (const zxid of history) {
      this.#checkPayload(server, zxid);
    }
  }

  delivered(server: Server, zxid: number, isLeader: boolean): void {
    const position = this.#position.get(zxid);
    this.#delivering.get(server.serverId)?.push(zxid);
    this.note(server.serverId, `delivers ${zxidHex(zxid)}`);
    if (position === undefined) {
      this.expect(isLeader, `15: server ${server.serverId} delivers ${zxidHex(zxid)} before any leader`);
      this.#checkQuorumHolds(server, zxid);
      this.#deliver(server, zxid);
    } else {
      this.expect(!isLeader, `14: ${zxidHex(zxid)} is delivered by a leader for a second time`);
      const count = server.database.history().length;
      this.expect(count === position + 1, `10: server ${server.serverId} delivers ${zxidHex(zxid)} as number ${count}`);
      this.#checkPayload(server, zxid);
    }
  }

  #deliver(server: Server, zxid: number): void {
    const last = this.#order.at(-1) ?? 0;
    this.expect(zxid > last, `14: ${zxidHex(zxid)} is delivered after ${zxidHex(last)}`);
    const isSameEpoch = Math.floor(zxid / 2 ** 32) === Math.floor(last / 2 ** 32);
    this.expect(!isSameEpoch || zxid === last + 1, `12: a hole before ${zxidHex(zxid)}`);
    this.#position.set(zxid, this.#order.length);
    this.#order.push(zxid);
    this.#checkPayload(server, zxid);
  }

  #checkPayload(server: Server, zxid: number): void {
    const bytes = server.database.state.get(zxid) as Uint8Array;
    const text = Buffer.from(bytes).toString();
    const known = this.#payloads.get(zxid) ?? text;
    this.expect(known === text, `12: ${zxidHex(zxid)} is '${known}' and '${text}'`);
    this.#payloads.set(zxid, known);
  }

  /** The configurations of now are to commit it. */
  proposed(server: Server, zxid: number, payload: Uint8Array): void {
    const before = [...(this.#delivering.get(server.serverId) ?? [])];
    this.broadcasts.push({ zxid, text: Buffer.from(payload).toString(), before });
    const { committed, proposed } = server.peer.membership;
    this.#deciders.set(zxid, proposed === null ? [committed] : [committed, proposed]);
  }

  #checkQuorumHolds(server: Server, zxid: number): void {
    const holding = new Set([...this.disks].filter(([, disk]) => disk.holds(zxid)).map(([serverId]) => serverId));
    const { committed } = server.peer.membership;
    const deciders = this.#deciders.get(zxid);
    // Once the change is committed, the new members decide alone; the change itself needs both.
    const newest = deciders?.at(-1);
    const isChanged = newest !== undefined && newest.version <= committed.version && newest.version < zxid;
    this.#expectQuorum(server, holding, `9: ${zxidHex(zxid)} is delivered`, isChanged ? [newest] : deciders);
  }

  #expectQuorum(server: Server, servers: ReadonlySet<number>, what: string, deciders?: readonly Configuration[]): void {
    const { committed, proposed } = server.peer.membership;
    const configurations = deciders ?? [committed, proposed ?? committed];
    const isQuorum = configurations.every((configuration) => configuration.hasQuorum(servers));
    this.expect(isQuorum, `${what}, on the disks of ${[...servers]} only`);
  }

  /** A sync is done: its client must see everything that had been answered when it asked. */
  synced(server: Server, answered: number | undefined): void {
    const count = server.database.history().length;
    this.expect(answered !== undefined, `server ${server.serverId}: a sync is done that was not asked for`);
    this.expect(count >= (answered ?? 0), `sync: server ${server.serverId} shows ${count} of ${answered}`);
  }

  checkServer(server: Server): void {
    const { acceptedEpoch: accepted, currentEpoch: current } = server.database;
    const before = this.#epochs.get(server.serverId) ?? { accepted: 0, current: 0 };
    this.expect(accepted >= before.accepted && current >= before.current, `2: server ${server.serverId}: epoch falls`);
    this.expect(current <= accepted, `2: server ${server.serverId}: current epoch ${current} above ${accepted}`);
    this.#epochs.set(server.serverId, { accepted, current });
    checkStep(server, (fact, what) => this.expect(fact, what));
    const { version } = server.peer.membership.committed;
    const known = this.#versions.get(server.serverId) ?? 0;
    this.expect(version >= known, `24: server ${server.serverId}: version ${zxidHex(version)} after ${zxidHex(known)}`);
    this.#versions.set(server.serverId, version);
  }

  /**
   * Transactions leave a server's log, because its leader has said so. They may have been delivered since it did, by
   * others: what this server acknowledged on the link before counts no more.
   */
  cut(server: Server, zxids: readonly number[]): void {
    const { committed } = (this.leader ?? server).peer.membership;
    for (const zxid of zxids.filter((each) => this.#position.has(each))) {
      const others = [...this.disks].filter(([serverId, disk]) => serverId !== server.serverId && disk.holds(zxid));
      const isSafe = committed.hasQuorum(new Set(others.map(([serverId]) => serverId)));
      this.expect(isSafe, `17: server ${server.serverId} cuts off ${zxidHex(zxid)}, which a quorum has delivered`);
    }
  }

  isDelivered(zxid: number): boolean {
    return this.#position.has(zxid);
  }
}

function epochOf(server: Server): number {
  return server.peer.leadership?.epoch ?? 0;
}

function isInStepWith(server: Server, leader: Server): boolean {
  const { learner } = server.peer;
  return learner?.phase === 'following' && learner.leaderId === leader.serverId && learner.epoch === epochOf(leader);
}
