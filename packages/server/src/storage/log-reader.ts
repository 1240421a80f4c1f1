/** Reads the records of one log file (disk-format.md §2.1, §2.4). */
import { LOG_MAGIC } from '@treekeeper/protocol';
import type { FileSource } from '../io/disk.ts';
import { DamageError } from '../io/storage-error.ts';
import { ADLER32_START, adler32 } from './adler32.ts';
import { type DataFile, FILE_HEADER_BYTES, RECORD_END, RECORD_FRAME_BYTES, RECORD_HEAD_BYTES } from './format.ts';
import { chunksOf, FileInput } from './input.ts';

/** Why a file's records are over. */
export interface LogEnd {
  /** Null: at the padding or the end of the file, as a healthy log ends. */
  readonly torn: string | null;
}

/** What has to be known of a file to read it. */
type LogFile = Omit<DataFile, 'modifiedMs'>;

/** What a disk writes at once or not at all. */
const SECTOR_BYTES = 512;
/** A record's first bytes are always zero. */
const CHECKSUM_HIGH_BYTES = 4;

/** Session, xid: what stands before the zxid in a record's body. */
const BEFORE_ZXID_BYTES = 8 + 4;

/**
 * Goes through a file record by record: after `next()` is true the body lies in bytes[bodyStart, bodyEnd) until the
 * next call. Damage that no crash can explain throws a DamageError: to skip it would be to lose transactions silently.
 */
export class LogReader {
  bodyStart = 0;
  bodyEnd = 0;
  /** Offset of the record (its checksum) in the file. */
  recordOffset = 0;
  /** Of the record's transaction; null: the body is too short to have one. */
  zxid: number | null = null;
  end: LogEnd | null = null;
  readonly #file: LogFile;
  readonly #input: FileInput;
  readonly #bodyBytesMax: number;
  /** The highest that a record had; those that follow have higher ones. */
  #lastZxid: number;

  /** Throws DamageError if this is not a log. */
  constructor(disk: FileSource, file: LogFile, bodyBytesMax: number) {
    this.#file = file;
    this.#input = new FileInput(chunksOf(disk, 'log', file.name));
    this.#bodyBytesMax = bodyBytesMax;
    this.#lastZxid = file.zxid - 1;
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
      return this.#breaksOff(length, 'a record has no end mark');
    }
    if (!isSummed(bytes, position, length)) {
      if (this.#isPartlyUnwritten(size)) {
        return this.#endsAt('a record was only partly written');
      }
      throw this.#damage(this.recordOffset, 'the checksum of a record is wrong', RESTORE_OR_CUT);
    }
    input.position = position + size;
    this.zxid = zxidAt(bytes, position);
    this.#lastZxid = this.zxid ?? this.#lastZxid;
    return true;
  }

  /** Ends the file at the record that `next` has just given: its body turned out to be too short for its txn. */
  rejectRecord(reason: string): void {
    this.#endsAt(reason);
  }

  /**
   * The end of a batch that a crash cut off. An unreasonable length is no such thing; one above the limit is accepted
   * if the record is whole, for a limit may be lowered after the record was written.
   */
  #breaksOff(length: number, reason: string): boolean {
    if (length > this.#bodyBytesMax) {
      throw this.#damage(
        this.recordOffset,
        `the length of a record is ${length}, and the limit is ${this.#bodyBytesMax} (jute.maxbuffer)`,
        RESTORE_OR_CUT,
      );
    }
    return this.#endsAt(reason);
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

  /** Java stops here without a word even if whole records follow, and loses them (disk-format.md §2.4). */
  #endsAt(torn: string | null): false {
    const next = this.#recordBehind();
    if (next !== null) {
      const what = `${torn ?? 'a record has no length'}, but a whole one follows at offset ${next}, so this is no torn write`;
      throw this.#damage(this.recordOffset, what, RESTORE_OR_CUT);
    }
    this.end = { torn };
    return false;
  }

  /**
   * Where a whole record stands behind the place at which the records seem to be over; null: nowhere, or behind a
   * sector that was never written, as a crash may leave it (see #isPartlyUnwritten). The input is used up.
   */
  #recordBehind(): number | null {
    const input = this.#input;
    for (let skipped = CHECKSUM_HIGH_BYTES; input.ensure(RECORD_HEAD_BYTES); skipped = 0) {
      const size = skipped + SECTOR_BYTES - ((input.offset + skipped) % SECTOR_BYTES);
      input.ensure(size);
      if (isZero(input.bytes.subarray(input.position + skipped, input.position + size))) {
        return null;
      }
      for (let distance = 0; distance < size; distance++) {
        if (this.#isLaterRecord(distance)) {
          return input.offset + distance;
        }
      }
      input.position += size;
    }
    return null;
  }

  /** Whether a whole record of a later transaction stands `distance` bytes ahead. */
  #isLaterRecord(distance: number): boolean {
    const input = this.#input;
    if (!input.ensure(distance + RECORD_HEAD_BYTES) || input.bytes.readInt32BE(input.position + distance) !== 0) {
      return false;
    }
    const length = input.bytes.readInt32BE(input.position + distance + 8);
    if (length <= 0 || length > this.#bodyBytesMax || !input.ensure(distance + RECORD_FRAME_BYTES + length)) {
      return false;
    }
    const at = input.position + distance;
    if (input.bytes[at + RECORD_HEAD_BYTES + length] !== RECORD_END || !isSummed(input.bytes, at, length)) {
      return false;
    }
    const zxid = zxidAt(input.bytes, at); // data may hold a log, but hardly one that goes on where this one ends
    return zxid !== null && zxid > this.#lastZxid;
  }

  #damage(offset: number, what: string, whatToDo: string): DamageError {
    const hint = whatToDo.replaceAll('OFFSET', String(offset)).replaceAll('FILE', this.#file.name);
    return new DamageError(`${this.#file.name} is damaged at offset ${offset}: ${what}`, hint);
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

/** The zxid in the body of the record at `at`; null: the body has none. */
function zxidAt(bytes: Buffer, at: number): number | null {
  const zxid = at + RECORD_HEAD_BYTES + BEFORE_ZXID_BYTES;
  const hasZxid = bytes.readInt32BE(at + 8) >= BEFORE_ZXID_BYTES + 8;
  return hasZxid ? bytes.readInt32BE(zxid) * 2 ** 32 + bytes.readUInt32BE(zxid + 4) : null;
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/**
 * Whether a log has no more than (a part of) its header, or nothing but zeros: left over when power failed just after
 * its creation. The header reaches the disk before any record does, so no acknowledged transaction was ever in it.
 */
export function isUnbegunLog(disk: FileSource, file: LogFile): boolean {
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
