/**
 * The engine of the caches: keeps a part of the tree as it is at the servers. A persistent watch is set first, then
 * everything is read, then each event has its node read again. What is known of a node changes only by the answer to a
 * read of that very node, or by the news of its deletion; there is one read of a node at a time, and none counts that
 * is older than what has been told. So the order in which events and answers come to be looked at does not matter.
 */
import { setMaxListeners } from 'node:events';
import type { Client } from '../client.ts';
import { bytes, type Codec, invalidValue, nullableBytes } from '../codec.ts';
import { isTreekeeperError, TreekeeperError } from '../errors.ts';
import { limits } from '../limits.ts';
import { patient } from '../patient.ts';
import type { CallOptions, NodeValue, Stat, Watch, WatchEvent } from '../types.ts';
import type { CacheChange, CacheOptions } from './types.ts';
import { View } from './view.ts';
import { Window } from './window.ts';

/** Which nodes a mirror keeps: those between two depths below a path, which has depth 0 itself. */
export interface Scope {
  readonly path: string;
  readonly depthMin: 0 | 1;
  readonly depthMax: number;
}

/** What a read has found; `zxid`: what it shows, or later. */
type Found<T> = { readonly zxid: bigint } & (
  | { readonly kind: 'absent' }
  | { readonly kind: 'forbidden'; readonly error: TreekeeperError }
  | { readonly kind: 'invalid'; readonly error: TreekeeperError; readonly stat: Stat }
  | { readonly kind: 'value'; readonly value: T; readonly stat: Stat; readonly sizeBytes: number }
);

/** A read on its way. */
interface Reading {
  /** An answer that does not show this change is too old. */
  floorZxid: bigint;
  /** Something has happened meanwhile, of unknown zxid. */
  again: boolean;
  done: Promise<Stat | null>;
}

interface Deferred {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class Mirror<T> {
  readonly view: View<T>;
  readonly #client: Client;
  readonly #scope: Scope;
  readonly #codec: Codec<T, never>;
  readonly #signal: AbortSignal | undefined;
  readonly #terms: CallOptions;
  readonly #readings = new Map<string, Reading>();
  readonly #window = new Window(limits.cacheReadsMax);
  readonly #ready = deferred();
  /** Ends calls, and the watch. */
  readonly #stop = new AbortController();
  #watch: Watch | null = null;
  #walk: Promise<void> | null = null;
  #walkAgain = false;

  constructor(client: Client, scope: Scope, options: CacheOptions<T>, onChange?: (change: CacheChange<T>) => void) {
    this.view = new View(options, onChange);
    this.#client = client;
    this.#scope = scope;
    this.#codec = options.codec ?? (bytes as unknown as Codec<T, never>);
    this.#signal = options.signal;
    setMaxListeners(0, this.#stop.signal); // one for each read on its way
    this.#terms = patient(client, this.#stop.signal);
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (this.#signal?.aborted === true) {
      void this.close();
    } else {
      void this.#follow();
    }
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  async sync(options?: CallOptions): Promise<void> {
    await this.ready;
    await this.#client.sync(this.#scope.path, options);
    await new Promise(setImmediate); // by then all events told before the answer have been taken up
    await this.#walk;
    await Promise.all([...this.#readings.values()].map(({ done }) => done));
    void this.view.values; // throws, if it has failed meanwhile
  }

  async close(): Promise<void> {
    this.#end(undefined);
    await this.#watch?.close();
  }

  readonly #onAbort = (): void => void this.close();

  #end(failure: unknown): void {
    if (this.view.isOver) {
      return;
    }
    this.view.end(failure);
    this.#stop.abort();
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#ready.reject(failure ?? new TreekeeperError('CLOSED', { operation: 'cache', path: this.#scope.path }));
  }

  #fail(error: unknown): void {
    this.#end(isTreekeeperError(error, 'CLOSED') ? undefined : error);
  }

  /** The watch can end without the session: by removeWatches of somebody who uses the same client. */
  async #follow(): Promise<void> {
    const { path, depthMax } = this.#scope;
    try {
      while (!this.view.isOver && this.#client.state !== 'closed') {
        const watch = this.#client.watch(path, { recursive: depthMax > 0, ...this.#terms });
        this.#watch = watch;
        await watch.ready;
        this.#readAll();
        for await (const event of watch) {
          this.#take(event);
        }
      }
      this.#end(undefined);
    } catch (error) {
      this.#fail(error);
    }
  }

  #take({ type, path, zxid }: WatchEvent): void {
    if (type === 'gap') {
      this.#readAll();
    } else if (this.#isInScope(path)) {
      if (type === 'deleted' && zxid !== null) {
        this.#deleted(path, zxid);
      } else if (type === 'created' || type === 'data-changed' || type === 'deleted') {
        const knownZxid = this.view.mzxidOf(path);
        if (zxid === null || knownZxid === undefined || knownZxid < zxid) {
          void this.#read(path, zxid);
        }
      }
    }
  }

  #deleted(path: string, zxid: bigint): void {
    const knownZxid = this.view.mzxidOf(path);
    if (knownZxid !== undefined && knownZxid < zxid) {
      this.view.drop(path);
    }
    const reading = this.#readings.get(path);
    if (reading !== undefined && reading.floorZxid < zxid) {
      reading.floorZxid = zxid;
    }
  }

  #isInScope(path: string): boolean {
    const { path: root, depthMin, depthMax } = this.#scope;
    const below = root === '/' ? path : path.slice(root.length);
    const depth = path === root ? 0 : below.split('/').length - 1;
    return depth >= depthMin && depth <= depthMax;
  }

  /** Goes over everything; once more if something else may have been missed meanwhile. */
  #readAll(): void {
    for (const reading of this.#readings.values()) {
      reading.again = true; // its answer may have come already, and be looked at later
    }
    if (this.#walk !== null) {
      this.#walkAgain = true;
      return;
    }
    this.#walk = this.#walkAll().then(
      () => {
        this.#walk = null;
        this.#ready.resolve();
      },
      (error: unknown) => this.#fail(error),
    );
  }

  async #walkAll(): Promise<void> {
    do {
      this.#walkAgain = false;
      const visited = new Set([this.#scope.path, ...this.view.paths]);
      await Promise.all([...visited].map((path) => this.#visit(path, visited)));
    } while (this.#walkAgain && !this.view.isOver);
  }

  /** Brings one node up to date, and those below it that nobody has come to yet. */
  async #visit(path: string, visited: Set<string>): Promise<void> {
    const isKept = this.#isInScope(path);
    const hasChildrenKept = path === this.#scope.path ? this.#scope.depthMax > 0 : this.#isInScope(`${path}/c`);
    const knownZxid = this.view.mzxidOf(path);
    if (isKept && (knownZxid === undefined || !hasChildrenKept)) {
      const stat = await (knownZxid === undefined ? this.#read(path, null) : this.#check(path, knownZxid));
      if (!hasChildrenKept || stat === null || stat.numChildren === 0) {
        return;
      }
    }
    const found = await this.#children(path);
    if (isKept && knownZxid !== undefined && found?.stat.mzxid !== knownZxid) {
      await this.#read(path, null);
    }
    const below = (found?.children ?? [])
      .map((name) => (path === '/' ? `/${name}` : `${path}/${name}`))
      .filter((child) => !visited.has(child));
    for (const child of below) {
      visited.add(child);
    }
    await Promise.all(below.map((child) => this.#visit(child, visited)));
  }

  /** Reads a known node only if it has changed. */
  async #check(path: string, knownZxid: bigint): Promise<Stat | null> {
    const stat = await this.#window.run(() => this.#client.exists(path, this.#terms));
    return stat?.mzxid === knownZxid ? stat : await this.#read(path, null);
  }

  async #children(path: string): Promise<{ readonly children: readonly string[]; readonly stat: Stat } | null> {
    try {
      return await this.#window.run(() => this.#client.childrenWithStat(path, this.#terms));
    } catch (error) {
      // May they not be listed, then events tell of those that may be read.
      if (isTreekeeperError(error, 'NO_NODE') || isTreekeeperError(error, 'NO_AUTH')) {
        return null;
      }
      throw error;
    }
  }

  /** Reads a node until the answer shows what happened at `zxid` (null: not known when). Never rejects. */
  #read(path: string, zxid: bigint | null): Promise<Stat | null> {
    const running = this.#readings.get(path);
    if (running !== undefined) {
      running.again ||= zxid === null;
      running.floorZxid = zxid !== null && zxid > running.floorZxid ? zxid : running.floorZxid;
      return running.done;
    }
    const reading: Reading = { floorZxid: zxid ?? 0n, again: false, done: Promise.resolve(null) };
    this.#readings.set(path, reading);
    reading.done = this.#readUntil(path, reading).catch((error: unknown) => {
      this.#fail(error);
      return null;
    });
    return reading.done;
  }

  async #readUntil(path: string, reading: Reading): Promise<Stat | null> {
    while (!this.view.isOver) {
      reading.again = false;
      const found = await this.#window.run(() => this.#look(path));
      if (found.zxid >= reading.floorZxid && !this.view.isOver) {
        this.#apply(path, found);
        if (!reading.again) {
          this.#readings.delete(path);
          return 'stat' in found ? found.stat : null;
        }
      }
    }
    return null;
  }

  #apply(path: string, found: Found<T>): void {
    switch (found.kind) {
      case 'absent':
        return this.view.drop(path);
      case 'forbidden':
        return this.view.refuse(path, found.error, this.view.mzxidOf(path) ?? 0n);
      case 'invalid':
        return this.view.refuse(path, found.error, found.stat.mzxid);
      case 'value':
        return this.view.put(path, found.value, found.stat, found.sizeBytes);
    }
  }

  async #look(path: string): Promise<Found<T>> {
    let node: NodeValue<Uint8Array | null>;
    try {
      node = await this.#client.get(path, { codec: nullableBytes, ...this.#terms });
    } catch (error) {
      if (isTreekeeperError(error, 'NO_NODE')) {
        return { kind: 'absent', zxid: error.zxid ?? this.#client.lastZxid };
      }
      if (isTreekeeperError(error, 'NO_AUTH')) {
        return { kind: 'forbidden', zxid: error.zxid ?? this.#client.lastZxid, error };
      }
      throw error;
    }
    const { value: data, stat } = node;
    try {
      const value = await this.#codec.decode(data);
      return { kind: 'value', value, stat, zxid: stat.mzxid, sizeBytes: data?.length ?? 0 };
    } catch (cause) {
      return { kind: 'invalid', error: invalidValue('cache', path, cause), stat, zxid: stat.mzxid };
    }
  }
}

function deferred(): Deferred {
  let resolve: () => void = () => undefined;
  let reject: (error: unknown) => void = resolve;
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  promise.catch(() => undefined); // told to those who iterate as well
  return { promise, resolve, reject };
}
