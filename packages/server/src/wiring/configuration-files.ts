/**
 * The files that a reconfiguration writes beside zoo.cfg, so that a server starts again with the members it has last
 * known (quorum-protocol.md §1.3, disk-format.md §1). Synchronous: it is rare, and a few milliseconds.
 */
import {
  closeSync,
  existsSync,
  fchmodSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseJavaProperties, zxidHex } from '@treekeeper/protocol';
import { findKey } from '../config/keys/index.ts';
import { MEMBERSHIP, PROPOSED_SUFFIX } from '../config/membership.ts';
import { Configuration, ConfigurationFault } from '../zab/configuration.ts';

/** A file could not be written. The message says which, why, and what that means. */
export class ConfigurationFileError extends Error {
  override readonly name = 'ConfigurationFileError';
}

const DEFAULT_MODE = 0o644;

export class ConfigurationFiles {
  readonly #file: string;
  readonly #serverId: number;

  /** @param file the zoo.cfg that the server was started with */
  constructor(file: string, serverId: number) {
    this.#file = resolve(file);
    this.#serverId = serverId;
  }

  /**
   * A configuration has been proposed and may come into force.
   *
   * @throws ConfigurationFileError
   */
  writeProposed(configuration: Configuration): void {
    const lines = [...configuration.membershipLines(), `version=${zxidHex(configuration.version)}`];
    this.#write(this.#file + PROPOSED_SUFFIX, textOf(lines));
  }

  /**
   * A configuration is in force: it gets a file of its own, zoo.cfg names that file, and what was proposed and is not
   * newer goes. Doing it again changes nothing.
   *
   * @throws ConfigurationFileError
   */
  writeCommitted(configuration: Configuration): void {
    const dynamicFile = `${this.#file}.dynamic.${zxidHex(configuration.version)}`;
    this.#write(dynamicFile, textOf([...configuration.membershipLines()]));
    this.#rewrite(configuration, dynamicFile);
    this.#removeProposed(configuration.version);
  }

  /** Comments and the order of lines stay. The file may be a link. */
  #rewrite(configuration: Configuration, dynamicFile: string): void {
    const text = this.#guard(this.#file, () => readFileSync(this.#file, 'utf8'));
    const { entries } = parseJavaProperties(text);
    if (entries.every(({ key }) => key !== 'dynamicConfigFile')) {
      this.#write(`${this.#file}.bak`, text);
    }
    const dropped = this.#droppedKeys(configuration);
    const doomed = new Set(
      entries.filter(({ key }) => dropped.has(findKey(key)?.row.key ?? '')).map(({ line }) => line),
    );
    const rest = withoutLines(text, doomed);
    const end = rest === '' || rest.endsWith('\n') ? '' : '\n';
    const rewritten = `${rest}${end}dynamicConfigFile=${escaped(dynamicFile)}\n`;
    if (rewritten !== text) {
      this.#write(
        this.#guard(this.#file, () => realpathSync(this.#file)),
        rewritten,
      );
    }
  }

  /** What the dynamic file says now. */
  #droppedKeys(configuration: Configuration): ReadonlySet<string> {
    const own = configuration.member(this.#serverId);
    const dropped = new Set([...MEMBERSHIP, 'dynamicConfigFile', 'peerType', 'version']);
    for (const [key, endpoint] of Object.entries({ clientPort: own?.client, secureClientPort: own?.secureClient })) {
      if (endpoint !== null && endpoint !== undefined) {
        dropped.add(key).add(`${key}Address`);
      }
    }
    return dropped;
  }

  #removeProposed(committedVersion: number): void {
    const file = this.#file + PROPOSED_SUFFIX;
    if (existsSync(file) && versionIn(readFileSync(file, 'utf8')) <= committedVersion) {
      this.#guard(file, () => rmSync(file));
    }
  }

  /** The old content or the new one, whatever happens. */
  #write(file: string, text: string): void {
    const temporary = `${file}.tmp`;
    this.#guard(file, () => {
      try {
        // It may hold passwords: nobody gets to read it who could not before.
        const mode = (statSync(file, { throwIfNoEntry: false })?.mode ?? DEFAULT_MODE) & 0o777;
        const descriptor = openSync(temporary, 'w', mode);
        try {
          fchmodSync(descriptor, mode);
          writeFileSync(descriptor, text);
          fsyncSync(descriptor);
        } finally {
          closeSync(descriptor);
        }
        renameSync(temporary, file);
        syncDirectoryOf(file);
      } catch (error) {
        rmSync(temporary, { force: true });
        throw error;
      }
    });
  }

  #guard<T>(file: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new ConfigurationFileError(
        `${file} cannot be brought up to date: ${reason}. The ensemble's configuration is in force all the same, but this ` +
          'server will start again with an older one, and then learn the newer from the others. Give its user the right ' +
          'to write to the directory, or copy the lines of /zookeeper/config into the file',
      );
    }
  }
}

/** As ZooKeeper sorts them, without an end of line at the end. */
function textOf(lines: string[]): string {
  return lines.sort().join('\n');
}

/** Of a proposed configuration; 0 when it is none: then it is of no use to anybody. */
function versionIn(text: string): number {
  try {
    return Configuration.parse(text).version;
  } catch (error) {
    if (!(error instanceof ConfigurationFault)) {
      throw error;
    }
    return 0;
  }
}

/** Leaves out the entries that begin on these lines (from 1), with the lines that continue them. */
function withoutLines(text: string, doomed: ReadonlySet<number>): string {
  let isDropping = false;
  const kept = text.split(/(?<=\n)/).filter((line, i) => {
    const isDropped = isDropping || doomed.has(i + 1);
    isDropping = isDropped && /(?<!\\)(\\\\)*\\\r?\n?$/.test(line);
    return !isDropped;
  });
  return kept.join('');
}

/** For a properties file that Java reads as Latin-1. */
function escaped(value: string): string {
  return value
    .replaceAll('\\', '\\\\')
    .replaceAll(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function syncDirectoryOf(file: string): void {
  const descriptor = openSync(dirname(file), 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
