/**
 * Writes the transaction log (disk-format.md §2.3). Transactions are collected; one batch is on its way to the disk at
 * a time, and everything appended meanwhile goes with the next one: group commit, whose batches grow with the load.
 */
import { zxidHex } from '@treekeeper/protocol';
import { assert } from '../assert.ts';
import { type Disk, type DiskCompletion, type DiskError, type DiskStep, UNFINISHED_PREFIX } from '../io/disk.ts';
import type { Log } from '../io/log.ts';
import type { Random } from '../io/random.ts';
import { isSuccessor } from './contiguity.ts';
import { FILE_HEADER_BYTES, logFileHeader, logName, RECORD_FRAME_BYTES, writeRecord } from './format.ts';
import type { StorageOptions } from './options.ts';

/** A file is extended when fewer bytes than this are left. */
const PREALLOC_MARGIN_BYTES = 4096;
/**
 * So many zeros are written behind a small batch, for those that follow: they fall on blocks that are there. A write
 * into a hole allocates blocks, and what the file system has to make durable for that takes as long as the data.
 */
const ZEROS_AHEAD_BYTES = 256 * 1024;
/** Larger batches come from a loaded server, whose disk has enough to write: they go into the hole. */
const SMALL_BATCH_BYTES = 64 * 1024;
const BATCH_CAPACITY_BYTES = SMALL_BATCH_BYTES + ZEROS_AHEAD_BYTES;
/**
 * Larger buffers are not kept for the next batch. A full batch of ordinary transactions fits several times: growing
 * a new buffer for each would be the greatest part of all garbage.
 */
const SPARE_BYTES_MAX = 8 * 1024 * 1024;

/** What one batch will write: records of one file. */
interface Batch {
  buffer: Buffer;
  length: number;
  txns: number;
  readonly firstZxid: number;
  lastZxid: number;
  /** The last record was one after which the log rolls. */
  rolls: boolean;
  /** When `flush` first saw it; −1: not yet. */
  waitingSinceMs: number;
}

interface InFlight {
  readonly batch: Batch;
  readonly steps: DiskStep[];
  /** Which of the steps writes the batch. */
  readonly writeAt: number;
  /** −1 between a 'full' and the retry. */
  ticket: number;
}

interface OpenFile {
  readonly file: number;
  position: number;
  /** As far as the file was extended; a large batch may have gone beyond. */
  extendedBytes: number;
  /** So far there are blocks: records, and zeros ahead of them. A hole follows. */
  filledBytes: number;
}

/** Told about every batch that has become durable. */
export type SyncObserver = (txns: number, bytes: number, durationMs: number) => void;

export class TxnLog {
  readonly #disk: Disk;
  readonly #options: StorageOptions;
  readonly #random: Random;
  readonly #log: Log;
  readonly #onSync: SyncObserver | undefined;

  readonly #pending: Batch[] = [];
  #inFlight: InFlight | null = null;
  #spare: Buffer | null = null;
  #open: OpenFile | null = null;

  #lastAppended: number;
  #syncedThrough: number;
  #contiguousFrom: number;
  #full = false;
  #failure: string | null = null;
  /** Appended, and not on disk. */
  #waitingBytes = 0;
  #waitingTxns = 0;

  #rolled = false;
  #txnsSinceRoll = 0;
  /** Of files closed by their size limit since the last roll. */
  #closedBytes = 0;
  /** Of the file that the next record goes to, as far as it is known. */
  #tailBytes = 0;
  #txnsUntilRoll = 0;
  #bytesUntilRoll = 0;

  /** Goes on after `lastZxid`. The first transaction begins a new file: no existing file is ever appended to. */
  constructor(disk: Disk, options: StorageOptions, random: Random, log: Log, lastZxid: number, onSync?: SyncObserver) {
    assert(options.snapCount >= 2, 'snapCount is at least 2');
    this.#disk = disk;
    this.#options = options;
    this.#random = random;
    this.#log = log;
    this.#onSync = onSync;
    this.#lastAppended = lastZxid;
    this.#syncedThrough = lastZxid;
    this.#contiguousFrom = lastZxid + 1;
    this.#drawRollPoint();
  }

  /**
   * Goes on after another zxid, with a new file: the history on disk has been replaced, cut or read again. Everything
   * appended must be on disk (`idle`).
   *
   * @param contiguousFrom what recovery says of the records on disk; nothing is known of them when it is left out
   */
  restart(lastZxid: number, contiguousFrom: number = lastZxid + 1): void {
    assert(this.idle && this.#failure === null, 'the log is idle when its history is replaced');
    if (this.#open !== null) {
      this.#disk.submit([{ op: 'close', file: this.#open.file }]);
      this.#open = null;
    }
    this.#lastAppended = lastZxid;
    this.#syncedThrough = lastZxid;
    this.#contiguousFrom = contiguousFrom;
    this.#rolled = false;
    this.#txnsSinceRoll = 0;
    this.#closedBytes = 0;
    this.#tailBytes = 0;
    this.#drawRollPoint();
  }

  /** The last transaction that it was given, or goes on after. */
  get lastAppended(): number {
    return this.#lastAppended;
  }

  /** The last transaction that is on disk, with all before it (with forceSync off: handed to the system). */
  get syncedThrough(): number {
    return this.#syncedThrough;
  }

  /** No transaction is missing in the log from here on. What lies before has not been looked at, or has a gap. */
  get contiguousFrom(): number {
    return this.#contiguousFrom;
  }

  /** No space is left: new writes must be refused, and `retry` called about once a second until this is false again. */
  get full(): boolean {
    return this.#full;
  }

  /** No space is left, and more waits for it than there should be in memory. */
  get isOverfull(): boolean {
    const { fullLogBytesMax, fullLogTxnsMax } = this.#options;
    return this.#full && (this.#waitingBytes > fullLogBytesMax || this.#waitingTxns > fullLogTxnsMax);
  }

  /** Why the process must stop, with what to do; null while all is well. */
  get failure(): string | null {
    return this.#failure;
  }

  /** Everything appended is on disk. */
  get idle(): boolean {
    return this.#inFlight === null && this.#pending.length === 0;
  }

  /** When `flush` wants to be called again although nothing happened (flushDelay); null: no need. */
  get flushDueMs(): number | null {
    const next = this.#pending[0];
    if (this.#inFlight !== null || next === undefined || next.waitingSinceMs < 0) {
      return null;
    }
    return next.waitingSinceMs + this.#options.flushDelayMs;
  }

  /** True once after each roll by count or size: time for a snapshot, unless one is being written. */
  takeRolled(): boolean {
    const rolled = this.#rolled;
    this.#rolled = false;
    return rolled;
  }

  /** Takes a transaction: `body` is header, txn and digest as in the log and is copied. In zxid order. */
  append(zxid: number, body: Uint8Array): void {
    // Not strictly rising: Apache ZooKeeper 3.9 and later leaders give one zxid to two records (§2.2).
    assert(zxid >= this.#lastAppended, 'transactions are logged in order');
    if (!isSuccessor(this.#lastAppended, zxid)) {
      this.#contiguousFrom = Math.max(zxid, this.#lastAppended + 1);
    }
    this.#lastAppended = zxid;
    const batch = this.#batchFor(zxid);
    const end = batch.length + RECORD_FRAME_BYTES + body.length;
    if (end > batch.buffer.length) {
      grow(batch, end);
    }
    writeRecord(batch.buffer, batch.length, body);
    this.#waitingBytes += end - batch.length;
    this.#waitingTxns++;
    batch.length = end;
    batch.txns++;
    batch.lastZxid = zxid;
    this.#txnsSinceRoll++;
    if (this.#rollIsDue()) {
      batch.rolls = true;
      this.#rolled = true;
      this.#txnsSinceRoll = 0;
      this.#closedBytes = 0;
      this.#tailBytes = 0;
      this.#drawRollPoint();
    }
  }

  #batchFor(zxid: number): Batch {
    const last = this.#pending.at(-1);
    const { maxBatchTxns } = this.#options;
    if (last !== undefined && !last.rolls && (maxBatchTxns <= 0 || last.txns < maxBatchTxns)) {
      return last;
    }
    const buffer = this.#spare ?? Buffer.allocUnsafeSlow(BATCH_CAPACITY_BYTES);
    this.#spare = null;
    const batch = { buffer, length: 0, txns: 0, firstZxid: zxid, lastZxid: zxid, rolls: false, waitingSinceMs: -1 };
    this.#pending.push(batch);
    return batch;
  }

  #rollIsDue(): boolean {
    const bytes = this.#closedBytes + this.#tailBytes;
    return this.#txnsSinceRoll > this.#txnsUntilRoll || bytes > this.#bytesUntilRoll;
  }

  /**
   * Half of the limit plus a random part of the other half, so that the servers of an ensemble do not roll together.
   */
  #drawRollPoint(): void {
    const half = Math.floor(this.#options.snapCount / 2);
    this.#txnsUntilRoll = half + Math.floor(this.#random.next() * half);
    const halfBytes = Math.floor(this.#options.snapSizeLimitBytes / 2);
    this.#bytesUntilRoll =
      halfBytes > 0 ? halfBytes + Math.floor(this.#random.next() * halfBytes) : Number.POSITIVE_INFINITY;
  }

  /** Sends the next batch to the disk, unless one is on its way. Called at the end of every turn. */
  flush(nowMs: number): void {
    const next = this.#pending[0];
    if (this.#inFlight !== null || this.#failure !== null || next === undefined) {
      return;
    }
    const { flushDelayMs } = this.#options;
    // With a second batch behind it, or a roll, the first cannot grow any more.
    if (flushDelayMs > 0 && this.#pending.length === 1 && !next.rolls) {
      if (next.waitingSinceMs < 0) {
        next.waitingSinceMs = nowMs;
      }
      if (nowMs - next.waitingSinceMs < flushDelayMs) {
        return;
      }
    }
    this.#pending.shift();
    this.#submit(next);
  }

  #submit(batch: Batch): void {
    const { forceSync, txnLogSizeLimitBytes } = this.#options;
    const steps: DiskStep[] = [];
    const isNew = this.#open === null;
    const open = this.#open ?? this.#newFile(batch.firstZxid, steps);
    const extendedBytes = this.#extendedSize(open.position, open.extendedBytes);
    if (extendedBytes > open.extendedBytes) {
      // A hole, as Java leaves it: no space is reserved, but the size stays the same from write to write.
      steps.push({ op: 'write', file: open.file, position: extendedBytes - 1, bytes: Uint8Array.of(0) });
    }
    const bytes = withZeros(batch, this.#zerosAhead(open, batch.length, extendedBytes));
    steps.push({ op: 'write', file: open.file, position: open.position, bytes });
    const writeAt = steps.length - 1;
    open.filledBytes = Math.max(open.filledBytes, open.position + bytes.length);
    if (isNew && forceSync) {
      steps.push({ op: 'syncDirectory', area: 'log' });
    }
    open.position += batch.length;
    open.extendedBytes = extendedBytes;
    const sizeBytes = Math.max(extendedBytes, open.position);
    const exceedsLimit = txnLogSizeLimitBytes > 0 && sizeBytes > txnLogSizeLimitBytes;
    if (batch.rolls || exceedsLimit) {
      // Last of the steps, so that a batch that ran out of space can be tried again from its beginning.
      steps.push({ op: 'close', file: open.file });
      this.#open = null;
      this.#closedBytes += batch.rolls ? 0 : sizeBytes;
    } else {
      this.#open = open;
    }
    if (!this.#pending.some((later) => later.rolls)) {
      this.#tailBytes = this.#open === null ? 0 : sizeBytes;
    }
    this.#inFlight = { batch, steps, writeAt, ticket: this.#disk.submit(steps) };
  }

  /**
   * The file gets its name when its header is in it, and is extended after that: Java's servers do not start where a
   * log is empty or all zeros, and a process may be killed between any two steps.
   */
  #newFile(firstZxid: number, steps: DiskStep[]): OpenFile {
    const file = this.#disk.allocateFile();
    const name = logName(firstZxid);
    const unfinished = UNFINISHED_PREFIX + name;
    steps.push(
      { op: 'create', area: 'log', name: unfinished, file, dsync: this.#options.forceSync },
      { op: 'write', file, position: 0, bytes: logFileHeader },
      { op: 'rename', area: 'log', from: unfinished, to: name },
    );
    return { file, position: FILE_HEADER_BYTES, extendedBytes: FILE_HEADER_BYTES, filledBytes: FILE_HEADER_BYTES };
  }

  /** Zeros to write behind a batch: none while it falls on blocks that are there, and none beyond the extended file. */
  #zerosAhead({ position, filledBytes }: OpenFile, length: number, extendedBytes: number): number {
    const end = position + length;
    if (end <= filledBytes || length > SMALL_BATCH_BYTES || !this.#options.forceSync) {
      return 0;
    }
    return Math.max(0, Math.min(ZEROS_AHEAD_BYTES, extendedBytes - end));
  }

  #extendedSize(position: number, extendedBytes: number): number {
    const { preallocBytes } = this.#options;
    if (preallocBytes <= 0 || position + PREALLOC_MARGIN_BYTES < extendedBytes) {
      return extendedBytes;
    }
    if (position <= extendedBytes) {
      return extendedBytes + preallocBytes;
    }
    const end = position + preallocBytes;
    return end - (end % preallocBytes);
  }

  /** Takes the end of a batch; false if it was not one of this log's. */
  onCompletion(completion: DiskCompletion): boolean {
    const inFlight = this.#inFlight;
    if (inFlight === null || completion.ticket !== inFlight.ticket) {
      return false;
    }
    inFlight.ticket = -1;
    if (completion.error !== null) {
      this.#onError(completion.error, inFlight.batch);
      return true;
    }
    this.#inFlight = null;
    const { batch } = inFlight;
    this.#syncedThrough = batch.lastZxid;
    this.#waitingBytes -= batch.length;
    this.#waitingTxns -= batch.txns;
    if (batch.buffer.length <= SPARE_BYTES_MAX) {
      this.#spare = batch.buffer;
    }
    if (this.#full) {
      this.#full = false;
      this.#log.info('the disk of the transaction log has space again: writes are accepted');
    }
    this.#observe(batch, completion.durationMs);
    return true;
  }

  #onError(error: DiskError, batch: Batch): void {
    if (error.kind === 'full') {
      if (!this.#full) {
        this.#full = true;
        this.#log.error(
          `the disk of the transaction log is full: ${error.message}. Writes are refused until there is space; ` +
            'reads go on. Free some space, or remove old snapshots and logs (autopurge does that by itself)',
        );
      }
      return;
    }
    this.#failure =
      `the transaction log cannot be written: ${error.message}. The server stops: after a failed write nobody knows ` +
      `what the disk holds. Everything acknowledged, through zxid 0x${zxidHex(this.#syncedThrough)}, was on disk; ` +
      `0x${zxidHex(batch.firstZxid)} and later were not acknowledged. Check the disk and the system's log, then start ` +
      'the server again: it recovers by itself';
    this.#log.error(this.#failure);
  }

  #observe(batch: Batch, durationMs: number): void {
    this.#onSync?.(batch.txns, batch.length, durationMs);
    if (durationMs > this.#options.fsyncWarningThresholdMs) {
      this.#log.warn(
        `writing ${batch.txns} transactions (${batch.length} bytes) to the log took ${Math.round(durationMs)} ms, which ` +
          'delays every write. Give the log a disk of its own (dataLogDir) if this goes on',
      );
    }
  }

  /** Tries a batch that found no space again: the same bytes at the same places, with no zeros behind them. */
  retry(): void {
    const inFlight = this.#inFlight;
    if (this.#full && inFlight !== null && inFlight.ticket < 0) {
      const { batch, steps, writeAt } = inFlight;
      steps[writeAt] = { ...(steps[writeAt] as DiskStep & { op: 'write' }), bytes: withZeros(batch, 0) };
      inFlight.ticket = this.#disk.submit(inFlight.steps);
    }
  }
}

/** What a batch writes: its records, and zeros behind them. */
function withZeros(batch: Batch, zeros: number): Buffer {
  const end = batch.length + zeros;
  if (end > batch.buffer.length) {
    grow(batch, end);
  }
  return batch.buffer.fill(0, batch.length, end).subarray(0, end);
}

function grow(batch: Batch, bytesMin: number): void {
  const grown = Buffer.allocUnsafeSlow(Math.max(bytesMin, batch.buffer.length * 2));
  batch.buffer.copy(grown, 0, 0, batch.length);
  batch.buffer = grown;
}
