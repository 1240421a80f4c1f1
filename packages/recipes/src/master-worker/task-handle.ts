/** A task that was submitted: its state, its result, and what can still be changed about it. */
import { type Client, isTreekeeperError, type Stat, type WatchableOptions } from '@treekeeper/client';
import { orNull } from '../contenders.ts';
import { RecipeError } from '../errors.ts';
import { forever } from '../forever.ts';
import { abortable, throwIfAborted } from '../seat.ts';
import { Vigil } from '../vigil.ts';
import type { Layout, TaskQueue } from './queue.ts';
import { decodeBody, decodeTask, encodeTask, type TaskHeader, type TaskRecord } from './records.ts';
import { isOutdated } from './refusals.ts';
import { triesOf } from './tries.ts';

/** `queued`: waiting or being done. `gone`: there is no such task, or it is no longer kept. */
export type TaskStatus =
  | { readonly state: 'queued' | 'done' | 'cancelled' | 'gone' }
  | { readonly state: 'parked'; readonly reason: 'failed' | 'rejected' | 'lost'; readonly error: string };

/** Options of calls that wait. */
export interface AwaitOptions {
  /** Gives up waiting, with ABORTED; the task goes on. */
  readonly signal?: AbortSignal | undefined;
}

interface Found {
  readonly record: TaskRecord;
  readonly stat: Stat;
}

/**
 * One task. What it is asked for is read from the tree, so that any process can have a handle on any task.
 *
 * @example
 * ```ts
 * const task = await new Submitter(client, new TaskQueue({ path: '/jobs' })).submit('report');
 * console.assert(task instanceof TaskHandle && (await task.cancel()));
 * console.assert((await task.status()).state === 'cancelled');
 * ```
 */
export class TaskHandle<Payload, Result> {
  readonly #client: Client;
  readonly #queue: TaskQueue<Payload, Result>;
  readonly #layout: Layout;
  readonly #path: string;
  readonly id: string;
  /** Whether this submission has made the task, rather than found it. */
  readonly isNew: boolean;

  constructor(client: Client, queue: TaskQueue<Payload, Result>, layout: Layout, id: string, isNew: boolean) {
    this.#client = client;
    this.#queue = queue;
    this.#layout = layout;
    this.#path = layout.task(id);
    this.id = id;
    this.isNew = isNew;
  }

  /**
   * Waits for the result. Outlives lost connections. Rejects with TASK_PARKED, TASK_CANCELLED, TASK_GONE, ABORTED;
   * with SESSION_EXPIRED when the client is at its end.
   */
  async result({ signal }: AwaitOptions = {}): Promise<Result> {
    const vigil = new Vigil(this.#client);
    try {
      // The change is mostly the end, behind which a watch would have to be taken back.
      for (let isWatched = true; ; isWatched = !isWatched) {
        throwIfAborted(signal, this.#path);
        const changed = isWatched ? vigil.next() : null;
        const found = await (isWatched ? this.#readFrom(vigil, signal) : this.#read({ signal }));
        const { header, body } = found?.record ?? gone(this.#path);
        if (header.state === 'done') {
          return await decodeBody(this.#queue.result, body);
        }
        if (header.state !== 'queued') {
          throw failure(this.#path, header);
        }
        if (changed !== null) {
          await abortable(changed, signal, this.#path, () => undefined);
        }
      }
    } finally {
      vigil.takeBack();
    }
  }

  /** What has become of it so far. */
  async status(): Promise<TaskStatus> {
    const found = await this.#read();
    if (found === null) {
      return { state: 'gone' };
    }
    const { header } = found.record;
    return header.state === 'parked'
      ? { state: 'parked', reason: header.reason, error: header.error }
      : { state: header.state };
  }

  /**
   * Takes it back: it is not begun any more, whoever works on it is told to stop, and whatever comes of it does not
   * count. Fulfils with false when it is over already.
   */
  async cancel(): Promise<boolean> {
    return await this.#change(({ header, body }) => {
      if (header.state !== 'queued' && header.state !== 'parked') {
        return null;
      }
      const { priority, serial } = header;
      return { header: { state: 'cancelled', priority, serial }, body };
    });
  }

  /** Has it tried anew, as often as a new one. Fulfils with false unless it was parked or cancelled. */
  async retry(): Promise<boolean> {
    return await this.#change(({ header, body }) => {
      if (header.state !== 'parked' && header.state !== 'cancelled') {
        return null;
      }
      const { priority, serial } = header;
      return { header: { state: 'queued', priority, serial, delayMs: 0 }, body };
    });
  }

  /**
   * Removes it with its result, which would be kept for `keepMs`, and whatever is left of its tries. Fulfils with false
   * when it is not over, with true when it is not there any more.
   */
  async forget(): Promise<boolean> {
    for (let czxid: bigint | undefined; ; ) {
      const found = await this.#read();
      if (found === null || found.stat.czxid !== (czxid ?? found.stat.czxid)) {
        return true; // the other one has its name, and was submitted since
      }
      const { header } = found.record;
      if (header.state === 'queued') {
        return false;
      }
      czxid = found.stat.czxid;
      // A result and a parking take the try with them; who takes a task back leaves it where it is.
      const tries = header.state === 'cancelled' ? await triesOf(this.#client, this.#layout, this.id) : [];
      const transaction = this.#client.transaction().delete(this.#path, { version: found.stat.version });
      for (const { path, version } of tries) {
        transaction.delete(path, { version });
      }
      try {
        await transaction.commit(forever);
        return true;
      } catch (error) {
        // Others do something about it at the same time, or it is not known what has become of it: look again.
        if (!isOutdated(error) && !isTreekeeperError(error, 'CONNECTION_LOSS')) {
          throw error;
        }
      }
    }
  }

  /**
   * What its handler reports, each time it is another, until the task is over; of reports that come too fast, the
   * latest.
   *
   * @example
   * ```ts
   * const queue = new TaskQueue<number, number>({ path: '/slow' });
   * const task = await new Submitter(client, queue).submit(1);
   * await task.cancel();
   * for await (const progress of task.progress()) {
   *   console.assert(progress !== null);
   * }
   * ```
   */
  async *progress({ signal }: AwaitOptions = {}): AsyncGenerator<unknown, void, undefined> {
    const vigil = new Vigil(this.#client);
    let last: string | null = null;
    try {
      for (;;) {
        throwIfAborted(signal, this.#path);
        const changed = vigil.next();
        const found = await this.#readFrom(vigil, signal);
        if (found?.record.header.state !== 'queued') {
          return;
        }
        const report = await this.#readProgress(vigil, signal);
        if (report !== null && report.text !== last) {
          last = report.text;
          yield report.value;
        }
        await abortable(changed, signal, this.#path, () => undefined);
      }
    } finally {
      vigil.takeBack();
    }
  }

  #readFrom(vigil: Vigil, signal: AbortSignal | undefined): Promise<Found | null> {
    return vigil.look(this.#path, 'data', (watch) => this.#read({ signal, watch }));
  }

  async #read(options: WatchableOptions = {}): Promise<Found | null> {
    const found = await orNull(this.#client.get(this.#path, { ...forever, ...options }));
    return found === null ? null : { record: decodeTask(this.#path, found.value), stat: found.stat };
  }

  async #readProgress(
    vigil: Vigil,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly text: string; readonly value: unknown } | null> {
    const path = this.#layout.progress(this.id);
    const stat = await vigil.look(path, 'data', (watch) => this.#client.exists(path, { ...forever, signal, watch }));
    const found = stat === null ? null : await orNull(this.#client.get(path, { ...forever, signal }));
    if (found === null) {
      return null; // not there yet; or removed meanwhile, and the bell has rung
    }
    const text = Buffer.from(found.value).toString();
    return { text, value: JSON.parse(text) };
  }

  /** Replaces it by what `change` makes of it; null: nothing to do. As long as others change it, too, looks again. */
  async #change(change: (record: TaskRecord) => TaskRecord | null): Promise<boolean> {
    for (;;) {
      const found = await this.#read();
      const changed = change(found?.record ?? gone(this.#path));
      if (found === null || changed === null) {
        return false;
      }
      try {
        const { version } = found.stat;
        await this.#client.set(this.#path, encodeTask(changed), { version, idempotent: true });
        return true;
      } catch (error) {
        if (!isOutdated(error)) {
          throw error;
        }
      }
    }
  }
}

function gone(path: string): never {
  throw new RecipeError('TASK_GONE', path);
}

function failure(path: string, header: TaskHeader): RecipeError {
  return header.state === 'parked'
    ? new RecipeError('TASK_PARKED', path, `${header.reason} after ${header.attempts} tries: ${header.error}`)
    : new RecipeError('TASK_CANCELLED', path);
}
