/** Drives the log and snapshot writers over a simulated disk that does everything at once. */
import type { SimulatedDisk } from '../../../simulator/src/disk.ts';
import type { Random } from '../../src/io/random.ts';
import { TxnLog } from '../../src/storage/log.ts';
import type { StorageOptions } from '../../src/storage/options.ts';
import { type SnapshotSource, SnapshotWriter } from '../../src/storage/snapshot.ts';
import { RecordingLog } from './support.ts';

export interface LoggedTxn {
  readonly zxid: number;
  readonly body: Uint8Array;
}

/** Logs each txn as a batch of its own; returns the names of the log files. */
export function writeLog(
  disk: SimulatedDisk,
  options: StorageOptions,
  random: Random,
  lastZxid: number,
  txns: readonly LoggedTxn[],
): string[] {
  const log = new TxnLog(disk, options, random, new RecordingLog(), lastZxid);
  for (const { zxid, body } of txns) {
    log.append(zxid, body);
    log.flush(0);
    deliver(disk, log);
  }
  return disk.list('log').map(({ name }) => name);
}

/** Lets the disk do what it was given, and tells the writer. */
export function deliver(disk: SimulatedDisk, writer: TxnLog | SnapshotWriter): void {
  for (const completion of disk.drain()) {
    writer.onCompletion(completion);
  }
}

/** Writes a whole snapshot; returns its name. */
export function writeSnapshot(disk: SimulatedDisk, options: StorageOptions, source: SnapshotSource): string {
  const writer = new SnapshotWriter(disk, options, source);
  while (writer.state === 'writing') {
    writer.advance();
    deliver(disk, writer);
  }
  return writer.name;
}
