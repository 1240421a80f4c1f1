/** What a worker writes into an assignment: only into its own. */
import type { Client } from '@treekeeper/client';
import { orNull } from '../contenders.ts';
import { forever } from '../forever.ts';
import type { Layout, Try } from './queue.ts';
import { type AssignmentRecord, decodeAssignment, encodeRecord } from './records.ts';
import { isOutdated, isUndecided } from './refusals.ts';

/** Which assignment, as the worker found it. */
export interface Found extends Try {
  readonly worker: string;
  readonly attempt: number;
  /** Of the assignment's node: a try that has moved away may come back. */
  readonly czxid: bigint;
  readonly version: number;
  readonly taskVersion: number;
}

export class OwnAssignment {
  readonly #client: Client;
  readonly #found: Found;
  readonly #taskPath: string;
  readonly path: string;
  #version: number;

  constructor(client: Client, layout: Layout, found: Found) {
    this.#client = client;
    this.#found = found;
    this.#taskPath = layout.task(found.id);
    this.path = layout.assignment(found.worker, found);
    this.#version = found.version;
  }

  get version(): number {
    return this.#version;
  }

  /**
   * Writes what only this worker writes. False: it is no longer this worker's, or the life of the task is over, and
   * then the master removes it. Rejects with what else a server refuses it for.
   */
  async write(record: AssignmentRecord): Promise<boolean> {
    for (let attempts = 1; ; attempts++) {
      try {
        if (attempts > 1) {
          const before = this.#version;
          if (!(await this.#isMine(record))) {
            return false;
          }
          if (this.#version > before) {
            return true; // the answer was lost, not the deed
          }
        }
        const transaction = this.#client.transaction().check(this.#taskPath, this.#found.taskVersion);
        await transaction.set(this.path, encodeRecord(record), { version: this.#version }).commit(forever);
        this.#version += 1;
        return true;
      } catch (error) {
        if (isOutdated(error)) {
          return false;
        }
        if (!isUndecided(this.#client, error)) {
          throw error;
        }
      }
    }
  }

  /** Whether it is still this worker's, with or without the record. */
  async #isMine({ state }: AssignmentRecord): Promise<boolean> {
    await this.#client.sync(this.path, forever); // what went over a lost connection may be on its way to the tree
    const found = await orNull(this.#client.get(this.path, forever));
    if (found === null || found.stat.czxid !== this.#found.czxid) {
      return false;
    }
    const { version } = found.stat;
    if (version === this.#version + 1 && decodeAssignment(this.path, found.value).state === state) {
      this.#version = version;
    }
    return version === this.#version;
  }
}
