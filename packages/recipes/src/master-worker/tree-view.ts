/**
 * What the tree tells a leading master. An event only says which node to look at; what is learned comes from looking.
 * So it does not matter how often, how late or in which company events come: the last look at a node begins after the
 * last event about it. One thing is believed without a look, since every task comes to it: the end of an assignment or
 * a task, where the event says at which zxid, so that it cannot be taken for the end of a later one.
 */
import { type Client, isTreekeeperError, type NodeValue, type Watch, type WatchEvent } from '@treekeeper/client';
import { Bell } from '../bell.ts';
import type { RecipeError } from '../errors.ts';
import { forever } from '../forever.ts';
import { inWindow } from '../window.ts';
import type { Fact, Subject } from './facts.ts';
import { type Layout, tryNamed } from './queue.ts';
import { decodeAssignment, decodeTask, decodeWorker, readable } from './records.ts';

/** A node to look at. */
export type Target = Subject & {
  /** There is no need to look: it ended then. */
  readonly endedZxid?: bigint;
};

/** Nodes in one request: with payloads of a megabyte, still less than a client takes as one reply. */
const READS_MAX = 32;

/** On their way at a time. Of a million tasks not all are asked for at once; each has its answer in its time. */
const REQUESTS_MAX = 64;

export class TreeView implements AsyncDisposable {
  readonly #client: Client;
  readonly #layout: Layout;
  readonly #signal: AbortSignal;
  readonly #onInvalid: (error: RecipeError) => void;
  readonly #bell = new Bell();
  readonly #watches: Watch[] = [];
  readonly #targets = new Map<string, Target>();
  #hasGap = true;
  #failure: unknown = null;

  private constructor(client: Client, layout: Layout, signal: AbortSignal, onInvalid: (error: RecipeError) => void) {
    this.#client = client;
    this.#layout = layout;
    this.#signal = signal;
    this.#onInvalid = onInvalid;
    signal.addEventListener('abort', this.#bell.ring, { once: true });
  }

  /**
   * Begins to watch. What is there already is told as if there had been a gap. `onInvalid` is told of nodes that hold
   * what is not ours: one such node is not to stop all the others.
   */
  static async open(
    client: Client,
    layout: Layout,
    signal: AbortSignal,
    onInvalid: (error: RecipeError) => void,
  ): Promise<TreeView> {
    const view = new TreeView(client, layout, signal, onInvalid);
    try {
      await Promise.all([layout.workers, layout.assigned, layout.tasks].map((path) => view.#watch(path)));
      return view;
    } catch (error) {
      await view[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal.removeEventListener('abort', this.#bell.ring);
    await Promise.all(this.#watches.map((watch) => watch.close()));
  }

  /** Fulfils at the next change; ask before looking whether there `isNews`. */
  next(): Promise<void> {
    return this.#bell.next();
  }

  readonly wake = (): void => this.#bell.ring();

  get isNews(): boolean {
    return this.#hasGap || this.#targets.size > 0 || this.#failure !== null;
  }

  /** Has a node looked at again. */
  mark(target: Target): void {
    const { of, worker, id } = target;
    if (of === 'folder') {
      this.#targets.set(this.#layout.folder(worker), target);
    } else if (of === 'worker') {
      this.#targets.set(this.#layout.worker(worker), target);
    } else if (target.of === 'assignment') {
      // Its end is the task's end, or not: who hears of one looks at both.
      this.#targets.set(this.#layout.assignment(worker, target), target);
      this.mark({ of: 'task', worker: '', id });
    } else {
      this.#targets.set(this.#layout.task(id), target);
    }
  }

  /** Looks at all nodes that are marked. `known`: those to look at after a gap, even if they are no longer listed. */
  async read(known: () => Iterable<Target>): Promise<Fact[]> {
    if (this.#failure !== null) {
      throw this.#failure;
    }
    if (this.#hasGap) {
      this.#hasGap = false;
      for (const target of known()) {
        this.mark(target);
      }
      await this.#list();
    }
    const facts: Fact[] = await this.#listFolders();
    const targets: (readonly [string, Target])[] = [];
    for (const entry of this.#targets) {
      if (entry[1].endedZxid === undefined) {
        targets.push(entry);
      } else {
        facts.push({ ...entry[1], found: null } as Fact);
      }
    }
    this.#targets.clear();
    // Assignments before tasks: an assignment that is gone since the task is done shows a done task.
    targets.sort(([, a], [, b]) => rank(a) - rank(b));
    const chunks: (typeof targets)[] = [];
    for (let i = 0; i < targets.length; i += READS_MAX) {
      chunks.push(targets.slice(i, i + READS_MAX));
    }
    const read = await inWindow(chunks, REQUESTS_MAX, (chunk) => this.#readChunk(chunk));
    return [...facts, ...read.flat()];
  }

  async #watch(path: string): Promise<void> {
    const watch = this.#client.watch(path, { recursive: true });
    this.#watches.push(watch);
    void this.#follow(watch);
    await watch.ready;
  }

  async #follow(watch: Watch): Promise<void> {
    try {
      for await (const event of watch) {
        this.#onEvent(event);
      }
    } catch (error) {
      this.#failure ??= error;
      this.#bell.ring();
    }
  }

  #onEvent({ type, path, zxid }: WatchEvent): void {
    if (type === 'gap') {
      this.#hasGap = true;
      return this.#bell.ring();
    }
    const target = this.#targetOf(path);
    // Assignments are made by this master only, and it knows those.
    if (target === null || (target.of === 'assignment' && type === 'created')) {
      return;
    }
    if (target.of !== 'worker' && type === 'deleted' && zxid !== null) {
      this.#markEnd(path, target, zxid);
    } else {
      this.mark(target);
    }
    this.#bell.ring();
  }

  /** What is to be looked at anyhow is looked at: the reason may be younger than this end. */
  #markEnd(path: string, target: Target, endedZxid: bigint): void {
    const marked = this.#targets.get(path);
    if (marked === undefined || marked.endedZxid !== undefined) {
      this.#targets.set(path, { ...target, endedZxid });
    }
    if (target.of === 'assignment') {
      this.mark({ of: 'task', worker: '', id: target.id });
    }
  }

  /** Null for the nodes between: folders, shards. */
  #targetOf(path: string): Target | null {
    const parts = path.slice(this.#layout.root.length + 1).split('/');
    const [kind, parent = '', id] = parts;
    if (kind === 'workers' && parts.length === 2) {
      return { of: 'worker', worker: parent, id: '' };
    }
    if (parts.length !== 3 || id === undefined) {
      return null;
    }
    if (kind !== 'assigned') {
      return { of: 'task', worker: '', id };
    }
    const named = tryNamed(id);
    return named === null ? null : { of: 'assignment', worker: parent, ...named };
  }

  /** Marks all there is. */
  async #list(): Promise<void> {
    const { workers, assigned, shards } = this.#layout;
    const [present, folders] = await Promise.all([this.#children(workers), this.#children(assigned)]);
    for (const worker of new Set([...(present ?? []), ...(folders ?? []), ...this.#markedWorkers()])) {
      this.mark({ of: 'worker', worker, id: '' });
      this.mark({ of: 'folder', worker, id: '' });
    }
    await Promise.all(
      shards.map(async (shard) => {
        for (const id of (await this.#children(shard)) ?? []) {
          this.mark({ of: 'task', worker: '', id });
        }
      }),
    );
  }

  /** Marks what is in the folders that are marked. */
  async #listFolders(): Promise<Fact[]> {
    const folders = [...this.#targets].filter(([, { of }]) => of === 'folder');
    return await Promise.all(
      folders.map(async ([path, { worker }]) => {
        this.#targets.delete(path);
        const children = await this.#children(path);
        const tries = (children ?? []).map(tryNamed);
        for (const named of tries) {
          if (named !== null) {
            this.mark({ of: 'assignment', worker, ...named });
          }
        }
        // One that holds what is not ours cannot be swept.
        return { of: 'folder', worker, found: children !== null && !tries.includes(null) } as const;
      }),
    );
  }

  #markedWorkers(): string[] {
    return [...this.#targets.values()].filter(({ of }) => of === 'worker').map(({ worker }) => worker);
  }

  /** Null: there is no such node any more. */
  async #children(path: string): Promise<string[] | null> {
    try {
      return await this.#client.children(path, { ...forever, signal: this.#signal });
    } catch (error) {
      if (isTreekeeperError(error, 'NO_NODE')) {
        return null;
      }
      throw error;
    }
  }

  async #readChunk(targets: readonly (readonly [string, Target])[]): Promise<Fact[]> {
    const reads = targets.map(([path]) => ({ get: path }));
    const results = await this.#client.multiRead(reads, { ...forever, signal: this.#signal });
    return targets.map(([path, target], i) => {
      const result = results[i] as NonNullable<(typeof results)[number]>;
      if (!('error' in result)) {
        return this.#factOf(path, target, result);
      }
      if (result.error.code !== 'NO_NODE') {
        throw result.error;
      }
      return { ...target, found: null } as Fact;
    });
  }

  /**
   * What is not ours is no task. A try that cannot be read has failed: whatever was known of it, it is not begun twice
   * where that matters. A worker that cannot be read gets nothing more.
   */
  #factOf(path: string, target: Target, { value, stat }: NodeValue<Uint8Array>): Fact {
    const { version, czxid, mzxid } = stat;
    const mtimeMs = Number(stat.mtime);
    switch (target.of) {
      case 'assignment': {
        const { of, worker, id, life } = target;
        const lost = { state: 'failed', attempt: 1, error: `${path} holds what is not ours` } as const;
        const record = readable(() => decodeAssignment(path, value), lost, this.#onInvalid);
        return { of, worker, id, life, found: { record, version, czxid, mtimeMs } };
      }
      case 'task': {
        const task = readable(() => decodeTask(path, value), null, this.#onInvalid);
        const found = task === null ? null : { header: task.header, version, czxid, mzxid, mtimeMs };
        return { of: 'task', id: target.id, found };
      }
      case 'worker': {
        const record = readable(() => decodeWorker(path, value), { capacity: 0, data: {} }, this.#onInvalid);
        return { of: 'worker', worker: target.worker, found: { ...record, version } };
      }
      case 'folder':
        throw new Error(`${path}: folders are listed, not read`);
    }
  }
}

function rank({ of }: Target): number {
  return of === 'assignment' ? 0 : 1;
}
