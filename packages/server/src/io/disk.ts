/**
 * The disk, as storage/ sees it: two directories of flat files. At run time work is handed over as a batch of steps and
 * its end comes back as an input; before the first turn (recovery) files are listed and read synchronously.
 */

/** 'log' holds log.*, 'data' holds snapshot.* and the epoch files. They may be the same directory. */
export type Area = 'log' | 'data';

/** Files of this prefix are unfinished. Java, too, takes them for nothing of its own. */
export const UNFINISHED_PREFIX = 'writing.';

export type DiskStep =
  /**
   * Creates or truncates a file and opens it under `file`, a number from `allocateFile`. With `dsync` each write is on
   * the platter before its step ends (a write and its fdatasync in one system call). Repeating it starts over. The
   * file's name is durable only after a `syncDirectory`.
   */
  | {
      readonly op: 'create';
      readonly area: Area;
      readonly name: string;
      readonly file: number;
      readonly dsync: boolean;
    }
  | { readonly op: 'write'; readonly file: number; readonly position: number; readonly bytes: Uint8Array }
  /** fdatasync */
  | { readonly op: 'sync'; readonly file: number }
  /** A file that is not open is fine. */
  | { readonly op: 'close'; readonly file: number }
  /** What has the name `to` is replaced. An open file stays open. */
  | { readonly op: 'rename'; readonly area: Area; readonly from: string; readonly to: string }
  /** Missing files are fine. */
  | { readonly op: 'remove'; readonly area: Area; readonly name: string }
  /** Cuts a file, and the cut is durable before the step ends. */
  | { readonly op: 'truncate'; readonly area: Area; readonly name: string; readonly length: number }
  /** Makes the creations, renames and removals in the directory durable. */
  | { readonly op: 'syncDirectory'; readonly area: Area };

/** Why a step failed. 'full': no space or quota left, may pass; 'failed': anything else, trust nothing any more. */
export interface DiskError {
  readonly kind: 'full' | 'failed';
  /** What was tried on which file, and what the system said. */
  readonly message: string;
}

/** The end of a submitted batch: `error` is that of the first step that failed; the steps after it were not tried. */
export interface DiskCompletion {
  readonly kind: 'disk';
  readonly ticket: number;
  readonly error: DiskError | null;
  /** From the first step's start to the last step's end: how slow the disk is. */
  readonly durationMs: number;
}

export interface FileEntry {
  readonly name: string;
  readonly sizeBytes: number;
  /** When it was last written, in milliseconds of wall-clock time. To be shown: nothing may hang on it. */
  readonly modifiedMs: number;
}

/** What reading a data file takes. */
export type FileSource = Pick<Disk, 'read'>;

export interface Disk {
  /** Log and data share one directory. */
  readonly sharedDirectory: boolean;
  /** A number for the next file to create; none is given twice. */
  allocateFile(): number;
  /**
   * Hands over a batch; its steps are executed in order. Returns the ticket that its completion will name. Batches
   * overlap in time, so who needs an order waits for the completion. The bytes belong to the disk until then.
   */
  submit(steps: readonly DiskStep[]): number;

  /** The directory's files, by name in ascending order. Synchronous: for recovery, and for purging, which is rare. */
  list(area: Area): FileEntry[];
  /** Up to `length` bytes from `position` (fewer at the end of the file). Synchronous: for recovery and purging. */
  read(area: Area, name: string, position: number, length: number): Uint8Array;
  /** Removes a file for good: the directory is synced before this returns. Recovery only. */
  remove(area: Area, name: string): void;
  /** Renames a file for good: the directory is synced before this returns. Recovery only. */
  rename(area: Area, from: string, to: string): void;
  /**
   * Makes a file and the directory's names durable as they are now. What a killed process had written last can be read
   * back and still be lost with the power. Recovery only.
   */
  makeDurable(area: Area, name: string | null): void;
  /** Removes the `initialize` marker beside the log directory, and says whether it was there. Recovery only. */
  takeInitializeMarker(): boolean;
}
