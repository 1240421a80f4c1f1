/** Reads the records of one log file (disk-format.md §2.1, §2.4). */
import { LOG_MAGIC } from '@treekeeper/protocol';
import type { Disk } from '../io/disk.ts';
import { StorageError } from '../io/storage-error.ts';
import { ADLER32_START, adler32 } from './adler32.ts';
import { type DataFile, FILE_HEADER_BYTES, RECORD_END, RECORD_FRAME_BYTES, RECORD_HEAD_BYTES } from './format.ts';
import { chunksOf, FileInput } from './input.ts';

/** Why a file's records are over. */
export interface LogEnd {
  /** Null: at the padding or the end of the file, as a healthy log ends. */
  readonly torn: string | null;
  /** A whole record lies right behind the torn place: that is damage, and no crash. */
  readonly recordFollows: boolean;
}

/** What a disk writes at once or not at all. */
const SECTOR_BYTES = 512;
/** A record's first bytes are always zero. */
const CHECKSUM_HIGH_BYTES = 4;

const CLEAN_END: LogEnd = { torn: null, recordFollows: false };

/**
 * Goes through a file record by record: after `next()` is true the body lies in bytes[bodyStart, bodyEnd) until the
 * next call. Damage that no crash can explain throws a StorageError: to skip it would be to lose transactions silently.
 */
export class LogReader {
  bodyStart = 0;
  bodyEnd = 0;
  /** Offset of the record (its checksum) in the file. */
  recordOffset = 0;
  end: LogEnd | null = null;
  readonly #file: DataFile;
  readonly #input: FileInput;
  readonly #bodyBytesMax: number;

  /** Throws StorageError if this is not a log. */
  constructor(disk: Disk, file: DataFile, bodyBytesMax: number) {
    this.#file = file;
    this.#input = new FileInput(chunksOf(disk, 'log', file.name));
    this.#bodyBytesMax = bodyBytesMax;
    if (!this.#input.ensure(FILE_HEADER_BYTES) || this.#input.bytes.readInt32BE(0) !== LOG_MAGIC) {
      throw this.#damage(
        0,
        'it does not begin with the header of a log',
        'Move it out of the directory, or restore it',
      );
    }
    this.#input.position = FILE_HEADER_BYTES;
  }

  get bytes(): Uint8Array {
    return this.#input.bytes;
  }

  next(): boolean {
    if (this.end !== null) {
      return false;
    }
    const input = this.#input;
    this.recordOffset = input.offset;
    if (!input.ensure(RECORD_HEAD_BYTES)) {
      return this.#endsAt(isZero(input.bytes.subarray(input.position)) ? null : 'a record is cut off');
    }
    const at = input.position;
    const length = input.bytes.readInt32BE(at + 8);
    if (length === 0) {
      return this.#endsAt(isZero(input.bytes.subarray(at, at + 8)) ? null : 'a record has a checksum and no length');
    }
    if (length < 0) {
      throw this.#damage(this.recordOffset, `the length of a record is ${length}`, RESTORE_OR_CUT);
    }
    const size = RECORD_FRAME_BYTES + length;
    if (this.recordOffset + size > this.#file.sizeBytes || !input.ensure(size)) {
      return this.#breaksOff(length, 'a record is cut off');
    }
    const { bytes, position } = input;
    this.bodyStart = position + RECORD_HEAD_BYTES;
    this.bodyEnd = this.bodyStart + length;
    if (bytes[this.bodyEnd] !== RECORD_END) {
      return this.#breaksOff(length, 'a record has no end mark', size);
    }
    if (!isSummed(bytes, position, length)) {
      if (this.#isPartlyUnwritten(size)) {
        return this.#endsAt('a record was only partly written');
      }
      throw this.#damage(this.recordOffset, 'the checksum of a record is wrong', RESTORE_OR_CUT);
    }
    input.position = position + size;
    return true;
  }

  /** Ends the file at the record that `next` has just given: its body turned out to be too short for its txn. */
  rejectRecord(reason: string): void {
    this.#endsAt(reason, this.#recordFollows(0));
  }

  /**
   * The end of a batch that a crash cut off. An unreasonable length is no such thing; one above the limit is accepted
   * if the record is whole, for a limit may be lowered after the record was written.
   */
  #breaksOff(length: number, reason: string, size?: number): boolean {
    if (length > this.#bodyBytesMax) {
      throw this.#damage(
        this.recordOffset,
        `the length of a record is ${length}, and the limit is ${this.#bodyBytesMax} (jute.maxbuffer)`,
        RESTORE_OR_CUT,
      );
    }
    return this.#endsAt(reason, size !== undefined && !this.#isPartlyUnwritten(size) && this.#recordFollows(size));
  }

  /**
   * Whether a sector that the record of `size` bytes lies on has nothing of it. A disk writes the sectors of a batch in
   * an order of its own, over zeros since files only grow: when power fails meanwhile, some records are there in part.
   */
  #isPartlyUnwritten(size: number): boolean {
    const { bytes, position } = this.#input;
    for (let from = CHECKSUM_HIGH_BYTES; from < size; ) {
      const to = Math.min(size, from + SECTOR_BYTES - ((this.recordOffset + from) % SECTOR_BYTES));
      if (isZero(bytes.subarray(position + from, position + to))) {
        return true;
      }
      from = to;
    }
    return false;
  }

  #endsAt(torn: string | null, recordFollows = false): false {
    this.end = torn === null ? CLEAN_END : { torn, recordFollows };
    return false;
  }

  /** Whether a whole record stands `distance` bytes ahead. */
  #recordFollows(distance: number): boolean {
    const input = this.#input;
    if (!input.ensure(distance + RECORD_HEAD_BYTES)) {
      return false;
    }
    const length = input.bytes.readInt32BE(input.position + distance + 8);
    if (length <= 0 || length > this.#bodyBytesMax || !input.ensure(distance + RECORD_FRAME_BYTES + length)) {
      return false;
    }
    const at = input.position + distance;
    return input.bytes[at + RECORD_HEAD_BYTES + length] === RECORD_END && isSummed(input.bytes, at, length);
  }

  #damage(offset: number, what: string, whatToDo: string): StorageError {
    const hint = whatToDo.replaceAll('OFFSET', String(offset)).replaceAll('FILE', this.#file.name);
    return new StorageError('data', `${this.#file.name} is damaged at offset ${offset}: ${what}. ${hint}`);
  }
}

const RESTORE_OR_CUT =
  'The server does not start, for transactions that were acknowledged would be lost without a word. Restore the data ' +
  "from a backup, or let this server copy another member's (with an empty data directory). If you can do without this " +
  'and all later transactions: truncate -s OFFSET FILE, and remove the log files with higher numbers';

function isSummed(bytes: Buffer, at: number, length: number): boolean {
  const body = at + RECORD_HEAD_BYTES;
  return (
    bytes.readInt32BE(at) === 0 && bytes.readUInt32BE(at + 4) === adler32(ADLER32_START, bytes, body, body + length)
  );
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/**
 * Whether a log has no more than (a part of) its header, or nothing but zeros: left over when power failed just after
 * its creation. The header reaches the disk before any record does, so no acknowledged transaction was ever in it.
 */
export function isUnbegunLog(disk: Disk, file: DataFile): boolean {
  if (file.sizeBytes < FILE_HEADER_BYTES) {
    return true;
  }
  const next = chunksOf(disk, 'log', file.name);
  for (let chunk = next(); chunk !== null; chunk = next()) {
    if (!isZero(chunk.subarray(0, FILE_HEADER_BYTES)) || !Buffer.alloc(chunk.length).equals(chunk)) {
      return false;
    }
  }
  return true;
}
