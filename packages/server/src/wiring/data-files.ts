/** Logs and snapshots by their paths, for those who look into them. Nothing is locked, and nothing is changed. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import { CheckVersionTxn, JuteReader, LOG_MAGIC, MultiTxn, OpCode, SNAPSHOT_MAGIC } from '@treekeeper/protocol';
import type { FileSource } from '../io/disk.ts';
import { txnKindOf } from '../operations/index.ts';
import { compressionOf, zxidOfName } from '../storage/format.ts';
import { isUnbegunLog, LogReader } from '../storage/log-reader.ts';
import { readSnapshot, type SnapshotSink, type SnapshotTrailer } from '../storage/snapshot-reader.ts';
import { type LoggedTxnHeader, TxnSplitter } from '../storage/txn-body.ts';

export type { LoggedTxnHeader, SnapshotSink, SnapshotTrailer };

/** One transaction as it is logged. */
export interface LoggedTxn {
  /** Of its record in the file. */
  readonly offset: number;
  readonly header: LoggedTxnHeader;
  /** Of the tree after it; null: not logged. */
  readonly digest: bigint | null;
  readonly txn: Txn;
}

/** A transaction's fields, as @treekeeper/protocol declares the record of its type; of a multi, its parts. */
export interface Txn {
  readonly type: number;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly parts: readonly Txn[];
}

/** Lengths are bounded by the file. */
const BYTES_MAX = 0x7fffffff;
const MAGIC_BYTES = 4;

/** What kind of data file a name says it is: `log.1`, `snapshot.1.gz`; null: none. */
export function dataFileKind(path: string): 'log' | 'snapshot' | null {
  const name = basename(path);
  return zxidOfName('log', name) !== null ? 'log' : zxidOfName('snapshot', name) !== null ? 'snapshot' : null;
}

/**
 * Throws Error when anything about the snapshot is wrong; by then a part of it has been handed to `sink`. If it is
 * another kind of file, the message says so.
 */
export function readSnapshotFile(path: string, sink: SnapshotSink): SnapshotTrailer {
  using file = new OpenFile(path);
  const name = basename(path);
  // How a compressed one begins is for its reader to judge.
  if (compressionOf(name) === 'none') {
    const magic = file.magic();
    if (magic === LOG_MAGIC) {
      throw new Error(`it is a log: treekeeper log ${path} shows it`);
    }
    if (magic !== SNAPSHOT_MAGIC) {
      throw new Error('it is no snapshot: it does not begin with ZKSN');
    }
  }
  return readSnapshot(file, name, BYTES_MAX, sink);
}

/**
 * The transactions of a log; the generator returns what was torn at its end by a crash, null: nothing. Throws Error at
 * damage that no crash explains, and at a file of another kind, of which nothing is said but what it is: where it lies,
 * it may be in its place.
 */
export function* readLogFile(path: string): Generator<LoggedTxn, string | null> {
  using file = new OpenFile(path);
  const name = basename(path);
  const entry = { name, sizeBytes: file.sizeBytes, zxid: zxidOfName('log', name) ?? 0 };
  const magic = file.magic();
  if (magic === 0 && isUnbegunLog(file, entry)) {
    return 'nothing is in it yet';
  }
  if (magic === SNAPSHOT_MAGIC || (dataFileKind(path) === 'snapshot' && compressionOf(name) !== 'none')) {
    throw new Error(`it is a snapshot: treekeeper snapshot ${path} shows it`);
  }
  if (magic !== LOG_MAGIC) {
    throw new Error('it is no log: it does not begin with ZKLG');
  }
  const reader = new LogReader(file, entry, BYTES_MAX);
  const splitter = new TxnSplitter();
  while (reader.next()) {
    const { header, digest } = splitter.split(reader.bytes, reader.bodyStart, reader.bodyEnd);
    yield { offset: reader.recordOffset, header, digest, txn: decodeTxn(header.type, splitter.txn) };
  }
  return reader.end?.torn ?? null;
}

function decodeTxn(type: number, reader: JuteReader): Txn {
  if (type === OpCode.multi) {
    const { txns } = MultiTxn.decode(reader);
    const parts = txns.map(({ type: partType, data }) => decodeTxn(partType, new JuteReader(data, BYTES_MAX)));
    return { type, fields: {}, parts };
  }
  const record = type === OpCode.check ? CheckVersionTxn : txnKindOf(type)?.record;
  return { type, fields: (record?.decode(reader) ?? {}) as Txn['fields'], parts: [] };
}

class OpenFile implements FileSource, Disposable {
  readonly sizeBytes: number;
  readonly #descriptor: number;

  constructor(path: string) {
    this.#descriptor = openSync(path, 'r');
    this.sizeBytes = fstatSync(this.#descriptor).size;
  }

  /** How it begins, by which the kinds of files are told apart; 0: it is empty, or too short to have one. */
  magic(): number {
    const bytes = this.read(null, '', 0, MAGIC_BYTES);
    return bytes.length < MAGIC_BYTES ? 0 : Buffer.from(bytes).readInt32BE(0);
  }

  read(_area: unknown, _name: string, position: number, length: number): Uint8Array {
    const bytes = Buffer.allocUnsafe(Math.max(0, Math.min(length, this.sizeBytes - position)));
    return bytes.subarray(0, readSync(this.#descriptor, bytes, 0, bytes.length, position));
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }
}
