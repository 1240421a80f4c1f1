/**
 * A client behind a proxy that delays, truncates and cuts at random points. What must hold: every call ends by its
 * deadline, and none that times out ends before; no answer is another call's; a write that succeeded is there, one that
 * failed as pointless is not; a one-shot watch tells once, and is never lost; a recursive watch tells of every change
 * of which no gap was told, and of none twice.
 */
import { type Client, connect, isTreekeeperError, TreekeeperError, utf8, type WatchEvent } from '@treekeeper/client';
import { Random } from '../random.ts';
import { FaultProxy } from './fault-proxy.ts';

export interface FaultOptions {
  readonly server: string;
  readonly seed: number;
  readonly operations: number;
}

export interface FaultReport {
  readonly faults: readonly string[];
  readonly operations: number;
  readonly failures: number;
  /** Of these, by a deadline that was meant to pass. */
  readonly timeouts: number;
  readonly connections: number;
  readonly events: number;
}

/** Of a call; far beyond what the faults make of it. */
const TIMEOUT_MS = 20_000;
/** Of some calls: shorter than many a delay. */
const TIMEOUT_SHORT_MS = 20;
/** What a deadline may be late on a busy machine. */
const LATE_MS_MAX = 10_000;
const DELAY_MS_MAX = 60;
/** A timer of Node may fire so much early. */
const TIMER_MS = 2;
const IN_FLIGHT = 8;
const NODES = 6;
/** The server is named so often that the client, whose connections do not last, seldom pauses: once all are tried. */
const SERVER_NAMES = 1000;

interface NodeState {
  /** Values whose write succeeded or may have; the last one known for certain first. */
  certain: string;
  possible: Set<string>;
}

export async function runFaults({ server, seed, operations }: FaultOptions): Promise<FaultReport> {
  const random = new Random(seed);
  await using admin = await connect(server);
  const { path: root } = await admin.create('/faults-', null, { mode: 'persistent-sequential' });
  await using proxy = await FaultProxy.start(server);
  const servers = Array.from({ length: SERVER_NAMES }, () => proxy.address);
  await using client = await connect(`${servers.join()}${root}`, { sessionTimeoutMs: 60_000 });
  const run = new FaultRun(client, random);
  await run.prepare();
  proxy.onChunk = (chunk) => (random.below(12) === 0 ? random.below(chunk.length + 1) : null);
  proxy.onDelay = () => (random.below(40) === 0 ? random.below(DELAY_MS_MAX) : 0);
  await run.work(operations);
  proxy.onChunk = () => null;
  proxy.onDelay = () => 0;
  await run.verify(admin.at(root));
  return {
    faults: run.faults,
    operations,
    failures: run.failures,
    timeouts: run.timeouts,
    connections: proxy.accepted,
    events: run.events,
  };
}

class FaultRun {
  readonly faults: string[] = [];
  failures = 0;
  timeouts = 0;
  events = 0;
  readonly #client: Client;
  readonly #random: Random;
  readonly #nodes = new Map<string, NodeState>();
  readonly #busy = new Set<string>();
  /** Of the recursive watch: changes told, and between which zxids it says that it may have missed some. */
  readonly #told = new Set<bigint>();
  readonly #gaps: (readonly [after: bigint, upTo: bigint])[] = [];
  readonly #written: bigint[] = [];
  /** Changes told of each node. */
  readonly #changes = new Map<string, number>();
  /** One-shot watches that were left, and how often each has told. */
  readonly #left: { readonly path: string; told: number }[] = [];
  #lastZxid = -1n;
  #sequence = 0;

  constructor(client: Client, random: Random) {
    this.#client = client;
    this.#random = random;
  }

  async prepare(): Promise<void> {
    for (let i = 0; i < NODES; i++) {
      await this.#client.create(`/n${i}`, 'first');
      this.#nodes.set(`/n${i}`, { certain: 'first', possible: new Set() });
    }
    const watch = this.#client.watch('/', { recursive: true });
    await watch.ready;
    void this.#follow(watch);
  }

  /** A watch tells of zxids that rise: none twice. */
  async #follow(watch: AsyncIterable<WatchEvent>): Promise<void> {
    for await (const { type, path, zxid } of watch) {
      this.events++;
      this.#changes.set(path, (this.#changes.get(path) ?? 0) + (type === 'data-changed' ? 1 : 0));
      if (type === 'gap') {
        this.#gaps.push([zxid ?? -1n, this.#client.lastZxid]);
      } else if (zxid !== null) {
        this.#told.add(zxid);
        if (zxid <= this.#lastZxid) {
          this.faults.push(`${type} ${path} at zxid ${zxid}, after one at ${this.#lastZxid}`);
        }
        this.#lastZxid = zxid;
      }
    }
  }

  async work(operations: number): Promise<void> {
    let begun = 0;
    const worker = async (): Promise<void> => {
      while (begun < operations) {
        begun++;
        await this.#one();
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  }

  async #one(): Promise<void> {
    const path = `/n${this.#random.below(NODES)}`;
    const timeoutMs = this.#random.below(10) === 0 ? TIMEOUT_SHORT_MS : TIMEOUT_MS;
    const isRead = this.#busy.has(path) || this.#random.below(2) === 0;
    const began = performance.now();
    try {
      await (isRead ? this.#read(path, timeoutMs) : this.#write(path, timeoutMs));
    } catch (error) {
      this.failures++;
      const tookMs = performance.now() - began;
      if (isTreekeeperError(error, 'TIMEOUT')) {
        this.timeouts++;
        if (tookMs < timeoutMs - TIMER_MS) {
          this.faults.push(`a call timed out after ${tookMs} ms, its deadline was ${timeoutMs}`);
        }
      }
      const isExpected = isTreekeeperError(error, 'CONNECTION_LOSS') || isTreekeeperError(error, 'TIMEOUT');
      if (!isExpected) {
        this.faults.push(`${path}: ${error instanceof TreekeeperError ? error.message : String(error)}`);
      }
    }
    const tookMs = performance.now() - began;
    if (tookMs > timeoutMs + LATE_MS_MAX) {
      this.faults.push(`a call took ${Math.round(tookMs)} ms, its deadline was ${timeoutMs}`);
    }
  }

  /** Values carry the path they were written to: an answer of another call would show. */
  async #read(path: string, timeoutMs: number): Promise<void> {
    const left = { path, told: 0 };
    const watch = (): void => {
      left.told++;
    };
    const options = { codec: utf8, timeoutMs };
    const watches = this.#random.below(4) === 0;
    const { value } = await this.#client.get(path, watches ? { ...options, watch } : options);
    if (watches) {
      this.#left.push(left);
    }
    if (value !== 'first' && !value.startsWith(`${path} `)) {
      this.faults.push(`get ${path} answered ${value}`);
    }
  }

  /** One write on a node at a time, so that it is known what may be in it. */
  async #write(path: string, timeoutMs: number): Promise<void> {
    const node = this.#nodes.get(path) as NodeState;
    const value = `${path} ${++this.#sequence}`;
    this.#busy.add(path);
    try {
      const idempotent = this.#random.below(2) === 0;
      const { mzxid } = await this.#client.set(path, value, { timeoutMs, idempotent });
      this.#written.push(mzxid);
      node.certain = value;
      node.possible.clear();
    } catch (error) {
      if (isTreekeeperError(error) && error.retry === 'unknown') {
        node.possible.add(value);
      }
      throw error;
    } finally {
      this.#busy.delete(path);
    }
  }

  async verify(admin: Client): Promise<void> {
    await this.#client.sync();
    await this.#verifyNodes(admin);
    for (const path of this.#nodes.keys()) {
      await this.#client.set(path, `${path} last`); // what is still watched is told now
    }
    await this.#client.sync();
    for (const { path, told } of this.#left.filter((left) => left.told !== 1)) {
      this.faults.push(`a one-shot watch on ${path} told ${told} times`);
    }
    for (const [path, changes] of this.#changes) {
      const version = (await admin.exists(path))?.version ?? 0;
      if (changes > version) {
        this.faults.push(`the watch told ${changes} changes of ${path}, which has had ${version}`);
      }
    }
    // Servers before 3.9 do not say which change an event is about.
    const missed = this.#written.filter(
      (mzxid) => !this.#told.has(mzxid) && !this.#gaps.some(([after, upTo]) => mzxid > after && mzxid <= upTo),
    );
    if (this.#told.size > 0 && missed.length > 0) {
      this.faults.push(`the watch told neither of zxids ${missed.join(', ')} nor of a gap around them`);
    }
  }

  async #verifyNodes(admin: Client): Promise<void> {
    for (const [path, { certain, possible }] of this.#nodes) {
      const { value } = await admin.get(path, { codec: utf8 });
      if (value !== certain && !possible.has(value)) {
        this.faults.push(`${path} is ${value}, expected ${[certain, ...possible].join(' or ')}`);
      }
    }
  }
}
