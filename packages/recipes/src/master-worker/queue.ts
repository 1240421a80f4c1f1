/** A queue of tasks: what all who take part must agree on, and where its nodes are. */
import { type CallOptions, type Client, type Codec, isTreekeeperError, json } from '@treekeeper/client';
import { RecipeError } from '../errors.ts';
import { join, nameOf } from '../paths.ts';
import { parsed } from './records.ts';

/**
 * How often a task may run. See `TaskQueueOptions.delivery`.
 *
 * @example
 * ```ts
 * const delivery: Delivery = new TaskQueue({ path: '/mails' }).delivery;
 * console.assert(delivery === 'effectively-once');
 * ```
 */
export type Delivery = 'at-least-once' | 'at-most-once' | 'effectively-once';

/** What a queue is. */
export interface TaskQueueOptions<Payload, Result> {
  /** The queue's node; it is made when it is missing. */
  readonly path: string;
  /** @default json() */
  readonly payload?: Codec<Payload> | undefined;
  /** @default json() */
  readonly result?: Codec<Result> | undefined;
  /**
   * - `at-least-once`: a task runs until a handler has finished. It may run twice, even at the same time; the first
   *   result counts, also that of a worker that was taken for dead meanwhile.
   * - `at-most-once`: a task is started once. If its worker goes before it has finished, it is parked as `lost`.
   * - `effectively-once`: it may run again, but the result counts only while the task is still the worker's own, and
   *   what
   *   the handler adds to `attempt.transaction` happens with the result: all of it, once, or nothing.
   *
   * It is fixed when the queue is made. @default 'effectively-once'
   */
  readonly delivery?: Delivery | undefined;
  /** A task that was tried so often in vain is parked. 1 to 1000. @default 3 */
  readonly triesMax?: number | undefined;
  /** Pause before the second try; it doubles with each further one. @default 0 */
  readonly retryDelayMs?: number | undefined;
  /**
   * How long results, and tasks that were cancelled, are kept; Infinity: until `forget`. Whatever it is, they are kept
   * for two minutes after the leading master has first seen them so: a submission whose answer was lost finds its task,
   * and does not make it a second time. @default 3600000
   */
  readonly keepMs?: number | undefined;
  /**
   * Over how many nodes the tasks are spread, so that no list of children gets too long: 1 to 1024. It is fixed when
   * the queue is made. @default 64
   */
  readonly shards?: number | undefined;
}

/** 2: a try bears the life of its task in its name. */
const FORMAT = 2;

/** For so long a submission is repeated whose answer was lost; see `TaskQueueOptions.keepMs`. */
export const REPEAT_MS_MAX = 60_000;

const deliveries: readonly Delivery[] = ['at-least-once', 'at-most-once', 'effectively-once'];

/**
 * A queue, as submitters, masters and workers are told of it: everybody makes it with the same options, most simply
 * from one module. Making it costs nothing; the tree is touched by those who use it.
 *
 * @example
 * ```ts
 * interface Mail { to: string }
 * const mails = new TaskQueue({ path: '/mails', payload: json<Mail>(), result: utf8, triesMax: 5 });
 * const task = await new Submitter(client, mails).submit({ to: 'ann' });
 * console.assert((await task.status()).state === 'queued');
 * ```
 */
export class TaskQueue<Payload = unknown, Result = unknown> {
  readonly path: string;
  readonly payload: Codec<Payload>;
  readonly result: Codec<Result>;
  readonly delivery: Delivery;
  readonly triesMax: number;
  readonly retryDelayMs: number;
  readonly keepMs: number;
  readonly shards: number;

  constructor(options: TaskQueueOptions<Payload, Result>) {
    const { path, delivery = 'effectively-once', triesMax = 3, shards = 64 } = options;
    const { retryDelayMs = 0, keepMs = 3_600_000 } = options;
    const demand = (holds: boolean, message: string): void => {
      if (!holds) {
        throw new RecipeError('INVALID_OPTION', path, message);
      }
    };
    demand(path.startsWith('/') && path !== '/', `path must be absolute and not the root: ${path}`);
    demand(deliveries.includes(delivery), `delivery is ${delivery}: it may be ${deliveries.join(', ')}`);
    demand(isWhole(triesMax, 1, 1000), `triesMax is ${triesMax}: a whole number from 1 to 1000`);
    demand(isWhole(shards, 1, 1024), `shards is ${shards}: a whole number from 1 to 1024`);
    demand(retryDelayMs >= 0, `retryDelayMs is ${retryDelayMs}: 0 or more`);
    demand(keepMs >= 0, `keepMs is ${keepMs}: 0 or more, or Infinity`);
    this.path = path;
    this.payload = options.payload ?? (json() as Codec<Payload>);
    this.result = options.result ?? (json() as Codec<Result>);
    this.delivery = delivery;
    this.triesMax = triesMax;
    this.retryDelayMs = retryDelayMs;
    this.keepMs = keepMs;
    this.shards = shards;
  }
}

function isWhole(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}

/** A queue whatever its types are: what does not touch payloads takes this. */
export type AnyQueue = Pick<TaskQueue, 'path' | 'delivery' | 'triesMax' | 'retryDelayMs' | 'keepMs' | 'shards'>;

/**
 * What a try is one of. A life of a task begins with the write that queues it, by `submit` or by `retry`, whose zxid is
 * the life's name: it is the task's `mzxid`, for as long as the task is queued nothing writes to it. What is said about
 * one life can so never be taken for news of another, which would have the same paths and versions again.
 */
export interface Try {
  readonly id: string;
  readonly life: bigint;
}

const LIFE_MARK = '~';

/** By the name of its node; null: that is no try's. */
export function tryNamed(name: string): Try | null {
  const at = name.lastIndexOf(LIFE_MARK);
  const life = name.slice(at + 1);
  return at > 0 && /^[0-9a-f]{1,16}$/.test(life) ? { id: name.slice(0, at), life: BigInt(`0x${life}`) } : null;
}

/** Where the nodes of a queue are; see docs/decisions/0016-master-worker.md. */
export class Layout {
  readonly root: string;
  readonly masters: string;
  readonly workers: string;
  readonly assigned: string;
  readonly tasks: string;
  readonly shards: readonly string[];
  readonly #progress: string;

  constructor(queue: AnyQueue) {
    this.root = queue.path;
    this.masters = join(this.root, 'masters');
    this.workers = join(this.root, 'workers');
    this.assigned = join(this.root, 'assigned');
    this.tasks = join(this.root, 'tasks');
    this.#progress = join(this.root, 'progress');
    this.shards = Array.from({ length: queue.shards }, (_, i) => join(this.tasks, i.toString(16).padStart(3, '0')));
  }

  /** All nodes of an empty queue but its root, parents first. */
  get skeleton(): readonly string[] {
    return [this.masters, this.workers, this.assigned, this.#progress, this.tasks, ...this.shards];
  }

  task(id: string): string {
    return join(this.shards[hash(id) % this.shards.length] as string, id);
  }

  worker(worker: string): string {
    return join(this.workers, worker);
  }

  folder(worker: string): string {
    return join(this.assigned, worker);
  }

  assignment(worker: string, { id, life }: Try): string {
    return join(this.folder(worker), `${id}${LIFE_MARK}${life.toString(16)}`);
  }

  progress(id: string): string {
    return join(this.#progress, id);
  }
}

/** FNV-1a, 32 bits: spreads ids over shards, in every process alike. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  }
  return value >>> 0;
}

/**
 * Where a queue's nodes are; they are made when they are missing. Rejects with INVALID_OPTION when the queue was made
 * with other options, INVALID_DATA when the node is something else.
 */
export async function openQueue(client: Client, queue: AnyQueue, options: CallOptions = {}): Promise<Layout> {
  const layout = new Layout(queue);
  const { path, delivery, shards } = queue;
  for (;;) {
    const existing = await read(client, path, options);
    if (existing !== null) {
      compare(queue, existing);
      await mend(client, layout, options);
      return layout;
    }
    const parent = path.slice(0, path.lastIndexOf('/'));
    if (parent !== '' && (await client.exists(parent, options)) === null) {
      await client.create(parent, null, { ...options, createParents: true, idempotent: true }).catch(passIfExists);
    }
    const transaction = client.transaction();
    transaction.create(path, JSON.stringify({ format: FORMAT, delivery, shards }));
    for (const node of layout.skeleton) {
      transaction.create(node, null);
    }
    await transaction.commit(options).catch((error: unknown) => {
      // Another was quicker, or it was this one and the answer is lost: the next look tells.
      if (!isTreekeeperError(error, 'CONNECTION_LOSS')) {
        passIfExists(error);
      }
    });
  }
}

/** Makes what somebody has removed. */
async function mend(client: Client, layout: Layout, options: CallOptions): Promise<void> {
  for (const parent of [layout.root, layout.tasks]) {
    const names = await client.children(parent, options);
    for (const node of layout.skeleton) {
      if (node === join(parent, nameOf(node)) && !names.includes(nameOf(node))) {
        await client.create(node, null, { ...options, idempotent: true }).catch(passIfExists);
      }
    }
  }
}

function passIfExists(error: unknown): null {
  if (isTreekeeperError(error, 'NODE_EXISTS')) {
    return null;
  }
  throw error;
}

async function read(client: Client, path: string, options: CallOptions): Promise<Record<string, unknown> | null> {
  try {
    const { value } = await client.get(path, options);
    return parsed(path, value);
  } catch (error) {
    if (isTreekeeperError(error, 'NO_NODE')) {
      return null;
    }
    throw error;
  }
}

function compare({ path, delivery, shards }: AnyQueue, existing: Record<string, unknown>): void {
  if (existing['format'] !== FORMAT) {
    const format = JSON.stringify(existing['format']);
    throw new RecipeError('INVALID_DATA', path, `this is no task queue of format ${FORMAT}; its format is ${format}`);
  }
  for (const [name, value] of Object.entries({ delivery, shards })) {
    if (existing[name] !== value) {
      throw new RecipeError(
        'INVALID_OPTION',
        path,
        `the queue was made with ${name} ${existing[name]}, not ${value}; all who use it must agree on it`,
      );
    }
  }
}
