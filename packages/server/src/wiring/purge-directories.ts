/** Purging the directories of a server that is not running (disk-format.md §5). */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DirectoryInUseError } from '../host/directory-lock.ts';
import { NodeDisk } from '../host/node-disk.ts';
import type { Disk, DiskCompletion } from '../io/disk.ts';
import { StorageError } from '../io/storage-error.ts';
import { listDataFiles } from '../storage/format.ts';
import { purge, SNAP_RETAIN_COUNT_MIN } from '../storage/purge.ts';
import { readSnapshot, type SnapshotSink } from '../storage/snapshot-reader.ts';

export { SNAP_RETAIN_COUNT_MIN };

export interface PurgedFile {
  readonly name: string;
  readonly sizeBytes: number;
}

export interface PurgeReport {
  /** What is gone: snapshots, then logs, the older ones first. */
  readonly removed: readonly PurgedFile[];
  /** The snapshots that were read to their end and stay, the newest first. */
  readonly kept: readonly string[];
  /** Snapshots that cannot be loaded. They were not counted; what is newer than the oldest kept one stays. */
  readonly damaged: readonly { readonly name: string; readonly reason: string }[];
  /** Why not everything could be removed; null: it was. */
  readonly failure: string | null;
}

export interface PurgeOptions {
  /** Holds `version-2` with the snapshots. */
  readonly dataDir: string;
  /** Holds `version-2` with the logs; may be the same. */
  readonly dataLogDir: string;
  /** Whole snapshots to keep; at least SNAP_RETAIN_COUNT_MIN are kept. */
  readonly retainCount: number;
}

/**
 * Removes what the newest `retainCount` snapshots do not need. A server purges by a look at the ends of its snapshots;
 * here they are read as a whole, for nobody waits. The directories are locked meanwhile, so that no server starts.
 *
 * Throws StorageError: there is no such directory, it cannot be used, or a server runs on it.
 */
export async function purgeDirectories({ dataDir, dataLogDir, retainCount }: PurgeOptions): Promise<PurgeReport> {
  for (const directory of [dataDir, dataLogDir]) {
    if (!existsSync(join(directory, 'version-2'))) {
      throw new StorageError('directory', `${directory} is no data directory: there is no version-2 in it`);
    }
  }
  let ended: (completion: DiskCompletion) => void = () => {};
  const completion = new Promise<DiskCompletion>((resolve) => {
    ended = resolve;
  });
  const disk = openDisk({ dataDir, dataLogDir, autocreate: false, onCompletion: (input) => ended(input) });
  try {
    const { kept, damaged } = spares(disk, Math.max(retainCount, SNAP_RETAIN_COUNT_MIN));
    const before = dataFiles(disk);
    const purged = purge(disk, retainCount, (_, { name }) => kept.includes(name));
    if (purged === null) {
      return { removed: [], kept, damaged, failure: null };
    }
    const { error } = await completion;
    const left = new Set(dataFiles(disk).map(({ name }) => name));
    const removed = before.filter(({ name }) => !left.has(name));
    return { removed, kept, damaged, failure: error?.message ?? null };
  } finally {
    await disk.close();
  }
}

function openDisk(options: ConstructorParameters<typeof NodeDisk>[0]): NodeDisk {
  try {
    return new NodeDisk(options);
  } catch (error) {
    if (error instanceof DirectoryInUseError) {
      const advice = 'A server purges by itself, as autopurge.purgeInterval says; stop it to purge now';
      throw new StorageError('directory', `${error.use}. Nothing was removed. ${advice}`);
    }
    throw error;
  }
}

/** The newest `count` snapshots that can be loaded, and those that cannot and were tried. */
function spares(disk: Disk, count: number): Pick<PurgeReport, 'kept' | 'damaged'> {
  const kept: string[] = [];
  const damaged: { name: string; reason: string }[] = [];
  for (const { name } of listDataFiles(disk, 'snapshot').reverse()) {
    if (kept.length === count) {
      break;
    }
    try {
      readSnapshot(disk, name, BYTES_MAX, NOBODY);
      kept.push(name);
    } catch (error) {
      damaged.push({ name, reason: error instanceof Error ? error.message : String(error) });
    }
  }
  return { kept, damaged };
}

/** Lengths are bounded by the file. */
const BYTES_MAX = 0x7fffffff;

const NOBODY: SnapshotSink = { session: () => {}, acl: () => {}, node: () => {}, encodedNode: () => {} };

function dataFiles(disk: Disk): PurgedFile[] {
  const files = [...listDataFiles(disk, 'snapshot'), ...listDataFiles(disk, 'log')];
  return files.map(({ name, sizeBytes }) => ({ name, sizeBytes }));
}
