/**
 * Results on their way into the tree: those of many tasks in one transaction, for a worker's throughput is bounded by
 * transactions in a row, not by their size.
 *
 * A result takes the try of its task with it, in the same transaction: as long as a try that was begun is there, the
 * task's node is the one that the try was made for, and then the version says whether that life goes on. A version
 * alone says nothing: a task that was made anew begins with the same ones. Where late results count, the try may be
 * somebody else's by then; it is taken away from whoever has it.
 */
import { type Client, type Transaction, TreekeeperError } from '@treekeeper/client';
import { forever } from '../forever.ts';
import type { CollectedEffects } from './attempt.ts';
import type { Layout, Try } from './queue.ts';
import { type Body, decodeTask, encodeTask } from './records.ts';
import { isOutdated, isUndecided } from './refusals.ts';
import { triesOf } from './tries.ts';

/** Where a try is. */
interface Place {
  readonly path: string;
  readonly version: number;
}

/** A finished task. */
export interface Finished extends Try {
  readonly layout: Layout;
  readonly taskVersion: number;
  readonly assignment: Place;
  readonly worker: string;
  readonly attempt: number;
  readonly result: Body;
  readonly effects: CollectedEffects;
  /** Whether the result counts though the try is another worker's by now. */
  readonly isWelcomeLate: boolean;
}

/** `lost`: the task is another's by now, or over. `refused`: for any other reason, which the error says. */
export type Delivered = 'done' | 'lost' | { readonly refused: unknown };

interface Entry {
  readonly finished: Finished;
  readonly data: Uint8Array;
  /** The try that ends with it. */
  assignment: Place;
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
    const { worker, attempt, result, assignment } = finished;
    const data = encodeTask({ header: { state: 'done', worker, attempt }, body: result });
    return new Promise((settle) => {
      this.#entries.push({ finished, data, assignment, settle });
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
        const { entry, isEffect } = culprit;
        this.#again(batch.filter((other) => other !== entry));
        if (isEffect || !isOutdated(error)) {
          entry.settle({ refused: error });
        } else {
          await this.#miss(entry);
        }
      } else if (isUndecided(this.#client, error)) {
        await Promise.all(batch.map((entry) => this.#verify(entry)));
      } else {
        await this.#giveUp(batch, error);
      }
    }
  }

  #again(entries: readonly Entry[]): void {
    this.#entries.unshift(...entries);
  }

  /** Its try is not where it was, or its life is over. */
  async #miss(entry: Entry): Promise<void> {
    const { layout, id, life, isWelcomeLate } = entry.finished;
    try {
      const tries = isWelcomeLate ? await triesOf(this.#client, layout, id) : [];
      const found = tries.find((other) => other.life === life);
      if (found === undefined || isSame(found, entry.assignment)) {
        return entry.settle('lost'); // with its try there, it was the task that is another by now
      }
      entry.assignment = found;
      this.#again([entry]);
    } catch (error) {
      this.#fail(entry, error);
    }
  }

  /** Whether a transaction was done whose answer was lost; if not, it is sent again. */
  async #verify(entry: Entry): Promise<void> {
    const { layout, id, worker, attempt } = entry.finished;
    const path = layout.task(id);
    try {
      const { value } = await this.#client.get(path, forever);
      const { header } = decodeTask(path, value);
      if (header.state === 'done' && header.worker === worker && header.attempt === attempt) {
        entry.settle('done');
      } else {
        this.#again([entry]);
      }
    } catch (error) {
      this.#fail(entry, error);
    }
  }

  /** It could not be looked at. */
  #fail(entry: Entry, error: unknown): void {
    if (isUndecided(this.#client, error)) {
      this.#again([entry]);
    } else {
      entry.settle(isOutdated(error) ? 'lost' : { refused: error });
    }
  }

  /** The client is at its end, or one of them is more than a server takes. */
  async #giveUp(batch: readonly Entry[], error: unknown): Promise<void> {
    const [first, ...others] = batch;
    if (others.length === 0) {
      return first?.settle({ refused: error });
    }
    for (const entry of batch) {
      await this.#send([entry]);
    }
  }
}

function isSame(a: Place, b: Place): boolean {
  return a.path === b.path && a.version === b.version;
}

/** Whose each operation is. */
function add(transaction: Transaction, entry: Entry): { readonly entry: Entry; readonly isEffect: boolean }[] {
  const { finished, data, assignment } = entry;
  const { layout, id, taskVersion, effects } = finished;
  transaction.delete(assignment.path, { version: assignment.version });
  transaction.set(layout.task(id), data, { version: taskVersion });
  effects.addTo(transaction);
  const own = { entry, isEffect: false };
  return [own, own, ...Array.from({ length: effects.count }, () => ({ entry, isEffect: true }))];
}
