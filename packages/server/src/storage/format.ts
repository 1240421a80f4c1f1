/** Names and framing of log and snapshot files (disk-format.md §1, §2.1, §3.5). */
import {
  FILE_VERSION,
  FileHeader,
  JuteWriter,
  LOG_MAGIC,
  SNAPSHOT_MAGIC,
  zxidHex,
  zxidNumber,
} from '@treekeeper/protocol';
import type { Area, Disk, FileEntry } from '../io/disk.ts';
import { ADLER32_START, adler32 } from './adler32.ts';
import type { SnapshotCompression } from './options.ts';

export const FILE_HEADER_BYTES = 16;
/** Checksum and length, in front of a record's body. */
export const RECORD_HEAD_BYTES = 12;
/** What a record takes beyond its body: head and end byte. */
export const RECORD_FRAME_BYTES = RECORD_HEAD_BYTES + 1;
/** "B", after a record's body. */
export const RECORD_END = 0x42;

const LOG_DBID = 0;
const SNAPSHOT_DBID = -1;

export const logFileHeader: Uint8Array = fileHeader(LOG_MAGIC, LOG_DBID);
export const snapshotFileHeader: Uint8Array = fileHeader(SNAPSHOT_MAGIC, SNAPSHOT_DBID);

function fileHeader(magic: number, dbid: number): Uint8Array {
  const writer = new JuteWriter(FILE_HEADER_BYTES);
  FileHeader.encode(writer, { magic, version: FILE_VERSION, dbid });
  return writer.copy();
}

export type DataFilePrefix = 'log' | 'snapshot';

export function logName(zxid: number): string {
  return `log.${zxidHex(zxid)}`;
}

export function snapshotName(zxid: number, compression: SnapshotCompression = 'none'): string {
  return `snapshot.${zxidHex(zxid)}${compression === 'none' ? '' : `.${compression}`}`;
}

const LONG_MAX = 2n ** 63n - 1n;

/**
 * The zxid in a file's name, null if it names no data file of this kind. Parts after the zxid are ignored, as Java
 * does: `log.1.fixed` is a log. Throws RangeError for a zxid beyond the server's range (zxidNumber).
 */
export function zxidOfName(prefix: DataFilePrefix, name: string): number | null {
  const [first, digits] = name.split('.');
  if (first !== prefix || digits === undefined || !/^\+?[0-9a-f]+$/i.test(digits)) {
    return null;
  }
  const zxid = BigInt(`0x${digits.replace('+', '')}`);
  return zxid > LONG_MAX ? null : zxidNumber(zxid);
}

export interface DataFile extends FileEntry {
  readonly zxid: number;
}

/** The logs or snapshots of a directory, in ascending order of zxid (of name where that is equal). */
export function listDataFiles(disk: Disk, prefix: DataFilePrefix): DataFile[] {
  const files: DataFile[] = [];
  for (const entry of disk.list(areaOf(prefix))) {
    const zxid = zxidOfName(prefix, entry.name);
    if (zxid !== null) {
      files.push({ ...entry, zxid });
    }
  }
  return files.sort((a, b) => a.zxid - b.zxid || (a.name < b.name ? -1 : 1));
}

export function areaOf(prefix: DataFilePrefix): Area {
  return prefix === 'log' ? 'log' : 'data';
}

/** How a snapshot is compressed: the last part of its name says so. */
export function compressionOf(name: string): SnapshotCompression {
  const last = name.slice(name.lastIndexOf('.') + 1);
  return last === 'gz' || last === 'snappy' ? last : 'none';
}

export const GZIP_MAGIC: Uint8Array = Uint8Array.of(0x1f, 0x8b);
export const SNAPPY_MAGIC: Uint8Array = Uint8Array.of(0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00);
/** How a whole plain snapshot ends: the string "/" after the last seal. */
const SNAPSHOT_END = Uint8Array.of(0, 0, 0, 1, 0x2f);
const PLAIN_SNAPSHOT_BYTES_MIN = 10;

/**
 * Whether a snapshot looks whole at its two ends: no more than that, and cheap. A file cut by a crash fails it (nearly
 * always); damage in the middle shows only when it is read.
 */
export function passesQuickCheck(disk: Disk, file: DataFile): boolean {
  const compression = compressionOf(file.name);
  if (compression === 'none') {
    const position = file.sizeBytes - SNAPSHOT_END.length;
    return file.sizeBytes >= PLAIN_SNAPSHOT_BYTES_MIN && holds(disk, file, position, SNAPSHOT_END);
  }
  return holds(disk, file, 0, compression === 'gz' ? GZIP_MAGIC : SNAPPY_MAGIC);
}

function holds(disk: Disk, file: DataFile, position: number, expected: Uint8Array): boolean {
  const found = disk.read('data', file.name, position, expected.length);
  return found.length === expected.length && expected.every((byte, i) => byte === found[i]);
}

/** Puts a log record around `body` into `target` at `at`; it takes RECORD_FRAME_BYTES more than the body. */
export function writeRecord(target: Buffer, at: number, body: Uint8Array): void {
  const bodyAt = at + RECORD_HEAD_BYTES;
  target.set(body, bodyAt);
  const end = bodyAt + body.length;
  target.writeInt32BE(0, at);
  target.writeUInt32BE(adler32(ADLER32_START, target, bodyAt, end), at + 4);
  target.writeInt32BE(body.length, at + 8);
  target[end] = RECORD_END;
}
