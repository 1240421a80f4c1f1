/** A task in the hands of a worker: begun when there is room, run, and its outcome reported. */
import type { Client } from '@treekeeper/client';
import { RecipeError } from '../errors.ts';
import { type Attempt, CollectedEffects, type Handler, ProgressNode, TaskRejected } from './attempt.ts';
import type { Outbox } from './outbox.ts';
import { type Found, OwnAssignment } from './own-assignment.ts';
import type { Layout, TaskQueue } from './queue.ts';
import { type Body, decodeBody, encodeBody } from './records.ts';
import type { Room } from './room.ts';

/** What all tasks of a worker have in common. */
export interface Duty<Payload, Result> {
  readonly queue: TaskQueue<Payload, Result>;
  readonly layout: Layout;
  readonly handler: Handler<Payload, Result>;
  readonly outbox: Outbox;
  readonly room: Room;
}

/** What is known of one. */
export interface Order extends Found {
  readonly token: bigint;
  readonly body: Body;
}

/** Of an error's text, in the tree. */
const ERROR_CHARACTERS_MAX = 1000;

export class Assigned<Payload, Result> {
  readonly #duty: Duty<Payload, Result>;
  readonly #order: Order;
  readonly #assignment: OwnAssignment;
  readonly #controller = new AbortController();
  readonly #effects: CollectedEffects;
  readonly #progress: ProgressNode;
  #stage: 'waiting' | 'running' | 'over' = 'waiting';
  #running: Promise<void> | null = null;
  #isDelivered = false;

  constructor(client: Client, duty: Duty<Payload, Result>, order: Order) {
    this.#duty = duty;
    this.#order = order;
    this.#assignment = new OwnAssignment(client, duty.layout, order);
    this.#progress = new ProgressNode(client, duty.layout.progress(order.id));
    this.#effects = new CollectedEffects(duty.queue);
  }

  /** Whether its result is in the tree, and the assignment out of it. */
  get isDelivered(): boolean {
    return this.#isDelivered;
  }

  get czxid(): bigint {
    return this.#order.czxid;
  }

  /**
   * Fulfils when it is over, one way or another. Rejects if what became of it cannot be told: then the worker has to
   * go, for the master waits for what a worker that is there has been given.
   */
  run(): Promise<void> {
    this.#running ??= this.#duty.room.enter(() => this.#execute());
    return this.#running;
  }

  /** It is no longer this worker's. */
  callOff(): void {
    if (this.#stage !== 'over') {
      const message = 'the task is no longer this worker’s; stop working on it';
      this.#controller.abort(new RecipeError('LOST', this.#assignment.path, message));
    }
  }

  /** Gives it back if it has not begun; fulfils when this worker has nothing more to do with it. Rejects as `run`. */
  giveBack(): Promise<void> {
    if (this.#stage === 'waiting') {
      this.#stage = 'over';
      this.#running = this.#return();
    }
    return this.run();
  }

  async #return(): Promise<void> {
    await this.#assignment.write({ state: 'returned', attempt: this.#order.attempt });
  }

  async #execute(): Promise<void> {
    if (this.#stage === 'over' || this.#controller.signal.aborted) {
      return;
    }
    this.#stage = 'running';
    try {
      if (this.#duty.queue.delivery !== 'at-most-once' || (await this.#begin())) {
        await this.#work();
      }
    } catch (error) {
      await this.#fail(error);
    } finally {
      this.#stage = 'over';
      await this.#progress.end();
    }
  }

  /** Where a task must not run twice, the tree knows of it before it runs. */
  async #begin(): Promise<boolean> {
    return await this.#assignment.write({ state: 'started', attempt: this.#order.attempt });
  }

  async #work(): Promise<void> {
    const { queue, handler, outbox, layout } = this.#duty;
    const { id, life, worker, attempt, taskVersion } = this.#order;
    const result = await handler(await this.#attempt());
    this.#stage = 'over'; // what becomes of the assignment from here on is no news to the handler
    const { path, version } = this.#assignment;
    const delivered = await outbox.deliver({
      id,
      life,
      layout,
      taskVersion,
      assignment: { path, version },
      worker,
      attempt,
      result: encodeBody(queue.result, result),
      effects: this.#effects,
      isWelcomeLate: queue.delivery === 'at-least-once',
    });
    if (typeof delivered === 'object') {
      throw delivered.refused;
    }
    this.#isDelivered = delivered === 'done';
  }

  async #attempt(): Promise<Attempt<Payload>> {
    const { queue } = this.#duty;
    const { id, attempt, token, body } = this.#order;
    const payload = await decodeBody(queue.payload, body).catch((cause: unknown) => {
      throw new TaskRejected(`the payload cannot be read: ${textOf(cause)}`, { cause });
    });
    return {
      id,
      payload,
      attempt,
      token,
      signal: this.#controller.signal,
      progress: (value) => this.#progress.report(value),
      transaction: this.#effects,
    };
  }

  async #fail(error: unknown): Promise<void> {
    const state = error instanceof TaskRejected ? 'rejected' : 'failed';
    const text = textOf(error).slice(0, ERROR_CHARACTERS_MAX);
    const report = { state, attempt: this.#order.attempt } as const;
    try {
      await this.#assignment.write({ ...report, error: text });
    } catch {
      await this.#assignment.write(report); // what refuses the text, a quota, may have room without it
    }
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
