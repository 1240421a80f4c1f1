/** Settings of logs, snapshots and recovery; the keys of zoo.cfg that set them stand beside. */
export interface StorageOptions {
  /** A log file grows by this much at a time; 0: as it is written. `preAllocSize` (KB). */
  readonly preallocBytes: number;
  /** Between snapshots lie half to all of this many transactions. At least 2. `snapCount`. */
  readonly snapCount: number;
  /** Between snapshots lie half to all of this many bytes of log; 0: no limit. `snapSizeLimitInKb`. */
  readonly snapSizeLimitBytes: number;
  /** A log file larger than this is closed, without a snapshot; 0: no limit. `txnLogSizeLimitInKb`. */
  readonly txnLogSizeLimitBytes: number;
  /** Transactions are on the platter before they are acknowledged. `forceSync`. */
  readonly forceSync: boolean;
  /** How long transactions may wait for more before they are written. `flushDelay`. */
  readonly flushDelayMs: number;
  /** Transactions written at once; 0: no limit. `maxBatchSize`. */
  readonly maxBatchTxns: number;
  /**
   * What a log that finds no space may keep in memory: with more, a member leaves its ensemble until there is space.
   * The number of transactions counts for what each of them keeps besides. No keys set these.
   */
  readonly fullLogBytesMax: number;
  readonly fullLogTxnsMax: number;
  /** A slower write to the log is worth a warning. `fsync.warningthresholdms`. */
  readonly fsyncWarningThresholdMs: number;
  /** `snapshot.compression.method`. */
  readonly snapshotCompression: SnapshotCompression;
  /** A snapshot is written in slices of about this size: what a turn has time for. No key sets it. */
  readonly snapshotSliceBytes: number;
  /** Snapshots carry the tree's digest. `digest.enabled`. */
  readonly digestEnabled: boolean;
  /** Snapshots carry the last zxid. `serializeLastProcessedZxid.enabled`. */
  readonly serializeLastProcessedZxid: boolean;
  /** Log without any snapshot is replayed from an empty tree. `snapshot.trust.empty`. */
  readonly trustEmptySnapshot: boolean;
  /** A directory without data is a new database, not a lost one. `db.autocreate`. */
  readonly databaseAutocreate: boolean;
  /** Longest string or data, and longest log record, read back. `jute.maxbuffer` + `jute.maxbuffer.extrasize`. */
  readonly fieldBytesMax: number;
}

export type SnapshotCompression = 'none' | 'gz' | 'snappy';

export const storageDefaults: StorageOptions = {
  preallocBytes: 65536 * 1024,
  snapCount: 100_000,
  snapSizeLimitBytes: 4_194_304 * 1024,
  txnLogSizeLimitBytes: 0,
  forceSync: true,
  flushDelayMs: 0,
  maxBatchTxns: 1000,
  fullLogBytesMax: 64 * 1024 * 1024,
  fullLogTxnsMax: 100_000,
  fsyncWarningThresholdMs: 1000,
  snapshotCompression: 'none',
  snapshotSliceBytes: 128 * 1024,
  digestEnabled: true,
  serializeLastProcessedZxid: true,
  trustEmptySnapshot: false,
  databaseAutocreate: true,
  fieldBytesMax: 2 * 0xfffff,
};
