/**
 * The database as Zab sees it (zab/environment.ts): the world in memory, the log, the snapshots and the epoch files of
 * an ensemble member. What takes time ends in a call to the peer, in a later turn.
 */
import { assert } from '../assert.ts';
import type { Disk, DiskCompletion } from '../io/disk.ts';
import type { Log } from '../io/log.ts';
import { StorageError } from '../io/storage-error.ts';
import type { EpochFiles } from '../storage/epochs.ts';
import { listDataFiles } from '../storage/format.ts';
import type { TxnLog } from '../storage/log.ts';
import { readLog } from '../storage/log-walk.ts';
import type { StorageOptions } from '../storage/options.ts';
import { SnapshotStreamReader } from '../storage/snapshot-stream-reader.ts';
import { SnapshotStreamWriter } from '../storage/snapshot-stream-writer.ts';
import { truncationSteps } from '../storage/truncation.ts';
import type { Database, EpochName, LogWalk, SnapshotIncoming, SnapshotOutgoing } from '../zab/environment.ts';
import type { RecoveredWorld, WorldSink } from './recover-world.ts';
import { PayloadReader, replay } from './replay.ts';
import type { ReplicaWorld } from './service.ts';
import { ReplicaSnapshotSource } from './snapshot-source.ts';
import type { Snapshots } from './snapshots.ts';

/** Told when something that takes time is done. */
export interface DatabaseEvents {
  epochPersisted(name: EpochName): void;
  snapshotWritten(): void;
  /** @param isDone false: the history here does not reach back so far, and nothing has been changed */
  truncated(isDone: boolean): void;
  /** What was damaged, or wrong, has been replaced by what the leader has. */
  healed(): void;
}

export interface DatabaseParts {
  readonly options: StorageOptions;
  readonly disk: Disk;
  readonly log: Log;
  readonly txnLog: TxnLog;
  readonly snapshots: Snapshots;
  readonly epochs: EpochFiles;
  /** Those that `epochs` is writing, since they were missing at the start. */
  readonly epochsMissing: readonly EpochName[];
  readonly events: DatabaseEvents;
  /** The world of the moment. */
  world(): ReplicaWorld;
  replaceWorld(world: ReplicaWorld): void;
  /** Loads what the disk has. */
  recover(): RecoveredWorld;
  /** Of what was recovered at the start (RecoveredWorld). */
  readonly damage: string | null;
  /** Damaged files have been found. */
  onDamage(): void;
  /** An empty world, to be filled. */
  newSink(): WorldSink;
}

export class MemberDatabase implements Database {
  readonly #parts: DatabaseParts;
  readonly #payload = new PayloadReader();
  #incoming: WorldSink | null = null;
  /** Where the history is to end; null: nothing is to be cut off. */
  #truncation: { readonly zxid: number; ticket: number | null } | null = null;
  /** Whom the writes of epochs on their way are for; null: for nobody, they were missing at the start. */
  readonly #persisting: (EpochName | null)[];
  #failure: string | null = null;
  #damage: string | null;
  #isDistrusted = false;

  constructor(parts: DatabaseParts) {
    this.#parts = parts;
    this.#damage = parts.damage;
    this.#tellDamage();
    this.#persisting = parts.epochsMissing.map(() => null);
  }

  /** Nothing that was asked for is under way. */
  get idle(): boolean {
    const { epochs, snapshots, txnLog } = this.#parts;
    return epochs.idle && this.#truncation === null && !snapshots.settling && txnLog.idle;
  }

  /** Why the process must stop; null while all is well. */
  get failure(): string | null {
    return this.#failure ?? this.#parts.epochs.failure;
  }

  get lastZxid(): number {
    return this.#parts.world().tree.lastZxid;
  }

  get isUnlogged(): boolean {
    return this.lastZxid > this.#parts.txnLog.lastAppended;
  }

  get damage(): string | null {
    return this.#damage;
  }

  /** What is on the disk has turned out to be wrong: when a snapshot takes its place it is kept, as evidence. */
  distrust(): void {
    this.#isDistrusted = true;
  }

  // Epochs

  get acceptedEpoch(): number {
    return this.#parts.epochs.acceptedEpoch;
  }

  get currentEpoch(): number {
    return this.#parts.epochs.currentEpoch;
  }

  persistEpoch(name: EpochName, epoch: number): void {
    this.#persisting.push(name);
    this.#parts.epochs.persist(name, epoch);
  }

  // Transactions

  append(zxid: number, payload: Uint8Array): void {
    this.#parts.txnLog.append(zxid, payload);
  }

  apply(zxid: number, payload: Uint8Array): void {
    const world = this.#parts.world();
    const { header } = this.#payload.split(zxid, payload);
    replay(world, header, this.#payload.txn);
    world.tree.changes.length = 0; // nobody is connected
  }

  // Snapshots

  writeSnapshot(): void {
    this.#parts.snapshots.write();
  }

  /**
   * What Zab has asked for is not wanted any more: `idle` says until when that takes.
   *
   * @param isAhead memory has what the disk does not, and must not get to it
   */
  abandon(isAhead: boolean): void {
    const { snapshots } = this.#parts;
    this.#incoming = null;
    if (isAhead) {
      snapshots.hold();
    } else if (snapshots.isWanted) {
      snapshots.abandon();
    }
  }

  beginIncoming(): SnapshotIncoming {
    const sink = this.#parts.newSink();
    this.#incoming = sink;
    this.#parts.replaceWorld(sink.world);
    this.#parts.snapshots.replaceWorld(sink.world, true);
    this.#parts.snapshots.isAhead = true;
    this.#parts.snapshots.setsAside = this.#damage !== null || this.#isDistrusted;
    return new SnapshotStreamReader(sink, this.#parts.options.fieldBytesMax);
  }

  /**
   * Memory may show effects of transactions after `lastZxid`: it came from a leader that went on writing meanwhile.
   */
  get isAhead(): boolean {
    return this.#parts.snapshots.isAhead;
  }

  /** What was to come has come. */
  becomeEven(): void {
    this.#parts.snapshots.isAhead = false;
    this.#parts.snapshots.start(); // of the tree as it should be, for the next recovery
  }

  endIncoming(zxid: number): void {
    assert(this.#incoming !== null, 'a snapshot that has begun comes to its end');
    const { tree } = this.#incoming.world;
    tree.finishLoading();
    tree.lastZxid = zxid;
    tree.recordChanges = true;
    this.#incoming = null;
  }

  beginOutgoing(): SnapshotOutgoing {
    const source = new ReplicaSnapshotSource(this.#parts.world(), false);
    return new SnapshotStreamWriter(source, this.#parts.options.snapshotSliceBytes);
  }

  // The history on disk

  readLog(zxid: number, bytesMax: number): LogWalk | null {
    const { disk, txnLog, options, log } = this.#parts;
    return readLog(disk, txnLog, zxid, { bytesMax, fieldBytesMax: options.fieldBytesMax }, log);
  }

  get snapshotSizeBytes(): number {
    return listDataFiles(this.#parts.disk, 'snapshot').at(-1)?.sizeBytes ?? 0;
  }

  truncate(zxid: number): void {
    this.#truncation = { zxid, ticket: null };
    this.#parts.snapshots.hold(); // it may show what is to be cut off
  }

  /** In each turn: goes on with what had to wait. */
  step(): void {
    this.#cut();
  }

  /** The files are still when they are cut. */
  #cut(): void {
    const truncation = this.#truncation;
    const { disk, snapshots, txnLog, options } = this.#parts;
    if (truncation === null || truncation.ticket !== null || snapshots.settling || !txnLog.idle) {
      return;
    }
    try {
      truncation.ticket = disk.submit(truncationSteps(disk, truncation.zxid, options.fieldBytesMax));
    } catch (error) {
      if (!(error instanceof StorageError)) {
        throw error;
      }
      // What a snapshot brought, or what is damaged, cannot be cut. The leader has another way: a snapshot.
      this.#parts.log.warn(error.message);
      this.#truncation = null;
      snapshots.goOn();
      this.#parts.events.truncated(false);
    }
  }

  #truncated({ error }: DiskCompletion): void {
    this.#truncation = null;
    if (error !== null) {
      this.#failure = `the log could not be cut back: ${error.message}. Start the server again: it recovers by itself`;
      return;
    }
    this.reload();
    this.#parts.events.truncated(true);
  }

  /** Memory becomes what the disk has. Nothing may be under way. */
  reload(): void {
    const { txnLog, snapshots } = this.#parts;
    const { world, history, isAhead, damage } = this.#parts.recover();
    this.#damage = damage?.damage ?? null;
    this.#tellDamage();
    this.#parts.replaceWorld(world);
    snapshots.replaceWorld(world, false);
    snapshots.isAhead = isAhead;
    txnLog.restart(world.tree.lastZxid, history.contiguousFrom);
  }

  condemn(reason: string): void {
    this.#damage = reason;
    this.#tellDamage();
  }

  #tellDamage(): void {
    if (this.#damage !== null) {
      this.#parts.onDamage();
      this.#parts.log.error(
        `${this.#damage}. This server does not vote and serves nobody until a leader has given it all data. Files that ` +
          'are there stay as they are until then, and are kept afterwards. If this goes on, too many of the others are ' +
          'missing or damaged, too',
      );
    }
  }

  #healed(): void {
    if (this.#damage !== null || this.#isDistrusted) {
      this.#damage = null;
      this.#isDistrusted = false;
      this.#parts.log.warn(
        'this server has all data again, from the leader, and takes its part in votes. Files that were on the disk ' +
          'before are kept as damaged.*, for whoever wants to know what happened; remove them when nobody does',
      );
      this.#parts.events.healed();
    }
  }

  /** Takes the end of a batch; false if it was not one of this database's. */
  onCompletion(completion: DiskCompletion): boolean {
    const { epochs, snapshots, txnLog, events } = this.#parts;
    if (this.#truncation !== null && completion.ticket === this.#truncation.ticket) {
      this.#truncated(completion);
      return true;
    }
    if (epochs.onCompletion(completion)) {
      const name = this.#persisting.shift();
      if (name !== null && name !== undefined && epochs.failure === null) {
        events.epochPersisted(name);
      }
      return true;
    }
    const wasForeign = snapshots.isForeign;
    if (snapshots.onCompletion(completion)) {
      if (wasForeign) {
        txnLog.restart(this.lastZxid); // nothing of before is left on the disk
        this.#healed();
      }
      events.snapshotWritten();
      return true;
    }
    return false;
  }
}
