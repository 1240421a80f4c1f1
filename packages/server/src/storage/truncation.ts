/**
 * Cuts the history back to a transaction, as a leader asks of a learner that has more than the ensemble
 * (quorum-protocol.md §5.7, disk-format.md §2.4). Unlike Java, snapshots that hold more than what stays go as well.
 */
import { zxidHex } from '@treekeeper/protocol';
import { AssertionFailure } from '../assert.ts';
import type { Disk, DiskStep } from '../io/disk.ts';
import { StorageError } from '../io/storage-error.ts';
import { isSuccessor } from './contiguity.ts';
import { type DataFile, listDataFiles, passesQuickCheck } from './format.ts';
import { LogReader } from './log-reader.ts';
import { SnapshotReach } from './snapshot-reach.ts';
import { readSnapshot, type SnapshotSink } from './snapshot-reader.ts';

/**
 * Steps after which recovery finds the history through `zxid` and nothing beyond. Each leaves a disk from which recovery
 * finds a beginning of the old history that reaches at least to `zxid`. The log must be idle; it is to be restarted
 * afterwards.
 *
 * Reads the newest snapshot and the logs after it, synchronously, as recovery does.
 *
 * @throws StorageError when `zxid` is not in the history, or no snapshot of before is left: nothing has been changed
 */
export function truncationSteps(disk: Disk, zxid: number, fieldBytesMax: number): DiskStep[] {
  const { base, doomed } = sortSnapshots(disk, zxid, fieldBytesMax);
  const logs = listDataFiles(disk, 'log');
  const cut = findCut(disk, logs, base, zxid, fieldBytesMax);
  const steps: DiskStep[] = doomed.map((name) => ({ op: 'remove', area: 'data', name }));
  steps.push({ op: 'syncDirectory', area: 'data' });
  // The newest first, and one at a time: a gap would stop the start.
  for (const { name } of logs.filter((file) => file.zxid > zxid).reverse()) {
    steps.push({ op: 'remove', area: 'log', name }, { op: 'syncDirectory', area: 'log' });
  }
  if (cut !== null) {
    steps.push({ op: 'truncate', area: 'log', name: cut.name, length: cut.length });
  }
  return steps;
}

/** The newest snapshot that shows nothing later than `zxid`, and those that do. */
function sortSnapshots(disk: Disk, zxid: number, fieldBytesMax: number): { base: DataFile; doomed: string[] } {
  const doomed: string[] = [];
  for (const file of listDataFiles(disk, 'snapshot').reverse()) {
    if (file.zxid > zxid) {
      doomed.push(file.name);
    } else if (passesQuickCheck(disk, file)) {
      const reach = snapshotReach(disk, file.name, fieldBytesMax);
      if (reach !== null && reach <= zxid) {
        return { base: file, doomed };
      }
      doomed.push(file.name); // it was written while later transactions were applied, or is damaged
    }
  }
  throw impossible(zxid, 'there is no snapshot of before it');
}

/** The last transaction that a snapshot shows; null: it is damaged. A snapshot goes on changing while it is written. */
function snapshotReach(disk: Disk, name: string, fieldBytesMax: number): number | null {
  const reach = new SnapshotReach();
  const sink: SnapshotSink = {
    session: () => {},
    acl: () => {},
    node: (path, _data, _aclId, stat) => reach.node(path, stat),
  };
  try {
    return reach.through(readSnapshot(disk, name, fieldBytesMax, sink));
  } catch (error) {
    if (error instanceof AssertionFailure) {
      throw error;
    }
    return null;
  }
}

/** Where the log that holds `zxid` ends after it; null: at a file's end already. */
function findCut(
  disk: Disk,
  logs: readonly DataFile[],
  base: DataFile,
  zxid: number,
  fieldBytesMax: number,
): { readonly name: string; readonly length: number } | null {
  let reached = base.zxid;
  const first = logs.findLast((file) => file.zxid <= base.zxid + 1);
  for (const file of logs.filter((one) => one.zxid >= (first?.zxid ?? base.zxid) && one.zxid <= zxid)) {
    const reader = new LogReader(disk, file, fieldBytesMax);
    while (reader.next()) {
      const found = reader.zxid ?? 0;
      if (found > zxid) {
        requireReached(reached, zxid);
        return { name: file.name, length: reader.recordOffset };
      }
      if (found > reached && !isSuccessor(reached, found)) {
        throw impossible(zxid, `transactions are missing between 0x${zxidHex(reached)} and 0x${zxidHex(found)}`);
      }
      reached = Math.max(reached, found);
    }
  }
  requireReached(reached, zxid);
  return null;
}

function requireReached(reached: number, zxid: number): void {
  if (reached !== zxid) {
    throw impossible(zxid, `the last transaction before it is 0x${zxidHex(reached)}`);
  }
}

function impossible(zxid: number, reason: string): StorageError {
  return new StorageError(
    'data',
    `the history cannot be cut back to zxid 0x${zxidHex(zxid)}, as the leader asks: ${reason}. Nothing has been changed`,
  );
}
