/**
 * Results on their way into the tree: those of many tasks in one transaction, for a worker's throughput is bounded by
 * transactions in a row, not by their size.
 */
import { type Client, isTreekeeperError, type Transaction, TreekeeperError } from '@treekeeper/client';
import { forever } from '../forever.ts';
import type { CollectedEffects } from './attempt.ts';
import { type Body, decodeTask, encodeTask } from './records.ts';

/** A finished task. */
export interface Finished {
  readonly taskPath: string;
  readonly taskVersion: number;
  readonly assignmentPath: string;
  readonly assignmentVersion: number;
  readonly worker: string;
  readonly attempt: number;
  readonly result: Body;
  readonly effects: CollectedEffects;
  /** Whether the result counts though the assignment is gone. */
  readonly isWelcomeLate: boolean;
}

/** `lost`: the task is another's by now, or over. `refused`: by an effect, or for its size; the error says why. */
export type Delivered = 'done' | 'lost' | { readonly refused: unknown };

interface Entry {
  readonly finished: Finished;
  readonly data: Uint8Array;
  /** The assignment is gone: the task alone decides. */
  isLate: boolean;
  readonly settle: (delivered: Delivered) => void;
}

const ENTRIES_MAX = 50;
const BATCH_BYTES_MAX = 256 * 1024;

export class Outbox {
  readonly #client: Client;
  #entries: Entry[] = [];
  #isSending = false;

  constructor(client: Client) {
    this.#client = client;
  }

  /** Fulfils when the result is in the tree, or never will be. Outlives lost connections. */
  deliver(finished: Finished): Promise<Delivered> {
    const { worker, attempt, result } = finished;
    const data = encodeTask({ header: { state: 'done', worker, attempt }, body: result });
    return new Promise((settle) => {
      this.#entries.push({ finished, data, isLate: false, settle });
      if (!this.#isSending) {
        this.#isSending = true;
        void this.#sendAll();
      }
    });
  }

  async #sendAll(): Promise<void> {
    await null; // what finishes in the same stretch of work goes together
    while (this.#entries.length > 0) {
      await this.#send(this.#take());
    }
    this.#isSending = false;
  }

  #take(): Entry[] {
    let bytes = 0;
    const end = this.#entries.findIndex(({ data }, i) => {
      bytes += data.length;
      return i > 0 && (i === ENTRIES_MAX || bytes > BATCH_BYTES_MAX);
    });
    return this.#entries.splice(0, end < 0 ? this.#entries.length : end);
  }

  async #send(batch: Entry[]): Promise<void> {
    const owners: { readonly entry: Entry; readonly isEffect: boolean }[] = [];
    try {
      const transaction = this.#client.transaction();
      for (const entry of batch) {
        owners.push(...add(transaction, entry));
      }
      await transaction.commit(forever);
      for (const { settle } of batch) {
        settle('done');
      }
    } catch (error) {
      const index = error instanceof TreekeeperError ? error.failedIndex : undefined;
      const culprit = index === undefined ? undefined : owners[index];
      if (culprit !== undefined) {
        this.#refuse(culprit.entry, culprit.isEffect, error);
        this.#again(batch.filter((entry) => entry !== culprit.entry));
      } else if (isTreekeeperError(error, 'CONNECTION_LOSS')) {
        await Promise.all(batch.map((entry) => this.#verify(entry)));
      } else {
        await this.#giveUp(batch, error);
      }
    }
  }

  #again(entries: readonly Entry[]): void {
    this.#entries.unshift(...entries);
  }

  #refuse(entry: Entry, isEffect: boolean, error: unknown): void {
    if (isEffect) {
      entry.settle({ refused: error });
    } else if (entry.finished.isWelcomeLate && !entry.isLate) {
      entry.isLate = true;
      this.#again([entry]);
    } else {
      entry.settle('lost');
    }
  }

  /** Whether a transaction was done whose answer was lost; if not, it is sent again. */
  async #verify(entry: Entry): Promise<void> {
    const { taskPath, worker, attempt } = entry.finished;
    try {
      const { value } = await this.#client.get(taskPath, forever);
      const { header } = decodeTask(taskPath, value);
      if (header.state === 'done' && header.worker === worker && header.attempt === attempt) {
        entry.settle('done');
      } else {
        this.#again([entry]);
      }
    } catch {
      entry.settle('lost');
    }
  }

  /** The session is gone, or one of them is more than a server takes. */
  async #giveUp(batch: readonly Entry[], error: unknown): Promise<void> {
    const [first, ...others] = batch;
    if (first === undefined) {
      return;
    }
    if (isTreekeeperError(error, 'SESSION_EXPIRED') && this.#client.state !== 'expired') {
      for (const entry of batch) {
        this.#refuse(entry, false, error); // a new session has begun: late results can go through it
      }
      return;
    }
    if (others.length === 0) {
      return first.settle({ refused: error });
    }
    for (const entry of batch) {
      await this.#send([entry]);
    }
  }
}

/** Whose each operation is. */
function add(transaction: Transaction, entry: Entry): { readonly entry: Entry; readonly isEffect: boolean }[] {
  const { finished, data, isLate } = entry;
  const own = { entry, isEffect: false };
  const owners = [own];
  if (!isLate) {
    transaction.delete(finished.assignmentPath, { version: finished.assignmentVersion });
    owners.push(own);
  }
  transaction.set(finished.taskPath, data, { version: finished.taskVersion });
  finished.effects.addTo(transaction);
  for (let i = 0; i < finished.effects.count; i++) {
    owners.push({ entry, isEffect: true });
  }
  return owners;
}
