/** Clients that write and read while servers fail, each call and its answer in the history. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, connect, isTreekeeperError } from '@treekeeper/client';
import type { Random } from '../random.ts';
import type { AnyCall, Asked, Final, FinalState, History, SessionRecord } from './history.ts';
import { FIRST_VALUE } from './judge.ts';

export const REGISTERS = 8;
/** Paths that are known to be there, for clients to take. */
const TAKEABLE_MAX = 200;
const CALL_MS_MAX = 8000;
const CONNECT_MS_MAX = 5000;
/** Pauses between calls of a client, ms: what is tested is not speed. */
const PAUSE_MS_MAX = 25;
const VALUE_CHARACTERS_MAX = 3000;
const LARGE_VALUE_CHARACTERS = 100_000;

/** More writes than an episode has. */
const VERSION_NEVER = 1_000_000_000;

const noRetry = { retry: false, timeoutMs: CALL_MS_MAX } as const;

/** What the clients of one episode share. */
export interface Ground {
  readonly history: History;
  /** Everything happens below this path. */
  readonly root: string;
  /** `host:port` of every server. */
  readonly servers: string;
  readonly sessionTimeoutMs: number;
}

/** Makes the nodes that the clients use. */
export async function prepareGround({ root, servers }: Ground): Promise<void> {
  await using client = await connect(servers, { connectTimeoutMs: 60_000, requestTimeoutMs: 60_000 });
  const patient = { createParents: true, idempotent: true, retry: { attemptsMax: 100 } } as const;
  for (const folder of ['registers', 'queue', 'owned']) {
    await client.create(`${root}/${folder}`, null, patient);
  }
  for (let i = 0; i < REGISTERS; i++) {
    await client.create(`${root}/registers/r${i}`, FIRST_VALUE, patient);
  }
}

/** The short names of long values: they begin with it. */
function nameOf(value: Uint8Array): string {
  return Buffer.from(value.subarray(0, 40)).toString().split(' ', 1)[0];
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
    const takeable: string[] = [];
    this.#workers = Array.from({ length: clients }, (_, i) => {
      return new Worker(ground, `c${i}`, random, takeable, () => this.#wrote());
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
  readonly #takeable: string[];
  readonly #wrote: () => void;
  #made = 0;
  readonly #versions = new Map<string, number>();

  constructor(ground: Ground, name: string, random: Random, takeable: string[], wrote: () => void) {
    this.#ground = ground;
    this.#name = name;
    this.#random = random;
    this.#takeable = takeable;
    this.#wrote = wrote;
  }

  async run(ending: AbortSignal): Promise<void> {
    while (!ending.aborted) {
      const client = await this.#connect();
      if (client !== null) {
        await new Life(this, client, this.#ground.history.openSession(client.sessionId)).run(ending);
      }
    }
  }

  async #connect(): Promise<Client | null> {
    const { servers, sessionTimeoutMs } = this.#ground;
    try {
      return await connect(servers, { sessionTimeoutMs, connectTimeoutMs: CONNECT_MS_MAX });
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

  wrote(): void {
    this.#wrote();
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

  offer(path: string): void {
    this.#takeable.push(path);
    if (this.#takeable.length > TAKEABLE_MAX) {
      this.#takeable.shift();
    }
  }

  takeable(): string | null {
    return this.#takeable.length === 0 ? null : this.#random.pick(this.#takeable);
  }
}

/** One session: several calls at a time, for as long as it lives. */
class Life {
  readonly #worker: Worker;
  readonly #client: Client;
  readonly #session: SessionRecord;
  readonly #owned: string[] = [];
  #isOver = false;

  constructor(worker: Worker, client: Client, session: SessionRecord) {
    this.#worker = worker;
    this.#client = client;
    this.#session = session;
  }

  async run(ending: AbortSignal): Promise<void> {
    const { random } = this.#worker;
    const calls = random.between(50, 2000);
    const window = random.pick([1, 1, 4, 16]);
    const running = new Set<Promise<void>>();
    for (let i = 0; i < calls && !this.#isOver && !ending.aborted; i++) {
      const call = this.#next(i);
      running.add(call);
      void call.finally(() => running.delete(call));
      if (running.size >= window) {
        await Promise.race(running);
      }
      await sleep(random.below(PAUSE_MS_MAX));
    }
    await Promise.all(running);
    if (!this.#isOver) {
      await this.#lookAround();
    }
    // The session of one that goes without a word lives on, and must expire by itself.
    await this.#client.close({ keepSession: random.chance(0.5) });
  }

  /** Ephemeral nodes are there; the sync behind shows whether the session lives. */
  async #lookAround(): Promise<void> {
    await Promise.all(this.#owned.map((path) => this.#look(path)));
    await this.#read(this.#worker.register(), true);
  }

  #next(i: number): Promise<void> {
    const { random } = this.#worker;
    if (i === 0) {
      return this.#own();
    }
    const kind = random.weighted([
      [25, 'set'],
      [10, 'compare'],
      [15, 'read'],
      [20, 'sync'],
      [15, 'append'],
      [6, 'take'],
      [5, 'both'],
      [3, 'neither'],
      [3, 'look'],
      [1, 'own'],
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
        return this.#owned.length === 0 ? this.#own() : this.#look(random.pick(this.#owned));
      case 'own':
        return this.#own();
    }
  }

  #begin<A extends Asked>(asked: A): Extract<AnyCall, { kind: A['kind'] }> {
    return this.#worker.ground.history.begin(this.#session, asked);
  }

  /** Puts the answer into the history, by `note` what there is to say of it. */
  async #answer<T>(calls: readonly AnyCall[], answer: Promise<T>, note: (result: T) => void): Promise<void> {
    const { history } = this.#worker.ground;
    try {
      note(await answer);
      for (const call of calls) {
        history.end(call, 'done');
      }
      if (calls[0].kind !== 'read' && calls[0].kind !== 'look') {
        this.#worker.wrote();
      }
    } catch (error) {
      if (!isTreekeeperError(error)) {
        throw error;
      }
      for (const call of calls) {
        history.end(call, error.retry === 'unknown' ? 'unknown' : 'refused', error.code);
      }
      this.#isOver ||= this.#client.state === 'closed' || this.#client.state === 'expired';
    }
  }

  async #set(key: string, expectedVersion: number): Promise<void> {
    const value = this.#worker.name();
    const call = this.#begin({ kind: 'set', key, value, expectedVersion });
    const options = { ...noRetry, version: expectedVersion };
    await this.#answer([call], this.#client.set(key, this.#worker.value(value), options), (stat) => {
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
      return this.#begin({ kind: 'set', key, value: values[i], expectedVersion: -1 });
    });
    const transaction = this.#client.transaction().set(one, values[0]).set(other, values[1]);
    await this.#answer(calls, transaction.commit(noRetry), (results) => {
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
    const call = this.#begin({ kind: 'set', key, value, expectedVersion: VERSION_NEVER });
    const transaction = this.#client.transaction().set(key, value).check(other, VERSION_NEVER);
    await this.#answer([call], transaction.commit(noRetry), ([set]) => {
      call.version = set.stat.version;
      call.zxid = set.stat.mzxid;
    });
  }

  async #read(key: string, isSynced: boolean): Promise<void> {
    const call = this.#begin({ kind: 'read', key, isSynced });
    // Both go out at once, on one connection: if that breaks, the read fails.
    const synced = isSynced ? this.#client.sync(key, noRetry) : Promise.resolve();
    const read = this.#client.get(key, noRetry);
    const both = Promise.all([read, synced]).then(([node]) => node);
    await this.#answer([call], both, ({ value, stat }) => {
      call.value = nameOf(value);
      call.version = stat.version;
      call.zxid = stat.mzxid;
      this.#worker.sawVersion(key, stat.version);
    });
  }

  async #append(): Promise<void> {
    const value = this.#worker.name();
    const call = this.#begin({ kind: 'append', value });
    const path = `${this.#worker.ground.root}/queue/n-`;
    const options = { ...noRetry, mode: 'persistent-sequential' } as const;
    await this.#answer([call], this.#client.create(path, this.#worker.value(value), options), (created) => {
      call.path = created.path;
      call.zxid = created.stat.czxid;
      this.#worker.offer(created.path);
    });
  }

  async #take(): Promise<void> {
    const path = this.#worker.takeable();
    if (path !== null) {
      const call = this.#begin({ kind: 'take', path });
      await this.#answer([call], this.#client.delete(path, noRetry), () => {});
    }
  }

  async #own(): Promise<void> {
    const path = `${this.#worker.ground.root}/owned/${this.#worker.name()}`;
    const call = this.#begin({ kind: 'own', path });
    const options = { ...noRetry, mode: 'ephemeral' } as const;
    await this.#answer([call], this.#client.create(path, null, options), ({ stat }) => {
      call.zxid = stat.czxid;
      this.#owned.push(path);
    });
  }

  async #look(path: string): Promise<void> {
    const call = this.#begin({ kind: 'look', path });
    await this.#answer([call], this.#client.exists(path, noRetry), (stat) => {
      call.isThere = stat !== null && stat.ephemeralOwner === this.#session.id;
      call.zxid = stat?.czxid ?? 0n;
    });
  }
}

/** Reads what the clients of an episode have left. */
export async function readFinal(root: string, servers: string): Promise<FinalState> {
  await using client = await connect(servers, { connectTimeoutMs: 60_000 });
  await client.sync('/');
  const read = async (folder: string): Promise<Map<string, Final>> => {
    const names = await client.children(`${root}/${folder}`);
    const paths = names.sort().map((name) => `${root}/${folder}/${name}`);
    const nodes = await Promise.all(paths.map((path) => client.get(path)));
    return new Map(
      nodes.map(({ value, stat: { version, mzxid } }, i) => [paths[i], { value: nameOf(value), version, zxid: mzxid }]),
    );
  };
  const owned = await client.children(`${root}/owned`);
  return {
    registers: await read('registers'),
    appended: await read('queue'),
    owned: owned.map((name) => `${root}/owned/${name}`),
  };
}
