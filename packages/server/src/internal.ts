/** For the other packages of this repository (simulator, testing): no stable interface. */
export type { Area, Disk, DiskCompletion, DiskError, DiskStep, FileEntry } from './io/disk.ts';
export type { Random } from './io/random.ts';
