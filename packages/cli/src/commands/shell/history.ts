/** The lines typed so far, kept between runs in a file that only its owner can read. */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { makeDirectory } from '../../make-directory.ts';

const LINES_MAX = 1000;
/** The file is made short again when it has so many. */
const FILE_LINES_MAX = 2000;

/** Where the history is kept: TREEKEEPER_HISTORY, else below XDG_STATE_HOME where that is set, else in the home. */
export function historyFile(env: Readonly<Record<string, string | undefined>>): string {
  const state = env['XDG_STATE_HOME'];
  return (
    env['TREEKEEPER_HISTORY'] ??
    (state ? join(state, 'treekeeper', 'history') : join(env['HOME'] ?? homedir(), '.treekeeper_history'))
  );
}

export class History {
  /** Oldest first. Those of earlier runs come before `firstOwn`. */
  readonly lines: string[] = [];
  /** Of this run, as zkCli counts them: from 0. */
  readonly own: string[] = [];
  readonly #file: string | null;

  /** @param file null: nothing is kept. A file that cannot be read or written is done without. */
  constructor(file: string | null) {
    this.#file = file;
    if (file === null || !existsSync(file)) {
      return;
    }
    try {
      const all = readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line !== '');
      this.lines.push(...all.slice(-LINES_MAX));
      if (all.length > FILE_LINES_MAX) {
        writeFileSync(file, `${this.lines.join('\n')}\n`, { mode: 0o600 });
      }
    } catch {
      // A shell without its history is still a shell.
    }
  }

  /** @param secret the line is counted, but neither kept nor shown */
  add(line: string, secret: boolean): void {
    this.own.push(secret ? `${line.split(/\s/, 1)[0]} ...` : line);
    if (secret || line === this.lines.at(-1)) {
      return;
    }
    this.lines.push(line);
    if (this.#file !== null) {
      try {
        makeDirectory(dirname(this.#file));
        appendFileSync(this.#file, `${line}\n`, { mode: 0o600 });
      } catch {
        // As above.
      }
    }
  }
}
