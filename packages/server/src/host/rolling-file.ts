import { accessSync, closeSync, constants, existsSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { checkDirectory, makeDirectory } from './make-directory.ts';

/**
 * A text file that is renamed to `path.1` when it has become too large, `path.1` to `path.2` and so on; the oldest one
 * is overwritten. Writing is synchronous: what was logged before the process ends is there.
 */
export class RollingFile {
  readonly #path: string;
  readonly #maxBytes: number;
  readonly #backups: number;
  #file: number;
  #sizeBytes: number;

  /** Appends to the file when there is one; makes its directory. Throws the system's error when it cannot be opened. */
  constructor(path: string, maxBytes: number, backups: number) {
    this.#path = path;
    this.#maxBytes = maxBytes;
    this.#backups = backups;
    makeDirectory(dirname(path));
    this.#file = openSync(path, 'a');
    this.#sizeBytes = fstatSync(this.#file).size;
  }

  /** Throws the system's error when the disk is full or has failed. */
  write(text: string): void {
    if (this.#sizeBytes >= this.#maxBytes) {
      this.#roll();
    }
    this.#sizeBytes += writeSync(this.#file, text);
  }

  close(): void {
    closeSync(this.#file);
  }

  #roll(): void {
    for (let i = this.#backups; i > 0; i--) {
      const from = i === 1 ? this.#path : `${this.#path}.${i - 1}`;
      try {
        renameSync(from, `${this.#path}.${i}`);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
          throw error;
        }
      }
    }
    const full = this.#file;
    this.#file = openSync(this.#path, 'w');
    closeSync(full);
    this.#sizeBytes = 0;
  }
}

/** A log cannot be written where the configuration wants it. The message names the file and the settings. */
export class LogFileError extends Error {
  override readonly name = 'LogFileError';

  constructor(path: string, reason: unknown, settings: string) {
    const why = reason instanceof Error ? reason.message : String(reason);
    super(`the log file ${path} cannot be written: ${why}. Correct ${settings}, or give this user the right`);
  }
}

/** Opens one. Throws LogFileError; `settings` are those that led there. */
export function openRollingFile(path: string, maxBytes: number, backups: number, settings: string): RollingFile {
  try {
    return new RollingFile(path, maxBytes, backups);
  } catch (error) {
    throw new LogFileError(path, error, settings);
  }
}

/** Throws what `openRollingFile` would, as far as that can be told without making anything. */
export function checkRollingFile(path: string, settings: string): void {
  try {
    if (existsSync(path)) {
      accessSync(path, constants.W_OK);
    } else {
      checkDirectory(dirname(path));
    }
  } catch (error) {
    throw new LogFileError(path, error, settings);
  }
}
