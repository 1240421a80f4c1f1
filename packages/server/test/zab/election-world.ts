/**
 * Election machines on a simulated network, with what follows a decision reduced to its outcome: a follower that does
 * not find its leader leading, and a leader that no quorum follows, give up and look again.
 */
import type { Configuration } from '../../src/zab/configuration.ts';
import { Election, type OwnHistory } from '../../src/zab/election.ts';
import { describeNotification, following, leading, looking } from './election-bench.ts';
import { SILENT } from './support.ts';

export interface WorldOptions {
  readonly configuration: Configuration;
  readonly histories?: ReadonlyMap<number, OwnHistory>;
  readonly notificationIntervalMsMax?: number;
  /** How long the nth notification of all is under way; null: it is lost. */
  delayMs?(nth: number): number | null;
}

/** As a leader's initLimit: so long a server waits for what must follow its decision. */
const GIVE_UP_MS = 2000;

interface Server {
  readonly id: number;
  readonly election: Election;
  readonly history: OwnHistory;
  /** When it is to be in step with its leader, or its leader with a quorum. */
  checkAtMs: number;
  /** The epoch that it leads. */
  epoch: number;
}

export class ElectionWorld {
  readonly transcript: string[] = [];
  nowMs = 0;
  readonly #options: WorldOptions;
  readonly #servers = new Map<number, Server>();
  readonly #inFlight: { atMs: number; order: number; from: number; to: number; bytes: Uint8Array }[] = [];
  #order = 0;
  #epochs = 10;
  #isLinked: (one: number, other: number) => boolean = () => true;

  constructor(options: WorldOptions) {
    this.#options = options;
  }

  /** From now on, notifications arrive only between servers that are linked. */
  link(isLinked: (one: number, other: number) => boolean): void {
    this.#isLinked = isLinked;
  }

  start(id: number): void {
    const { notificationIntervalMsMax = 60_000, histories } = this.#options;
    const options = { serverId: id, notificationIntervalMsMin: 200, notificationIntervalMsMax };
    const election = new Election(
      { ...options, adoptsConfigurations: false },
      { notify: (to, bytes) => this.#send(id, to, bytes), dialAll: () => {} },
      SILENT,
    );
    const history = histories?.get(id) ?? { lastZxid: 0, currentEpoch: 0 };
    const server: Server = { id, election, history, checkAtMs: Number.POSITIVE_INFINITY, epoch: 0 };
    this.#servers.set(id, server);
    this.#look(server, 'starts');
  }

  kill(id: number): void {
    this.#servers.delete(id);
    this.#note(`${id} is killed`);
  }

  /** The leader of each server; null while it is looking. */
  leaders(): Record<number, number | null> {
    const list = [...this.#servers.values()].map(({ id, election }) => [id, election.decided?.leader ?? null]);
    return Object.fromEntries(list);
  }

  election(id: number): Election {
    return (this.#servers.get(id) as Server).election;
  }

  run(durationMs: number): void {
    const end = this.nowMs + durationMs;
    for (let next = this.#nextMs(); next <= end; next = this.#nextMs()) {
      this.nowMs = Math.max(this.nowMs, next);
      this.#step();
    }
    this.nowMs = end;
  }

  #nextMs(): number {
    const wakes = [...this.#servers.values()].map(({ election, checkAtMs }) =>
      Math.min(election.deadlineMs, checkAtMs),
    );
    return Math.min(...wakes, this.#inFlight[0]?.atMs ?? Number.POSITIVE_INFINITY);
  }

  #step(): void {
    while (this.#inFlight.length > 0 && this.#inFlight[0].atMs <= this.nowMs) {
      const { from, to, bytes } = this.#inFlight.shift()!;
      const server = this.#servers.get(to);
      if (server !== undefined && this.#isLinked(from, to)) {
        this.#note(`${from} -> ${to}  ${describeNotification(bytes)}`);
        this.#watch(server, () => server.election.receive(from, bytes, this.nowMs));
      }
    }
    for (const server of this.#servers.values()) {
      this.#watch(server, () => server.election.tick(this.nowMs));
      if (server.checkAtMs <= this.nowMs) {
        this.#check(server);
      }
    }
  }

  /** Notices a decision. */
  #watch(server: Server, act: () => void): void {
    const { election } = server;
    const before = election.decided;
    act();
    if (election.decided !== null && before === null) {
      const verb = { [following]: 'follows', [leading]: 'leads:' }[election.state as 1 | 2] ?? 'observes';
      const { leader, voters } = election.decided;
      this.#note(`${server.id} ${verb} ${leader}, elected by ${[...voters].sort().join(' ')}`);
      server.checkAtMs = this.nowMs + GIVE_UP_MS;
      server.epoch = this.#epochs++;
    }
  }

  /** Whether server and leader have found each other. */
  #follows(server: Server, leader: Server | undefined): boolean {
    const isLed = leader !== undefined && leader.election.state === leading && this.#isLinked(server.id, leader.id);
    return isLed && server.election.decided?.leader === leader?.id;
  }

  #check(server: Server): void {
    const { decided, state } = server.election;
    const followers = [...this.#servers.values()].filter((other) => this.#follows(other, server));
    const leader = this.#servers.get(decided?.leader ?? -1);
    const isInStep =
      state === leading
        ? this.#options.configuration.hasQuorum(new Set(followers.map(({ id }) => id)))
        : this.#follows(server, leader);
    if (isInStep && leader !== undefined) {
      server.election.synced(leader.epoch);
      server.checkAtMs = this.nowMs + GIVE_UP_MS;
    } else {
      server.election.leave(null);
      this.#look(server, 'looks again');
    }
  }

  #look(server: Server, what: string): void {
    this.#note(`${server.id} ${what}`);
    server.checkAtMs = Number.POSITIVE_INFINITY;
    const { configuration } = this.#options;
    this.#watch(server, () => server.election.start(this.nowMs, server.history, configuration, null));
  }

  #send(from: number, to: number, bytes: Uint8Array): void {
    const order = this.#order++;
    const delayMs = this.#options.delayMs === undefined ? 1 : this.#options.delayMs(order);
    if (delayMs !== null && this.#isLinked(from, to)) {
      this.#inFlight.push({ atMs: this.nowMs + delayMs, order, from, to, bytes });
      this.#inFlight.sort((one, other) => one.atMs - other.atMs || one.order - other.order);
    }
  }

  #note(text: string): void {
    this.transcript.push(`${String(this.nowMs).padStart(6)}  ${text}`);
  }

  /** Whether anyone is looking. */
  get isLooking(): boolean {
    return [...this.#servers.values()].some(({ election }) => election.state === looking);
  }
}
