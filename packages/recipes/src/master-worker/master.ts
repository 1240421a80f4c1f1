/** The master of a queue: stands by until it is the one that leads, then gives tasks to workers. */
import { setMaxListeners } from 'node:events';
import { type Client, isTreekeeperError, type TransactionResult, TreekeeperError } from '@treekeeper/client';
import { type Clock, systemClock } from '../clock.ts';
import { Election } from '../election.ts';
import type { RecipeError } from '../errors.ts';
import { forever } from '../forever.ts';
import type { Hold } from '../hold.ts';
import { checkIdentity } from '../identity.ts';
import { pause } from '../repeat.ts';
import { inTerms } from './passing.ts';
import { Planner, type QueueStatus } from './planner.ts';
import { leastLoaded, type Policy } from './policy.ts';
import { type AnyQueue, type Layout, openQueue } from './queue.ts';
import { decodeTask, encodeTask } from './records.ts';
import { type Batch, batchesOf, type ParkStep, type Step } from './steps.ts';
import { TreeView } from './tree-view.ts';

/** Options of `Master`. */
export interface MasterOptions {
  /** Shown to whoever looks who leads or stands by. @default '' */
  readonly name?: string | undefined;
  /**
   * Who this program is, across its restarts. A run that was killed leads, or stands in line, until its session has
   * timed out; the next run with the same identity takes its place at once. No two masters that live at the same time
   * may have the same: the later one would end the leadership of the earlier one.
   */
  readonly identity?: string | undefined;
  /** Who gets a task. All masters of a queue should have the same. @default leastLoaded */
  readonly policy?: Policy | undefined;
  /** Tells when pauses, delays and keeping times are over. @default the machine's own */
  readonly clock?: Clock | undefined;
  /** Told of nodes in the queue that hold what no part of it has written: they are passed over. */
  readonly onInvalid?: ((error: RecipeError) => void) | undefined;
}

/** Options of `run`, of masters and workers. */
export interface RunOptions {
  /** Ends it in good order, which needs the servers: while none answers it waits, until they do or the session ends. */
  readonly signal?: AbortSignal | undefined;
}

/** Operations of one transaction: many share one write, yet no reply waits long for it. */
const OPERATIONS_MAX = 100;

/** Refusals of one step, without which the others go on: what it was decided on has changed, or a quota is used up. */
const ofOneStep: ReadonlySet<string> = new Set([
  'NO_NODE',
  'NODE_EXISTS',
  'BAD_VERSION',
  'NOT_EMPTY',
  'QUOTA_EXCEEDED',
]);

/**
 * A master. Start as many as you like: one leads, the others stand by. What a master knows is in the tree: whoever
 * leads next reads it there and goes on.
 *
 * On disconnect it stops leading at once and stands for it again, behind the others. On expiry, and when it crashes
 * or is paused, another leads. One that was only paused can still send what it had decided, but nothing of it
 * happens: each transaction carries the check that its sender leads.
 *
 * @example
 * ```ts
 * const queue = new TaskQueue<number, number>({ path: '/squares' });
 * const stop = new AbortController();
 * const master = new Master(client, queue).run({ signal: stop.signal });
 * const worker = new Worker(client, queue, async ({ payload }) => payload ** 2).run({ signal: stop.signal });
 * const task = await new Submitter(client, queue).submit(7);
 * console.assert((await task.result()) === 49);
 * stop.abort();
 * await Promise.all([master, worker]);
 * ```
 */
export class Master {
  readonly #client: Client;
  readonly #queue: AnyQueue;
  readonly #name: string;
  readonly #identity: string | undefined;
  readonly #policy: Policy;
  readonly #clock: Clock;
  readonly #onInvalid: (error: RecipeError) => void;
  #planner: Planner | null = null;
  #hold: Hold | null = null;

  /** Throws INVALID_OPTION. */
  constructor(client: Client, queue: AnyQueue, options: MasterOptions = {}) {
    checkIdentity(options.identity, queue.path);
    this.#client = client;
    this.#queue = queue;
    this.#name = options.name ?? '';
    this.#identity = options.identity;
    this.#onInvalid = options.onInvalid ?? (() => undefined);
    this.#policy = options.policy ?? leastLoaded;
    this.#clock = options.clock ?? systemClock;
  }

  /** Whether it leads, as far as it knows. */
  get isLeading(): boolean {
    return this.#hold !== null && !this.#hold.signal.aborted;
  }

  /** How the queue stands; null unless this master leads. Counting takes time for each task. */
  get status(): QueueStatus | null {
    return this.isLeading ? (this.#planner?.status ?? null) : null;
  }

  /**
   * Stands by and leads until the signal fires; then fulfils, and another leads at once. Outlives lost connections,
   * and lost sessions where the client begins new ones (`onExpired: 'new-session'`). Rejects with SESSION_EXPIRED or
   * CLOSED when the client is at its end, INVALID_OPTION or INVALID_DATA when the queue is another, NO_AUTH. A quota
   * that is used up, and nodes of the queue that were removed, are waited for and made again.
   *
   * @example
   * ```ts
   * const master = new Master(client, new TaskQueue({ path: '/jobs' }));
   * await master.run({ signal: AbortSignal.timeout(20) });
   * console.assert(!master.isLeading);
   * ```
   */
  async run({ signal = new AbortController().signal }: RunOptions = {}): Promise<void> {
    await inTerms(this.#client, signal, () => this.#term(signal));
  }

  async #term(signal: AbortSignal): Promise<void> {
    try {
      const layout = await openQueue(this.#client, this.#queue, { ...forever, signal });
      const election = new Election(this.#client, layout.masters, { identity: this.#identity });
      await using hold = await election.campaign({ signal, data: this.#name });
      this.#hold = hold;
      await this.#lead(layout, hold, signal);
    } finally {
      this.#hold = null;
      this.#planner = null;
    }
  }

  async #lead(layout: Layout, hold: Hold, signal: AbortSignal): Promise<void> {
    const ended = AbortSignal.any([hold.signal, signal]);
    setMaxListeners(0, ended); // every call that is under way listens
    await using view = await TreeView.open(this.#client, layout, ended, this.#onInvalid);
    const planner = new Planner(this.#queue, this.#policy);
    this.#planner = planner;
    const turn = new Turn(this.#client, layout, hold, ended, view, planner);
    let inVain = 0;
    while (!ended.aborted) {
      const news = view.next();
      for (const fact of await view.read(() => planner.known())) {
        planner.learn(fact);
      }
      const steps = planner.plan(this.#clock.now());
      const done = await turn.take(steps);
      inVain = steps.length > 0 && done === 0 ? inVain + 1 : 0;
      if (inVain > 1) {
        await pause(inVain - 1, ended); // another look did not help: somebody has to make room, or to tidy up
      }
      if (steps.length === 0 && !view.isNews && !ended.aborted) {
        await this.#rest(news, planner.dueMs, view.wake);
      }
    }
  }

  async #rest(news: Promise<void>, dueMs: number | null, wake: () => void): Promise<void> {
    const timer = dueMs === null ? null : this.#clock.after(dueMs - this.#clock.now(), wake);
    await news;
    timer?.cancel();
  }
}

/** Of a transaction: its zxid, or the steps that made the servers refuse it. */
type Outcome = { readonly zxid: bigint } | { readonly culprits: readonly Step[] };

/** Carries out what was planned. */
class Turn {
  readonly #client: Client;
  readonly #layout: Layout;
  readonly #hold: Hold;
  readonly #ended: AbortSignal;
  readonly #view: TreeView;
  readonly #planner: Planner;

  constructor(client: Client, layout: Layout, hold: Hold, ended: AbortSignal, view: TreeView, planner: Planner) {
    this.#client = client;
    this.#layout = layout;
    this.#hold = hold;
    this.#ended = ended;
    this.#view = view;
    this.#planner = planner;
  }

  /**
   * All steps, each done or refused and then marked to be looked at; answers how many were done. Rejects when it is not
   * known which.
   */
  async take(steps: readonly Step[]): Promise<number> {
    const parking = steps.filter((step) => step.kind === 'park');
    const others = steps.filter((step) => step.kind !== 'park');
    const batches = batchesOf(others, this.#layout, OPERATIONS_MAX, new Map());
    const done = await Promise.all([
      ...batches.map((batch) => this.#commit(batch)),
      ...parking.map((step) => this.#park(step)),
    ]);
    return done.reduce((sum, count) => sum + count, 0);
  }

  /**
   * A task that is parked keeps its payload, which is only read for that. Where both do not go into one request, the
   * payload goes without the error.
   */
  async #park(step: ParkStep): Promise<number> {
    const path = this.#layout.task(step.id);
    try {
      const { value, stat } = await this.#client.get(path, { ...forever, signal: this.#ended });
      if (stat.version === step.version) {
        const { body } = decodeTask(path, value);
        return await this.#commitParked(step, encodeTask({ header: step.header, body })).catch((error: unknown) => {
          if (!isTreekeeperError(error, 'REQUEST_TOO_LARGE')) {
            throw error;
          }
          return this.#commitParked(step, encodeTask({ header: { ...step.header, error: '' }, body }));
        });
      }
    } catch (error) {
      if (!isTreekeeperError(error, 'NO_NODE') && !isTreekeeperError(error, 'REQUEST_TOO_LARGE')) {
        throw error;
      }
    }
    this.#refuse(step);
    return 0;
  }

  #commitParked(step: ParkStep, parked: Uint8Array): Promise<number> {
    const [batch] = batchesOf([step], this.#layout, 1, new Map([[step, parked]]));
    return this.#commit(batch as Batch);
  }

  /**
   * Tries without those that are refused, until the rest goes through: they are named one by one, and are few. Answers
   * how many were done.
   */
  async #commit(first: Batch): Promise<number> {
    let batch: Batch | undefined = first;
    while (batch !== undefined) {
      const outcome: Outcome = await this.#transact(batch);
      if ('zxid' in outcome) {
        for (const step of batch.steps) {
          this.#planner.settle(step, outcome.zxid);
        }
        return batch.steps.length;
      }
      const { culprits } = outcome;
      const rest: readonly Step[] = batch.steps.filter((step) => !culprits.includes(step));
      for (const step of culprits) {
        this.#refuse(step);
      }
      [batch] = batchesOf(rest, this.#layout, Number.POSITIVE_INFINITY, new Map());
    }
    return 0;
  }

  async #transact({ operations, owners }: Batch): Promise<Outcome> {
    const transaction = this.#hold.guarded.transaction();
    for (const operation of operations) {
      if (operation.op === 'check') {
        transaction.check(operation.path, operation.version);
      } else if (operation.op === 'create') {
        transaction.create(operation.path, operation.data);
      } else if (operation.op === 'set') {
        transaction.set(operation.path, operation.data, { version: operation.version });
      } else {
        transaction.delete(operation.path, { version: operation.version });
      }
    }
    try {
      const results: readonly TransactionResult[] = await transaction.commit({ ...forever, signal: this.#ended });
      return { zxid: zxidOf(results) };
    } catch (error) {
      const failed = error instanceof TreekeeperError && ofOneStep.has(error.code) ? error.failedIndex : undefined;
      const culprits = failed === undefined ? undefined : owners[failed];
      if (culprits === undefined) {
        throw error;
      }
      return { culprits };
    }
  }

  #refuse(step: Step): void {
    if (step.kind === 'sweep') {
      this.#view.mark({ of: 'folder', worker: step.worker, id: '' });
    } else {
      this.#view.mark({ of: 'task', worker: '', id: step.id });
    }
    if (step.kind === 'assign') {
      this.#view.mark({ of: 'assignment', worker: step.worker, id: step.id, life: step.life });
      this.#view.mark({ of: 'worker', worker: step.worker, id: '' });
    }
    if ('replaces' in step && step.replaces !== null) {
      const { worker, life } = step.replaces;
      this.#view.mark({ of: 'assignment', worker, id: step.id, life });
    }
    this.#planner.settle(step, null);
  }
}

/** Of the transaction; 0n for one that has made and changed nothing: there is nobody to ask for it. */
function zxidOf(results: readonly TransactionResult[]): bigint {
  for (const result of results) {
    if (result.kind === 'set' || (result.kind === 'create' && result.stat !== null)) {
      return result.stat?.mzxid ?? 0n;
    }
  }
  return 0n;
}
