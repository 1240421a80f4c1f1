/** The real disk: `dataDir/version-2` and `dataLogDir/version-2` through node:fs (disk-format.md §1). */
import {
  accessSync,
  close,
  closeSync,
  constants,
  existsSync,
  fdatasync,
  fstatSync,
  fsync,
  fsyncSync,
  ftruncate,
  open,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  rename,
  renameSync,
  rmSync,
  statSync,
  unlink,
  unlinkSync,
  write,
} from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { assert } from '../assert.ts';
import type { Area, Disk, DiskCompletion, DiskStep, FileEntry } from '../io/disk.ts';
import { StorageError } from '../io/storage-error.ts';
import { DirectoryLock } from './directory-lock.ts';
import { checkDirectory, makeDirectory } from './make-directory.ts';

export interface NodeDiskOptions {
  /** Holds `version-2` with the snapshots. */
  readonly dataDir: string;
  /** Holds `version-2` with the logs, and the `initialize` marker. */
  readonly dataLogDir: string;
  /** Missing directories are created. */
  readonly autocreate: boolean;
  /** Called from the event loop, never from within `submit`. */
  readonly onCompletion: (completion: DiskCompletion) => void;
}

const VERSION_DIRECTORY = 'version-2';
const INITIALIZE_MARKER = 'initialize';
/** Missing on Windows, where a sync after each write takes its place. */
const O_DSYNC: number | undefined = constants.O_DSYNC;

interface OpenFile {
  readonly descriptor: number;
  /** For messages; follows renames. */
  path: string;
  readonly syncWrites: boolean;
}

interface Batch {
  readonly ticket: number;
  readonly steps: readonly DiskStep[];
  readonly startMs: number;
  next: number;
}

type Done = (error: NodeJS.ErrnoException | null) => void;

export class NodeDisk implements Disk {
  readonly sharedDirectory: boolean;
  readonly #directories: Record<Area, string>;
  /** Kept open to sync them. */
  readonly #directoryDescriptors: Record<Area, number>;
  readonly #markerPath: string;
  readonly #onCompletion: (completion: DiskCompletion) => void;
  readonly #locks: readonly DirectoryLock[];
  readonly #open = new Map<number, OpenFile>();
  #nextFile = 1;
  #nextTicket = 1;
  #batchesInFlight = 0;
  #closed = false;
  #onReleased: () => void = () => {};

  /** Creates and locks the directories. Throws StorageError ('directory') if they cannot be used. */
  constructor({ dataDir, dataLogDir, autocreate, onCompletion }: NodeDiskOptions) {
    const data = usableDirectory(dataDir, 'dataDir', autocreate);
    const log = usableDirectory(dataLogDir, 'dataLogDir', autocreate);
    this.sharedDirectory = data === log;
    this.#directories = { data, log };
    this.#markerPath = join(dataLogDir, INITIALIZE_MARKER);
    this.#onCompletion = onCompletion;
    this.#locks = lockAll(this.sharedDirectory ? [dataDir] : [dataDir, dataLogDir]);
    this.#directoryDescriptors = { data: openSync(data, 'r'), log: openSync(log, 'r') };
  }

  allocateFile(): number {
    return this.#nextFile++;
  }

  submit(steps: readonly DiskStep[]): number {
    assert(!this.#closed && steps.length > 0, 'the disk is open and has something to do');
    const batch = { ticket: this.#nextTicket++, steps, startMs: performance.now(), next: 0 };
    this.#batchesInFlight++;
    this.#runNext(batch);
    return batch.ticket;
  }

  list(area: Area): FileEntry[] {
    const directory = this.#directories[area];
    const names = readdirSync(directory, { withFileTypes: true }).filter((entry) => !entry.isDirectory());
    const files: FileEntry[] = [];
    for (const { name } of names) {
      const stat = statSync(join(directory, name), { throwIfNoEntry: false });
      if (stat !== undefined) {
        files.push({ name, sizeBytes: stat.size, modifiedMs: stat.mtimeMs });
      }
    }
    return files.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  read(area: Area, name: string, position: number, length: number): Uint8Array {
    const descriptor = openSync(this.#path(area, name), 'r');
    try {
      const wanted = Math.min(length, Math.max(fstatSync(descriptor).size - position, 0));
      const bytes = Buffer.allocUnsafeSlow(wanted);
      let filled = 0;
      while (filled < wanted) {
        const count = readSync(descriptor, bytes, filled, wanted - filled, position + filled);
        if (count === 0) {
          break;
        }
        filled += count;
      }
      return bytes.subarray(0, filled);
    } finally {
      closeSync(descriptor);
    }
  }

  remove(area: Area, name: string): void {
    unlinkSync(this.#path(area, name));
    fsyncSync(this.#directoryDescriptors[area]);
  }

  rename(area: Area, from: string, to: string): void {
    renameSync(this.#path(area, from), this.#path(area, to));
    fsyncSync(this.#directoryDescriptors[area]);
  }

  makeDurable(area: Area, name: string | null): void {
    if (name !== null) {
      const descriptor = openSync(this.#path(area, name), 'r+');
      try {
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
    }
    fsyncSync(this.#directoryDescriptors[area]);
  }

  takeInitializeMarker(): boolean {
    const present = existsSync(this.#markerPath);
    rmSync(this.#markerPath, { force: true });
    return present;
  }

  /** Batches whose completion has not been delivered. */
  get batchesInFlight(): number {
    return this.#batchesInFlight;
  }

  /**
   * No completion is delivered any more. Resolves when the last write has ended (the next server must not see it come),
   * the files are closed and the directories are free for another server.
   */
  close(): Promise<void> {
    assert(!this.#closed, 'the disk is closed once');
    this.#closed = true;
    return new Promise((resolve) => {
      this.#onReleased = resolve;
      if (this.#batchesInFlight === 0) {
        this.#release();
      }
    });
  }

  #release(): void {
    for (const { descriptor } of this.#open.values()) {
      closeSync(descriptor);
    }
    this.#open.clear();
    closeSync(this.#directoryDescriptors.data);
    closeSync(this.#directoryDescriptors.log);
    for (const lock of this.#locks) {
      lock.release();
    }
    this.#onReleased();
  }

  #path(area: Area, name: string): string {
    return join(this.#directories[area], name);
  }

  #runNext(batch: Batch): void {
    const step = batch.steps[batch.next];
    this.#execute(step, (error) => {
      batch.next++;
      if (error !== null) {
        this.#end(batch, error);
      } else if (batch.next === batch.steps.length) {
        this.#end(batch, null);
      } else {
        this.#runNext(batch);
      }
    });
  }

  #end({ ticket, steps, next, startMs }: Batch, error: NodeJS.ErrnoException | null): void {
    this.#batchesInFlight--;
    if (this.#closed) {
      if (this.#batchesInFlight === 0) {
        this.#release();
      }
      return;
    }
    const durationMs = performance.now() - startMs;
    this.#onCompletion({
      kind: 'disk',
      ticket,
      error: error === null ? null : { kind: kindOf(error), message: this.#describe(steps[next - 1], error) },
      durationMs,
    });
  }

  #execute(step: DiskStep, done: Done): void {
    switch (step.op) {
      case 'create':
        return this.#create(step, done);
      case 'write':
        return this.#write(step, done);
      case 'sync':
        return fdatasync(this.#opened(step.file).descriptor, done);
      case 'close':
        return this.#close(step.file, done);
      case 'rename':
        return this.#rename(this.#path(step.area, step.from), this.#path(step.area, step.to), done);
      case 'remove':
        return unlink(this.#path(step.area, step.name), (error) => done(error?.code === 'ENOENT' ? null : error));
      case 'truncate':
        return truncateDurably(this.#path(step.area, step.name), step.length, done);
      case 'syncDirectory':
        return fsync(this.#directoryDescriptors[step.area], done);
    }
  }

  #create({ area, name, file, dsync }: DiskStep & { op: 'create' }, done: Done): void {
    this.#close(file, (closeError) => {
      if (closeError !== null) {
        return done(closeError);
      }
      const path = this.#path(area, name);
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | (dsync ? (O_DSYNC ?? 0) : 0);
      open(path, flags, 0o644, (error, descriptor) => {
        if (error === null) {
          this.#open.set(file, { descriptor, path, syncWrites: dsync && O_DSYNC === undefined });
        }
        done(error);
      });
    });
  }

  #write({ file, position, bytes }: DiskStep & { op: 'write' }, done: Done): void {
    const { descriptor, syncWrites } = this.#opened(file);
    let at = 0;
    const writeRest = (): void => {
      write(descriptor, bytes, at, bytes.length - at, position + at, (error, count) => {
        at += count;
        if (error !== null) {
          done(error);
        } else if (at < bytes.length) {
          writeRest(); // the system may take a part; the next call says why
        } else if (syncWrites) {
          fdatasync(descriptor, done);
        } else {
          done(null);
        }
      });
    };
    writeRest();
  }

  #rename(from: string, to: string, done: Done): void {
    rename(from, to, (error) => {
      for (const opened of error === null ? this.#open.values() : []) {
        opened.path = opened.path === from ? to : opened.path;
      }
      done(error);
    });
  }

  #close(file: number, done: Done): void {
    const opened = this.#open.get(file);
    this.#open.delete(file);
    if (opened === undefined) {
      setImmediate(done, null);
    } else {
      close(opened.descriptor, (error) => done(error ?? null));
    }
  }

  #opened(file: number): OpenFile {
    const opened = this.#open.get(file);
    assert(opened !== undefined, 'steps name open files');
    return opened;
  }

  #describe(step: DiskStep, error: Error): string {
    const path = this.#pathOf(step);
    return error.message.includes(path) ? error.message : `${error.message} ${path}`;
  }

  #pathOf(step: DiskStep): string {
    switch (step.op) {
      case 'write':
      case 'sync':
      case 'close':
        return this.#open.get(step.file)?.path ?? `file ${step.file}`;
      case 'rename':
        return this.#path(step.area, step.from);
      case 'syncDirectory':
        return this.#directories[step.area];
      default:
        return this.#path(step.area, step.name);
    }
  }
}

/** fsync, for the length of a file is what fdatasync may leave out. */
function truncateDurably(path: string, length: number, done: Done): void {
  open(path, 'r+', (openError, descriptor) => {
    if (openError !== null) {
      return done(openError);
    }
    const finish = (error: NodeJS.ErrnoException | null): void => {
      close(descriptor, (closeError) => done(error ?? closeError ?? null));
    };
    ftruncate(descriptor, length, (error) => (error === null ? fsync(descriptor, finish) : finish(error)));
  });
}

const PASSING: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE']);

/** No space, no more of this user's share, or no number left for another file: all may pass. */
function kindOf({ code }: NodeJS.ErrnoException): 'full' | 'failed' {
  return code !== undefined && PASSING.has(code) ? 'full' : 'failed';
}

/** The version-2 directory in `directory`, which exists and can be written. */
/**
 * Throws what a NodeDisk's constructor would for this directory, which `key` names, as far as that can be told without
 * making anything. That another server uses it is no fault.
 */
export function checkDataDirectory(directory: string, key: string, autocreate: boolean): void {
  inDirectory(directory, key, autocreate, checkDirectory);
}

function usableDirectory(directory: string, key: string, autocreate: boolean): string {
  return inDirectory(directory, key, autocreate, (path) => {
    makeDirectory(path);
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    return realpathSync(path);
  });
}

/** Runs it on the directory's `version-2`; errors become StorageError. */
function inDirectory<T>(directory: string, key: string, autocreate: boolean, run: (path: string) => T): T {
  const path = join(directory, VERSION_DIRECTORY);
  try {
    if (!autocreate && !existsSync(path)) {
      throw new StorageError(
        'directory',
        `${path} does not exist (${key}), and zookeeper.datadir.autocreate is off. Create it, or correct ${key}: a ` +
          'missing directory may be one that is not mounted',
      );
    }
    return run(path);
  } catch (error) {
    throw error instanceof StorageError ? error : unusable(path, error, `Correct ${key}, or give this user the right`);
  }
}

function lockAll(directories: readonly string[]): DirectoryLock[] {
  const locks: DirectoryLock[] = [];
  try {
    for (const directory of directories) {
      locks.push(new DirectoryLock(directory));
    }
    return locks;
  } catch (error) {
    for (const lock of locks) {
      lock.release();
    }
    throw error instanceof StorageError ? error : unusable(directories[locks.length], error, 'It must be writable');
  }
}

function unusable(path: string, error: unknown, whatToDo: string): StorageError {
  const reason = error instanceof Error ? error.message : String(error);
  return new StorageError('directory', `the directory ${path} cannot be used: ${reason}. ${whatToDo}`);
}
