/** Headers and sections of log and snapshot files (disk-format.md §2.1, §3.1). */
import { buffer, type Infer, int, long, nullable, record, ustring, vector } from '../jute/schema.ts';
import { ACL, StatPersisted } from './data.ts';

/** "ZKLG" */
export const LOG_MAGIC = 0x5a4b4c47;
/** "ZKSN" */
export const SNAPSHOT_MAGIC = 0x5a4b534e;
export const FILE_VERSION = 2;

/** Begins logs (dbid 0) and snapshots (dbid −1). */
export const FileHeader = record('FileHeader', { magic: int, version: int, dbid: long });
export type FileHeader = Infer<typeof FileHeader>;

/** Before each transaction of a log: the Adler-32 of its body alone, and the body's bytes. */
export const LogRecordHeader = record('LogRecordHeader', { adler32: long, length: int });
export type LogRecordHeader = Infer<typeof LogRecordHeader>;
/** The byte behind each body ("B"); one of any other value means that the record is torn. */
export const LOG_RECORD_END = 0x42;

export const SnapshotSession = record('SnapshotSession', { id: long, timeoutMs: int });
export type SnapshotSession = Infer<typeof SnapshotSession>;
/** One list of the snapshot's ACL table. */
export const SnapshotAcl = record('SnapshotAcl', { id: long, acl: vector(ACL) });
export type SnapshotAcl = Infer<typeof SnapshotAcl>;
/** What follows a node's path (a ustring: "" for the root, "/" ends the nodes) in snapshots and in SNAP streams. */
export const SnapshotNode = record('SnapshotNode', { data: nullable(buffer), aclId: long, stat: StatPersisted });
export type SnapshotNode = Infer<typeof SnapshotNode>;
/** A running Adler-32 of all bytes so far, then "/". */
export const Seal = record('Seal', { adler32: long, end: ustring });
export type Seal = Infer<typeof Seal>;
export const SnapshotDigest = record('SnapshotDigest', { zxid: long, version: int, digest: long });
export type SnapshotDigest = Infer<typeof SnapshotDigest>;
/** With version 1 the digest was text, in hex. */
export const SnapshotDigestV1 = record('SnapshotDigestV1', { zxid: long, version: int, digest: ustring });
export type SnapshotDigestV1 = Infer<typeof SnapshotDigestV1>;
