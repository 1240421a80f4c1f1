/** Submitting tasks and waiting for what comes of them. */
import { randomUUID } from 'node:crypto';
import { type Client, isTreekeeperError } from '@treekeeper/client';
import { RecipeError } from '../errors.ts';
import { nameOf } from '../paths.ts';
import { type Layout, openQueue, REPEAT_MS_MAX, type TaskQueue } from './queue.ts';
import { decodeTask, encodeBody, encodeTask, readable } from './records.ts';
import { TaskHandle } from './task-handle.ts';

/** Options of `submit`. */
export interface SubmitOptions {
  /**
   * The task's name, unique in its queue, up to 1,000 bytes: a second submission with it makes no second task, as long
   * as the first is kept.
   * @default a random one
   */
  readonly id?: string | undefined;
  /** Higher ones are given out first; any whole number. @default 0 */
  readonly priority?: number | undefined;
  /** It is not given out before so much time has passed. @default 0 */
  readonly delayMs?: number | undefined;
}

/** A task that was given up. */
export interface ParkedTask<Payload, Result> {
  readonly task: TaskHandle<Payload, Result>;
  readonly reason: 'failed' | 'rejected' | 'lost';
  /** What the last try ended with. */
  readonly error: string;
  readonly attempts: number;
}

/** Nodes in one request. */
const READS_MAX = 32;

/** Of a task's name: a master puts hundreds of them into one request, and must not be stopped by their length. */
const ID_BYTES_MAX = 1000;

/** From here on it matters that a task which is given up is longer than one that waits. */
const LARGE_BYTES = 16_384;
/** Of a longer header, other names and one more operation. */
const SPARE_BYTES = 1024;
/** How often a path of the queue is in the transaction that parks a task, and more. */
const PATHS = 4;

/** Who could submit a task can also park it, with the payload: a large one brings along the room for that. */
function spareOf(body: Uint8Array, path: string): number {
  return body.length < LARGE_BYTES ? 0 : SPARE_BYTES + PATHS * Buffer.byteLength(path);
}

/**
 * Submits tasks to a queue. A task that was submitted is in the tree, whatever happens to whoever submitted it: its
 * result can be awaited anywhere, by its id.
 *
 * @example
 * ```ts
 * const submitter = new Submitter(client, new TaskQueue<string, void>({ path: '/mails' }));
 * const first = await submitter.submit('to ann', { id: 'mail-1' });
 * const again = await submitter.submit('to ann', { id: 'mail-1' });
 * console.assert(first.isNew && !again.isNew);
 * ```
 */
export class Submitter<Payload, Result> {
  readonly #client: Client;
  readonly #queue: TaskQueue<Payload, Result>;
  #layout: Promise<Layout> | null = null;
  #serial = 0;

  constructor(client: Client, queue: TaskQueue<Payload, Result>) {
    this.#client = client;
    this.#queue = queue;
  }

  /**
   * Puts a task into the queue; fulfils when it is there for good. Many may be under way at a time. Rejects with
   * INVALID_OPTION, REQUEST_TOO_LARGE (keep the payload elsewhere, and submit where it is), QUOTA_EXCEEDED; with
   * CONNECTION_LOSS when the answer was lost and the servers are away for a minute: whether it is there, `status` will
   * tell.
   *
   * @example
   * ```ts
   * const submitter = new Submitter(client, new TaskQueue<number, number>({ path: '/numbers' }));
   * const tasks = await Promise.all([1, 2, 3].map((n) => submitter.submit(n, { priority: n })));
   * console.assert(new Set(tasks.map(({ id }) => id)).size === 3);
   * ```
   */
  async submit(payload: Payload, options: SubmitOptions = {}): Promise<TaskHandle<Payload, Result>> {
    const { id = randomUUID(), priority = 0, delayMs = 0 } = options;
    this.#demand(id !== '' && !id.includes('/'), `id is ${JSON.stringify(id)}: a node's name`);
    this.#demand(Buffer.byteLength(id) <= ID_BYTES_MAX, `id is longer than ${ID_BYTES_MAX} bytes: ${id}`);
    this.#demand(Number.isSafeInteger(priority), `priority is ${priority}: a whole number`);
    this.#demand(delayMs >= 0 && Number.isFinite(delayMs), `delayMs is ${delayMs}: 0 or more`);
    this.#serial += 1;
    const body = encodeBody(this.#queue.payload, payload);
    const header = { state: 'queued', priority, serial: this.#serial, delayMs } as const;
    const layout = await this.#open();
    const path = layout.task(id);
    const data = encodeTask({ header, body }, body instanceof Uint8Array ? spareOf(body, path) : 0);
    const created = await this.#create(path, data);
    // Behind a lost answer it may be this very submission; a name of the caller's own may be that of an earlier one.
    const isNew = created === 'created' || (created === 'found behind a loss' && options.id === undefined);
    return new TaskHandle(this.#client, this.#queue, layout, id, isNew);
  }

  /**
   * Repeats an attempt whose answer was lost: not for ever, for what it may have made is done some time, and is not
   * kept for ever either.
   */
  async #create(path: string, data: Uint8Array): Promise<'created' | 'found' | 'found behind a loss'> {
    const beganMs = performance.now();
    const over = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let loss: unknown = null;
    try {
      for (;;) {
        try {
          await this.#client.create(path, data, { signal: over.signal });
          return 'created';
        } catch (error) {
          if (isTreekeeperError(error, 'NODE_EXISTS')) {
            return loss === null ? 'found' : 'found behind a loss';
          }
          if (!isTreekeeperError(error, 'CONNECTION_LOSS')) {
            throw loss ?? error;
          }
          loss ??= error;
          timer ??= setTimeout(() => over.abort(), beganMs + REPEAT_MS_MAX - performance.now());
        }
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * A task by its id, whether it exists or not; the tree is touched by its calls only.
   *
   * @example
   * ```ts
   * const submitter = new Submitter(client, new TaskQueue({ path: '/jobs' }));
   * const task = await submitter.task('nightly');
   * console.assert((await task.status()).state === 'gone');
   * ```
   */
  async task(id: string): Promise<TaskHandle<Payload, Result>> {
    return new TaskHandle(this.#client, this.#queue, await this.#open(), id, false);
  }

  /**
   * All tasks that were given up, to be looked at, and then to `retry` or `forget`. Looks at every task of the queue.
   *
   * @example
   * ```ts
   * const submitter = new Submitter(client, new TaskQueue({ path: '/jobs' }));
   * for (const { task, reason } of await submitter.parked()) {
   *   await (reason === 'lost' ? task.retry() : task.forget());
   * }
   * ```
   */
  async parked(): Promise<ParkedTask<Payload, Result>[]> {
    const layout = await this.#open();
    const found: ParkedTask<Payload, Result>[] = [];
    for (const shard of layout.shards) {
      const paths = (await this.#client.children(shard)).map((id) => layout.task(id));
      for (let i = 0; i < paths.length; i += READS_MAX) {
        found.push(...(await this.#parkedAmong(layout, paths.slice(i, i + READS_MAX))));
      }
    }
    return found;
  }

  async #parkedAmong(layout: Layout, paths: readonly string[]): Promise<ParkedTask<Payload, Result>[]> {
    const results = await this.#client.multiRead(paths.map((get) => ({ get })));
    return paths.flatMap((path, i) => {
      const result = results[i];
      if (result === undefined || 'error' in result) {
        return []; // removed meanwhile
      }
      const header = readable(
        () => decodeTask(path, result.value).header,
        null,
        () => undefined,
      );
      if (header?.state !== 'parked') {
        return []; // or not ours
      }
      const { reason, error, attempts } = header;
      return [
        { task: new TaskHandle(this.#client, this.#queue, layout, nameOf(path), false), reason, error, attempts },
      ];
    });
  }

  #open(): Promise<Layout> {
    this.#layout ??= openQueue(this.#client, this.#queue).catch((error: unknown) => {
      this.#layout = null; // the next call may be luckier
      throw error;
    });
    return this.#layout;
  }

  #demand(holds: boolean, message: string): void {
    if (!holds) {
      throw new RecipeError('INVALID_OPTION', this.#queue.path, message);
    }
  }
}
