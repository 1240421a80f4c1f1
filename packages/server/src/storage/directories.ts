/** What must not lie in the data directories (disk-format.md §1), and what unfinished work leaves there. */
import type { Disk } from '../io/disk.ts';
import type { Log } from '../io/log.ts';
import { StorageError } from '../io/storage-error.ts';
import { UNFINISHED_PREFIX } from './snapshot.ts';

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

/** Removes what a crash left of snapshots that were being written. */
export function removeUnfinished(disk: Disk, log: Log): void {
  for (const { name } of disk.list('data')) {
    if (name.startsWith(`${UNFINISHED_PREFIX}snapshot.`)) {
      disk.remove('data', name);
      log.info(`removed ${name}: a snapshot that was not finished`);
    }
  }
}
