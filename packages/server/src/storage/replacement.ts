/**
 * A snapshot that came from the leader takes the place of everything on the disk: snapshots and logs of before may
 * belong to a history that the ensemble has never had (quorum-protocol.md §5.6, §5.9). The change is one renaming, so
 * a crash leaves the old history or the new one, never parts of both.
 */
import type { Disk, DiskStep } from '../io/disk.ts';
import type { Log } from '../io/log.ts';
import { areaOf, type DataFilePrefix, listDataFiles } from './format.ts';

/** A snapshot under this prefix is whole, and everything else is to go. */
const REPLACING_PREFIX = 'replacing.';

/** All data files; of the logs the newest first, so that what is left is a history without gaps. */
function doomedFiles(disk: Disk): { readonly prefix: DataFilePrefix; readonly name: string }[] {
  const named = (prefix: DataFilePrefix) => listDataFiles(disk, prefix).map(({ name }) => ({ prefix, name }));
  return [...named('snapshot').reverse(), ...named('log').reverse()];
}

/**
 * Steps that make the file `from`, a whole and synced snapshot in the data directory, the only content of the disk, as
 * `name`. No log may be written meanwhile.
 */
export function replacementSteps(disk: Disk, from: string, name: string): DiskStep[] {
  const replacing = REPLACING_PREFIX + name;
  return [
    { op: 'rename', area: 'data', from, to: replacing },
    { op: 'syncDirectory', area: 'data' },
    ...doomedFiles(disk).map(
      ({ prefix, name: doomed }): DiskStep => ({ op: 'remove', area: areaOf(prefix), name: doomed }),
    ),
    { op: 'syncDirectory', area: 'log' },
    { op: 'syncDirectory', area: 'data' },
    { op: 'rename', area: 'data', from: replacing, to: name },
    { op: 'syncDirectory', area: 'data' },
  ];
}

/** Ends a replacement that a crash has interrupted. Recovery only. */
export function finishReplacement(disk: Disk, log: Log): void {
  const replacing = disk.list('data').find(({ name }) => name.startsWith(`${REPLACING_PREFIX}snapshot.`));
  if (replacing === undefined) {
    return;
  }
  const name = replacing.name.slice(REPLACING_PREFIX.length);
  for (const doomed of doomedFiles(disk)) {
    disk.remove(areaOf(doomed.prefix), doomed.name);
  }
  disk.rename('data', replacing.name, name);
  log.info(`${name}, which came from a leader, has taken the place of all older snapshots and logs`);
}
