import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SimulatedDisk } from '../../../simulator/src/disk.ts';
import { logName, snapshotName } from '../../src/storage/format.ts';
import { filesToPurge, purge } from '../../src/storage/purge.ts';
import { errorBody, ListSource, logFile, node, recoverFrom, testOptions } from './support.ts';
import { writeSnapshot } from './writers.ts';

const snapshot = (zxid: number, whole = true) => ({ name: snapshotName(zxid), zxid, whole });
const log = (zxid: number) => ({ name: logName(zxid), zxid });

describe('what may go (§5)', () => {
  test('the example of the format description', () => {
    const snapshots = [0x26f00, 0x28a31, 0x2a7cb, 0x2b5b6, 0x2c6de].map((zxid) => snapshot(zxid));
    const logs = [0x26e00, 0x28a30, 0x2a7c6, 0x2af31, 0x2b5c0].map(log);
    expect(filesToPurge(snapshots, logs, 3)).toEqual({
      snapshots: ['snapshot.26f00', 'snapshot.28a31'],
      logs: ['log.26e00', 'log.28a30'],
    });
  });

  test('at least three snapshots stay, whatever is asked for', () => {
    const snapshots = [1, 2, 3, 4].map((zxid) => snapshot(zxid));
    expect(filesToPurge(snapshots, [], 1).snapshots).toEqual(['snapshot.1']);
    expect(filesToPurge(snapshots, [], 4).snapshots).toEqual([]);
  });

  test('no whole snapshot: nothing goes', () => {
    expect(filesToPurge([snapshot(5, false)], [log(1), log(3)], 3)).toEqual({ snapshots: [], logs: [] });
  });

  test('cut snapshots are no spares: those below the kept ones go, newer ones stay', () => {
    const snapshots = [snapshot(1), snapshot(2), snapshot(3, false), snapshot(4), snapshot(5), snapshot(9, false)];
    expect(filesToPurge(snapshots, [], 3).snapshots).toEqual(['snapshot.1']);
    const older = [snapshot(1, false), snapshot(2), snapshot(4), snapshot(5)];
    expect(filesToPurge(older, [], 3).snapshots).toEqual(['snapshot.1']);
  });

  test('trap 4: the log with the greatest zxid at or below the oldest kept snapshot stays', () => {
    const snapshots = [5, 6, 7].map((zxid) => snapshot(zxid));
    expect(filesToPurge(snapshots, [log(1), log(3), log(6)], 3).logs).toEqual(['log.1']);
    expect(filesToPurge(snapshots, [log(1), log(3), log(5)], 3).logs).toEqual(['log.1', 'log.3']);
    const copies = [log(1), log(3), { name: 'log.3.fixed', zxid: 3 }, log(6)];
    expect(filesToPurge(snapshots, copies, 3).logs).toEqual(['log.1']);
  });
});

test('trap 17: names without a zxid are left alone (Java deletes them)', () => {
  const disk = new SimulatedDisk();
  for (const zxid of [1, 2, 3, 4]) {
    writeSnapshot(disk, testOptions(), new ListSource(zxid, [node('')]));
  }
  for (const name of ['log.old', 'snapshot.ffffffffffffffff', 'myid', 'log.1', 'log.2']) {
    disk.put('log', name, Buffer.from('x'));
  }
  expect(purge(disk, 3)?.names).toEqual(['snapshot.1', 'log.1']);
  disk.drain();
  expect(disk.list('log').map(({ name }) => name)).toEqual([
    'log.2',
    'log.old',
    'myid',
    'snapshot.2',
    'snapshot.3',
    'snapshot.4',
    'snapshot.ffffffffffffffff',
  ]);
  expect(purge(disk, 3)).toBe(null);
});

test('after a purge every kept snapshot still leads to the last transaction', () => {
  const last = 40;
  const zxids = fc.uniqueArray(fc.integer({ min: 0, max: last }), { minLength: 1, maxLength: 8 });
  const starts = fc.uniqueArray(fc.integer({ min: 2, max: last }), { maxLength: 8 });
  fc.assert(
    fc.property(zxids, starts, (snapshotZxids, logStarts) => {
      const disk = new SimulatedDisk({ sharedDirectory: false });
      for (const zxid of snapshotZxids) {
        writeSnapshot(disk, testOptions(), new ListSource(zxid, [node('')]));
      }
      const bounds = [1, ...logStarts.sort((a, b) => a - b), last + 1];
      for (let i = 0; i + 1 < bounds.length; i++) {
        const bodies = Array.from({ length: bounds[i + 1] - bounds[i] }, (_, k) => errorBody(bounds[i] + k));
        disk.put('log', logName(bounds[i]), logFile(...bodies));
      }
      purge(disk, 3);
      disk.drain();
      const kept = snapshotZxids.sort((a, b) => b - a).slice(0, 3);
      for (const zxid of kept) {
        const { sink } = recoverFrom(disk);
        expect(sink.snapshot?.zxid).toBe(zxid);
        expect(sink.zxids).toEqual(Array.from({ length: last - zxid }, (_, i) => zxid + 1 + i));
        disk.damage('data', snapshotName(zxid), 3);
      }
    }),
    { numRuns: 60, seed: 3 },
  );
});
