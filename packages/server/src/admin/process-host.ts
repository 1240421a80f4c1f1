import { readdirSync, readFileSync, statSync } from 'node:fs';
import { arch, homedir, hostname, release, tmpdir, totalmem, type, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { VERSION_TEXT } from './version.ts';
import type { HostView } from './view.ts';

export interface ProcessHostOptions {
  /** Where snapshots and logs lie, `version-2` included. */
  readonly dataDir: string;
  readonly dataLogDir: string;
  /** Properties to report, as set by configuration file and command line (`zookeeper.*`, `java.*`). */
  readonly systemProperties: ReadonlyMap<string, string>;
}

/** The process and machine that the server really runs on. */
export class ProcessHost implements HostView {
  readonly #options: ProcessHostOptions;

  constructor(options: ProcessHostOptions) {
    this.#options = options;
  }

  dataDirSizeBytes(): number {
    return directorySizeBytes(this.#options.dataDir);
  }

  dataLogDirSizeBytes(): number {
    return directorySizeBytes(this.#options.dataLogDir);
  }

  /** ZooKeeper's keys, which programs look for; those of Java tell of the runtime in its place. */
  environment(): [string, string][] {
    const memory = process.memoryUsage();
    return [
      ['zookeeper.version', VERSION_TEXT],
      ['host.name', hostname()],
      ['java.version', process.versions.node],
      ['java.vendor', 'Node.js'],
      ['java.home', dirname(process.execPath)],
      ['java.class.path', ''],
      ['java.library.path', ''],
      ['java.io.tmpdir', tmpdir()],
      ['java.compiler', '<NA>'],
      ['os.name', type()],
      ['os.arch', arch()],
      ['os.version', release()],
      ['user.name', userName()],
      ['user.home', homedir()],
      ['user.dir', process.cwd()],
      ['os.memory.free', megabytes(memory.heapTotal - memory.heapUsed)],
      ['os.memory.max', megabytes(totalmem())],
      ['os.memory.total', megabytes(memory.rss)],
    ];
  }

  systemProperties(): [string, string][] {
    const described: [string, string][] = [
      ['file.separator', '/'],
      ['line.separator', '\n'],
      ['os.arch', arch()],
      ['os.name', type()],
      ['os.version', release()],
      ['user.dir', process.cwd()],
      ['user.home', homedir()],
      ['user.name', userName()],
    ];
    return [...described, ...this.#options.systemProperties].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  }

  openFileDescriptors(): number {
    try {
      return readdirSync('/proc/self/fd').length;
    } catch {
      return -1;
    }
  }

  maxFileDescriptors(): number {
    try {
      const line = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
      return line === null ? -1 : Number(line[1]);
    } catch {
      return -1;
    }
  }
}

/** The name of the user the server runs as, which audit lines give as its own; the number where there is no name. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `${process.getuid?.() ?? ''}`;
  }
}

function megabytes(bytes: number): string {
  return `${Math.floor(bytes / (1024 * 1024))}MB`;
}

/** Files may vanish while they are counted (purging); those weigh nothing. */
function directorySizeBytes(directory: string): number {
  let total = 0;
  for (const name of entriesOf(directory)) {
    total += statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return total;
}

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
