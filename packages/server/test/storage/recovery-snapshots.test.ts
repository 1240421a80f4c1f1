/** What damage, crashes and stray files do (disk-format.md §1, §2.4, §3.5); trap numbers are those of §10. */
import { makeZxid, zxidHex } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { SimulatedDisk } from '../../../simulator/src/disk.ts';
import { logFileHeader } from '../../src/storage/format.ts';
import {
  constantRandom,
  errorBody,
  goldenDisk,
  ListSource,
  logFile,
  node,
  recoverFrom,
  testOptions,
} from './support.ts';
import { writeLog, writeSnapshot } from './writers.ts';

const TREE = [node(''), node('/a', Buffer.from('x')), node('/a/b')];

function putSnapshot(disk: SimulatedDisk, zxid: number, nodes = TREE, sessions = new Map<bigint, number>()): void {
  writeSnapshot(disk, testOptions(), new ListSource(zxid, nodes, { sessions }));
}

function bodies(...zxids: number[]): Buffer[] {
  return zxids.map(errorBody);
}

/** Snapshot 0 and a log of zxids 1 … count. */
function diskWithLog(count = 5): SimulatedDisk {
  const disk = new SimulatedDisk();
  putSnapshot(disk, 0);
  disk.put('log', 'log.1', Buffer.concat([logFile(...bodies(...range(1, count))), Buffer.alloc(1000)]));
  return disk;
}

const range = (from: number, through: number) => Array.from({ length: through - from + 1 }, (_, i) => from + i);

describe('snapshots', () => {
  test('a damaged newest snapshot: the one before it, and more of the logs', () => {
    const disk = diskWithLog(9);
    putSnapshot(disk, 4, TREE, new Map([[1n, 1000]]));
    putSnapshot(disk, 8, TREE, new Map([[2n, 2000]]));
    disk.damage('data', 'snapshot.8', 60);
    const { sink, recovered, log } = recoverFrom(disk);
    expect(recovered).toMatchObject({ snapshotZxid: 4, lastZxid: 9, sinceSnapshotTxns: 5 });
    expect(recovered.snapshot?.name).toBe('snapshot.4');
    expect(log.text).toContain('warn: cannot use snapshot.8');
    // Java keeps the sessions of the failed one (§3.5).
    expect([...sink.sessions.keys()]).toEqual([1n]);
    expect(sink.resets).toBe(1);
  });

  test.each([
    ['the logs end before it', range(1, 5)],
    ['the logs begin behind it', range(9, 12)],
  ])('a damaged newest snapshot, and %s: what is missing is not passed over', (_, zxids) => {
    const disk = new SimulatedDisk();
    putSnapshot(disk, 4);
    putSnapshot(disk, 8);
    disk.put('log', `log.${zxids[0].toString(16)}`, Buffer.concat([logFile(...bodies(...zxids)), Buffer.alloc(1000)]));
    expect(recoverFrom(disk.clone()).recovered.lastZxid).toBe(Math.max(8, zxids.at(-1) ?? 0));
    disk.damage('data', 'snapshot.8', 60);
    expect(() => recoverFrom(disk)).toThrow('a snapshot of zxid 0x8 is damaged, and between zxid 0x');
  });

  test('a history that goes on in a later epoch behind a snapshot that is damaged is not put behind another', () => {
    const disk = diskWithLog(5);
    const restored = makeZxid(2, 0x36);
    putSnapshot(disk, restored);
    disk.put('log', `log.${zxidHex(restored + 1)}`, logFile(...bodies(restored + 1, restored + 2)));
    expect(recoverFrom(disk.clone()).recovered).toMatchObject({ snapshotZxid: restored, sinceSnapshotTxns: 2 });
    disk.damage('data', `snapshot.${zxidHex(restored)}`, 60);
    expect(() => recoverFrom(disk)).toThrow('a snapshot of zxid 0x200000036 is damaged, and between zxid 0x5 and that');
  });

  test('every single damaged byte is found', () => {
    const disk = new SimulatedDisk();
    putSnapshot(disk, 1);
    for (const position of disk.get('data', 'snapshot.1').keys()) {
      const damaged = disk.clone();
      damaged.damage('data', 'snapshot.1', position, 0x10);
      expect(() => recoverFrom(damaged), `byte ${position}`).toThrow('snapshot.1');
    }
  });

  test('a cut snapshot fails the quick check and is passed over', () => {
    const disk = diskWithLog(9);
    putSnapshot(disk, 8);
    disk.put('data', 'snapshot.8', disk.get('data', 'snapshot.8').subarray(0, -1));
    const { recovered, sink } = recoverFrom(disk);
    expect(recovered.snapshotZxid).toBe(0);
    expect(sink.resets).toBe(0);
  });

  test('candidates and none loads: fatal, trust.empty or not', () => {
    const disk = diskWithLog();
    disk.damage('data', 'snapshot.0', 60);
    for (const trustEmptySnapshot of [false, true]) {
      expect(() => recoverFrom(disk, { trustEmptySnapshot })).toThrow(
        /none of the 1 snapshots can be loaded. snapshot.0: .*backup/,
      );
    }
  });

  test('a node without its parent makes a snapshot unusable', () => {
    const disk = diskWithLog();
    putSnapshot(disk, 2, [node(''), node('/x/y')]);
    const { recovered, log } = recoverFrom(disk);
    expect(recovered.snapshotZxid).toBe(0);
    expect(log.text).toContain('/x/y has no parent');
  });

  test('at most 100 candidates are tried', () => {
    const disk = new SimulatedDisk();
    putSnapshot(disk, 1);
    const damaged = disk.get('data', 'snapshot.1');
    damaged[60] ^= 1;
    for (let zxid = 2; zxid <= 101; zxid++) {
      disk.put('data', `snapshot.${zxid.toString(16)}`, damaged);
    }
    expect(() => recoverFrom(disk)).toThrow('none of the 100 snapshots');
  });

  test('a field beyond the limit names the setting', () => {
    const disk = new SimulatedDisk();
    putSnapshot(disk, 1, [node('', Buffer.alloc(5000))]);
    expect(() => recoverFrom(disk, { fieldBytesMax: 4999 })).toThrow('jute.maxbuffer');
    expect(recoverFrom(disk, { fieldBytesMax: 5000 }).sink.nodes.size).toBe(1);
  });

  test('trap 25: a digest section of (0, 2, 0) is none', () => {
    const disk = new SimulatedDisk();
    writeSnapshot(disk, testOptions(), new ListSource(7, TREE));
    expect(recoverFrom(disk).sink.snapshot).toEqual({ zxid: 7, digest: null });
  });

  test('unfinished snapshots are removed, and were never candidates', () => {
    const disk = diskWithLog();
    disk.put('data', 'writing.snapshot.5', disk.get('data', 'snapshot.0'));
    expect(recoverFrom(disk).recovered.snapshotZxid).toBe(0);
    expect(disk.list('data').map(({ name }) => name)).toEqual(['log.1', 'snapshot.0']);
  });
});

describe('without a snapshot (§1, §3.5)', () => {
  test('logs alone are fatal, unless snapshot.trust.empty', () => {
    const disk = new SimulatedDisk();
    writeLog(disk, testOptions(), constantRandom(0), 0, [{ zxid: 1, body: errorBody(1) }]);
    expect(() => recoverFrom(disk)).toThrow(/no snapshot found, but there are log entries.*snapshot\.trust\.empty/);
    const { recovered, sink } = recoverFrom(disk, { trustEmptySnapshot: true });
    expect(recovered).toMatchObject({ lastZxid: 1, snapshotZxid: null, sinceSnapshotTxns: 1, tornTail: false });
    expect(sink.zxids).toEqual([1]);
  });

  test('a log without any record counts as one', () => {
    const disk = new SimulatedDisk();
    disk.put('log', 'log.1', logFileHeader);
    expect(() => recoverFrom(disk)).toThrow('no snapshot found');
  });

  test.each([
    { marker: false, databaseAutocreate: true, lastZxid: 0 },
    { marker: true, databaseAutocreate: false, lastZxid: 0 },
    { marker: true, databaseAutocreate: true, lastZxid: 0 },
    { marker: false, databaseAutocreate: false, lastZxid: -1 },
  ])('empty directories: %o', ({ marker, databaseAutocreate, lastZxid }) => {
    const disk = new SimulatedDisk({ initializeMarker: marker });
    const { recovered } = recoverFrom(disk, { databaseAutocreate });
    expect(recovered).toMatchObject({ lastZxid, snapshotZxid: null, sinceSnapshotTxns: 0, tornTail: false });
    expect(disk.takeInitializeMarker()).toBe(false);
  });

  test('the marker is taken away when it was not needed, too', () => {
    const disk = new SimulatedDisk({ initializeMarker: true });
    putSnapshot(disk, 5);
    recoverFrom(disk);
    expect(disk.takeInitializeMarker()).toBe(false);
  });

  test('a cut snapshot.0 is a first start that crashed; any other with nothing beside it is a loss', () => {
    const disk = new SimulatedDisk();
    disk.put('data', 'snapshot.0', Buffer.from('ZKSN'));
    expect(recoverFrom(disk).recovered.lastZxid).toBe(0);
    disk.put('data', 'snapshot.5', Buffer.from('ZKSN'));
    expect(() => recoverFrom(disk)).toThrow('snapshot.5 is cut off');
  });
});

describe('directories (§1)', () => {
  test('trap 18: files in the wrong one of two directories', () => {
    const disk = goldenDisk('ensemble-node1/data/version-2', 'ensemble-node1/log/version-2');
    expect(recoverFrom(disk).recovered.snapshotZxid).toBe(0x100000010);
    const snapshotInLogs = disk.clone();
    snapshotInLogs.put('log', 'snapshot.5', Buffer.alloc(1));
    expect(() => recoverFrom(snapshotInLogs)).toThrow(/log directory.*snapshot\.5.*Move them/s);
    const logInData = disk.clone();
    logInData.put('data', 'log.5', Buffer.alloc(1));
    expect(() => recoverFrom(logInData)).toThrow(/snapshot directory.*log\.5.*Move them/s);
  });
});
