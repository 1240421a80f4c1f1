/** When snapshots are written: one at a time, a slice a turn. */
import { zxidHex } from '@treekeeper/protocol';
import type { Clock } from '../io/clock.ts';
import type { Disk, DiskCompletion } from '../io/disk.ts';
import type { Log } from '../io/log.ts';
import type { Summary } from '../metrics/primitives.ts';
import type { World } from '../operations/operation.ts';
import type { DataFile } from '../storage/format.ts';
import type { StorageOptions } from '../storage/options.ts';
import { type HistoryReplacement, SnapshotWriter } from '../storage/snapshot.ts';
import { ReplicaSnapshotSource } from './snapshot-source.ts';

/** The last snapshot that is whole: written, or found when the server started. */
export interface WrittenSnapshot {
  readonly name: string;
  readonly zxid: number;
  readonly sizeBytes: number;
  readonly wallMs: number;
}

export class Snapshots {
  #world: World;
  readonly #disk: Disk;
  readonly #options: StorageOptions;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #time: Summary;
  #writer: SnapshotWriter | null = null;
  #startedMs = 0;
  #source: ReplicaSnapshotSource | null = null;
  #first: boolean;
  /** Asked for by name (`write`), and not begun or not done. */
  #wanted: 'no' | 'next' | 'writing' = 'no';
  #isForeign = false;
  /** The world is about to be loaded from the disk once more: nothing of what it is now may get there. */
  #isHeld = false;
  /** The world shows more than its last transaction: snapshots say so. */
  isAhead = false;
  /** What a leader's world replaces on the disk is damaged, or wrong: it is kept, under other names. */
  setsAside = false;
  #last: WrittenSnapshot | null = null;
  #failures = 0;
  #abandoned = 0;
  #failure: string | null = null;
  #written = 0;

  /** `isNew`: the database has no snapshot yet, and nothing may be logged before it has. `time` learns how long each took. */
  constructor(
    world: World,
    disk: Disk,
    options: StorageOptions,
    log: Log,
    isNew: boolean,
    clock: Clock,
    time: Summary,
  ) {
    this.#world = world;
    this.#disk = disk;
    this.#options = options;
    this.#log = log;
    this.#clock = clock;
    this.#time = time;
    this.#first = isNew;
  }

  /** The first snapshot of a new database is not on disk yet. */
  get firstPending(): boolean {
    return this.#first;
  }

  /** The world came from a leader, and is not what the disk has. */
  get isForeign(): boolean {
    return this.#isForeign;
  }

  /** One has been asked for by `write`, and is not on disk. */
  get isWanted(): boolean {
    return this.#wanted !== 'no';
  }

  /** One is being abandoned. */
  get settling(): boolean {
    return this.#writer !== null && this.#source === null;
  }

  get writing(): boolean {
    return this.#writer !== null;
  }

  /** The world was loaded from this one; null: from none. It is the last until one is written. */
  found(file: DataFile | null): void {
    if (file !== null) {
      this.#last = { name: file.name, zxid: file.zxid, sizeBytes: file.sizeBytes, wallMs: file.modifiedMs };
    }
  }

  get last(): WrittenSnapshot | null {
    return this.#last;
  }

  get written(): number {
    return this.#written;
  }

  /** Why the process must stop, with what to do; null while all is well. */
  get failure(): string | null {
    return this.#failure;
  }

  get failures(): number {
    return this.#failures;
  }

  /** How many have come to nothing because of what this server became meanwhile. */
  get abandoned(): number {
    return this.#abandoned;
  }

  /** Starts one, unless one is being written, or the world is not ours yet, or no more. */
  start(): void {
    if (this.#writer === null && !this.#isForeign && !this.#isHeld) {
      this.#begin();
    }
  }

  #begin(): void {
    this.#source = new ReplicaSnapshotSource(this.#world, this.#options.digestEnabled, this.isAhead);
    this.#startedMs = this.#clock.nowMs;
    this.#writer = new SnapshotWriter(this.#disk, this.#options, this.#source, this.#replaces);
  }

  get #replaces(): HistoryReplacement {
    return !this.#isForeign ? 'none' : this.setsAside ? 'set aside' : 'remove';
  }

  /**
   * Writes one of the world as it is now, which `onCompletion` tells the end of; one that is being written is abandoned.
   * When the world came from a leader, it takes the place of everything on the disk: the log must be idle until then.
   */
  write(): void {
    this.abandon();
    this.#wanted = 'next';
    this.#beginWanted();
  }

  #beginWanted(): void {
    if (this.#wanted === 'next' && this.#writer === null) {
      this.#wanted = 'writing';
      this.#begin();
    }
  }

  /** The one that is being written, if any, comes to nothing: `writing` says until when that takes. */
  abandon(): void {
    this.#writer?.abandon();
    this.#endSource();
    this.#wanted = 'no';
  }

  /** As `abandon`, and none begins until there is another world, or `goOn` says that there will be none. */
  hold(): void {
    this.abandon();
    this.#isHeld = true;
  }

  goOn(): void {
    this.#isHeld = false;
  }

  /**
   * Another world takes the place of the one there was.
   *
   * @param isForeign it came from a leader, and the disk does not have it
   */
  replaceWorld(world: World, isForeign: boolean): void {
    this.abandon();
    this.goOn();
    this.#world = world;
    this.#isForeign = isForeign;
  }

  /** The next slice, when the disk has taken the last one. */
  step(): void {
    this.#writer?.advance();
  }

  #endSource(): void {
    this.#source?.end();
    this.#source = null;
  }

  /** True: the snapshot that `write` has asked for is on disk. */
  onCompletion(completion: DiskCompletion): boolean {
    const writer = this.#writer;
    if (writer === null || !writer.onCompletion(completion) || writer.state === 'writing') {
      return false;
    }
    this.#writer = null;
    this.#endSource();
    this.#tell(writer);
    const isWanted = this.#wanted === 'writing';
    const isDone = isWanted && writer.state === 'done';
    if (isDone) {
      this.#wanted = 'no';
      this.#isForeign = false;
      this.setsAside = false;
    } else if (isWanted) {
      this.#wanted = 'next'; // it has failed: `retry`
    } else {
      this.#beginWanted();
    }
    return isDone;
  }

  /** There is one that must be written before anything else goes on, and it has failed. */
  get retryWanted(): boolean {
    return this.#writer === null && (this.#first || this.#wanted === 'next');
  }

  retry(): void {
    if (this.#wanted === 'next') {
      this.#beginWanted();
    } else {
      this.start();
    }
  }

  #tell(writer: SnapshotWriter): void {
    if (writer.state === 'done') {
      this.#first = false;
      this.#written++;
      const { name, zxid, sizeBytes } = writer;
      this.#last = { name, zxid, sizeBytes, wallMs: this.#clock.wallMs };
      this.#time.add(this.#clock.nowMs - this.#startedMs);
      this.#log.info(`wrote ${name}: ${sizeBytes} bytes, state of zxid 0x${zxidHex(zxid)}`);
      return;
    }
    if (writer.state === 'abandoned') {
      this.#abandoned++;
      return;
    }
    this.#failures++;
    const reason = writer.failure?.message ?? 'unknown';
    if (this.#isForeign) {
      this.#failure =
        `the leader's snapshot ${writer.name} could not be written: ${reason}. The server stops: the next start goes on ` +
        'with the history of before, or with that of the snapshot. Make room, or see what is wrong with the disk of ' +
        'dataDir, and start the server again';
      this.#log.error(this.#failure);
      return;
    }
    this.#log.error(
      `snapshot ${writer.name} could not be written: ${reason}. Nothing is lost, the log has ` +
        'everything; it is tried again when the log is next rolled',
    );
  }
}
