/** From files to memory: the newest good snapshot, then the logs after it (disk-format.md §2.4, §3.5). */
import { epochOf, JuteError, type JuteReader, zxidHex } from '@treekeeper/protocol';
import { AssertionFailure } from '../assert.ts';
import type { Disk } from '../io/disk.ts';
import type { Log } from '../io/log.ts';
import { DamageError, StorageError } from '../io/storage-error.ts';
import { isProvenSuccessor, isSuccessor } from './contiguity.ts';
import { checkDirectories, removeUnfinished } from './directories.ts';
import { type DataFile, listDataFiles, passesQuickCheck } from './format.ts';
import { isUnbegunLog, LogReader } from './log-reader.ts';
import type { StorageOptions } from './options.ts';
import { finishReplacement } from './replacement.ts';
import { readSnapshot, type SnapshotDigest, type SnapshotSink } from './snapshot-reader.ts';
import { type LoggedTxnHeader, type SplitTxn, TxnSplitter, UnknownTxnTypeError } from './txn-body.ts';

/** Takes what recovery finds: one snapshot or none, then transactions. */
export interface RecoverySink extends SnapshotSink {
  /** A snapshot turned out to be damaged: forget everything that it gave. */
  reset(): void;
  /** The snapshot is whole. `digest` is for comparison when its zxid has been applied (disk-format.md §4). */
  snapshotLoaded(zxid: number, digest: SnapshotDigest | null): void;
  /**
   * The next transaction, in file order; not always with a higher zxid than the last (§2.2). `txn` is valid during the
   * call and decodes with the record of `header.type`, whatever release wrote it. `digest`: the tree's after it, if
   * known.
   */
  txn(header: LoggedTxnHeader, txn: JuteReader, digest: bigint | null): void;
}

export interface Recovered {
  /** The last transaction on disk; 0 for a new database; −1 for an empty one that must not be trusted (§1). */
  readonly lastZxid: number;
  /** Null: there was none. */
  readonly snapshotZxid: number | null;
  /** The same, as it lies on the disk. */
  readonly snapshot: DataFile | null;
  /** Transactions replayed after the snapshot. */
  readonly sinceSnapshotTxns: number;
  /** The newest log ended in a record that a crash had cut off. It was not acknowledged. */
  readonly tornTail: boolean;
  /** No transaction is missing in the logs from here on, as far as numbers can tell (TxnLog.contiguousFrom). */
  readonly contiguousFrom: number;
  /** None is missing between the snapshot and the last transaction either. */
  readonly gapless: boolean;
}

const SNAPSHOT_CANDIDATES_MAX = 100;

/**
 * Loads the database. Synchronous, before the first turn. Throws StorageError where a person has to decide: nothing
 * that was acknowledged is ever left out without a word.
 *
 * @param before only snapshots before this zxid are good: those from there on have turned out to be wrong
 */
export function recover(
  disk: Disk,
  options: StorageOptions,
  sink: RecoverySink,
  log: Log,
  before = Number.POSITIVE_INFINITY,
): Recovered {
  checkDirectories(disk);
  finishReplacement(disk, log);
  removeUnfinished(disk, log);
  return new Recovery(disk, options, sink, log).run(before);
}

class Recovery {
  readonly #disk: Disk;
  readonly #options: StorageOptions;
  readonly #sink: RecoverySink;
  readonly #log: Log;
  readonly #splitter = new TxnSplitter();

  #lastZxid = 0;
  #txns = 0;
  #tornTail = false;
  #gapless = true;
  /** Of the last record, replayed or in the snapshot; null: none yet. */
  #lastRead: number | null = null;
  #snapshotZxids: readonly number[] = [];
  #contiguousFrom: number | null = null;
  /** Records before this zxid are in the snapshot; the leading ones are passed over. */
  #replayFrom = 0;
  #skipping = true;
  /** Of the newest snapshot that is damaged: the history must reach at least so far. */
  #damagedZxid = 0;

  constructor(disk: Disk, options: StorageOptions, sink: RecoverySink, log: Log) {
    this.#disk = disk;
    this.#options = options;
    this.#sink = sink;
    this.#log = log;
  }

  run(before: number): Recovered {
    const all = listDataFiles(this.#disk, 'snapshot');
    const snapshots = all.filter(({ zxid }) => zxid < before);
    const logs = this.#usableLogs();
    this.#snapshotZxids = all.map(({ zxid }) => zxid);
    this.#damagedZxid = snapshots.length < all.length ? (all.at(-1)?.zxid ?? 0) : 0;
    const snapshot = this.#loadSnapshot(snapshots);
    if (snapshot === null) {
      this.#checkStartWithoutSnapshot(snapshots, logs);
    }
    const trusted = this.#disk.takeInitializeMarker() || this.#options.databaseAutocreate;
    if (snapshot === null && logs.length === 0) {
      this.#log.info(trusted ? 'no data yet: a new database' : 'no data, and db.autocreate is off');
      return { ...this.#result(null), lastZxid: trusted ? 0 : -1 };
    }
    this.#lastZxid = snapshot?.zxid ?? 0;
    this.#replayFrom = this.#lastZxid + 1;
    for (const file of logsFrom(logs, this.#replayFrom)) {
      this.#replay(file, file === logs.at(-1));
    }
    this.#requireNoDamage(this.#lastZxid);
    this.#makeDurable(logs.at(-1));
    this.#log.info(`recovered through zxid 0x${zxidHex(this.#lastZxid)}: ${this.#txns} transactions from logs`);
    return this.#result(snapshot);
  }

  /** A snapshot that is damaged shows that the history went on: the logs must have what an older one does not. */
  #requireNoDamage(reachedZxid: number): void {
    if (reachedZxid < this.#damagedZxid) {
      throw new DamageError(
        `a snapshot of zxid 0x${zxidHex(this.#damagedZxid)} is damaged, and between zxid 0x${zxidHex(reachedZxid)} and ` +
          'that transactions are missing in the logs',
        RESTORE,
      );
    }
  }

  #result(snapshot: DataFile | null): Recovered {
    const lastZxid = this.#lastZxid;
    // A history that goes on in the snapshot, beyond the last record, begins anew after it.
    const contiguousFrom = this.#lastRead === lastZxid ? this.#contiguousFrom : null;
    return {
      lastZxid,
      snapshotZxid: snapshot?.zxid ?? null,
      snapshot,
      sinceSnapshotTxns: this.#txns,
      tornTail: this.#tornTail,
      contiguousFrom: contiguousFrom ?? lastZxid + 1,
      gapless: this.#gapless,
    };
  }

  /**
   * What was read is told to clients from now on, so it must outlive a loss of power; but the process before this one
   * may have been killed between writing and syncing. That can be so only in the newest log, and of the names of files.
   */
  #makeDurable(newestLog: DataFile | undefined): void {
    this.#disk.makeDurable('log', newestLog?.name ?? null);
    if (!this.#disk.sharedDirectory) {
      this.#disk.makeDurable('data', null);
    }
  }

  /** All logs but the newest if nothing was ever in it; that one is removed, since Java's older releases stop at it. */
  #usableLogs(): DataFile[] {
    const logs = listDataFiles(this.#disk, 'log');
    for (let last = logs.at(-1); last !== undefined && isUnbegunLog(this.#disk, last); last = logs.at(-1)) {
      this.#disk.remove('log', last.name);
      this.#log.info(`removed ${last.name}: a log file that had just been created when the server stopped`);
      logs.pop();
    }
    return logs;
  }

  /** Loads the newest snapshot that is whole; null if there is none to try. */
  #loadSnapshot(snapshots: DataFile[]): DataFile | null {
    const candidates = snapshots.filter((file) => passesQuickCheck(this.#disk, file));
    const faults: string[] = [];
    for (const file of candidates.reverse().slice(0, SNAPSHOT_CANDIDATES_MAX)) {
      const { name, zxid } = file;
      try {
        const { digest } = readSnapshot(this.#disk, name, this.#options.fieldBytesMax, this.#sink);
        this.#sink.snapshotLoaded(zxid, digest);
        this.#log.info(`loaded ${name}`);
        return file;
      } catch (error) {
        if (error instanceof AssertionFailure) {
          throw error;
        }
        this.#sink.reset();
        this.#damagedZxid = Math.max(this.#damagedZxid, zxid);
        faults.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
        this.#log.warn(`cannot use ${faults.at(-1)}`);
      }
    }
    if (faults.length > 0) {
      throw new DamageError(`none of the ${faults.length} snapshots can be loaded. ${faults.join('; ')}`, RESTORE);
    }
    return null;
  }

  #checkStartWithoutSnapshot(snapshots: DataFile[], logs: DataFile[]): void {
    if (logs.length > 0) {
      if (this.#options.trustEmptySnapshot) {
        this.#log.warn(
          `no snapshot: replaying the logs from ${logs[0].name} on into an empty tree (snapshot.trust.empty)`,
        );
        return;
      }
      throw new DamageError(
        `no snapshot found, but there are log entries (${logs[0].name} and ${logs.length - 1} more)`,
        `Either the snapshots were lost: ${RESTORE}. Or these are all the logs from the first one on, as after an ` +
          'upgrade from ZooKeeper 3.4: start once with snapshot.trust.empty=true',
      );
    }
    const cut = snapshots.find(({ zxid }) => zxid > 0);
    if (cut !== undefined) {
      // Java starts with an empty database here.
      throw new DamageError(
        `${cut.name} is cut off, and there is neither another snapshot nor a log`,
        `${RESTORE}; or remove the file to begin with an empty database`,
      );
    }
  }

  #replay(file: DataFile, isNewest: boolean): void {
    const reader = new LogReader(this.#disk, file, this.#options.fieldBytesMax);
    while (reader.next()) {
      this.#apply(reader, file);
    }
    const end = reader.end;
    if (end === null || end.torn === null) {
      return;
    }
    this.#tornTail ||= isNewest;
    this.#log.info(
      `${file.name} ends at offset ${reader.recordOffset}, after zxid 0x${zxidHex(this.#lastZxid)}: ${end.torn}. A ` +
        'crash cut off its last write, which was not acknowledged',
    );
  }

  #apply(reader: LogReader, file: DataFile): void {
    const place = `${file.name}, offset ${reader.recordOffset}`;
    const split = this.#split(reader, place);
    if (split === null) {
      return;
    }
    const { header, digest } = split;
    if (this.#lastRead === null || !isProvenSuccessor(this.#lastRead, header.zxid, this.#snapshotZxids)) {
      this.#contiguousFrom = Math.max(header.zxid, (this.#lastRead ?? 0) + 1);
    }
    this.#lastRead = Math.max(header.zxid, this.#lastRead ?? 0);
    if (this.#skipping && header.zxid < this.#replayFrom) {
      return;
    }
    this.#gapless &&= isSuccessor(this.#lastZxid, header.zxid);
    this.#checkOrder(header.zxid, place);
    this.#skipping = false;
    try {
      this.#sink.txn(header, this.#splitter.txn, digest);
    } catch (error) {
      throw error instanceof JuteError ? this.#unreadable(place, error) : error;
    }
    this.#txns++;
    this.#lastZxid = Math.max(this.#lastZxid, header.zxid);
  }

  /** Null: the body is too short for its txn, which ends the file as a cut-off record does. */
  #split(reader: LogReader, place: string): SplitTxn | null {
    try {
      return this.#splitter.split(reader.bytes, reader.bodyStart, reader.bodyEnd);
    } catch (error) {
      if (error instanceof JuteError && error.code === 'TRUNCATED') {
        reader.rejectRecord(error.message);
        return null;
      }
      throw error instanceof UnknownTxnTypeError || error instanceof RangeError
        ? this.#unreadable(place, error)
        : error;
    }
  }

  #unreadable(place: string, error: Error): StorageError {
    return new StorageError(
      'data',
      `${place}, after zxid 0x${zxidHex(this.#lastZxid)}: ${error.message}. The record is whole, so whatever wrote it ` +
        `knew a transaction that this release does not know, or had a bug. ${RESTORE}`,
    );
  }

  #checkOrder(zxid: number, place: string): void {
    const last = this.#lastZxid;
    if (zxid < last) {
      this.#log.error(`${place}: zxid 0x${zxidHex(zxid)} comes after 0x${zxidHex(last)}; it is applied all the same`);
    }
    if (zxid <= last || isSuccessor(last, zxid)) {
      return;
    }
    if (epochOf(zxid) !== epochOf(last)) {
      this.#requireNoDamage(last); // which may have had what came in between
      return;
    }
    const gap = `${place}: zxid 0x${zxidHex(zxid)} follows 0x${zxidHex(last)}`;
    if (!this.#skipping) {
      throw new DamageError(`${gap}: the transactions between them are missing`, RESTORE);
    }
    this.#requireNoDamage(last);
    this.#log.error(`${gap}, that of the snapshot: the transactions between them are missing, if there were any`);
  }
}

const RESTORE =
  "Restore the data from a backup, or let this server copy another member's by starting it with an empty data directory";

/** The logs that may hold `zxid` or later ones: those named so, and the last of those named lower. */
function logsFrom(logs: readonly DataFile[], zxid: number): DataFile[] {
  const lower = logs.filter((file) => file.zxid < zxid).at(-1);
  return logs.filter((file) => file.zxid >= (lower?.zxid ?? zxid));
}
