/** Clients that write and read while servers fail, each call and its answer in the history. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, connect, isTreekeeperError } from '@treekeeper/client';
import type { Random } from '../random.ts';
import { Errands } from './errands.ts';
import { type Ground, nameOf, ownerAuth, REGISTERS } from './ground.ts';
import { noRetry, RecordedClient } from './recorded-client.ts';

/** Paths that are known to be there, for clients to take, and to look for. */
const SHARED_MAX = 200;
const CONNECT_MS_MAX = 5000;
/** Pauses between calls of a client, ms: what is tested is not speed. */
const PAUSE_MS_MAX = 25;
const VALUE_CHARACTERS_MAX = 3000;
const LARGE_VALUE_CHARACTERS = 100_000;
/** Of the sessions. */
const OWNERS_SHARE = 0.3;

/** More writes than an episode has. */
const VERSION_NEVER = 1_000_000_000;

/** What one client knows and others use. */
class Shared {
  readonly #paths: string[] = [];

  add(path: string): void {
    this.#paths.push(path);
    if (this.#paths.length > SHARED_MAX) {
      this.#paths.shift();
    }
  }

  pick(random: Random): string | null {
    return this.#paths.length === 0 ? null : random.pick(this.#paths);
  }
}

/** All clients of an episode. */
export class Workload {
  readonly #workers: Worker[];
  readonly #ending = new AbortController();
  readonly #runs: Promise<void>[];
  /** By `performance.now()`. */
  lastWriteMs = performance.now();
  acknowledged = 0;
  #longestPauseMs = 0;

  constructor(ground: Ground, clients: number, random: Random) {
    const shared = { takeable: new Shared(), owned: new Shared() };
    this.#workers = Array.from({ length: clients }, (_, i) => {
      return new Worker(ground, `c${i}`, random, shared, () => this.#wrote());
    });
    this.#runs = this.#workers.map((worker) => worker.run(this.#ending.signal));
  }

  #wrote(): void {
    const now = performance.now();
    this.#longestPauseMs = Math.max(this.#longestPauseMs, now - this.lastWriteMs);
    this.lastWriteMs = now;
    this.acknowledged++;
  }

  /** The longest time between two acknowledged writes since it was last asked for, ms. */
  takeLongestPause(): number {
    const longestMs = this.#longestPauseMs;
    this.#longestPauseMs = 0;
    return longestMs;
  }

  /** Every client sees once more that its ephemeral nodes are there, and goes, with or without a word. */
  async end(): Promise<void> {
    this.#ending.abort();
    await Promise.all(this.#runs);
  }
}

/** One client after the other, each until its session is over. */
class Worker {
  readonly #ground: Ground;
  readonly #name: string;
  readonly #random: Random;
  readonly shared: { readonly takeable: Shared; readonly owned: Shared };
  readonly #wrote: () => void;
  #made = 0;
  readonly #versions = new Map<string, number>();

  constructor(ground: Ground, name: string, random: Random, shared: Worker['shared'], wrote: () => void) {
    this.#ground = ground;
    this.#name = name;
    this.#random = random;
    this.shared = shared;
    this.#wrote = wrote;
  }

  async run(ending: AbortSignal): Promise<void> {
    while (!ending.aborted) {
      const isOwner = this.#random.chance(OWNERS_SHARE);
      const client = await this.#connect(isOwner);
      if (client !== null) {
        const recorded = new RecordedClient(client, this.#ground.history, () => this.#wrote());
        await new Life(this, recorded, new Errands(recorded, this.#ground, this.#random, isOwner)).run(ending);
      }
    }
  }

  async #connect(isOwner: boolean): Promise<Client | null> {
    const { servers, sessionTimeoutMs } = this.#ground;
    const auth = isOwner ? [ownerAuth] : [];
    try {
      return await connect(servers, { sessionTimeoutMs, connectTimeoutMs: CONNECT_MS_MAX, auth });
    } catch (error) {
      if (isTreekeeperError(error)) {
        return null;
      }
      throw error;
    }
  }

  get ground(): Ground {
    return this.#ground;
  }

  get random(): Random {
    return this.#random;
  }

  name(): string {
    return `${this.#name}-${this.#made++}`;
  }

  value(name: string): string {
    const isLarge = this.#random.chance(0.01);
    const length = isLarge ? LARGE_VALUE_CHARACTERS : this.#random.below(VALUE_CHARACTERS_MAX);
    return `${name} ${'x'.repeat(length)}`;
  }

  register(): string {
    return `${this.#ground.root}/registers/r${this.#random.below(REGISTERS)}`;
  }

  versionOf(key: string): number {
    return this.#versions.get(key) ?? 0;
  }

  sawVersion(key: string, version: number): void {
    this.#versions.set(key, version);
  }
}

/** One session: several calls at a time, for as long as it lives. */
class Life {
  readonly #worker: Worker;
  readonly #recorded: RecordedClient;
  readonly #client: Client;
  readonly #errands: Errands;
  readonly #owned: string[] = [];

  constructor(worker: Worker, recorded: RecordedClient, errands: Errands) {
    this.#worker = worker;
    this.#recorded = recorded;
    this.#client = recorded.client;
    this.#errands = errands;
  }

  async run(ending: AbortSignal): Promise<void> {
    const { random } = this.#worker;
    const calls = random.between(50, 2000);
    const window = random.pick([1, 1, 4, 16]);
    const running = new Set<Promise<void>>();
    for (let i = 0; i < calls && !this.#recorded.isOver && !ending.aborted; i++) {
      const call = this.#next(i);
      running.add(call);
      void call.finally(() => running.delete(call));
      if (running.size >= window) {
        await Promise.race(running);
      }
      await sleep(random.below(PAUSE_MS_MAX));
    }
    await Promise.all(running);
    if (!this.#recorded.isOver) {
      await this.#lookAround();
    }
    // The session of one that goes without a word lives on, and must expire by itself.
    await this.#client.close({ keepSession: random.chance(0.5) });
  }

  /** Ephemeral nodes are there; the sync behind shows whether the session lives. */
  async #lookAround(): Promise<void> {
    await Promise.all(this.#owned.map((path) => this.#look(path, true)));
    await this.#read(this.#worker.register(), true);
  }

  #next(i: number): Promise<void> {
    const { random } = this.#worker;
    if (i === 0) {
      return this.#own();
    }
    const kind = random.weighted([
      [18, 'set'],
      [8, 'compare'],
      [13, 'read'],
      [18, 'sync'],
      [13, 'append'],
      [5, 'take'],
      [5, 'both'],
      [3, 'neither'],
      [3, 'look'],
      [1, 'own'],
      [7, 'change'],
      [3, 'try'],
      [3, 'store'],
    ] as const);
    const key = this.#worker.register();
    switch (kind) {
      case 'set':
        return this.#set(key, -1);
      case 'compare':
        return this.#set(key, this.#worker.versionOf(key));
      case 'read':
        return this.#read(key, false);
      case 'sync':
        return this.#read(key, true);
      case 'append':
        return this.#append();
      case 'take':
        return this.#take();
      case 'both':
        return this.#setBoth(key, this.#worker.register());
      case 'neither':
        return this.#setNeither(key, this.#worker.register());
      case 'look':
        return this.#lookFor();
      case 'change':
        return this.#errands.change(this.#worker.name());
      case 'try':
        return this.#errands.try(this.#worker.name());
      case 'store':
        return this.#errands.store(this.#worker.name());
      case 'own':
        return this.#own();
    }
  }

  async #set(key: string, expectedVersion: number): Promise<void> {
    const value = this.#worker.name();
    const call = this.#recorded.begin({ kind: 'set', key, value, expectedVersion });
    const options = { ...noRetry, version: expectedVersion };
    await this.#recorded.answer([call], this.#client.set(key, this.#worker.value(value), options), (stat) => {
      call.version = stat.version;
      call.zxid = stat.mzxid;
      this.#worker.sawVersion(key, stat.version);
    });
  }

  async #setBoth(one: string, other: string): Promise<void> {
    if (one === other) {
      return this.#set(one, -1);
    }
    const values = [this.#worker.name(), this.#worker.name()];
    const calls = [one, other].map((key, i) => {
      return this.#recorded.begin({ kind: 'set', key, value: values[i], expectedVersion: -1 });
    });
    const transaction = this.#client.transaction().set(one, values[0]).set(other, values[1]);
    await this.#recorded.answer(calls, transaction.commit(noRetry), (results) => {
      for (const [i, { stat }] of results.entries()) {
        calls[i].version = stat.version;
        calls[i].zxid = stat.mzxid;
      }
    });
  }

  /**
   * A transaction that must be refused for its second part: the first must not be seen, either. For the judges it is a
   * write on a condition that never holds.
   */
  async #setNeither(key: string, other: string): Promise<void> {
    const value = this.#worker.name();
    const call = this.#recorded.begin({ kind: 'set', key, value, expectedVersion: VERSION_NEVER });
    const transaction = this.#client.transaction().set(key, value).check(other, VERSION_NEVER);
    await this.#recorded.answer([call], transaction.commit(noRetry), ([set]) => {
      call.version = set.stat.version;
      call.zxid = set.stat.mzxid;
    });
  }

  async #read(key: string, isSynced: boolean): Promise<void> {
    const call = this.#recorded.begin({ kind: 'read', key, isSynced });
    const read = () => this.#client.get(key, noRetry);
    await this.#recorded.answer([call], isSynced ? this.#recorded.synced(key, read) : read(), ({ value, stat }) => {
      call.value = nameOf(value);
      call.version = stat.version;
      call.zxid = stat.mzxid;
      this.#worker.sawVersion(key, stat.version);
    });
  }

  async #append(): Promise<void> {
    const value = this.#worker.name();
    const call = this.#recorded.begin({ kind: 'append', value });
    const path = `${this.#worker.ground.root}/queue/n-`;
    const options = { ...noRetry, mode: 'persistent-sequential' } as const;
    await this.#recorded.answer([call], this.#client.create(path, this.#worker.value(value), options), (created) => {
      call.path = created.path;
      call.zxid = created.stat.czxid;
      this.#worker.shared.takeable.add(created.path);
    });
  }

  async #take(): Promise<void> {
    const path = this.#worker.shared.takeable.pick(this.#worker.random);
    if (path !== null) {
      const call = this.#recorded.begin({ kind: 'take', path });
      await this.#recorded.answer([call], this.#client.delete(path, noRetry), () => {});
    }
  }

  async #own(): Promise<void> {
    const path = `${this.#worker.ground.root}/owned/${this.#worker.name()}`;
    const call = this.#recorded.begin({ kind: 'own', path });
    const options = { ...noRetry, mode: 'ephemeral' } as const;
    await this.#recorded.answer([call], this.#client.create(path, null, options), ({ stat }) => {
      call.zxid = stat.czxid;
      this.#owned.push(path);
      this.#worker.shared.owned.add(path);
    });
  }

  /** For a node of its own, or of anybody. */
  #lookFor(): Promise<void> {
    const { random, shared } = this.#worker;
    const isOwn = random.chance(0.5);
    const path = isOwn && this.#owned.length > 0 ? random.pick(this.#owned) : shared.owned.pick(random);
    return path === null ? this.#own() : this.#look(path, this.#owned.includes(path));
  }

  /** Others look behind a sync: where they read, the node may not have been made yet. */
  async #look(path: string, isOwn: boolean): Promise<void> {
    const call = this.#recorded.begin({ kind: 'look', path, isSynced: !isOwn });
    const read = () => this.#client.exists(path, noRetry);
    await this.#recorded.answer([call], isOwn ? read() : this.#recorded.synced(path, read), (stat) => {
      call.isThere = stat !== null;
      call.owner = stat?.ephemeralOwner ?? 0n;
      call.zxid = stat?.czxid ?? 0n;
    });
  }
}
