/** Workers: they join a queue, and do what the master gives them. */
import type { Client } from '@treekeeper/client';
import { RecipeError } from '../errors.ts';
import { forever } from '../forever.ts';
import type { Duty } from './assigned.ts';
import type { Handler } from './attempt.ts';
import type { RunOptions } from './master.ts';
import { Outbox } from './outbox.ts';
import { inTerms } from './passing.ts';
import { openQueue, type TaskQueue } from './queue.ts';
import { Room } from './room.ts';
import { Shift } from './shift.ts';

/** Options of `Worker`. */
export interface WorkerOptions {
  /** What its node's name begins with; a unique part follows. @default 'worker' */
  readonly name?: string | undefined;
  /** How many tasks it is given at a time: those that run, and those that wait for them. @default concurrency */
  readonly capacity?: number | undefined;
  /** How many run at the same time. @default 10 */
  readonly concurrency?: number | undefined;
  /** What it tells policies about itself; it must have a form in JSON. @default {} */
  readonly data?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * A worker. It joins by an ephemeral node; the master gives it tasks as far as it has room, and gives them to others
 * when it goes.
 *
 * On disconnect it goes on working, and its results are committed when the connection is back. When its session might
 * have expired (a third of the timeout after the loss) the signals of its tasks fire, and it joins again as a new
 * worker. After a crash its tasks are given to others, or parked, as the queue's delivery says. A worker that was
 * only paused cannot commit what has been given to another meanwhile: each commit carries the check that the task is
 * still its own.
 *
 * @example
 * ```ts
 * const queue = new TaskQueue<string, string>({ path: '/shouts' });
 * const worker = new Worker(client, queue, async ({ payload }) => payload.toUpperCase(), { concurrency: 4 });
 * await worker.run({ signal: AbortSignal.timeout(20) });
 * ```
 */
export class Worker<Payload, Result> {
  readonly #client: Client;
  readonly #queue: TaskQueue<Payload, Result>;
  readonly #handler: Handler<Payload, Result>;
  readonly #name: string;
  readonly #capacity: number;
  readonly #concurrency: number;
  readonly #data: Readonly<Record<string, unknown>>;

  constructor(
    client: Client,
    queue: TaskQueue<Payload, Result>,
    handler: Handler<Payload, Result>,
    options: WorkerOptions = {},
  ) {
    const { name = 'worker', concurrency = 10, data = {} } = options;
    const { capacity = concurrency } = options;
    for (const [key, value] of Object.entries({ concurrency, capacity })) {
      if (!Number.isInteger(value) || value < 1) {
        throw new RecipeError('INVALID_OPTION', queue.path, `${key} is ${value}: a whole number, 1 or more`);
      }
    }
    if (name.includes('/')) {
      throw new RecipeError('INVALID_OPTION', queue.path, `name is ${name}: it becomes part of one node's name`);
    }
    this.#client = client;
    this.#queue = queue;
    this.#handler = handler;
    this.#name = name;
    this.#capacity = capacity;
    this.#concurrency = concurrency;
    this.#data = data;
  }

  /**
   * Works until the signal fires; then gives back what has not begun, finishes what has, and fulfils: no handler runs
   * any more then, not even one that was told to stop. Outlives lost connections, and lost sessions where the client
   * begins new ones (`onExpired: 'new-session'`). Rejects with SESSION_EXPIRED or CLOSED when the client is at its
   * end, INVALID_OPTION or INVALID_DATA when the queue is another, NO_AUTH. A quota that is used up is waited for, and
   * nodes of the queue that were removed are made again.
   *
   * @example
   * ```ts
   * const worker = new Worker(client, new TaskQueue({ path: '/jobs' }), async () => 'done');
   * await worker.run({ signal: AbortSignal.timeout(20) });
   * ```
   */
  async run({ signal = new AbortController().signal }: RunOptions = {}): Promise<void> {
    const outbox = new Outbox(this.#client);
    const room = new Room(this.#concurrency);
    const record = { capacity: this.#capacity, data: this.#data };
    const leaving = new Set<Promise<void>>();
    await inTerms(this.#client, signal, async () => {
      const layout = await openQueue(this.#client, this.#queue, { ...forever, signal });
      const duty: Duty<Payload, Result> = { queue: this.#queue, layout, handler: this.#handler, outbox, room };
      const shift = await Shift.begin(this.#client, duty, this.#name, record);
      try {
        await shift.over(signal);
      } finally {
        // A shift that was lost is not waited for: a handler may take its time to notice.
        const left = shift.leave().finally(() => leaving.delete(left));
        leaving.add(left);
      }
    });
    await Promise.all(leaving);
  }
}
