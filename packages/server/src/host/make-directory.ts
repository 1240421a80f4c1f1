import { accessSync, closeSync, constants, fsyncSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/**
 * Makes a directory and those above it that are missing, on the platter as well. Throws the system's error. Node's own
 * `recursive` never comes back where the system says that there is no such directory to make one in, as /proc does.
 */
export function makeDirectory(path: string): void {
  const missing: string[] = [];
  for (let at = resolve(path); statSync(at, { throwIfNoEntry: false }) === undefined; at = dirname(at)) {
    missing.push(at);
  }
  for (const directory of missing.reverse()) {
    try {
      mkdirSync(directory);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        throw error;
      }
      continue; // somebody else was faster
    }
    syncDirectory(dirname(directory));
  }
}

/**
 * Throws the system's error if `makeDirectory` would, or the directory cannot be written, as far as that can be told
 * without making anything.
 */
export function checkDirectory(path: string): void {
  let at = resolve(path);
  while (statSync(at, { throwIfNoEntry: false }) === undefined) {
    at = dirname(at);
  }
  accessSync(`${at}/.`, constants.R_OK | constants.W_OK | constants.X_OK); // the dot: of a file, it fails
}

function syncDirectory(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
