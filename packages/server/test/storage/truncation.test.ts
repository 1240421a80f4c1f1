/** Cutting the history back (quorum-protocol.md §5.7): what stays, what goes, and power failures at every step. */
import { describe, expect, test } from 'vitest';
import { SimulatedDisk } from '../../../simulator/src/disk.ts';
import { StorageError } from '../../src/io/storage-error.ts';
import { TxnLog } from '../../src/storage/log.ts';
import type { StorageOptions } from '../../src/storage/options.ts';
import { truncationSteps } from '../../src/storage/truncation.ts';
import {
  constantRandom,
  errorBody,
  ListSource,
  node,
  RecordingLog,
  recoverFrom,
  seededRandom,
  testOptions,
} from './support.ts';
import { deliver, writeLog, writeSnapshot } from './writers.ts';

const OPTIONS = testOptions({ preallocBytes: 1024, snapCount: 8, serializeLastProcessedZxid: false });
const { fieldBytesMax } = OPTIONS;
const LAST = 12;

/** A snapshot; `reach`: the zxid that its newest node has. */
function snapshot(disk: SimulatedDisk, zxid: number, reach = zxid, options: StorageOptions = OPTIONS): string {
  const root = node('');
  const stat = { ...root.stat, czxid: 0n, mzxid: 0n, pzxid: BigInt(reach) };
  return writeSnapshot(disk, options, new ListSource(zxid, [{ ...root, stat }]));
}

/** Transactions 1 to 12 in three files, snapshots of before, in between and at the end. */
function history(disk = new SimulatedDisk()): SimulatedDisk {
  snapshot(disk, 0);
  for (let zxid = 0; zxid < LAST; zxid += 5) {
    const txns = Array.from({ length: Math.min(5, LAST - zxid) }, (_, i) => zxid + i + 1);
    writeLog(disk, { ...OPTIONS, snapCount: 1000 }, constantRandom(0), zxid, txns.map(txn));
  }
  snapshot(disk, 4);
  snapshot(disk, 9);
  snapshot(disk, LAST);
  return disk;
}

function txn(zxid: number): { zxid: number; body: Buffer } {
  return { zxid, body: errorBody(zxid) };
}

function truncate(disk: SimulatedDisk, zxid: number): void {
  disk.submit(truncationSteps(disk, zxid, fieldBytesMax));
  disk.drain();
}

function names(disk: SimulatedDisk): string[] {
  return disk.list('data').map(({ name }) => name);
}

/** Every zxid of the logs, as recovery sees them from the first snapshot on. */
function zxidsFromTheBeginning(disk: SimulatedDisk): number[] {
  const copy = disk.clone();
  for (const name of names(copy).filter((one) => one.startsWith('snapshot.') && one !== 'snapshot.0')) {
    copy.remove('data', name);
  }
  return recoverFrom(copy).sink.zxids;
}

function upTo(zxid: number): number[] {
  return Array.from({ length: zxid }, (_, i) => i + 1);
}

describe('a truncated history', () => {
  test.each(upTo(LAST).concat(0))('ends with 0x%i, in the log and in the snapshots', (zxid) => {
    const disk = history();
    truncate(disk, zxid);
    expect(recoverFrom(disk).recovered).toMatchObject({ lastZxid: zxid, gapless: true, tornTail: false });
    expect(zxidsFromTheBeginning(disk)).toEqual(upTo(zxid));
    const snapshots = names(disk).filter((name) => name.startsWith('snapshot.'));
    expect(snapshots).toEqual(
      ['snapshot.0', 'snapshot.4', 'snapshot.9', 'snapshot.c'].slice(
        0,
        zxid < 4 ? 1 : zxid < 9 ? 2 : zxid < 12 ? 3 : 4,
      ),
    );
  });

  test('the file that holds the zxid ends with its record, without padding', () => {
    const disk = history();
    expect(disk.get('log', 'log.6').length).toBeGreaterThan(1000);
    truncate(disk, 7);
    expect(disk.get('log', 'log.6').length).toBe(16 + 2 * (13 + errorBody(7).length));
    expect(names(disk).filter((name) => name.startsWith('log.'))).toEqual(['log.1', 'log.6']);
  });

  test('goes on with a new file, under zxids that were used before', () => {
    const disk = history();
    const random = constantRandom(0);
    const log = new TxnLog(disk, OPTIONS, random, new RecordingLog(), LAST);
    log.append(13, errorBody(13));
    log.flush(0);
    deliver(disk, log);
    truncate(disk, 7);
    const { lastZxid, contiguousFrom } = recoverFrom(disk).recovered;
    log.restart(lastZxid, contiguousFrom);
    expect(log).toMatchObject({ syncedThrough: 7, contiguousFrom: 1, idle: true });
    log.append(8, errorBody(8));
    log.append(0x200000001, errorBody(0x200000001));
    log.flush(0);
    deliver(disk, log);
    expect(zxidsFromTheBeginning(disk)).toEqual([...upTo(8), 0x200000001]);
    expect(names(disk).filter((name) => name.startsWith('log.'))).toEqual(['log.1', 'log.6', 'log.8']);
    expect(log).toMatchObject({ syncedThrough: 0x200000001, contiguousFrom: 1 });
  });

  test('with separate directories', () => {
    const disk = history(new SimulatedDisk({ sharedDirectory: false }));
    truncate(disk, 3);
    expect(recoverFrom(disk).sink.zxids).toEqual([1, 2, 3]);
  });

  test('a zxid that only a snapshot has: it came from a leader', () => {
    const disk = new SimulatedDisk();
    snapshot(disk, 0x200000000);
    writeLog(disk, OPTIONS, constantRandom(0), 0x200000000, [0x200000001, 0x200000002].map(txn));
    truncate(disk, 0x200000000);
    expect(recoverFrom(disk)).toMatchObject({ recovered: { lastZxid: 0x200000000 }, sink: { zxids: [] } });
  });

  test('snapshots that were written while later transactions were applied go too', () => {
    const disk = history();
    writeSnapshot(
      disk,
      { ...OPTIONS, serializeLastProcessedZxid: true },
      new (class extends ListSource {
        override trailer() {
          return { digestZxid: 8, digest: 1n, lastZxid: 8 };
        }
      })(5, [node('', null)]),
    );
    snapshot(disk, 6, 11);
    truncate(disk, 7);
    expect(names(disk).filter((name) => name.startsWith('snapshot.'))).toEqual(['snapshot.0', 'snapshot.4']);
    expect(recoverFrom(disk).sink.zxids).toEqual([5, 6, 7]);
  });
});

describe('power fails', () => {
  test.each([0, 3, 5, 7, 10, 12])(
    'at any step of the way to %i: the old history, a shorter one or the new one',
    (zxid) => {
      const steps = truncationSteps(history(), zxid, fieldBytesMax).length;
      const found = new Set<number>();
      for (let done = 0; done <= steps; done++) {
        for (let seed = 0; seed < 12; seed++) {
          const disk = history();
          disk.submit(truncationSteps(disk, zxid, fieldBytesMax));
          for (let step = 0; step < done; step++) {
            disk.step();
          }
          disk.crash(seededRandom(seed));
          const { recovered } = recoverFrom(disk);
          expect(recovered.lastZxid).toBeGreaterThanOrEqual(zxid);
          expect(recovered).toMatchObject({ gapless: true, tornTail: false });
          expect(zxidsFromTheBeginning(disk)).toEqual(upTo(recovered.lastZxid));
          found.add(recovered.lastZxid);
          truncate(disk, zxid);
          expect(recoverFrom(disk).recovered.lastZxid).toBe(zxid);
        }
      }
      expect([...found]).toEqual(expect.arrayContaining([LAST, zxid]));
    },
  );
});

describe('refused, and nothing changed', () => {
  function refusal(disk: SimulatedDisk, zxid: number): string {
    const before = disk.clone();
    let message = '';
    try {
      truncationSteps(disk, zxid, fieldBytesMax);
    } catch (error) {
      expect(error).toBeInstanceOf(StorageError);
      message = (error as Error).message;
    }
    expect(disk.batchesInFlight).toBe(0);
    expect(disk.list('data')).toEqual(before.list('data'));
    return message;
  }

  test('a zxid beyond the end, or of another epoch', () => {
    const message = refusal(history(), 13);
    expect(message).toMatch(/^the history cannot be cut back to zxid 0xd, as the leader asks: the last transaction/);
    expect(message).toContain('before it is 0xc. Nothing has been changed');
    expect(refusal(history(), 0x100000003)).toContain('the last transaction before it is 0xc');
  });

  test('a zxid that is missing in the log', () => {
    const disk = new SimulatedDisk();
    snapshot(disk, 0);
    writeLog(disk, OPTIONS, constantRandom(0), 0, [1, 2, 5, 6].map(txn));
    expect(refusal(disk, 3)).toContain('the last transaction before it is 0x2');
    expect(refusal(disk, 6)).toContain('transactions are missing between 0x2 and 0x5');
  });

  test('no snapshot of before', () => {
    const disk = new SimulatedDisk();
    snapshot(disk, 4);
    writeLog(disk, OPTIONS, constantRandom(0), 4, [5, 6].map(txn));
    expect(refusal(disk, 3)).toContain('there is no snapshot of before it');
  });
});
