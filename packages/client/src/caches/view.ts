import { TreekeeperError } from '../errors.ts';
import { limits } from '../limits.ts';
import type { NodeValue, Stat } from '../types.ts';
import { ChangeFeed } from './change-feed.ts';
import type { CacheChange, CacheOptions } from './types.ts';

/** What is known of a node, whether its value can be read or not. */
interface Entry {
  /** Of the data last read; 0n where they may not be read. */
  readonly mzxid: bigint;
  /** Of the value that is kept. */
  readonly sizeBytes: number;
}

/** The nodes of a cache, within its bounds, and those who are told what changes. */
export class View<T> {
  readonly #values = new Map<string, NodeValue<T>>();
  readonly #entries = new Map<string, Entry>();
  readonly #feeds = new Set<ChangeFeed<T>>();
  readonly #nodesMax: number;
  readonly #bytesMax: number;
  readonly #onChange: ((change: CacheChange<T>) => void) | undefined;
  #sizeBytes = 0;
  #isOver = false;
  #failure: unknown = undefined;

  /** `onChange` is told first. */
  constructor(options: CacheOptions<T>, onChange?: (change: CacheChange<T>) => void) {
    this.#nodesMax = options.nodesMax ?? limits.cacheNodesMax;
    this.#bytesMax = options.bytesMax ?? limits.cacheBytesMax;
    this.#onChange = onChange;
  }

  /** The readable nodes. Throws what has ended the cache, if it was a failure: the nodes are out of date then. */
  get values(): ReadonlyMap<string, NodeValue<T>> {
    if (this.#failure !== undefined) {
      throw this.#failure;
    }
    return this.#values;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Every node known, readable or not. */
  get paths(): readonly string[] {
    return [...this.#entries.keys()];
  }

  /** Undefined for a node that is not known. */
  mzxidOf(path: string): bigint | undefined {
    return this.#entries.get(path)?.mzxid;
  }

  /** A node has this value. What is older than what is known does not count. Throws CACHE_FULL. */
  put(path: string, value: T, stat: Stat, sizeBytes: number): void {
    const previous = this.#values.get(path);
    if (!this.#note(path, stat.mzxid, sizeBytes) || previous?.stat.mzxid === stat.mzxid) {
      return;
    }
    this.#values.set(path, { value, stat });
    const where = { path, name: nameOf(path), value, stat };
    this.#tell(previous === undefined ? { type: 'added', ...where } : { type: 'changed', ...where, previous });
  }

  /** A node has no value that can be read; the one that is known stays. Throws CACHE_FULL. */
  refuse(path: string, error: TreekeeperError, mzxid: bigint): void {
    if (this.#note(path, mzxid, this.#entries.get(path)?.sizeBytes ?? 0)) {
      this.#tell({ type: 'unreadable', path, name: nameOf(path), error });
    }
  }

  /** There is no such node. */
  drop(path: string): void {
    this.#sizeBytes -= this.#entries.get(path)?.sizeBytes ?? 0;
    this.#entries.delete(path);
    const previous = this.#values.get(path);
    if (previous !== undefined) {
      this.#values.delete(path);
      this.#tell({ type: 'removed', path, name: nameOf(path), previous });
    }
  }

  /** From what there is now, and on. */
  iterate(): AsyncIterableIterator<CacheChange<T>> {
    const feed = new ChangeFeed<T>(() => this.#feeds.delete(feed));
    if (this.#failure === undefined) {
      for (const [path, node] of this.#values) {
        feed.push({ type: 'added', path, name: nameOf(path), ...node });
      }
    }
    if (this.#isOver) {
      feed.end(this.#failure);
    } else {
      this.#feeds.add(feed);
    }
    return feed;
  }

  /** Nothing changes any more. */
  end(failure?: unknown): void {
    this.#isOver = true;
    this.#failure = failure;
    for (const feed of this.#feeds) {
      feed.end(failure);
    }
    this.#feeds.clear();
  }

  /** Returns whether that is news. */
  #note(path: string, mzxid: bigint, sizeBytes: number): boolean {
    const known = this.#entries.get(path);
    if (known !== undefined && mzxid < known.mzxid) {
      return false;
    }
    this.#sizeBytes += sizeBytes - (known?.sizeBytes ?? 0);
    this.#entries.set(path, { mzxid, sizeBytes });
    if (this.#entries.size > this.#nodesMax || this.#sizeBytes > this.#bytesMax) {
      const bound = this.#entries.size > this.#nodesMax ? `${this.#nodesMax} nodes` : `${this.#bytesMax} bytes`;
      throw new TreekeeperError('CACHE_FULL', {
        operation: 'cache',
        path,
        message: `there is more than the ${bound} that the cache may keep; raise the bound, or cache a smaller part`,
      });
    }
    return true;
  }

  #tell(change: CacheChange<T>): void {
    this.#onChange?.(change);
    for (const feed of this.#feeds) {
      feed.push(change);
    }
  }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
