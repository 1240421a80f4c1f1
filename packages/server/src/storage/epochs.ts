/** The two epoch files of an ensemble member (disk-format.md §6). A standalone server neither reads nor writes them. */
import { epochOf } from '@treekeeper/protocol';
import { assert } from '../assert.ts';
import type { Disk, DiskCompletion, DiskStep } from '../io/disk.ts';
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

/** What recovery found: `Recovered` in part. */
export interface RecoveredHistory {
  readonly lastZxid: number;
  /** No transaction is missing in it, as far as numbers can tell. */
  readonly gapless: boolean;
}

export interface LoadedEpochs extends Epochs {
  /** What has to be written, in this order. */
  readonly toWrite: readonly EpochFile[];
}

/**
 * The epochs at start, made consistent with the history on disk.
 *
 * A crash between the end of a synchronisation and the writing of currentEpoch leaves a history of a later epoch. Java
 * refuses to start then. But a history without gaps that ends in epoch E is a beginning of the one that the leader of E
 * had, which is all that currentEpoch = E says (quorum-protocol.md §12).
 *
 * @throws StorageError where the files contradict the history
 */
export function loadEpochs(disk: Disk, { lastZxid, gapless }: RecoveredHistory): LoadedEpochs {
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
    const written = names.has(temporary) && readText(disk, temporary) !== '' ? read(temporary) : null;
    const meant = written ?? (gapless ? epochOnDisk : null);
    if (meant === null) {
      throw new StorageError(
        'data',
        `currentEpoch is ${currentEpoch}, older than the epoch ${epochOnDisk} of the last zxid on disk, and transactions ` +
          "are missing in between. Let this server copy another member's data by starting it with an empty data directory",
      );
    }
    currentEpoch = meant;
    toWrite.push('currentEpoch');
  }

  let acceptedEpoch = read('acceptedEpoch');
  if (acceptedEpoch === null) {
    acceptedEpoch = epochOnDisk;
    toWrite.unshift('acceptedEpoch'); // what is promised comes before what is followed
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

/**
 * The epochs of an ensemble member. A new value counts when it is durable and not before: what a server has promised it
 * must know after a crash.
 */
export class EpochFiles {
  readonly #disk: Disk;
  readonly #waiting: { readonly name: EpochFile; readonly epoch: number }[] = [];
  readonly #durable: Record<EpochFile, number>;
  #ticket: number | null = null;
  #failure: string | null = null;

  /** Writes what was missing at the start. */
  constructor(disk: Disk, { acceptedEpoch, currentEpoch, toWrite }: LoadedEpochs) {
    this.#disk = disk;
    this.#durable = { acceptedEpoch, currentEpoch };
    for (const name of toWrite) {
      this.persist(name, this.#durable[name]);
    }
  }

  get acceptedEpoch(): number {
    return this.#durable.acceptedEpoch;
  }

  get currentEpoch(): number {
    return this.#durable.currentEpoch;
  }

  /** Nothing is on its way to the disk. */
  get idle(): boolean {
    return this.#waiting.length === 0;
  }

  /** Why the process must stop; null while all is well. */
  get failure(): string | null {
    return this.#failure;
  }

  /** Replaces a file; one after the other, in the order of the calls. */
  persist(name: EpochFile, epoch: number): void {
    this.#waiting.push({ name, epoch });
    if (this.#ticket === null) {
      this.#submit();
    }
  }

  #submit(): void {
    const [next] = this.#waiting;
    if (next !== undefined) {
      this.#ticket = this.#disk.submit(epochSteps(this.#disk, next.name, next.epoch));
    }
  }

  /** Takes the end of a batch; false if it was not one of these files'. */
  onCompletion({ ticket, error }: DiskCompletion): boolean {
    if (this.#ticket === null || ticket !== this.#ticket) {
      return false;
    }
    this.#ticket = null;
    const written = this.#waiting.shift();
    assert(written !== undefined, 'the epoch that was written is known');
    if (error !== null) {
      this.#failure =
        `${written.name} cannot be written: ${error.message}. The server stops, for it must not promise what it could ` +
        'forget. Make room on the disk of dataDir, or see what is wrong with it, and start the server again';
      return true;
    }
    this.#durable[written.name] = written.epoch;
    this.#submit();
    return true;
  }
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
