/** Which old snapshots and logs may go (disk-format.md §5). */
import type { Disk, DiskStep } from '../io/disk.ts';
import { areaOf, type DataFile, type DataFilePrefix, listDataFiles, passesQuickCheck } from './format.ts';

/** Fewer snapshots are never kept: each is the spare of the next. */
export const SNAP_RETAIN_COUNT_MIN = 3;

export interface PurgeableSnapshot {
  readonly name: string;
  readonly zxid: number;
  /** It can be loaded, as far as it was looked at; one that cannot is no spare. */
  readonly whole: boolean;
}

/**
 * The names to remove so that the newest `retainCount` whole snapshots can be loaded and brought up to date: they stay,
 * with every log that holds something after the oldest of them. Cut snapshots newer than that stay, too.
 *
 * Files whose names carry no zxid (`log.old`) are left alone: somebody put them there. Java's purge deletes them.
 */
export function filesToPurge(
  snapshots: readonly PurgeableSnapshot[],
  logs: readonly { readonly name: string; readonly zxid: number }[],
  retainCount: number,
): { snapshots: string[]; logs: string[] } {
  const whole = snapshots.filter((snapshot) => snapshot.whole).map(({ zxid }) => zxid);
  const kept = whole.sort((a, b) => b - a).slice(0, Math.max(retainCount, SNAP_RETAIN_COUNT_MIN));
  const oldestKept = kept.at(-1);
  if (oldestKept === undefined) {
    return { snapshots: [], logs: [] };
  }
  // The log that begins at or before a snapshot usually holds the transactions right after it as well.
  const firstLog = Math.max(...logs.map(({ zxid }) => zxid).filter((zxid) => zxid <= oldestKept));
  return {
    snapshots: snapshots.filter(({ zxid }) => zxid < oldestKept).map(({ name }) => name),
    logs: logs.filter(({ zxid }) => zxid < oldestKept && zxid !== firstLog).map(({ name }) => name),
  };
}

/**
 * Looks at the directories and submits the removals; returns their ticket, null when there is nothing to remove.
 *
 * @param isWhole whether a snapshot is a spare; unless it is given, the quick check says so
 */
export function purge(
  disk: Disk,
  retainCount: number,
  isWhole: (disk: Disk, snapshot: DataFile) => boolean = passesQuickCheck,
): { ticket: number; names: string[] } | null {
  const snapshots = listDataFiles(disk, 'snapshot').map((file) => ({
    name: file.name,
    zxid: file.zxid,
    whole: isWhole(disk, file),
  }));
  const logs: DataFile[] = listDataFiles(disk, 'log');
  const doomed = filesToPurge(snapshots, logs, retainCount);
  const removal =
    (prefix: DataFilePrefix) =>
    (name: string): DiskStep => ({ op: 'remove', area: areaOf(prefix), name });
  const steps = [...doomed.snapshots.map(removal('snapshot')), ...doomed.logs.map(removal('log'))];
  if (steps.length === 0) {
    return null;
  }
  return { ticket: disk.submit(steps), names: [...doomed.snapshots, ...doomed.logs] };
}
