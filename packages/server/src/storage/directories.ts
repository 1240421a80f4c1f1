/** What must not lie in the data directories (disk-format.md §1), and what unfinished work leaves there. */
import { type Disk, UNFINISHED_PREFIX } from '../io/disk.ts';
import type { Log } from '../io/log.ts';
import { StorageError } from '../io/storage-error.ts';

/**
 * With separate directories each kind of file must be in its own: logs left behind by splitting a common directory
 * would not be replayed. Throws StorageError.
 */
export function checkDirectories(disk: Disk): void {
  if (disk.sharedDirectory) {
    return;
  }
  const misplaced = [
    { area: 'log', prefix: 'snapshot.', here: 'log directory (dataLogDir)', there: 'snapshot directory (dataDir)' },
    { area: 'data', prefix: 'log.', here: 'snapshot directory (dataDir)', there: 'log directory (dataLogDir)' },
  ] as const;
  for (const { area, prefix, here, there } of misplaced) {
    const names = disk
      .list(area)
      .map(({ name }) => name)
      .filter((name) => name.startsWith(prefix));
    if (names.length > 0) {
      throw new StorageError(
        'directory',
        `the ${here} holds ${names.length} files ${prefix}*, for example ${names[0]}, which belong into the ${there}. ` +
          'Move them there (into its version-2), or set dataDir and dataLogDir to one directory',
      );
    }
  }
}

/** Removes what a crash left of snapshots that were being written, and of logs in which there was nothing yet. */
export function removeUnfinished(disk: Disk, log: Log): void {
  const kinds = [
    { area: 'data', prefix: 'snapshot.', what: 'a snapshot that was not finished' },
    { area: 'log', prefix: 'log.', what: 'a log that had not been begun' },
  ] as const;
  for (const { area, prefix, what } of kinds) {
    for (const { name } of disk.list(area).filter((file) => file.name.startsWith(UNFINISHED_PREFIX + prefix))) {
      disk.remove(area, name);
      log.info(`removed ${name}: ${what}`);
    }
  }
}
