/** The two epoch files of an ensemble member (disk-format.md §6). A standalone server neither reads nor writes them. */
import { epochOf } from '@treekeeper/protocol';
import type { Disk, DiskStep } from '../io/disk.ts';
import { StorageError } from '../io/storage-error.ts';

export type EpochFile = 'acceptedEpoch' | 'currentEpoch';

export interface Epochs {
  /** The highest epoch promised to a leader. */
  readonly acceptedEpoch: number;
  /** The epoch of the last leader followed: that of the history on disk. */
  readonly currentEpoch: number;
}

const TEMPORARY_SUFFIX = '.tmp';
const FILE_BYTES_MAX = 64;

/**
 * The epochs at start, made consistent with the last zxid on disk. What has to be written for that is in `toWrite`.
 * Throws StorageError where the files contradict the history.
 */
export function loadEpochs(disk: Disk, lastZxid: number): Epochs & { readonly toWrite: readonly EpochFile[] } {
  const names = new Set(disk.list('data').map(({ name }) => name));
  const read = (name: string): number | null => (names.has(name) ? parseEpoch(name, readText(disk, name)) : null);
  const toWrite: EpochFile[] = [];
  const epochOnDisk = epochOf(lastZxid);

  let currentEpoch = read('currentEpoch');
  if (currentEpoch === null) {
    currentEpoch = epochOnDisk;
    toWrite.push('currentEpoch');
  } else if (epochOnDisk > currentEpoch) {
    // Stopped between logging a new leader's history and renaming the file: its content is in the temporary one.
    const temporary = `currentEpoch${TEMPORARY_SUFFIX}`;
    const meant = names.has(temporary) && readText(disk, temporary) !== '' ? read(temporary) : null;
    if (meant === null) {
      throw new StorageError(
        'data',
        `currentEpoch is ${currentEpoch}, older than the epoch ${epochOnDisk} of the last zxid on disk. Let this server ` +
          "copy another member's data by starting it with an empty data directory",
      );
    }
    currentEpoch = meant;
    toWrite.push('currentEpoch');
  }

  let acceptedEpoch = read('acceptedEpoch');
  if (acceptedEpoch === null) {
    acceptedEpoch = epochOnDisk;
    toWrite.push('acceptedEpoch');
  }
  if (acceptedEpoch < currentEpoch) {
    throw new StorageError(
      'data',
      `acceptedEpoch ${acceptedEpoch} is less than currentEpoch ${currentEpoch}. Restore both files, or let this server ` +
        "copy another member's data by starting it with an empty data directory",
    );
  }
  return { acceptedEpoch, currentEpoch, toWrite };
}

/** The first line, strictly a decimal number: a guess would be a vote. */
export function parseEpoch(name: string, text: string): number {
  const [line] = text.split(/\r?\n/);
  const epoch = Number(line);
  if (!/^[+-]?[0-9]+$/.test(line) || !Number.isSafeInteger(epoch)) {
    throw new StorageError('data', `${name} holds ${JSON.stringify(text)}, which is not an epoch (a decimal number)`);
  }
  return epoch;
}

function readText(disk: Disk, name: string): string {
  return Buffer.from(disk.read('data', name, 0, FILE_BYTES_MAX)).toString('latin1');
}

/** Steps that replace an epoch file at once: after a crash it holds the old or the new epoch. */
export function epochSteps(disk: Disk, name: EpochFile, epoch: number): DiskStep[] {
  const file = disk.allocateFile();
  const temporary = name + TEMPORARY_SUFFIX;
  return [
    { op: 'create', area: 'data', name: temporary, file, dsync: false },
    { op: 'write', file, position: 0, bytes: Buffer.from(String(epoch), 'latin1') },
    { op: 'sync', file },
    { op: 'close', file },
    { op: 'rename', area: 'data', from: temporary, to: name },
    { op: 'syncDirectory', area: 'data' },
  ];
}
