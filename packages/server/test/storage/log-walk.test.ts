/** The log on disk as learners get it (quorum-protocol.md §5.6): from where, through where, and when not. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SimulatedDisk } from '../../../simulator/src/disk.ts';
import { TxnLog } from '../../src/storage/log.ts';
import { type LogState, type LogWalk, readLog } from '../../src/storage/log-walk.ts';
import {
  constantRandom,
  errorBody,
  ListSource,
  logFile,
  node,
  RecordingLog,
  recoverFrom,
  testOptions,
} from './support.ts';
import { deliver, writeSnapshot } from './writers.ts';

const OPTIONS = testOptions({ preallocBytes: 1024, snapCount: 1000 });
const NO_LIMIT = { bytesMax: Number.POSITIVE_INFINITY, fieldBytesMax: OPTIONS.fieldBytesMax };

/** A running server's log after `files`, each a list of zxids. */
function written(disk: SimulatedDisk, ...files: readonly (readonly number[])[]): TxnLog {
  const log = new TxnLog(disk, OPTIONS, constantRandom(0), new RecordingLog(), 0);
  for (const zxids of files) {
    log.restart(log.syncedThrough, log.contiguousFrom);
    for (const zxid of zxids) {
      log.append(zxid, errorBody(zxid));
    }
    log.flush(0);
    deliver(disk, log);
  }
  return log;
}

function walk(disk: SimulatedDisk, state: LogState, zxid: number, limits = NO_LIMIT): LogWalk | null {
  return readLog(disk, state, zxid, limits, new RecordingLog());
}

function zxidsOf(found: LogWalk | null): number[] | null {
  if (found === null) {
    return null;
  }
  const zxids: number[] = [];
  for (let entry = found.next(); entry !== null; entry = found.next()) {
    expect(Buffer.from(entry.payload).equals(errorBody(entry.zxid))).toBe(true);
    zxids.push(entry.zxid);
  }
  return zxids;
}

/** As after a start, when nothing is known yet. */
function unknown({ syncedThrough }: LogState): LogState {
  return { syncedThrough, contiguousFrom: syncedThrough + 1 };
}

describe('a walk', () => {
  test('begins with the last transaction at or before the zxid, and goes through all files', () => {
    const disk = new SimulatedDisk();
    const log = written(disk, [1, 2, 3], [4, 5], [0x100000001, 0x100000002]);
    for (const state of [log, unknown(log)]) {
      expect(zxidsOf(walk(disk, state, 1))).toEqual([1, 2, 3, 4, 5, 0x100000001, 0x100000002]);
      expect(zxidsOf(walk(disk, state, 3))).toEqual([3, 4, 5, 0x100000001, 0x100000002]);
      expect(zxidsOf(walk(disk, state, 4))).toEqual([4, 5, 0x100000001, 0x100000002]);
      expect(zxidsOf(walk(disk, state, 9))).toEqual([5, 0x100000001, 0x100000002]);
      expect(zxidsOf(walk(disk, state, 0x100000000))).toEqual([5, 0x100000001, 0x100000002]);
      expect(zxidsOf(walk(disk, state, 0x700000000))).toEqual([0x100000002]);
      expect(walk(disk, state, 0)).toBeNull();
    }
  });

  test('ends with what is on disk when it begins: bytes under way are not looked at', () => {
    const disk = new SimulatedDisk();
    const log = written(disk, [1, 2, 3]);
    const found = walk(disk, log, 2);
    log.append(4, errorBody(4));
    log.flush(0);
    disk.step();
    expect(zxidsOf(walk(disk, log, 2))).toEqual([2, 3]);
    deliver(disk, log);
    expect(zxidsOf(found)).toEqual([2, 3]);
    expect(zxidsOf(walk(disk, log, 2))).toEqual([2, 3, 4]);
  });

  test('a file that has just been created is not opened', () => {
    const disk = new SimulatedDisk();
    const log = written(disk, [1, 2], []);
    log.append(3, errorBody(3));
    log.flush(0);
    disk.step();
    expect(zxidsOf(walk(disk, log, 2))).toEqual([2]);
  });

  test('goes past the cut-off end of a file, as recovery does', () => {
    const disk = new SimulatedDisk();
    disk.put('log', 'log.1', Buffer.concat([logFile(errorBody(1), errorBody(2)), Buffer.from('000000001')]));
    disk.put('log', 'log.3', logFile(errorBody(3)));
    expect(zxidsOf(walk(disk, { syncedThrough: 3, contiguousFrom: 4 }, 1))).toEqual([1, 2, 3]);
  });

  test('the size of the files after the first is limited', () => {
    const disk = new SimulatedDisk();
    const log = written(disk, [1, 2, 3], [4, 5]);
    const { length } = disk.get('log', 'log.4');
    expect(zxidsOf(walk(disk, log, 3, { ...NO_LIMIT, bytesMax: length }))).toEqual([3, 4, 5]);
    expect(walk(disk, log, 3, { ...NO_LIMIT, bytesMax: length - 1 })).toBeNull();
    expect(zxidsOf(walk(disk, log, 4, { ...NO_LIMIT, bytesMax: 0 }))).toEqual([4, 5]);
  });
});

describe('where transactions may be missing there is no walk', () => {
  test('a gap', () => {
    const disk = new SimulatedDisk();
    const log = written(disk, [1, 2, 5, 6], [7]);
    expect(log.contiguousFrom).toBe(5);
    for (const state of [log, unknown(log)]) {
      expect(walk(disk, state, 2)).toBeNull();
      expect(walk(disk, state, 4)).toBeNull();
      expect(zxidsOf(walk(disk, state, 5))).toEqual([5, 6, 7]);
    }
  });

  test('a missing file', () => {
    const disk = new SimulatedDisk();
    const log = written(disk, [1, 2], [3, 4], [5]);
    disk.remove('log', 'log.3');
    expect(walk(disk, unknown(log), 1)).toBeNull();
  });

  test('an epoch that does not begin with its first transaction', () => {
    const disk = new SimulatedDisk();
    const log = written(disk, [1, 2, 0x100000002]);
    expect(walk(disk, log, 2)).toBeNull();
    expect(zxidsOf(walk(disk, log, 0x100000002))).toEqual([0x100000002]);
  });

  test('a zxid that two records have (§2.2)', () => {
    const disk = new SimulatedDisk();
    const log = written(disk, [1, 2, 2, 3]);
    expect(walk(disk, log, 1)).toBeNull();
  });

  test('a snapshot between two epochs: part of the history may have come in it', () => {
    const disk = new SimulatedDisk();
    const log = written(disk, [1, 2], [0x200000001]);
    writeSnapshot(disk, OPTIONS, new ListSource(0x200000000, [node('')]));
    expect(walk(disk, unknown(log), 2)).toBeNull();
    // Not so when this server has logged both: then the snapshot is its own.
    expect(zxidsOf(walk(disk, log, 2))).toEqual([2, 0x200000001]);
    const { contiguousFrom, gapless } = recoverFrom(disk).recovered;
    expect({ contiguousFrom, gapless }).toEqual({ contiguousFrom: 0x200000001, gapless: true });
  });

  test('damage, which is told', () => {
    const disk = new SimulatedDisk();
    const log = written(disk, [1, 2, 3]);
    disk.damage('log', 'log.1', 30);
    const told = new RecordingLog();
    expect(readLog(disk, log, 2, NO_LIMIT, told)).toBeNull();
    expect(told.text).toMatch(
      /^error: the log cannot serve a learner, which gets a snapshot instead: log\.1 is damaged/,
    );
  });

  test('files that go while the walk goes on: it ends early, and says so', () => {
    const disk = new SimulatedDisk();
    const log = written(disk, [1, 2], [3], [4]);
    const told = new RecordingLog();
    const found = readLog(disk, log, 1, NO_LIMIT, told);
    disk.remove('log', 'log.3');
    expect(zxidsOf(found)).toEqual([1, 2]);
    expect(found?.next()).toBeNull();
    expect(told.lines).toEqual([
      expect.stringMatching(
        /^error: a learner has to begin anew: the log cannot be read through zxid 0x4 any more: no file/,
      ),
    ]);
  });
});

test('what recovery knows of the log is what a walk through it finds', () => {
  const step = fc.constantFrom(1, 1, 1, 1, 1, 2, 0, 'epoch', 'late epoch', 'file' as const);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const disk = new SimulatedDisk();
      writeSnapshot(disk, OPTIONS, new ListSource(0, [node('')]));
      const files: number[][] = [[1]];
      let last = 1;
      let expected = 1;
      for (const chosen of steps) {
        // A file that began with the last one of the file before would have its name.
        const what = chosen === 0 && files.at(-1)?.length === 0 ? 1 : chosen;
        if (what === 'file') {
          files.push([]);
          continue;
        }
        const epoch = Math.floor(last / 2 ** 32) + 1;
        const next = typeof what === 'number' ? last + what : epoch * 2 ** 32 + (what === 'epoch' ? 1 : 2);
        expected = what === 1 || what === 'epoch' ? expected : Math.max(next, last + 1);
        last = next;
        files.at(-1)?.push(next);
      }
      const log = written(disk, ...files.filter((file) => file.length > 0));
      expect(log.contiguousFrom).toBe(expected);
      const start = files.flat().find((zxid) => zxid >= expected);
      if (start !== undefined) {
        expect(zxidsOf(walk(disk, unknown(log), start))).toEqual(files.flat().filter((zxid) => zxid >= expected));
      }
      const before = files.flat().findLast((zxid) => zxid < expected);
      expect(before === undefined || before === last ? null : walk(disk, unknown(log), before)).toBeNull();
      if (steps.every((what) => what !== 2 && what !== 0)) {
        expect(recoverFrom(disk).recovered.contiguousFrom).toBe(expected);
      }
    }),
    { numRuns: 300 },
  );
});
