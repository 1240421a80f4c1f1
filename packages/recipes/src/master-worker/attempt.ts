/** One try of one task, as its handler sees it. */
import type { Client, NewNodeOptions, Transaction } from '@treekeeper/client';
import { RecipeError } from '../errors.ts';
import { remove } from '../seat.ts';
import type { AnyQueue } from './queue.ts';

type Bytes = Uint8Array | string | null;

/**
 * Thrown by a handler that knows: trying again is useless. The task is parked at once.
 *
 * @example
 * ```ts
 * const refuse: Handler<string, void> = async ({ payload }) => {
 *   if (payload === '') {
 *     throw new TaskRejected('nobody to write to');
 *   }
 * };
 * console.assert(refuse.length === 1);
 * ```
 */
export class TaskRejected extends Error {
  override readonly name = 'TaskRejected';
}

/** What a handler wants to happen together with its result; as `Transaction`, without `commit`. */
export interface Effects {
  create(path: string, value?: Bytes, options?: NewNodeOptions): Effects;
  set(path: string, value: Bytes, options?: { readonly version?: number | undefined }): Effects;
  delete(path: string, options?: { readonly version?: number | undefined }): Effects;
  check(path: string, version: number): Effects;
}

/** What handlers get. */
export interface Attempt<Payload> {
  readonly id: string;
  readonly payload: Payload;
  /** 1 for the first try. */
  readonly attempt: number;
  /**
   * Fires when the task is no longer this worker's for certain: it was cancelled or given to another, or the session
   * may have expired. Stop then; nothing is lost by it.
   */
  readonly signal: AbortSignal;
  /**
   * Rises with every try of a task: give it to what you write to outside of the tree, and have it refuse lower ones.
   */
  readonly token: bigint;
  /**
   * Happens with the result, once, or not at all. If it is refused (the node exists, the version is another) the try
   * has failed. Only of queues with delivery 'effectively-once': otherwise INVALID_OPTION.
   */
  readonly transaction: Effects;
  /** Tells whoever asks for it how far it is; anything that has a form in JSON. Never waits, never fails. */
  progress(value: unknown): void;
}

/** Does a task. What it fulfils with is the result; what it throws is a failed try. */
export type Handler<Payload, Result> = (attempt: Attempt<Payload>) => Promise<Result>;

/** Effects, collected. */
export class CollectedEffects implements Effects {
  readonly #queue: Pick<AnyQueue, 'path' | 'delivery'>;
  readonly #calls: ((transaction: Transaction) => unknown)[] = [];

  constructor(queue: Pick<AnyQueue, 'path' | 'delivery'>) {
    this.#queue = queue;
  }

  create(path: string, value: Bytes = '', options: NewNodeOptions = {}): this {
    return this.#add((transaction) => transaction.create(path, value, options));
  }

  set(path: string, value: Bytes, options: { readonly version?: number | undefined } = {}): this {
    return this.#add((transaction) => transaction.set(path, value, options));
  }

  delete(path: string, options: { readonly version?: number | undefined } = {}): this {
    return this.#add((transaction) => transaction.delete(path, options));
  }

  check(path: string, version: number): this {
    return this.#add((transaction) => transaction.check(path, version));
  }

  get count(): number {
    return this.#calls.length;
  }

  /** Adds them to a transaction. Throws what the client's builder throws at a call that cannot be. */
  addTo(transaction: Transaction): void {
    for (const call of this.#calls) {
      call(transaction);
    }
  }

  #add(call: (transaction: Transaction) => unknown): this {
    const { path, delivery } = this.#queue;
    if (delivery !== 'effectively-once') {
      const message = `this queue's delivery is ${delivery}: only 'effectively-once' has a transaction`;
      throw new RecipeError('INVALID_OPTION', path, message);
    }
    this.#calls.push(call);
    return this;
  }
}

/** Writes what a handler reports into an ephemeral node; of reports that come too fast, the latest. */
export class ProgressNode {
  readonly #client: Client;
  readonly #path: string;
  #latest: { readonly data: string } | null = null;
  #writing: Promise<void> | null = null;
  #hasWritten = false;

  constructor(client: Client, path: string) {
    this.#client = client;
    this.#path = path;
  }

  report(value: unknown): void {
    const data = JSON.stringify(value);
    if (data === undefined) {
      throw new RecipeError('INVALID_OPTION', this.#path, `progress: ${typeof value} has no form in JSON`);
    }
    this.#latest = { data };
    this.#writing ??= this.#write();
  }

  /** Removes the node; it would go with the session anyhow. */
  async end(): Promise<void> {
    this.#latest = null;
    await this.#writing;
    if (this.#hasWritten) {
      await remove(this.#client, this.#path);
    }
  }

  async #write(): Promise<void> {
    while (this.#latest !== null) {
      const { data } = this.#latest;
      this.#latest = null;
      this.#hasWritten = true;
      try {
        await this.#client.create(this.#path, data, { mode: 'ephemeral' });
      } catch {
        // It is there already, or there is no telling; progress that is lost is told by the next report.
        await this.#client.set(this.#path, data).catch(() => undefined);
      }
    }
    this.#writing = null;
  }
}
