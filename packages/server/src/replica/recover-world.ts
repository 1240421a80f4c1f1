/** From the files to the tables: the receiver of recovery (disk-format.md §3.5, §3.6). */
import { type ACL, type JuteReader, OpCode, type StatPersisted, zxidHex } from '@treekeeper/protocol';
import type { Disk } from '../io/disk.ts';
import type { Log } from '../io/log.ts';
import { DamageError, NoDataError } from '../io/storage-error.ts';
import type { Metrics } from '../metrics/registry.ts';
import type { AccessControl } from '../operations/operation.ts';
import { SessionTable } from '../sessions/session-table.ts';
import { type Recovered, type RecoverySink, recover } from '../storage/recovery.ts';
import type { SnapshotDigest } from '../storage/snapshot-reader.ts';
import type { LoggedTxnHeader } from '../storage/txn-body.ts';
import { DataTree } from '../tree/data-tree.ts';
import { WatchTable } from '../watches/watch-table.ts';
import type { ReplicaOptions } from './options.ts';
import { orphanedSessions } from './orphans.ts';
import { replay } from './replay.ts';
import type { ReplicaWorld } from './service.ts';

export interface RecoveredWorld {
  readonly world: ReplicaWorld;
  /** The disk does not say all that the tables do, or would take long to say it again. */
  readonly snapshotWanted: boolean;
  /** There was nothing on disk: no transaction may be logged before the first snapshot is there. */
  readonly isNew: boolean;
  /** A member: the tree shows more than its last transaction, for its leader went on writing when it gave it. */
  readonly isAhead: boolean;
  /** What recovery says of the history on disk. */
  readonly history: Recovered;
  /** A member whose files are damaged or missing: it begins with nothing, and they stay as they are. Null: all well. */
  readonly damage: DamageError | null;
}

const NOTHING: Recovered = {
  lastZxid: 0,
  snapshotZxid: null,
  snapshot: null,
  sinceSnapshotTxns: 0,
  tornTail: false,
  contiguousFrom: 1,
  gapless: true,
};

/** Each is loaded as a whole, which takes its time. */
const OLDER_SNAPSHOTS_MAX = 3;

interface RecoverySeams {
  readonly disk: Disk;
  readonly log: Log;
  readonly access: AccessControl;
  readonly metrics: Metrics;
  elapsedMs(): number;
}

/**
 * Loads the database. Throws StorageError where a person has to decide.
 *
 * @param isMember the server belongs to an ensemble: it changes nothing by itself, all members have the same tree, and
 *   what is damaged here it can get from them
 */
export function recoverWorld(options: ReplicaOptions, seams: RecoverySeams, isMember: boolean): RecoveredWorld {
  const { access, metrics, log, elapsedMs } = seams;
  const startMs = elapsedMs();
  let loaded: Loaded = { sink: new WorldSink(options, access, log, elapsedMs), history: NOTHING };
  let damage: DamageError | null = null;
  let isReplaced = false;
  try {
    const newest = load(options, seams);
    requireTrust(newest.history, isMember);
    loaded = betterThan(newest, options, seams) ?? newest;
    isReplaced = loaded !== newest;
  } catch (error) {
    if (!isMember || !(error instanceof DamageError)) {
      throw error;
    }
    damage = error;
  }
  const { sink, history } = loaded;
  const { lastZxid, snapshotZxid, sinceSnapshotTxns } = history;
  const { world } = sink;
  world.tree.lastZxid = lastZxid;
  const orphans = isMember ? 0 : sink.removeOrphans();
  world.tree.recordChanges = true;
  const endMs = elapsedMs();
  const loadedMs = sink.snapshotLoadedMs ?? startMs;
  metrics.dbinittime.add(Math.round(endMs - startMs));
  metrics.startup_snap_load_time.add(Math.round(loadedMs - startMs));
  metrics.startup_txns_load_time.add(Math.round(endMs - loadedMs));
  metrics.startup_txns_loaded.add(sinceSnapshotTxns);
  metrics.digest_mismatches_count.add(sink.digestMismatches);
  return {
    world,
    snapshotWanted:
      damage === null &&
      (snapshotZxid === null ||
        isReplaced ||
        orphans > 0 ||
        sinceSnapshotTxns > options.storage.snapCount / 2 ||
        (sink.isAhead && !isMember)),
    isAhead: sink.isAhead && isMember,
    isNew: snapshotZxid === null && damage === null,
    history,
    damage,
  };
}

/**
 * Nothing on disk, where that is not to be taken for a new database (disk-format.md §1). Of a member that is damage as
 * any other: it has acknowledged what it does not know, and if it votes as if there had been nothing, all may lose it.
 */
function requireTrust({ lastZxid }: Recovered, isMember: boolean): void {
  if (lastZxid >= 0) {
    return;
  }
  const noData = 'there is no data, and db.autocreate=false says that this may be a mistake';
  const initialize = 'create an empty file named initialize beside the version-2 directory of the logs (dataLogDir)';
  if (isMember) {
    throw new NoDataError(
      `${noData} (only where the whole ensemble is new: stop all servers, and ${initialize} of each)`,
      'The other voters are no quorum without this server, so that nobody can show what it had acknowledged. See that its ' +
        'disk is there, or put back a copy of it',
    );
  }
  throw new NoDataError(noData, `If a new database is meant, ${initialize}, or remove the setting`);
}

interface Loaded {
  readonly sink: WorldSink;
  readonly history: Recovered;
}

function load(options: ReplicaOptions, { disk, log, access, elapsedMs }: RecoverySeams, before?: number): Loaded {
  const sink = new WorldSink(options, access, log, elapsedMs);
  return { sink, history: recover(disk, options.storage, sink, log, before) };
}

/**
 * Digests in the log speak against a snapshot from its first transaction on, although its checksums are right: if they
 * do not speak against an older one, that and the logs behind it give the right tree. Null: there is nothing better.
 */
function betterThan(newest: Loaded, options: ReplicaOptions, seams: RecoverySeams): Loaded | null {
  const { wrongSinceZxid, isWrongFromTheStart } = newest.sink;
  let before = newest.history.snapshotZxid;
  for (let i = 0; i < OLDER_SNAPSHOTS_MAX && isWrongFromTheStart && before !== null; i++) {
    try {
      const older = load(options, seams, before);
      if (older.sink.wrongSinceZxid > wrongSinceZxid) {
        const names = [newest, older].map(({ history }) => `snapshot.${zxidHex(history.snapshotZxid ?? 0)}`);
        seams.log.error(`${names[0]} holds another tree than it should: ${names[1]} and the logs are taken instead`);
        return older;
      }
      before = older.history.snapshotZxid;
    } catch (error) {
      if (error instanceof DamageError) {
        return null;
      }
      throw error;
    }
  }
  return null;
}

interface Target {
  readonly zxid: number;
  readonly digest: bigint;
}

/** Fills a new world, from files or from a leader's stream. */
export class WorldSink implements RecoverySink {
  readonly #options: ReplicaOptions;
  readonly #access: AccessControl;
  readonly #log: Log;
  readonly #elapsedMs: () => number;
  world: ReplicaWorld;
  digestMismatches = 0;
  /** After this transaction the tree was another one for the first time, as far as digests tell. */
  wrongSinceZxid = Number.POSITIVE_INFINITY;
  /** No digest of the log agreed before. */
  isWrongFromTheStart = false;
  #hasAgreed = false;
  /** The snapshot shows more than its last transaction: no digest tells anything. */
  isAhead = false;
  /** When the snapshot had been loaded; null: there was none. */
  snapshotLoadedMs: number | null = null;
  /** The snapshot's digest, to be compared when replay reaches its zxid; records are not compared before. */
  #target: Target | null = null;

  constructor(options: ReplicaOptions, access: AccessControl, log: Log, elapsedMs: () => number) {
    this.#options = options;
    this.#access = access;
    this.#log = log;
    this.#elapsedMs = elapsedMs;
    this.world = this.#freshWorld();
  }

  #freshWorld(): ReplicaWorld {
    const { digestEnabled, ownerRules, rules } = this.#options;
    const tree = new DataTree({ digestEnabled, ownerRules });
    tree.recordChanges = false;
    return { tree, watches: new WatchTable(), sessions: new SessionTable(), access: this.#access, rules };
  }

  reset(): void {
    this.world = this.#freshWorld();
  }

  session(id: bigint, timeoutMs: number): void {
    this.world.sessions.open(id, timeoutMs);
  }

  acl(id: bigint, acl: ACL[]): void {
    this.world.tree.acls.load(id, acl);
  }

  node(path: string, data: Uint8Array | null, aclId: bigint, stat: StatPersisted): void {
    this.world.tree.loadNode(path, data, aclId, stat);
  }

  encodedNode(bytes: Buffer, start: number): void {
    this.world.tree.loadEncodedNode(bytes, start);
  }

  snapshotLoaded(zxid: number, digest: SnapshotDigest | null): void {
    this.world.tree.finishLoading();
    this.snapshotLoadedMs = this.#elapsedMs();
    if (digest?.digest === null) {
      this.isAhead = true;
    } else if (this.#options.digestEnabled && digest !== null && digest.zxid > 0 && digest.zxid >= zxid) {
      this.#target = { zxid: digest.zxid, digest: digest.digest };
      this.#compareTarget(zxid);
    }
  }

  txn(header: LoggedTxnHeader, txn: JuteReader, digest: bigint | null): void {
    replay(this.world, header, txn);
    const { zxid } = header;
    if (this.#target !== null) {
      this.#compareTarget(zxid);
    }
    // At the zxid of the snapshot's digest both can be compared: the writer may have recorded a wrong one.
    const isComparable = this.#target === null && !this.isAhead && header.type !== OpCode.error;
    if (isComparable && digest !== null && this.#options.digestEnabled) {
      this.#compare(zxid, digest);
      this.#hasAgreed ||= this.digestMismatches === 0;
    }
  }

  #compareTarget(zxid: number): void {
    const target = this.#target as Target;
    if (zxid === target.zxid) {
      this.#compare(zxid, target.digest);
      this.#target = null;
    } else if (zxid > target.zxid) {
      this.#log.warn(`the log has no transaction 0x${zxidHex(target.zxid)}, for which the snapshot has a digest`);
      this.#target = null;
    }
  }

  /** A mismatch is told, never fatal: digests of Java servers differ where paths are not ASCII (disk-format.md §4). */
  #compare(zxid: number, expected: bigint): void {
    if (this.world.tree.digest !== expected && this.digestMismatches++ === 0) {
      this.wrongSinceZxid = zxid;
      this.isWrongFromTheStart = !this.#hasAgreed;
      this.#log.error(
        `the tree after zxid 0x${zxidHex(zxid)} differs from the one its writer had (digest ` +
          `${this.world.tree.digest}, recorded ${expected}). With names that are not ASCII, written by a Java server in a ` +
          'C locale, this is normal; else compare this server with the others of its ensemble',
      );
    }
  }

  /** Sessions that own nodes and are in no table are gone: so are their nodes. Returns how many sessions. */
  removeOrphans(): number {
    const { tree } = this.world;
    const orphans = orphanedSessions(this.world, this.#log);
    for (const path of orphans.flatMap((owner) => tree.ephemeralsOf(owner))) {
      tree.remove(path, tree.lastZxid);
    }
    if (orphans.length > 0) {
      this.#log.info(`removed the ephemeral nodes of ${orphans.length} sessions that no longer exist`);
    }
    return orphans.length;
  }
}
