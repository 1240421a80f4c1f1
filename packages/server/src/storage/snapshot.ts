/**
 * Writes a snapshot in slices while the server goes on working (disk-format.md §3.1, §3.4, §3.6). Unlike Java, under a
 * temporary name first: a crash leaves either the whole snapshot or none, and never spoils one that was there.
 */
import { ACL, JuteWriter, SnapshotDigest } from '@treekeeper/protocol';
import { assert } from '../assert.ts';
import { type Disk, type DiskCompletion, type DiskError, type DiskStep, UNFINISHED_PREFIX } from '../io/disk.ts';
import { ADLER32_START, adler32 } from './adler32.ts';
import { compressionHeader, compressSlice } from './compression.ts';
import { snapshotFileHeader, snapshotName } from './format.ts';
import type { StorageOptions } from './options.ts';
import { replacementSteps } from './replacement.ts';
import { AHEAD_VERSION } from './snapshot-reader.ts';
import { DIGEST_VERSION } from './txn-body.ts';

/** What a snapshot is made of. It may change while it is written: replay evens that out (fuzzy snapshots, §3.6). */
export interface SnapshotSource {
  /** The last transaction applied before anything else here was read: replay will begin after it. */
  readonly zxid: number;
  /** Id → timeout, ms. Read in the first slice. */
  readonly sessions: ReadonlyMap<bigint, number>;
  /** Read in the first slice. */
  readonly acls: Iterable<readonly [bigint, readonly ACL[]]>;
  /** Appends nodes (path, data, ACL id, stat) until about `budgetBytes` are written. False: that was the last. */
  writeNodes(writer: JuteWriter, budgetBytes: number): boolean;
  /** The last transaction applied and the tree's digest then, null if unknown; asked when the nodes are all written. */
  trailer(): {
    readonly digestZxid: number;
    readonly digest: bigint | null;
    /** The tree shows more than its last transaction. */
    readonly isAhead?: boolean;
    readonly lastZxid: number;
  };
}

/** Dirty pages are not left to pile up: one big sync at the end would hold up those of the log. */
const SYNC_EVERY_BYTES = 8 * 1024 * 1024;
/** Where the next path would stand. */
export const END_OF_SECTION = '/';

/** What comes before the nodes: sessions, and the table of ACLs. */
export function writeTables(writer: JuteWriter, { sessions, acls }: Pick<SnapshotSource, 'sessions' | 'acls'>): void {
  writer.int(sessions.size);
  for (const [id, timeoutMs] of sessions) {
    writer.long(id);
    writer.int(timeoutMs);
  }
  const countAt = writer.length;
  writer.int(0);
  let count = 0;
  for (const [id, acl] of acls) {
    writer.long(id);
    writer.int(acl.length);
    for (const entry of acl) {
      ACL.encode(writer, entry);
    }
    count++;
  }
  writer.setInt(countAt, count);
}

/**
 * 'failed': nothing is left of it; try again later, the log still has everything (see `failure`). But when it was to
 * replace the history the server must stop: the next start finds the old one or the new one. 'abandoned': nothing is
 * left of it, as was wanted.
 */
export type SnapshotState = 'writing' | 'done' | 'failed' | 'abandoned';

/** What becomes of the history that is on the disk already. */
export type HistoryReplacement = 'none' | 'remove' | 'set aside';

/** Writes one snapshot: call `advance` every turn until `state` is no longer 'writing'. */
export class SnapshotWriter {
  readonly zxid: number;
  /** The snapshot's file, when it is done. */
  readonly name: string;
  readonly #disk: Disk;
  readonly #options: StorageOptions;
  readonly #source: SnapshotSource;
  readonly #replaces: HistoryReplacement;
  readonly #file: number;
  readonly #writer: JuteWriter;

  #state: SnapshotState = 'writing';
  #abandoned = false;
  #removing = false;
  #failure: DiskError | null = null;
  #ticket = -1;
  #position = 0;
  #unsyncedBytes = 0;
  #adler = ADLER32_START;
  /** writer.bytes[0, #summed) are in #adler. */
  #summed = 0;
  #nodesLeft = true;

  /**
   * @param replaces not 'none': the source came from a leader, and in the end this snapshot is all there is on the
   *   disk, older snapshots and all logs are gone, or set aside ('set aside', replacement.ts). The log must be idle until
   *   then
   */
  constructor(disk: Disk, options: StorageOptions, source: SnapshotSource, replaces: HistoryReplacement = 'none') {
    assert(source.zxid >= 0, 'a snapshot has a zxid');
    this.#replaces = replaces;
    this.zxid = source.zxid;
    this.name = snapshotName(source.zxid, options.snapshotCompression);
    this.#disk = disk;
    this.#options = options;
    this.#source = source;
    this.#file = disk.allocateFile();
    this.#writer = new JuteWriter(options.snapshotSliceBytes * 2);
  }

  get state(): SnapshotState {
    return this.#state;
  }

  get failure(): DiskError | null {
    return this.#failure;
  }

  /** Bytes in the file so far. */
  get sizeBytes(): number {
    return this.#position;
  }

  /** Writes the next slice, unless one is on its way to the disk. */
  advance(): void {
    if (this.#state !== 'writing' || this.#abandoned || this.#ticket >= 0) {
      return;
    }
    assert(this.#nodesLeft, 'the last slice ends the snapshot');
    const steps: DiskStep[] = [];
    const writer = this.#writer;
    writer.clear();
    this.#summed = 0;
    if (this.#position === 0) {
      steps.push({ op: 'create', area: 'data', name: this.#temporaryName, file: this.#file, dsync: false });
      this.#push(steps, compressionHeader(this.#options.snapshotCompression));
      writer.raw(snapshotFileHeader);
      writeTables(writer, this.#source);
    }
    this.#nodesLeft = this.#source.writeNodes(writer, this.#options.snapshotSliceBytes);
    if (!this.#nodesLeft) {
      this.#writeTrailer();
    }
    this.#sum();
    this.#push(steps, compressSlice(this.#options.snapshotCompression, writer.bytes.subarray(0, writer.length)));
    if (!this.#nodesLeft) {
      this.#finish(steps);
    } else if (this.#unsyncedBytes >= SYNC_EVERY_BYTES) {
      this.#unsyncedBytes = 0;
      steps.push({ op: 'sync', file: this.#file });
    }
    this.#ticket = this.#disk.submit(steps);
  }

  get #temporaryName(): string {
    return UNFINISHED_PREFIX + this.name;
  }

  #push(steps: DiskStep[], bytes: Uint8Array): void {
    if (bytes.length > 0) {
      steps.push({ op: 'write', file: this.#file, position: this.#position, bytes });
      this.#position += bytes.length;
      this.#unsyncedBytes += bytes.length;
    }
  }

  #writeTrailer(): void {
    const writer = this.#writer;
    const { digestZxid, digest, lastZxid, isAhead = false } = this.#source.trailer();
    writer.ustring(END_OF_SECTION);
    this.#seal();
    if (this.#options.digestEnabled) {
      const known = { zxid: digest === null ? 0 : digestZxid, version: DIGEST_VERSION, digest: digest ?? 0n };
      SnapshotDigest.encode(writer, isAhead ? { zxid: digestZxid, version: AHEAD_VERSION, digest: 0n } : known);
      this.#seal();
    }
    if (this.#options.serializeLastProcessedZxid) {
      writer.long(lastZxid);
      this.#seal();
    }
  }

  #seal(): void {
    this.#sum();
    this.#writer.long(this.#adler);
    this.#writer.ustring(END_OF_SECTION);
  }

  #sum(): void {
    this.#adler = adler32(this.#adler, this.#writer.bytes, this.#summed, this.#writer.length);
    this.#summed = this.#writer.length;
  }

  /** The name appears when the bytes are safe, and purging may rely on it when the directory is. */
  #finish(steps: DiskStep[]): void {
    steps.push({ op: 'sync', file: this.#file }, { op: 'close', file: this.#file });
    if (this.#replaces !== 'none') {
      steps.push(...replacementSteps(this.#disk, this.#temporaryName, this.name, this.#replaces === 'set aside'));
    } else {
      steps.push(
        { op: 'rename', area: 'data', from: this.#temporaryName, to: this.name },
        { op: 'syncDirectory', area: 'data' },
      );
    }
  }

  /**
   * What it is made of is no longer there, or is about to change its history: nothing more is read from the source, and
   * what has been written goes. Call `onCompletion` until `state` is 'abandoned', or 'done' if the last slice was on its
   * way already.
   */
  abandon(): void {
    if (this.#state !== 'writing' || this.#abandoned) {
      return;
    }
    this.#abandoned = true;
    if (this.#ticket < 0) {
      this.#remove();
    }
  }

  #remove(): void {
    this.#removing = true;
    this.#ticket = this.#disk.submit([
      { op: 'close', file: this.#file },
      { op: 'remove', area: 'data', name: this.#temporaryName },
    ]);
  }

  /** Takes the end of a batch; false if it was not one of this snapshot's. */
  onCompletion(completion: DiskCompletion): boolean {
    if (this.#ticket < 0 || completion.ticket !== this.#ticket) {
      return false;
    }
    this.#ticket = -1;
    if (this.#removing) {
      this.#state = this.#failure === null ? 'abandoned' : 'failed';
    } else if (completion.error !== null) {
      this.#failure = completion.error;
      this.#remove();
    } else if (!this.#nodesLeft) {
      this.#state = 'done';
    } else if (this.#abandoned) {
      this.#remove();
    }
    return true;
  }
}
