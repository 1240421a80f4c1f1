/** One simulated server: a Peer, with a history of opaque transactions in place of a database. */
import type { Link } from '../../../src/io/peers.ts';
import { Configuration } from '../../../src/zab/configuration.ts';
import type { Entry, Forwarded, LearnerId, Service } from '../../../src/zab/environment.ts';
import { Peer } from '../../../src/zab/peer.ts';
import { NO_TALLIES } from '../../../src/zab/tallies.ts';
import type { Cluster } from './cluster.ts';
import type { Receiver } from './network.ts';
import { type Disk, FakeDatabase } from './storage.ts';

const CONFIGURATION_MARK = 'configuration ';

/** A process: it ends with a crash; the disk goes on to the next. */
export class Server implements Receiver, Service {
  readonly serverId: number;
  readonly disk: Disk;
  readonly database: FakeDatabase;
  readonly peer: Peer;
  isUp = true;
  isListening = false;
  /** Clients would be taken. */
  isServing = false;
  readonly #cluster: Cluster;
  /** Proposed here by the leader, or told of as a learner, and not applied. */
  #proposals: Entry[] = [];
  #committed = 0;
  #wakeMs = Number.POSITIVE_INFINITY;
  /** For each sync that is under way: what had been answered when it was asked for. */
  readonly #syncs: number[] = [];
  #syncsDone = 0;
  #paused: (() => void)[] | null = null;
  readonly revalidations: { readonly sessionId: bigint; readonly valid: boolean }[] = [];
  readonly touches: [bigint, number][] = [];
  readonly touchesHeard: [bigint, number][] = [];

  constructor(cluster: Cluster, serverId: number, disk: Disk) {
    this.#cluster = cluster;
    this.serverId = serverId;
    this.disk = disk;
    const { events, network } = cluster;
    this.database = new FakeDatabase(disk, events, (run) => this.turn(run));
    this.database.synced = (zxid) => this.peer.logSynced(zxid);
    this.database.persisted = (name) => this.peer.epochPersisted(name);
    this.database.snapshotWritten = () => this.peer.snapshotWritten();
    this.database.truncated = (isDone) => this.peer.truncated(isDone);
    this.database.cutting = (zxids) => cluster.cut(this, zxids);
    const peers = network.peersOf(this, (isListening) => {
      this.isListening = isListening;
    });
    this.peer = new Peer(
      { ...cluster.options, serverId },
      {
        database: this.database,
        service: this,
        peers,
        random: network.random,
        tallies: NO_TALLIES,
        log: {
          info: (message) => cluster.note(serverId, message),
          warn: (message) => cluster.note(serverId, `warning: ${message}`),
          error: (message) => cluster.note(serverId, `error: ${message}`),
        },
      },
      cluster.configurationOf(serverId),
      cluster.proposedConfigurationOf(serverId),
    );
  }

  start(): void {
    this.turn(() => this.peer.start(this.#cluster.events.nowMs));
  }

  // Turns

  /** An input, and everything that a turn does after it. */
  turn(input: () => void): void {
    if (!this.isUp) {
      return;
    }
    if (this.#paused !== null) {
      this.#paused.push(input);
      return;
    }
    this.peer.tick(this.#cluster.events.nowMs);
    input();
    this.database.flush();
    this.#apply();
    const isMore = this.peer.flush();
    this.#apply();
    this.#cluster.checkServer(this);
    this.#wake(isMore);
  }

  /** The process is stopped for a while, as by SIGSTOP; then everything that happened meanwhile comes at once. */
  pause(durationMs: number): void {
    if (this.#paused === null && this.isUp) {
      this.#paused = [];
      this.#cluster.note(this.serverId, `stopped for ${durationMs} ms`);
      this.#cluster.events.after(durationMs, () => {
        const inputs = this.#paused ?? [];
        this.#paused = null;
        this.turn(() => {
          for (const input of inputs) {
            input();
          }
        });
      });
    }
  }

  #wake(isMore: boolean): void {
    const { events } = this.#cluster;
    const atMs = isMore ? events.nowMs + 1 : Math.max(this.peer.deadlineMs, events.nowMs);
    if (atMs >= this.#wakeMs || atMs === Number.POSITIVE_INFINITY) {
      return;
    }
    this.#wakeMs = atMs;
    events.after(atMs - events.nowMs, () => {
      if (this.#wakeMs === atMs) {
        this.#wakeMs = Number.POSITIVE_INFINITY;
        this.turn(() => undefined);
      }
    });
  }

  #apply(): void {
    const through = this.peer.leader?.committed ?? this.#committed;
    while (this.isServing && this.#proposals.length > 0 && this.#proposals[0].zxid <= through) {
      const entry = this.#proposals.shift() as Entry;
      this.database.apply(entry.zxid, entry.payload);
      this.#cluster.delivered(this, entry.zxid, this.peer.leader !== null);
    }
  }

  crash(): void {
    this.isUp = false;
    this.database.die(this.#cluster.random.next());
    this.#cluster.network.detach(this);
  }

  // What comes in

  notification(from: number, bytes: Uint8Array): void {
    this.turn(() => this.peer.notification(from, bytes));
  }

  linkOpen(link: Link, dialled: boolean): void {
    this.turn(() => this.peer.linkOpen(link, dialled));
  }

  linkData(link: Link, bytes: Uint8Array): void {
    this.turn(() => this.peer.linkData(link, bytes));
  }

  linkGone(link: Link): void {
    this.turn(() => this.peer.linkGone(link));
  }

  // What clients do

  /** A write, by way of the leader; false when nothing can be written here. */
  write(text: string): boolean {
    if (!this.isServing) {
      return false;
    }
    this.turn(() => {
      const body = Buffer.from(text);
      if (this.peer.leader !== null) {
        this.#propose(body);
      } else {
        this.peer.learner?.request({ sessionId: 7n, cxid: 1, type: 1, body, authinfo: null });
      }
    });
    return true;
  }

  #propose(payload: Uint8Array): void {
    const { leader } = this.peer;
    if (leader?.open) {
      const zxid = leader.nextZxid();
      this.#proposals.push({ zxid, payload });
      leader.propose(zxid, payload);
      this.#cluster.proposed(this, zxid, payload);
    }
  }

  /** A change of membership. */
  reconfigure(make: (version: number) => Configuration): boolean {
    const { leader, leadership, membership } = this.peer;
    if (!leader?.open || leadership === null || membership.proposed !== null || this.#paused !== null) {
      return false;
    }
    const zxid = leader.nextZxid();
    const configuration = make(zxid);
    if (!leadership.canReach(configuration)) {
      return false;
    }
    this.turn(() => {
      const payload = Buffer.from(CONFIGURATION_MARK + configuration.text);
      this.#proposals.push({ zxid, payload });
      leadership.proposeConfiguration(zxid, payload, configuration);
      this.#cluster.proposed(this, zxid, payload);
    });
    return true;
  }

  sync(): void {
    if (this.isServing) {
      const answered = this.#cluster.answeredCount;
      this.turn(() => {
        if (!this.isServing) {
          return;
        }
        this.#syncs.push(answered);
        if (this.peer.leadership !== null) {
          this.peer.leadership.sync(null);
        } else {
          const body = Buffer.from('sync');
          this.peer.learner?.request({ sessionId: 7n, cxid: 1, type: 9, body, authinfo: null });
        }
      });
    }
  }

  /** Nothing is proposed that is not applied. */
  get isIdle(): boolean {
    return this.#proposals.length === 0;
  }

  purge(): void {
    if (this.isServing) {
      this.database.purge();
    }
  }

  handOver(heirId: number | null, isLeaving = false): void {
    if (this.peer.leader !== null) {
      this.turn(() => this.peer.leadership?.handOver(heirId, isLeaving));
    }
  }

  get syncsDone(): number {
    return this.#syncsDone;
  }

  // Service

  lead(epoch: number): void {
    this.isServing = true;
    this.#cluster.activated(this, epoch);
  }

  follow(): void {
    this.isServing = true;
    this.#committed = 0;
    this.#cluster.following(this);
  }

  cease(reload: boolean): void {
    this.isServing = false;
    this.#proposals = [];
    this.#syncs.length = 0;
    this.database.flush();
    this.database.whenIdle(() => {
      if (!this.isUp) {
        return;
      }
      if (reload) {
        this.database.reload();
      } else {
        this.#cluster.expect(this.database.replay(), `server ${this.serverId}: memory is not what the log says`);
      }
      this.turn(() => this.peer.settled());
    });
  }

  proposed(zxid: number, payload: Uint8Array): void {
    this.#proposals.push({ zxid, payload });
  }

  committed(zxid: number): void {
    this.#committed = zxid;
  }

  configurationIn(payload: Uint8Array): Configuration | null {
    const text = Buffer.from(payload).toString();
    return text.startsWith(CONFIGURATION_MARK) ? Configuration.parse(text.slice(CONFIGURATION_MARK.length)) : null;
  }

  forwarded(from: LearnerId, request: Forwarded): void {
    if (request.type === 9) {
      this.peer.leadership?.sync(from);
    } else {
      this.#propose(request.body);
    }
  }

  revalidate(_from: LearnerId, sessionId: bigint): boolean {
    return sessionId === 7n;
  }

  touched(sessionId: bigint, timeoutMs: number): void {
    this.touchesHeard.push([sessionId, timeoutMs]);
  }

  takeTouched(): Iterable<readonly [bigint, number]> {
    return this.touches.splice(0);
  }

  revalidated(sessionId: bigint, valid: boolean): void {
    this.revalidations.push({ sessionId, valid });
  }

  takenElsewhere(): void {}
  readonly homes = { claim: () => {}, moveTo: () => {}, isElsewhere: () => false };

  syncDone(): void {
    const answered = this.#syncs.shift();
    this.#apply();
    this.#syncsDone++;
    this.#cluster.synced(this, answered);
  }

  configured(configuration: Configuration): void {
    this.#cluster.configurations.set(this.serverId, configuration);
  }

  configProposed(configuration: Configuration): void {
    this.#cluster.proposedConfigurations.set(this.serverId, configuration);
  }
}
