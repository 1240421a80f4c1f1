import { AddWatchMode, WatcherType } from '@treekeeper/protocol';
import type { CallTerms } from './call.ts';
import type { Driver, ToldWatcher } from './driver.ts';
import { isTreekeeperError, TreekeeperError } from './errors.ts';
import { EventQueue } from './event-queue.ts';
import { limits } from './limits.ts';
import { operations } from './operations.ts';
import { toClient } from './rooted-path.ts';
import type { Watch, WatchEvent, WatchOptions } from './types.ts';

/** How many persistent watches there are or will be, by kind and path: the last one that leaves tells the server. */
export class WatchInterest {
  readonly #counts = new Map<string, number>();

  add(key: string): void {
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  /** Returns whether that was the last one. */
  remove(key: string): boolean {
    const count = (this.#counts.get(key) ?? 1) - 1;
    if (count > 0) {
      this.#counts.set(key, count);
      return false;
    }
    this.#counts.delete(key);
    return true;
  }
}

/** The iterable behind `client.watch`. */
export class PersistentWatch extends EventQueue<WatchEvent> implements Watch, ToldWatcher {
  readonly kind = 'watcher';
  readonly path: string;
  readonly recursive: boolean;
  readonly ready: Promise<{ readonly zxid: bigint }>;
  readonly #driver: Driver;
  readonly #interest: WatchInterest;
  readonly #root: string;
  readonly #fullPath: string;
  readonly #signal: AbortSignal | undefined;
  #closing: Promise<void> | null = null;
  #hasLeft = false;

  /** Sets the watch; `fullPath` is the server's name of `path`. */
  constructor(
    driver: Driver,
    interest: WatchInterest,
    root: string,
    path: string,
    fullPath: string,
    options: WatchOptions,
  ) {
    super(limits.watchEventsMax);
    this.path = path;
    this.recursive = options.recursive ?? false;
    this.#driver = driver;
    this.#interest = interest;
    this.#root = root;
    this.#fullPath = fullPath;
    this.#signal = options.signal;
    this.onReturn = () => this.close();
    this.onOverflow = () => [{ type: 'gap', path, zxid: null }];
    interest.add(this.#key);
    this.ready = this.#set(driver.terms(options));
    this.ready.catch((error: unknown) => this.#failed(error));
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  get #key(): string {
    return `${this.#table} ${this.#fullPath}`;
  }

  get #table(): 'persistent' | 'recursive' {
    return this.recursive ? 'recursive' : 'persistent';
  }

  tell({ type, path, zxid }: WatchEvent): void {
    if (type === 'lost') {
      const { state } = this.#driver.session;
      this.#release();
      this.end(state === 'closed' ? undefined : endOf(state === 'auth-failed', this.path));
      return;
    }
    this.push({ type, path: toClient(this.#root, path), zxid });
    if (type === 'removed') {
      this.#release();
      this.end();
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#remove();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  readonly #onAbort = (): void => void this.close();

  async #set(terms: CallTerms): Promise<{ readonly zxid: bigint }> {
    const mode = this.recursive ? AddWatchMode.persistentRecursive : AddWatchMode.persistent;
    const registration = { on: this.#table, path: this.#fullPath, watcher: this } as const;
    const body = { path: this.#fullPath, mode };
    await this.#driver.call(operations.addWatch, body, 'watch', this.path, terms, registration, { finish: () => null });
    return { zxid: this.#driver.session.lastZxid };
  }

  #failed(error: unknown): void {
    this.end(isTreekeeperError(error, 'CLOSED') ? undefined : error);
    void this.close();
  }

  /** Gives up its place; what is left at the server no longer concerns this watch. */
  #release(): void {
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#closing ??= Promise.resolve();
    this.#leave();
  }

  /** Returns whether nobody is left who wants this watch. */
  #leave(): boolean {
    const isLast = !this.#hasLeft && this.#interest.remove(this.#key);
    this.#hasLeft = true;
    return isLast;
  }

  async #remove(): Promise<void> {
    this.end();
    this.#signal?.removeEventListener('abort', this.#onAbort);
    await this.ready.catch(() => null);
    const { session } = this.#driver;
    session.forgetWatcher(this.#table, this.#fullPath, this);
    const isLast = this.#leave();
    if (isLast && (session.state === 'connected' || session.state === 'connected-read-only')) {
      await this.#removeAtServer().catch(() => null); // it cannot reach anybody any more, that is what counts
    }
  }

  async #removeAtServer(): Promise<void> {
    const type = this.recursive ? WatcherType.persistentRecursive : WatcherType.persistent;
    try {
      await this.#askToRemove(type);
    } catch (error) {
      // Before 3.9 the server knows no such types; `any` would take others' watches along.
      const othersAreLeft = this.#driver.session.removeWatches([], this.#fullPath);
      if (isTreekeeperError(error, 'MARSHALLING_ERROR') && !othersAreLeft) {
        await this.#askToRemove(WatcherType.any);
      }
    }
  }

  /**
   * Once: a repeated one could come behind a newer watch, and take that away. Where it is lost with the connection, the
   * next one is told only of what is still wanted.
   */
  #askToRemove(type: number): Promise<null> {
    const terms = { ...this.#driver.terms(), retry: false } as const;
    const body = { path: this.#fullPath, type };
    return this.#driver.call(operations.removeWatches, body, 'removeWatches', this.path, terms, null, {
      finish: () => null,
    });
  }
}

function endOf(isAuthFailure: boolean, path: string): TreekeeperError {
  return new TreekeeperError(isAuthFailure ? 'AUTH_FAILED' : 'SESSION_EXPIRED', { operation: 'watch', path });
}
