/** When snapshots are written: one at a time, a slice a turn. */
import { zxidHex } from '@treekeeper/protocol';
import type { Clock } from '../io/clock.ts';
import type { Disk, DiskCompletion } from '../io/disk.ts';
import type { Log } from '../io/log.ts';
import type { Summary } from '../metrics/primitives.ts';
import type { World } from '../operations/operation.ts';
import type { StorageOptions } from '../storage/options.ts';
import { SnapshotWriter } from '../storage/snapshot.ts';
import { ReplicaSnapshotSource } from './snapshot-source.ts';

/** The last snapshot that was completed. */
export interface WrittenSnapshot {
  readonly name: string;
  readonly zxid: number;
  readonly sizeBytes: number;
  readonly wallMs: number;
}

export class Snapshots {
  readonly #world: World;
  readonly #disk: Disk;
  readonly #options: StorageOptions;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #time: Summary;
  #writer: SnapshotWriter | null = null;
  #startedMs = 0;
  #source: ReplicaSnapshotSource | null = null;
  #first: boolean;
  #last: WrittenSnapshot | null = null;
  #failures = 0;
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

  get writing(): boolean {
    return this.#writer !== null;
  }

  get last(): WrittenSnapshot | null {
    return this.#last;
  }

  get written(): number {
    return this.#written;
  }

  get failures(): number {
    return this.#failures;
  }

  /** Starts one, unless one is being written. */
  start(): void {
    if (this.#writer === null) {
      this.#source = new ReplicaSnapshotSource(this.#world, this.#options.digestEnabled);
      this.#startedMs = this.#clock.nowMs;
      this.#writer = new SnapshotWriter(this.#disk, this.#options, this.#source);
    }
  }

  /** The next slice, when the disk has taken the last one. */
  step(): void {
    this.#writer?.advance();
  }

  onCompletion(completion: DiskCompletion): void {
    const writer = this.#writer;
    if (writer === null || !writer.onCompletion(completion) || writer.state === 'writing') {
      return;
    }
    this.#writer = null;
    this.#source?.end();
    this.#source = null;
    if (writer.state === 'done') {
      this.#first = false;
      this.#written++;
      const { name, zxid, sizeBytes } = writer;
      this.#last = { name, zxid, sizeBytes, wallMs: this.#clock.wallMs };
      this.#time.add(this.#clock.nowMs - this.#startedMs);
      this.#log.info(`wrote ${name}: ${sizeBytes} bytes, state of zxid 0x${zxidHex(zxid)}`);
      return;
    }
    this.#failures++;
    this.#log.error(
      `snapshot ${writer.name} could not be written: ${writer.failure?.message ?? 'unknown'}. Nothing is lost, the log has ` +
        'everything; it is tried again when the log is next rolled',
    );
  }
}
