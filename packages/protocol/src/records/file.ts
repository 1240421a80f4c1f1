/** Headers and sections of log and snapshot files (disk-format.md §2.1, §3.1). */
import { type Infer, int, long, record, ustring } from '../jute/schema.ts';

/** "ZKLG" */
export const LOG_MAGIC = 0x5a4b4c47;
/** "ZKSN" */
export const SNAPSHOT_MAGIC = 0x5a4b534e;
export const FILE_VERSION = 2;

export const FileHeader = record('FileHeader', { magic: int, version: int, dbid: long });
export type FileHeader = Infer<typeof FileHeader>;
/** A running Adler-32 of all bytes so far, then "/". */
export const Seal = record('Seal', { adler32: long, end: ustring });
export const SnapshotSession = record('SnapshotSession', { id: long, timeoutMs: int });
export const SnapshotDigest = record('SnapshotDigest', { zxid: long, version: int, digest: long });
