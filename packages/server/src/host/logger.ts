import { join } from 'node:path';
import type { Log } from '../io/log.ts';
import { openRollingFile, type RollingFile } from './rolling-file.ts';

/** The least level that is written, as ZooKeeper's logging configuration names them. */
export type LogThreshold = 'all' | 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'off';

export interface LogOptions {
  readonly consoleThreshold: LogThreshold;
  /** Where the file is. */
  readonly directory: string;
  /** Null: no file. */
  readonly file: string | null;
  readonly threshold: LogThreshold;
  /** A file that has become larger is renamed and a new one begun. */
  readonly maxFileBytes: number;
  readonly maxBackups: number;
}

/** Where lines go on: standard output, or a test's. */
export interface LogStream {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

type Level = 'info' | 'warn' | 'error';

const COLOURS: Readonly<Record<Level, number>> = { info: 32, warn: 33, error: 31 };
const THRESHOLDS: readonly LogThreshold[] = ['all', 'trace', 'debug', 'info', 'warn', 'error', 'off'];

/**
 * The operator's log: one line for each message, `2026-11-21T09:30:00.123Z WARN  text`, the level in colour on a
 * terminal. Further lines of a message, such as a stack, are indented, so that a line that begins with a time is always
 * a message. Goes to `stream`, and to a file as well when the configuration names one. Throws the system's error when
 * that file cannot be opened.
 */
export function createLogger(options: LogOptions, stream: LogStream, wallMs: () => number = Date.now): Log {
  const file = options.file === null ? null : new FileLog(options, options.file, stream);
  const colourful = stream.isTTY === true && !process.env.NO_COLOR;
  const toStream = THRESHOLDS.indexOf(options.consoleThreshold);
  const toFile = THRESHOLDS.indexOf(file === null ? 'off' : options.threshold);
  const write = (level: Level, message: string): void => {
    const rank = THRESHOLDS.indexOf(level);
    if (rank < toStream && rank < toFile) {
      return;
    }
    const time = new Date(wallMs()).toISOString();
    const label = level.toUpperCase().padEnd(5);
    const text = message.trimEnd().replaceAll('\n', '\n    ');
    if (rank >= toStream) {
      stream.write(`${time} ${colourful ? `\u001b[${COLOURS[level]}m${label}\u001b[0m` : label} ${text}\n`);
    }
    if (rank >= toFile) {
      file?.write(`${time} ${label} ${text}\n`);
    }
  };
  return {
    info: (message) => write('info', message),
    warn: (message) => write('warn', message),
    error: (message) => write('error', message),
  };
}

/** The log file. When it cannot be written the server goes on and says so once on the stream. */
class FileLog {
  readonly #file: RollingFile;
  readonly #stream: LogStream;
  readonly #path: string;
  #failed = false;

  constructor(options: LogOptions, name: string, stream: LogStream) {
    this.#path = join(options.directory, name);
    this.#stream = stream;
    this.#file = openRollingFile(this.#path, options.maxFileBytes, options.maxBackups, 'log.dir, log.file');
  }

  write(line: string): void {
    try {
      this.#file.write(line);
      this.#failed = false;
    } catch (error) {
      if (!this.#failed) {
        this.#stream.write(`the log file ${this.#path} cannot be written: ${String(error)}\n`);
      }
      this.#failed = true;
    }
  }
}
