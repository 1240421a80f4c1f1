import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ACL,
  CheckVersionTxn,
  CloseSessionTxn,
  CreateContainerTxn,
  CreateSessionTxn,
  CreateTtlTxn,
  CreateTxn,
  DeleteTxn,
  ErrorTxn,
  JuteReader,
  JuteWriter,
  MultiTxn,
  SetAclTxn,
  SetDataTxn,
  StatPersisted,
  TxnDigest,
  TxnHeader,
} from '@treekeeper/protocol';
import { SimulatedDisk } from '../../../simulator/src/disk.ts';
import type { Log } from '../../src/io/log.ts';
import type { Random } from '../../src/io/random.ts';
import { logFileHeader, RECORD_FRAME_BYTES, writeRecord } from '../../src/storage/format.ts';
import { type StorageOptions, storageDefaults } from '../../src/storage/options.ts';
import { type Recovered, type RecoverySink, recover } from '../../src/storage/recovery.ts';
import type { SnapshotSource } from '../../src/storage/snapshot.ts';
import type { SnapshotDigest } from '../../src/storage/snapshot-reader.ts';
import type { LoggedTxnHeader } from '../../src/storage/txn-body.ts';

export const golden: string = join(import.meta.dirname, '../golden');

export function goldenJson<T>(path: string): T {
  return JSON.parse(readFileSync(join(golden, path), 'utf8')) as T;
}

/** Small files, so that tests do not shovel 64 MB of zeros. */
export function testOptions(changes: Partial<StorageOptions> = {}): StorageOptions {
  return { ...storageDefaults, preallocBytes: 16 * 1024, ...changes };
}

/** A disk with the files of a golden directory. */
export function goldenDisk(dataFolder: string, logFolder = dataFolder): SimulatedDisk {
  const disk = new SimulatedDisk({ sharedDirectory: dataFolder === logFolder });
  putFolder(disk, 'data', dataFolder);
  if (logFolder !== dataFolder) {
    putFolder(disk, 'log', logFolder);
  }
  return disk;
}

function putFolder(disk: SimulatedDisk, area: 'data' | 'log', folder: string): void {
  for (const name of readdirSync(join(golden, folder))) {
    disk.put(area, name, readFileSync(join(golden, folder, name)));
  }
}

export class RecordingLog implements Log {
  readonly lines: string[] = [];
  info(message: string): void {
    this.lines.push(`info: ${message}`);
  }
  warn(message: string): void {
    this.lines.push(`warn: ${message}`);
  }
  error(message: string): void {
    this.lines.push(`error: ${message}`);
  }
  get text(): string {
    return this.lines.join('\n');
  }
}

export interface RecordedNode {
  readonly path: string;
  readonly data: Uint8Array | null;
  readonly aclId: bigint;
  readonly stat: StatPersisted;
}

export interface RecordedTxn {
  readonly header: LoggedTxnHeader;
  readonly txn: unknown;
  readonly digest: bigint | null;
}

/** Keeps what recovery gives, and refuses orphans as a tree does. */
export class RecordingSink implements RecoverySink {
  resets = 0;
  sessions = new Map<bigint, number>();
  acls = new Map<bigint, ACL[]>();
  nodes = new Map<string, RecordedNode>();
  snapshot: { zxid: number; digest: SnapshotDigest | null } | null = null;
  txns: RecordedTxn[] = [];

  reset(): void {
    this.resets++;
    this.sessions = new Map();
    this.acls = new Map();
    this.nodes = new Map();
  }
  session(id: bigint, timeoutMs: number): void {
    this.sessions.set(id, timeoutMs);
  }
  acl(id: bigint, acl: ACL[]): void {
    this.acls.set(id, acl);
  }
  node(path: string, data: Uint8Array | null, aclId: bigint, stat: StatPersisted): void {
    if (path !== '' && !this.nodes.has(path.slice(0, path.lastIndexOf('/')))) {
      throw new Error(`${path} has no parent`);
    }
    this.nodes.set(path, { path, data, aclId, stat });
  }
  snapshotLoaded(zxid: number, digest: SnapshotDigest | null): void {
    this.snapshot = { zxid, digest };
  }
  txn(header: LoggedTxnHeader, txn: JuteReader, digest: bigint | null): void {
    this.txns.push({ header, txn: decodeTxn(header.type, txn), digest });
    if (txn.remaining > 0) {
      throw new Error(`${txn.remaining} bytes after the txn`);
    }
  }
  get zxids(): number[] {
    return this.txns.map(({ header }) => header.zxid);
  }
}

const txnRecords: Readonly<Record<number, { decode(reader: JuteReader): unknown }>> = {
  [-10]: CreateSessionTxn,
  [-11]: CloseSessionTxn,
  [-1]: ErrorTxn,
  1: CreateTxn,
  15: CreateTxn,
  2: DeleteTxn,
  20: DeleteTxn,
  5: SetDataTxn,
  16: SetDataTxn,
  7: SetAclTxn,
  13: CheckVersionTxn,
  14: MultiTxn,
  19: CreateContainerTxn,
  21: CreateTtlTxn,
};

/** Decodes a txn, those inside a multi too. */
export function decodeTxn(type: number, reader: JuteReader): unknown {
  const value = txnRecords[type].decode(reader);
  if (type !== 14) {
    return value;
  }
  const { txns } = value as MultiTxn;
  return { txns: txns.map(({ type, data }) => ({ type, txn: decodeTxn(type, new JuteReader(data)) })) };
}

export interface RecoveryRun {
  readonly sink: RecordingSink;
  readonly log: RecordingLog;
  readonly recovered: Recovered;
}

export function recoverFrom(disk: SimulatedDisk, changes: Partial<StorageOptions> = {}): RecoveryRun {
  const sink = new RecordingSink();
  const log = new RecordingLog();
  const recovered = recover(disk, testOptions(changes), sink, log);
  return { sink, log, recovered };
}

/** A txn body: header, txn, digest. */
export function txnBody(zxid: number, type: number, txn: Uint8Array, digest?: bigint): Buffer {
  const writer = new JuteWriter();
  TxnHeader.encode(writer, { clientId: 0x100n, cxid: 1, zxid, time: 1_700_000_000_000, type });
  writer.raw(txn);
  if (digest !== undefined) {
    TxnDigest.encode(writer, { version: 2, treeDigest: digest });
  }
  return writer.copy();
}

/** The body of an error txn: the smallest that can be told from another. */
export function errorBody(zxid: number): Buffer {
  return txnBody(zxid, -1, Buffer.from([0xff, 0xff, 0xff, 0x9b]));
}

/** A log file of whole records. */
export function logFile(...bodies: Uint8Array[]): Buffer {
  return Buffer.concat([logFileHeader, ...bodies.map(framed)]);
}

export function framed(body: Uint8Array): Buffer {
  const record = Buffer.alloc(RECORD_FRAME_BYTES + body.length);
  writeRecord(record, 0, body);
  return record;
}

/** A random number generator with a seed (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed | 0;
  return {
    next: () => {
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    },
  };
}

/** Always the same number. */
export function constantRandom(value: number): Random {
  return { next: () => value };
}

const plainStat: StatPersisted = {
  czxid: 1n,
  mzxid: 2n,
  ctime: 3n,
  mtime: 4n,
  version: 5,
  cversion: 6,
  aversion: 7,
  ephemeralOwner: 8n,
  pzxid: 9n,
};

export function node(path: string, data: Uint8Array | null = null, aclId = -1n): RecordedNode {
  return { path, data, aclId, stat: plainStat };
}

/** Nodes as text: comparing thousands of them field by field takes a test framework minutes. */
export function nodesText(nodes: Iterable<RecordedNode>): string {
  const lines: string[] = [];
  for (const { path, data, aclId, stat } of nodes) {
    const content = data === null ? 'null' : Buffer.from(data).toString('base64');
    lines.push([path, content, aclId, ...Object.values(stat)].join(' '));
  }
  return lines.join('\n');
}

/** A snapshot's content given as lists. */
export class ListSource implements SnapshotSource {
  readonly zxid: number;
  readonly sessions: Map<bigint, number>;
  readonly acls: Map<bigint, readonly ACL[]>;
  readonly #nodes: readonly RecordedNode[];
  readonly #digest: bigint | null;
  #next = 0;

  constructor(
    zxid: number,
    nodes: readonly RecordedNode[],
    {
      sessions = new Map<bigint, number>(),
      acls = new Map<bigint, readonly ACL[]>(),
      digest = null as bigint | null,
    } = {},
  ) {
    this.zxid = zxid;
    this.sessions = sessions;
    this.acls = acls;
    this.#nodes = nodes;
    this.#digest = digest;
  }

  writeNodes(writer: JuteWriter, budgetBytes: number): boolean {
    const end = writer.length + budgetBytes;
    while (this.#next < this.#nodes.length && writer.length < end) {
      const { path, data, aclId, stat } = this.#nodes[this.#next++];
      writer.ustring(path);
      writer.buffer(data);
      writer.long(aclId);
      StatPersisted.encode(writer, stat);
    }
    return this.#next < this.#nodes.length;
  }

  trailer(): { digestZxid: number; digest: bigint | null; lastZxid: number } {
    return { digestZxid: this.zxid, digest: this.#digest, lastZxid: this.zxid };
  }
}
