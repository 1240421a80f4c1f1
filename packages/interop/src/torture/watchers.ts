/** Clients that watch what others change: some with one-shot watches, one with a persistent recursive one. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, connect, isTreekeeperError, type Watch, type WatchEvent } from '@treekeeper/client';
import type { Random } from '../random.ts';
import { type Ground, MARK, REGISTERS, WATCHED_LEAVES, WATCHED_PARENTS } from './ground.ts';
import type { Notice, Pursuit, SightCall } from './history.ts';
import { noRetry, RecordedClient } from './recorded-client.ts';

const CONNECT_MS_MAX = 5000;
/** Between calls of a client, ms. */
const PAUSE_MS_MAX = 100;
/** A reader whose connection is away. */
const RETRY_PAUSE_MS = 50;
/** For what was done last to be heard of, when nothing fails any more. */
const LAST_MS_MAX = 60_000;

const ONE_SHOT_WATCHERS = 2;
const PURSUERS = 1;

/** All watching clients of an episode. They outlive those that write. */
export class Watchers {
  readonly #ground: Ground;
  readonly #ending = new AbortController();
  readonly #oneShots: OneShotWatcher[];
  readonly #pursuers: Pursuer[];
  readonly #runs: Promise<void>[];

  constructor(ground: Ground, random: Random) {
    this.#ground = ground;
    const names = Array.from({ length: ONE_SHOT_WATCHERS }, (_, i) => `o${i}`);
    this.#oneShots = names.map((name) => new OneShotWatcher(ground, name, random));
    this.#pursuers = Array.from({ length: PURSUERS }, () => new Pursuer(ground));
    const all = [...this.#oneShots, ...this.#pursuers];
    this.#runs = all.map((watcher) => watcher.run(this.#ending.signal));
  }

  /** Where the ensemble serves, everybody looks once more and hears of a last change. Nobody else may write by now. */
  async end(isServing: boolean): Promise<void> {
    this.#ending.abort();
    await Promise.all(this.#runs);
    if (isServing) {
      const markZxid = await this.#mark();
      this.#ground.history.markZxid = markZxid;
      await Promise.all([
        ...this.#oneShots.map((watcher) => watcher.lookOnce()),
        ...this.#pursuers.map((pursuer) => pursuer.reach(markZxid)),
      ]);
    }
    await Promise.all([...this.#oneShots, ...this.#pursuers].map((watcher) => watcher.close()));
  }

  async #mark(): Promise<bigint> {
    const patient = { connectTimeoutMs: LAST_MS_MAX, requestTimeoutMs: LAST_MS_MAX };
    await using client = await connect(this.#ground.servers, patient);
    const { history, root } = this.#ground;
    const path = `${root}/watched/${MARK}`;
    const call = history.begin(history.openSession(client.sessionId), { kind: 'change', path, act: 'create' });
    const { stat } = await client.create(path, 'last', { idempotent: true, retry: { attemptsMax: 100 } });
    call.zxid = stat.czxid;
    history.end(call, 'done');
    return stat.czxid;
  }
}

async function tryToConnect({ servers, sessionTimeoutMs }: Ground): Promise<Client | null> {
  try {
    return await connect(servers, { sessionTimeoutMs, connectTimeoutMs: CONNECT_MS_MAX });
  } catch (error) {
    if (isTreekeeperError(error)) {
      return null;
    }
    throw error;
  }
}

function noticeOf(position: number, { type, path, zxid }: WatchEvent): Notice | null {
  return type === 'removed' || type === 'lost' ? null : { position, type, path, zxid };
}

/** Reads with and without watches, each watch with a listener of its own, so that two events are not taken for one. */
class OneShotWatcher {
  readonly #ground: Ground;
  readonly #name: string;
  readonly #random: Random;
  #recorded: RecordedClient | null = null;
  #made = 0;

  constructor(ground: Ground, name: string, random: Random) {
    this.#ground = ground;
    this.#name = name;
    this.#random = random;
  }

  async run(ending: AbortSignal): Promise<void> {
    while (!ending.aborted) {
      if (this.#recorded === null || this.#recorded.isOver) {
        const client = await tryToConnect(this.#ground);
        this.#recorded = client === null ? null : new RecordedClient(client, this.#ground.history, () => {});
      } else {
        await Promise.all([this.#next(this.#recorded), sleep(this.#random.below(PAUSE_MS_MAX))]);
      }
    }
  }

  /** As soon as its connection is there, behind a sync. */
  async lookOnce(): Promise<void> {
    const recorded = this.#recorded;
    if (recorded === null) {
      return;
    }
    const endMs = performance.now() + LAST_MS_MAX;
    const paths = this.#paths();
    for (let isDone = false; !isDone && !recorded.isOver && performance.now() < endMs; ) {
      const sights = await Promise.all(
        paths.flatMap((path) => [
          this.#look(recorded, path, 'data', false, true),
          this.#look(recorded, path, 'children', false, true),
        ]),
      );
      isDone = sights.every(({ outcome, code }) => outcome === 'done' || code === 'NO_NODE');
      if (!isDone) {
        await sleep(RETRY_PAUSE_MS);
      }
    }
  }

  async close(): Promise<void> {
    await this.#recorded?.client.close();
  }

  #paths(): string[] {
    return [...WATCHED_PARENTS, ...WATCHED_LEAVES].map((name) => `${this.#ground.root}/watched/${name}`);
  }

  async #next(recorded: RecordedClient): Promise<void> {
    const random = this.#random;
    if (random.chance(0.15)) {
      await this.#write(recorded);
      return;
    }
    const isOfChildren = random.chance(0.3);
    const path = random.pick(isOfChildren ? this.#paths().slice(0, WATCHED_PARENTS.length + 1) : this.#paths());
    await this.#look(recorded, path, isOfChildren ? 'children' : 'data', random.chance(0.7), random.chance(0.3));
  }

  /** The answer to a write of its own says that every event up to there has come. */
  async #write(recorded: RecordedClient): Promise<void> {
    const key = `${this.#ground.root}/registers/r${this.#random.below(REGISTERS)}`;
    const value = `${this.#name}-${this.#made++}`;
    const call = recorded.begin({ kind: 'set', key, value, expectedVersion: -1 });
    await recorded.answer([call], recorded.client.set(key, value, noRetry), ({ version, mzxid }) => {
      call.version = version;
      call.zxid = mzxid;
    });
  }

  async #look(
    recorded: RecordedClient,
    path: string,
    of: SightCall['of'],
    isWatched: boolean,
    isSynced: boolean,
  ): Promise<SightCall> {
    const { client } = recorded;
    const call = recorded.begin({ kind: 'sight', path, of, isWatched, isSynced });
    const watch = (event: WatchEvent): void => {
      const notice = noticeOf(recorded.history.next(), event);
      if (notice !== null) {
        call.notices.push(notice);
      }
    };
    const options = isWatched ? { ...noRetry, watch } : noRetry;
    const read = async () => {
      return of === 'data' ? client.exists(path, options) : (await client.childrenWithStat(path, options)).stat;
    };
    await recorded.answer([call], isSynced ? recorded.synced(path, read) : read(), (stat) => {
      call.isThere = stat !== null;
      call.zxid = (of === 'data' ? stat?.mzxid : stat?.pzxid) ?? 0n;
    });
    return call;
  }
}

/** Knows a subtree by its events, and by reading it again where it is told of a gap. */
class Pursuer {
  readonly #ground: Ground;
  #recorded: RecordedClient | null = null;
  #pursuit: Pursuit | null = null;
  #reading: Promise<void> = Promise.resolve();
  #isLeaving = false;
  /** Every node with the zxid of its last value. */
  readonly #tree = new Map<string, bigint>();

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  async run(ending: AbortSignal): Promise<void> {
    while (!ending.aborted) {
      if (this.#recorded === null || this.#pursuit?.isOver !== false) {
        await this.#begin();
      } else {
        await sleep(RETRY_PAUSE_MS);
      }
    }
  }

  /** Until the last change has been heard of, or in vain; then its tree counts. */
  async reach(markZxid: bigint): Promise<void> {
    const pursuit = this.#pursuit;
    if (pursuit === null) {
      return;
    }
    const endMs = performance.now() + LAST_MS_MAX;
    const mark = `${pursuit.path}/${MARK}`;
    while (!pursuit.isOver && this.#tree.get(mark) !== markZxid && performance.now() < endMs) {
      await sleep(RETRY_PAUSE_MS);
    }
    pursuit.tree = this.#tree.get(mark) === markZxid ? new Map(this.#tree) : null;
  }

  async close(): Promise<void> {
    this.#isLeaving = true;
    await this.#recorded?.client.close();
    await this.#reading;
  }

  async #begin(): Promise<void> {
    const client = await tryToConnect(this.#ground);
    if (client === null) {
      return;
    }
    const recorded = new RecordedClient(client, this.#ground.history, () => {});
    const pursuit = this.#ground.history.openPursuit(recorded.session, `${this.#ground.root}/watched`);
    const watch = client.watch(pursuit.path, { recursive: true, timeoutMs: LAST_MS_MAX });
    this.#tree.clear();
    this.#recorded = recorded;
    this.#pursuit = pursuit;
    this.#reading = this.#pursue(client, pursuit, watch);
  }

  async #pursue(client: Client, pursuit: Pursuit, watch: Watch): Promise<void> {
    try {
      pursuit.readyZxid = (await watch.ready).zxid;
      await this.#readAll(client, pursuit.path);
      for await (const event of watch) {
        const notice = noticeOf(this.#ground.history.next(), event);
        if (notice !== null) {
          pursuit.notices.push(notice);
          await this.#apply(client, notice);
        }
      }
    } catch (error) {
      if (!isTreekeeperError(error)) {
        throw error;
      }
    }
    if (!this.#isLeaving) {
      pursuit.isOver = true;
      await client.close();
    }
  }

  async #apply(client: Client, { type, path, zxid }: Notice): Promise<void> {
    if (type === 'gap') {
      this.#tree.clear();
      await this.#readAll(client, path);
    } else if (zxid === null) {
      await this.#readOne(client, path);
    } else if (zxid > (this.#tree.get(path) ?? 0n)) {
      // What was read may be newer than the event.
      if (type === 'deleted') {
        this.#tree.delete(path);
      } else {
        this.#tree.set(path, zxid);
      }
    }
  }

  async #readOne(client: Client, path: string): Promise<boolean> {
    const stat = await insist(client, () => client.exists(path, noRetry));
    if (stat === null) {
      this.#tree.delete(path);
    } else {
      this.#tree.set(path, stat.mzxid);
    }
    return stat !== null;
  }

  async #readAll(client: Client, path: string): Promise<void> {
    if (!(await this.#readOne(client, path))) {
      return;
    }
    const names = await insist(client, () => client.children(path, noRetry));
    for (const name of names ?? []) {
      await this.#readAll(client, `${path}/${name}`);
    }
  }
}

/** As often as it takes while the session lives; null where there is no node. */
async function insist<T>(client: Client, read: () => Promise<T>): Promise<T | null> {
  for (;;) {
    try {
      return await read();
    } catch (error) {
      if (isTreekeeperError(error, 'NO_NODE')) {
        return null;
      }
      if (!isTreekeeperError(error) || client.state === 'expired' || client.state === 'closed') {
        throw error;
      }
      await sleep(RETRY_PAUSE_MS);
    }
  }
}
