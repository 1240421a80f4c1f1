/**
 * What a worker writes into an assignment: only into its own, and only about the life of the task that it was given.
 * Names and versions do not tell: a task that was taken back and submitted again may be given to the same worker again,
 * and the new assignment has the path of the old one, and its first version.
 */
import { type Client, isTreekeeperError } from '@treekeeper/client';
import { isRecipeError } from '../errors.ts';
import { forever } from '../forever.ts';
import type { Layout } from './queue.ts';
import { type AssignmentRecord, decodeAssignment, encodeRecord } from './records.ts';

/** Which assignment, as the worker found it. */
export interface Found {
  readonly id: string;
  readonly worker: string;
  readonly attempt: number;
  /** Of the assignment's node. */
  readonly czxid: bigint;
  readonly version: number;
  readonly taskVersion: number;
}

/** `moved`: the task has another version than was thought. `over`: the assignment is gone, or another. */
type Written = 'done' | 'moved' | 'over';

interface Look {
  readonly taskVersion: number;
  /** Of the assignment, which is still the one. */
  readonly version: number;
  readonly state: AssignmentRecord['state'];
}

const FIRST_TRY_RETURNED: AssignmentRecord = { state: 'returned', attempt: 1 };

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
    this.path = layout.assignment(found.worker, found.id);
    this.#version = found.version;
  }

  get version(): number {
    return this.#version;
  }

  /** False: it is no longer this worker's, or of another life of the task, and then it was given back. */
  async write(record: AssignmentRecord): Promise<boolean> {
    const written = await this.#attempt(record, this.#found.taskVersion);
    if (written === 'moved') {
      await this.settle(record);
    }
    return written === 'done';
  }

  /**
   * After something about it was refused: a master that goes by what is there would wait for this worker for ever, if
   * it is still this one's. It is given back if the task was taken back and submitted again meanwhile, whose tries
   * begin anew; if not, `record` is written.
   */
  async settle(record: AssignmentRecord): Promise<void> {
    let written: Written;
    do {
      const look = await this.#look();
      if (look?.version !== this.#version) {
        return;
      }
      const isSameLife = look.taskVersion === this.#found.taskVersion;
      written = await this.#attempt(isSameLife ? record : FIRST_TRY_RETURNED, look.taskVersion);
    } while (written === 'moved');
  }

  /** Of a record that only this worker writes. */
  async #attempt(record: AssignmentRecord, taskVersion: number): Promise<Written> {
    for (;;) {
      try {
        const transaction = this.#client.transaction().check(this.#taskPath, taskVersion);
        await transaction.set(this.path, encodeRecord(record), { version: this.#version }).commit(forever);
        this.#version += 1;
        return 'done';
      } catch (error) {
        if (!isTreekeeperError(error, 'CONNECTION_LOSS')) {
          return isTreekeeperError(error, 'BAD_VERSION') && error.failedIndex === 0 ? 'moved' : passIfRefused(error);
        }
      }
      const look = await this.#look();
      if (look?.version === this.#version + 1 && look.state === record.state) {
        this.#version += 1;
        return 'done'; // the answer was lost, not the deed
      }
      if (look?.version !== this.#version) {
        return 'over';
      }
    }
  }

  /** Null: it is not there, or its name is that of another, or the task is gone. */
  async #look(): Promise<Look | null> {
    try {
      await this.#client.sync(this.path, forever); // what went over a lost connection may be on its way to the tree
      const [assignment, task] = await this.#client.multiRead([{ get: this.path }, { get: this.#taskPath }], forever);
      if ('error' in assignment || 'error' in task || assignment.stat.czxid !== this.#found.czxid) {
        return null;
      }
      const { state } = decodeAssignment(this.path, assignment.value);
      return { taskVersion: task.stat.version, version: assignment.stat.version, state };
    } catch (error) {
      passIfRefused(error);
      return null;
    }
  }
}

/** Refused, or the session has ended, or the node holds something else. */
function passIfRefused(error: unknown): 'over' {
  if (isTreekeeperError(error) || isRecipeError(error)) {
    return 'over';
  }
  throw error;
}
