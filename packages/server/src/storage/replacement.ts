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
/** As before, but everything else is to be kept for whoever wants to know what happened: `setting-aside.3.snapshot.1`. */
const SETTING_ASIDE = 'setting-aside';
/** What has been set aside: `damaged.3.log.1`. No release takes such files for data. */
const DAMAGED = 'damaged';

/** All data files; of the logs the newest first, so that what is left is a history without gaps. */
function doomedFiles(disk: Disk): { readonly prefix: DataFilePrefix; readonly name: string }[] {
  const named = (prefix: DataFilePrefix) => listDataFiles(disk, prefix).map(({ name }) => ({ prefix, name }));
  return [...named('snapshot').reverse(), ...named('log').reverse()];
}

/** One for each time that something is set aside: nothing is ever overwritten. */
function nextSeries(disk: Disk): number {
  const names = [...disk.list('data'), ...disk.list('log')].map(({ name }) => name.split('.'));
  const used = names
    .filter(([first]) => first === DAMAGED || first === SETTING_ASIDE)
    .map(([, series]) => Number(series));
  return 1 + Math.max(0, ...used.filter(Number.isSafeInteger));
}

/**
 * Steps that make the file `from`, a whole and synced snapshot in the data directory, the only content of the disk, as
 * `name`. No log may be written meanwhile.
 *
 * @param setsAside what there was is not removed, but renamed
 */
export function replacementSteps(disk: Disk, from: string, name: string, setsAside: boolean): DiskStep[] {
  const series = setsAside ? nextSeries(disk) : null;
  const replacing = series === null ? REPLACING_PREFIX + name : `${SETTING_ASIDE}.${series}.${name}`;
  return [
    { op: 'rename', area: 'data', from, to: replacing },
    { op: 'syncDirectory', area: 'data' },
    ...doomedFiles(disk).map(({ prefix, name: doomed }): DiskStep => {
      const area = areaOf(prefix);
      return series === null
        ? { op: 'remove', area, name: doomed }
        : { op: 'rename', area, from: doomed, to: `${DAMAGED}.${series}.${doomed}` };
    }),
    { op: 'syncDirectory', area: 'log' },
    { op: 'syncDirectory', area: 'data' },
    { op: 'rename', area: 'data', from: replacing, to: name },
    { op: 'syncDirectory', area: 'data' },
  ];
}

/** Ends a replacement that a crash has interrupted. Recovery only. */
export function finishReplacement(disk: Disk, log: Log): void {
  const name = disk.list('data').find((file) => /^(replacing|setting-aside\.\d+)\.snapshot\./.test(file.name))?.name;
  if (name === undefined) {
    return;
  }
  const [first, series] = name.split('.');
  const isKept = first === SETTING_ASIDE;
  for (const { prefix, name: doomed } of doomedFiles(disk)) {
    if (isKept) {
      disk.rename(areaOf(prefix), doomed, `${DAMAGED}.${series}.${doomed}`);
    } else {
      disk.remove(areaOf(prefix), doomed);
    }
  }
  const snapshot = name.slice(name.indexOf('snapshot.'));
  disk.rename('data', name, snapshot);
  const others = isKept ? `, which are kept as ${DAMAGED}.${series}.*` : '';
  log.info(`${snapshot}, which came from a leader, has taken the place of all older snapshots and logs${others}`);
}
