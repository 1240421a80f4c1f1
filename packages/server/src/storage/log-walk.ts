/** Transactions from the log on disk, for learners that lag further behind than memory (quorum-protocol.md §5.6). */
import { zxidHex } from '@treekeeper/protocol';
import { AssertionFailure } from '../assert.ts';
import type { Disk } from '../io/disk.ts';
import type { Log } from '../io/log.ts';
import { StorageError } from '../io/storage-error.ts';
import { isProvenSuccessor, isSuccessor } from './contiguity.ts';
import { type DataFile, listDataFiles } from './format.ts';
import { LogReader } from './log-reader.ts';

/** What is known of the log without reading it. TxnLog has it. */
export interface LogState {
  readonly syncedThrough: number;
  readonly contiguousFrom: number;
}

export interface LoggedEntry {
  readonly zxid: number;
  /** Header, txn and digest, as logged. Of a large buffer: who keeps it for long copies it. */
  readonly payload: Uint8Array;
}

/**
 * What `readLog` itself may read, to find the first transaction and to see that none is missing: more would hold up the
 * server for longer than a tick. A learner that lags so far behind gets a snapshot.
 */
const SEARCH_BYTES_MAX = 256 * 1024 * 1024;

/**
 * Transactions from the last one at or before `zxid` on, through the last one that is on disk now. Null when there is
 * none at or before `zxid`, when it cannot be proven that none is missing, when the files after the first are larger
 * than `bytesMax` together, or when finding out would take too long.
 */
export function readLog(
  disk: Disk,
  { syncedThrough, contiguousFrom }: LogState,
  zxid: number,
  limits: { readonly bytesMax: number; readonly fieldBytesMax: number },
  log: Log,
): LogWalk | null {
  const files = listDataFiles(disk, 'log').filter((file) => file.zxid <= syncedThrough);
  const first = files.findLastIndex((file) => file.zxid <= zxid);
  const wanted = files.slice(first);
  const laterBytes = wanted.slice(1).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  if (first < 0 || laterBytes > limits.bytesMax) {
    return null;
  }
  const walk = () => new LogWalk(disk, wanted, syncedThrough, limits.fieldBytesMax, log);
  try {
    const found = walk();
    const start = found.skipTo(zxid, SEARCH_BYTES_MAX);
    const isProven = start !== null && (start >= contiguousFrom || walk().proves(start, contiguousFrom));
    return isProven ? found : null;
  } catch (error) {
    if (!(error instanceof StorageError)) {
      throw error;
    }
    log.error(`the log cannot serve a learner, which gets a snapshot instead: ${error.message}`);
    return null;
  }
}

/** Reads one record at a time, and a new piece of a file now and then. */
export class LogWalk {
  readonly #disk: Disk;
  readonly #files: readonly DataFile[];
  readonly #through: number;
  readonly #fieldBytesMax: number;
  readonly #log: Log;
  readonly #snapshotZxids: readonly number[];
  #nextFile = 0;
  #reader: LogReader | null = null;
  /** Bytes in the files before that of `#reader`. */
  #passedBytes = 0;
  #last: number | null = null;
  /** Found by `skipTo`, and not given out yet. */
  readonly #found: LoggedEntry[] = [];

  constructor(disk: Disk, files: readonly DataFile[], through: number, fieldBytesMax: number, log: Log) {
    this.#disk = disk;
    this.#files = files;
    this.#through = through;
    this.#fieldBytesMax = fieldBytesMax;
    this.#log = log;
    this.#snapshotZxids = listDataFiles(disk, 'snapshot').map(({ zxid }) => zxid);
  }

  /**
   * The next transaction; null after the last one that was on disk when the walk began. And null earlier, which is
   * told, when the files are no longer what they were: purged or damaged.
   */
  next(): LoggedEntry | null {
    try {
      return this.#found.shift() ?? this.#read();
    } catch (error) {
      if (!(error instanceof StorageError)) {
        throw error;
      }
      this.#last = this.#through; // nothing more comes
      this.#log.error(`a learner has to begin anew: ${error.message}`);
      return null;
    }
  }

  /** Goes to the last one at or before `zxid`; its zxid, null if there is none or it takes more than `bytesMax`. */
  skipTo(zxid: number, bytesMax: number): number | null {
    let start: LoggedEntry | null = null;
    for (let entry = this.#read(false); entry !== null; entry = this.#read(false)) {
      if (entry.zxid > zxid) {
        if (start === null || !isSuccessor(start.zxid, entry.zxid)) {
          return null;
        }
        this.#found.push(start, entry);
        return start.zxid;
      }
      start = entry;
      if (this.#readBytes > bytesMax) {
        return null;
      }
    }
    if (start !== null) {
      this.#found.push(start);
    }
    return start?.zxid ?? null;
  }

  /** Whether no transaction is missing from `from` through `to`. Uses the walk up. */
  proves(from: number, to: number): boolean {
    let last: number | null = null;
    for (let entry = this.#read(false); entry !== null && (last ?? 0) < to; entry = this.#read(false)) {
      if (this.#readBytes > SEARCH_BYTES_MAX) {
        return false;
      }
      if (entry.zxid < from) {
        continue;
      }
      if (last !== null && !isProvenSuccessor(last, entry.zxid, this.#snapshotZxids)) {
        return false;
      }
      last = entry.zxid;
    }
    return true;
  }

  get #readBytes(): number {
    return this.#passedBytes + (this.#reader?.recordOffset ?? 0);
  }

  #read(isChecked = true): LoggedEntry | null {
    while (this.#last !== this.#through) {
      const reader = this.#reader ?? this.#openNext();
      if (!this.#advance(reader)) {
        this.#passedBytes += reader.recordOffset;
        this.#reader = null;
        continue;
      }
      const zxid = reader.zxid ?? Number.NaN;
      if (isChecked && this.#last !== null) {
        this.#requireSuccessor(this.#last, zxid);
      }
      this.#last = zxid;
      return { zxid, payload: reader.bytes.subarray(reader.bodyStart, reader.bodyEnd) };
    }
    return null;
  }

  #openNext(): LogReader {
    const file = this.#files[this.#nextFile++];
    if (file === undefined) {
      throw this.#changed(`it ends after 0x${zxidHex(this.#last ?? 0)}`);
    }
    this.#reader = this.#guard(() => new LogReader(this.#disk, file, this.#fieldBytesMax));
    return this.#reader;
  }

  #advance(reader: LogReader): boolean {
    return this.#guard(() => reader.next());
  }

  /** A file that has been removed meanwhile is an error of the disk's. */
  #guard<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (error instanceof StorageError || error instanceof AssertionFailure || !(error instanceof Error)) {
        throw error;
      }
      throw this.#changed(error.message);
    }
  }

  #requireSuccessor(zxid: number, next: number): void {
    if (!isSuccessor(zxid, next)) {
      throw this.#changed(`0x${zxidHex(next)} follows 0x${zxidHex(zxid)}`);
    }
  }

  #changed(what: string): StorageError {
    const through = zxidHex(this.#through);
    return new StorageError('data', `the log cannot be read through zxid 0x${through} any more: ${what}`);
  }
}
