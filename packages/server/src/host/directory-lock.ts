/** Keeps two servers out of one directory, which would write over each other's files. */
import { readFileSync, realpathSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StorageError } from '../io/storage-error.ts';

export const LOCK_NAME = 'treekeeper.lock';

/** Directories locked by this process: a lock file with our own number says nothing about them. */
const lockedHere = new Set<string>();

/**
 * A file that names its owner. It does not have to be removed: after a kill the next server sees that the owner is
 * gone. Servers on different machines with a shared file system do not see each other.
 */
export class DirectoryLock {
  readonly #directory: string;
  readonly #path: string;

  /** Takes the lock; throws StorageError if a living process has it. */
  constructor(directory: string) {
    this.#directory = realpathSync(directory);
    this.#path = join(this.#directory, LOCK_NAME);
    if (lockedHere.has(this.#directory)) {
      throw inUse(directory, 'this process itself', this.#path);
    }
    if (!this.#create()) {
      const owner = readOwner(this.#path);
      if (owner !== null && isAlive(owner)) {
        throw inUse(directory, `process ${owner.pid}`, this.#path);
      }
      removeIfThere(this.#path);
      if (!this.#create()) {
        throw inUse(directory, 'a process that started at the same moment', this.#path);
      }
    }
    lockedHere.add(this.#directory);
  }

  #create(): boolean {
    try {
      writeFileSync(this.#path, `${process.pid} ${startOf(process.pid) ?? 0}\n`, { flag: 'wx' });
      return true;
    } catch (error) {
      if (isCode(error, 'EEXIST')) {
        return false;
      }
      throw error;
    }
  }

  release(): void {
    if (lockedHere.delete(this.#directory)) {
      removeIfThere(this.#path);
    }
  }
}

interface Owner {
  readonly pid: number;
  /** Clock ticks between the machine's start and the process's; 0: unknown. Tells it from a later one of its number. */
  readonly start: number;
}

function inUse(directory: string, by: string, path: string): StorageError {
  return new StorageError(
    'directory',
    `${directory} is in use by ${by}. Stop that server, or give this one directories of its own (dataDir, dataLogDir). ` +
      `If no server is running there, remove ${path}`,
  );
}

function readOwner(path: string): Owner | null {
  try {
    const match = /^(\d+) (\d+)\n$/.exec(readFileSync(path, 'latin1'));
    return match === null ? null : { pid: Number(match[1]), start: Number(match[2]) };
  } catch (error) {
    if (isCode(error, 'ENOENT')) {
      return null;
    }
    throw error;
  }
}

function isAlive(owner: Owner): boolean {
  if (owner.pid === process.pid) {
    return false; // it is in lockedHere, or was another process of our number
  }
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    return isCode(error, 'EPERM');
  }
  const start = startOf(owner.pid);
  return start === null || owner.start === 0 || start === owner.start;
}

const STATE_FIELD = 0;
const START_FIELD = 19;

/** Null where the system does not tell; −1 for a process that has ended and is only not waited for yet. */
function startOf(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The command's name, in parentheses, may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[STATE_FIELD] === 'Z' || fields[STATE_FIELD] === 'X' ? -1 : Number(fields[START_FIELD]);
  } catch {
    return null;
  }
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!isCode(error, 'ENOENT')) {
      throw error;
    }
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code;
}
