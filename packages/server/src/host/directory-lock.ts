/** Keeps two servers out of one directory, which would write over each other's files. */
import { linkSync, readFileSync, realpathSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StorageError } from '../io/storage-error.ts';

export const LOCK_NAME = 'treekeeper.lock';

/** A living process has the directory. */
export class DirectoryInUseError extends StorageError {
  /** Which directory, and who has it, without advice for whoever starts a server. */
  readonly use: string;

  constructor(use: string, advice: string) {
    super('directory', `${use}. ${advice}`);
    this.use = use;
  }
}

/** The files of a lock, by their paths. Each call is one step: those of other processes come before or after it. */
export interface LockFiles {
  /** Replaces what is there, not at once: only for files that nobody else looks at. */
  write(path: string, text: string): void;
  /** A second name for a file, which is there whole or not at all. False: the name is taken. */
  link(from: string, to: string): boolean;
  /** Null: there is no such file. */
  read(path: string): string | null;
  /** Replaces what is there, at once. */
  rename(from: string, to: string): void;
  /** Does nothing when there is no such file. */
  remove(path: string): void;
}

/** The process that takes a lock, and what it sees of others. */
export interface LockHost {
  readonly pid: number;
  readonly files: LockFiles;
  /** Directories locked by this process: a lock file with our own number says nothing about them. */
  readonly locked: Set<string>;
  isRunning(pid: number): boolean;
  /**
   * Clock ticks between the machine's start and the process's. Null where the system does not tell; −1 for a process
   * that has ended and is only not waited for yet.
   */
  startOf(pid: number): number | null;
}

/**
 * A file that names its owner. It does not have to be removed: after a kill the next server sees that the owner is
 * gone. Servers on different machines with a shared file system do not see each other.
 *
 * However many servers start at the same moment, one gets the directory. The file comes with its text in it. One that
 * an owner has left behind is replaced only by who has the lock of the same kind beside it (`.next`) and has looked
 * again since: nobody else can have replaced it then.
 */
export class DirectoryLock {
  readonly #directory: string;
  readonly #path: string;
  readonly #host: LockHost;

  /** Takes the lock; throws DirectoryInUseError if a living process has it. */
  constructor(directory: string, host: LockHost = THIS_PROCESS) {
    this.#host = host;
    this.#directory = realpathSync(directory);
    this.#path = join(this.#directory, LOCK_NAME);
    const owner = host.locked.has(this.#directory) ? 'this process itself' : this.#takeAsOurs();
    if (owner !== null) {
      throw inUse(directory, owner, this.#path);
    }
    host.locked.add(this.#directory);
  }

  /** Null: the lock is ours. Otherwise whose it is. */
  #takeAsOurs(): string | null {
    const { files, pid, startOf } = this.#host;
    const ownPath = `${this.#path}.${pid}`;
    files.remove(ownPath); // an earlier process with our number may have left it: a second name of its lock
    files.write(ownPath, `${pid} ${startOf(pid) ?? 0}\n`);
    try {
      return this.#take(this.#path, ownPath);
    } finally {
      files.remove(ownPath);
    }
  }

  /** Null: `path` has our text now. Otherwise whose it is. */
  #take(path: string, ownPath: string): string | null {
    const { files } = this.#host;
    if (files.link(ownPath, path)) {
      return null;
    }
    const nextPath = `${path}.next`;
    const rival = livingOwner(files.read(path), this.#host) ?? this.#take(nextPath, ownPath);
    if (rival !== null) {
      return rival;
    }
    const text = files.read(path);
    const owner = livingOwner(text, this.#host);
    if (text !== null && owner === null) {
      files.rename(nextPath, path); // which also gives the lock beside it back
      return null;
    }
    // Not to be replaced: somebody has taken it meanwhile, or gives it back and whoever comes may take it.
    const isOurs = text === null && files.link(ownPath, path);
    files.remove(nextPath);
    return isOurs ? null : (owner ?? 'a process that started at the same moment');
  }

  release(): void {
    if (this.#host.locked.delete(this.#directory)) {
      this.#host.files.remove(this.#path);
    }
  }
}

/** The other process that has the directory, `process 123`, without taking it; null: none, or there is no directory. */
export function ownerOf(directory: string, host: LockHost = THIS_PROCESS): string | null {
  return livingOwner(host.files.read(join(directory, LOCK_NAME)), host);
}

/** Null: whoever wrote this is gone. */
function livingOwner(text: string | null, host: LockHost): string | null {
  const match = /^(\d+) (\d+)\n$/.exec(text ?? '');
  if (match === null) {
    return null;
  }
  const pid = Number(match[1]);
  // As startOf, or 0: unknown. It tells the owner from a later process of its number.
  const start = Number(match[2]);
  // With our number: it is in `locked`, or was another process.
  if (pid === host.pid || !host.isRunning(pid)) {
    return null;
  }
  const startNow = host.startOf(pid);
  return startNow === null || start === 0 || startNow === start ? `process ${pid}` : null;
}

function inUse(directory: string, by: string, path: string): DirectoryInUseError {
  return new DirectoryInUseError(
    `${directory} is in use by ${by}`,
    'Stop that server, or give this one directories of its own (dataDir, dataLogDir; without a zoo.cfg: ' +
      `-DdataDir=DIRECTORY). If no server is running there, remove ${path}`,
  );
}

const NODE_FILES: LockFiles = {
  write: (path, text) => writeFileSync(path, text),
  link: (from, to) => {
    try {
      linkSync(from, to);
      return true;
    } catch (error) {
      return isCode(error, 'EEXIST') ? false : copy(from, to);
    }
  },
  read: (path) => unlessMissing(() => readFileSync(path, 'latin1')),
  rename: renameSync,
  remove: (path) => void unlessMissing(() => unlinkSync(path)),
};

/** For file systems without second names (FAT, some shares); who looks too early sees a file without text. */
function copy(from: string, to: string): boolean {
  try {
    writeFileSync(to, readFileSync(from), { flag: 'wx' });
    return true;
  } catch (error) {
    if (isCode(error, 'EEXIST')) {
      return false;
    }
    throw error;
  }
}

/** Null: there is no such file. */
function unlessMissing<T>(act: () => T): T | null {
  try {
    return act();
  } catch (error) {
    if (isCode(error, 'ENOENT')) {
      return null;
    }
    throw error;
  }
}

const STATE_FIELD = 0;
const START_FIELD = 19;

const THIS_PROCESS: LockHost = {
  pid: process.pid,
  files: NODE_FILES,
  locked: new Set(),
  isRunning: (pid) => {
    try {
      process.kill(pid, 0);
      return true;
    } catch (error) {
      return isCode(error, 'EPERM');
    }
  },
  startOf: (pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      // The command's name, in parentheses, may hold anything.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return fields[STATE_FIELD] === 'Z' || fields[STATE_FIELD] === 'X' ? -1 : Number(fields[START_FIELD]);
    } catch {
      return null;
    }
  },
};

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code;
}
