/** What the tests of a task queue have in common. */
import type { Client } from '@treekeeper/client';
import { expect } from 'vitest';
import { Bell } from '../../src/bell.ts';
import {
  type Attempt,
  type Handler,
  Master,
  type MasterOptions,
  type TaskQueue,
  Worker,
  type WorkerOptions,
} from '../../src/master-worker/index.ts';

/** Something that runs until it is stopped; rejects with what it failed with. */
export interface Running {
  /** Settles when it has ended by itself, or after `stop`. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

function running(run: (signal: AbortSignal) => Promise<void>): Running {
  const controller = new AbortController();
  const ended = run(controller.signal);
  ended.catch(() => undefined); // whoever stops it, or asks, hears of it
  return {
    ended,
    async stop() {
      controller.abort();
      await ended;
    },
  };
}

export function startMaster<P, R>(
  client: Client,
  queue: TaskQueue<P, R>,
  options?: MasterOptions,
): Running & { readonly master: Master } {
  const master = new Master(client, queue, options);
  return { master, ...running((signal) => master.run({ signal })) };
}

export function startWorker<P, R>(
  client: Client,
  queue: TaskQueue<P, R>,
  handler: Handler<P, R>,
  options?: WorkerOptions,
): Running {
  const worker = new Worker(client, queue, handler, options);
  return running((signal) => worker.run({ signal }));
}

/** A handler that stops in the middle of each attempt until the test lets it go on. */
export class Steered<P, R> {
  readonly attempts: Attempt<P>[] = [];
  readonly #waiting: { resolve(result: R): void; reject(error: unknown): void }[] = [];
  readonly #bell = new Bell();

  readonly handler: Handler<P, R> = (attempt) => {
    this.attempts.push(attempt);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#bell.ring();
    });
  };

  /** Fulfils when so many attempts have begun. */
  async begun(count: number): Promise<readonly Attempt<P>[]> {
    for (let next = this.#bell.next(); this.attempts.length < count; next = this.#bell.next()) {
      await next;
    }
    return this.attempts;
  }

  finish(index: number, result: R): void {
    this.#waiting[index]!.resolve(result);
  }

  fail(index: number, error: unknown): void {
    this.#waiting[index]!.reject(error);
  }
}

/** Asks until it is so; each question is a round trip, so it takes its time by itself. */
export async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Whoever was told nothing of it is told now. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
    }
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** No assignment is left, and no folder of a worker that has gone. */
export async function expectTidy(client: Client, queue: TaskQueue<never, never> | { readonly path: string }) {
  await until(async () => (await client.children(`${queue.path}/assigned`)).length === 0);
  expect(await client.children(`${queue.path}/workers`)).toEqual([]);
  expect(await client.children(`${queue.path}/progress`)).toEqual([]);
}
