import { describe, expect, test } from 'vitest';
import { SimulatedDisk } from '../../../simulator/src/disk.ts';
import type { DiskStep } from '../../src/io/disk.ts';
import { logFileHeader } from '../../src/storage/format.ts';
import { TxnLog } from '../../src/storage/log.ts';
import type { StorageOptions } from '../../src/storage/options.ts';
import { constantRandom, errorBody, framed, RecordingLog, recoverFrom, seededRandom, testOptions } from './support.ts';
import { deliver, writeLog } from './writers.ts';

/** A disk that keeps what was submitted. */
class WatchedDisk extends SimulatedDisk {
  readonly submitted: DiskStep[][] = [];
  override submit(steps: readonly DiskStep[]): number {
    this.submitted.push([...steps]);
    return super.submit(steps);
  }
}

function begin(changes: Partial<StorageOptions> = {}, lastZxid = 0, random = 0) {
  const disk = new WatchedDisk();
  const messages = new RecordingLog();
  const synced: { txns: number; bytes: number; durationMs: number }[] = [];
  const log = new TxnLog(
    disk,
    testOptions(changes),
    constantRandom(random),
    messages,
    lastZxid,
    (txns, bytes, durationMs) => synced.push({ txns, bytes, durationMs }),
  );
  const append = (...zxids: number[]) => {
    for (const zxid of zxids) {
      log.append(zxid, errorBody(zxid));
    }
  };
  return { disk, log, messages, synced, append };
}

function txns(from: number, through: number) {
  return Array.from({ length: through - from + 1 }, (_, i) => ({ zxid: from + i, body: errorBody(from + i) }));
}

const range = (from: number, through: number) => txns(from, through).map(({ zxid }) => zxid);
const recordBytes = framed(errorBody(1)).length;

describe('group commit', () => {
  test('one batch is in flight; what is appended meanwhile goes with the next', () => {
    const { disk, log, append } = begin();
    append(1);
    log.flush(0);
    append(2, 3, 4);
    log.flush(0);
    expect(disk.submitted).toHaveLength(1);
    expect(log.syncedThrough).toBe(0);
    deliver(disk, log);
    expect(log.syncedThrough).toBe(1);
    log.flush(0);
    expect(disk.submitted).toHaveLength(2);
    expect(disk.submitted[1].map(({ op }) => op)).toEqual(['write']);
    expect(log.idle).toBe(false);
    deliver(disk, log);
    expect(log.syncedThrough).toBe(4);
    expect(log.idle).toBe(true);
    expect(recoverFrom(disk, { trustEmptySnapshot: true }).sink.zxids).toEqual([1, 2, 3, 4]);
  });

  test('nothing is submitted when there is nothing to write', () => {
    const { disk, log } = begin();
    log.flush(0);
    expect(disk.submitted).toEqual([]);
    expect(log.onCompletion({ kind: 'disk', ticket: 1, error: null, durationMs: 0 })).toBe(false);
  });

  test('the body is copied when it is appended', () => {
    const { disk, log } = begin();
    const body = errorBody(1);
    log.append(1, body);
    body.fill(0xff);
    log.flush(0);
    deliver(disk, log);
    expect(recoverFrom(disk, { trustEmptySnapshot: true }).sink.zxids).toEqual([1]);
  });

  test('a batch takes at most maxBatchTxns', () => {
    const { disk, log, append, synced } = begin({ maxBatchTxns: 3 });
    append(...range(1, 7));
    for (let i = 0; i < 3; i++) {
      log.flush(0);
      deliver(disk, log);
    }
    expect(synced.map(({ txns: count }) => count)).toEqual([3, 3, 1]);
    expect(log.syncedThrough).toBe(7);
  });

  test('flushDelay waits for more transactions, but not for a full batch', () => {
    const { disk, log, append } = begin({ flushDelayMs: 10, maxBatchTxns: 3 });
    append(1);
    log.flush(100);
    expect(disk.submitted).toEqual([]);
    expect(log.flushDueMs).toBe(110);
    append(2);
    log.flush(109);
    expect(disk.submitted).toEqual([]);
    log.flush(110);
    expect(disk.submitted).toHaveLength(1);
    expect(log.flushDueMs).toBe(null);
    deliver(disk, log);
    expect(log.syncedThrough).toBe(2);
    append(3, 4, 5, 6);
    log.flush(111);
    deliver(disk, log);
    expect(log.syncedThrough).toBe(5);
  });

  test('records larger than the buffer are whole', () => {
    const { disk, log, append } = begin();
    const body = Buffer.concat([errorBody(1), Buffer.alloc(300_000, 7)]);
    log.append(1, body);
    append(2);
    log.flush(0);
    deliver(disk, log);
    const file = disk.get('log', 'log.1');
    expect(file.subarray(16, 16 + 13 + body.length).equals(framed(body))).toBe(true);
    expect(recoverFrom(disk, { trustEmptySnapshot: true }).sink.zxids).toEqual([1, 2]);
  });

  test('a slow write is told', () => {
    const { disk, log, append, synced, messages } = begin({ fsyncWarningThresholdMs: 50 });
    disk.batchDurationMs = 50;
    append(1);
    log.flush(0);
    deliver(disk, log);
    expect(messages.lines).toEqual([]);
    disk.batchDurationMs = 51;
    append(2);
    log.flush(0);
    deliver(disk, log);
    expect(messages.text).toContain('took 51 ms');
    expect(synced.map(({ durationMs }) => durationMs)).toEqual([50, 51]);
  });
});

describe('files (§2.3)', () => {
  test('trap 15: the first transaction begins a new file, whatever lies there', () => {
    const disk = new SimulatedDisk();
    disk.put('log', 'log.6', Buffer.concat([logFileHeader, framed(errorBody(1)), Buffer.alloc(1000, 0xee)]));
    disk.put('log', 'log.1', Buffer.concat([logFileHeader, ...txns(1, 5).map(({ body }) => framed(body))]));
    const before = disk.get('log', 'log.1');
    writeLog(disk, testOptions(), constantRandom(0), 5, txns(6, 7));
    expect(disk.get('log', 'log.1').equals(before)).toBe(true);
    expect(disk.get('log', 'log.6').subarray(0, 16 + 2 * recordBytes + 12)).toEqual(
      Buffer.concat([logFileHeader, framed(errorBody(6)), framed(errorBody(7)), Buffer.alloc(12)]),
    );
  });

  test('the header is durable before the file is extended, and the name before the batch is acknowledged', () => {
    const { disk, log, append } = begin();
    append(1);
    log.flush(0);
    const operations = ['create', 'write', 'rename', 'write', 'write', 'syncDirectory'];
    expect(disk.submitted[0].map(({ op }) => op)).toEqual(operations);
    const [create, header, rename, extension, records] = disk.submitted[0];
    expect(create).toMatchObject({ name: 'writing.log.1', dsync: true });
    expect(rename).toMatchObject({ from: 'writing.log.1', to: 'log.1' });
    expect(header).toMatchObject({ position: 0, bytes: logFileHeader });
    expect(extension).toMatchObject({ position: 16 + 16384 - 1, bytes: Uint8Array.of(0) });
    expect(records).toMatchObject({ position: 16 });
  });

  test('killed between any two steps, it leaves no log that is empty or all zeros', () => {
    const { disk, log, append } = begin();
    append(1);
    log.flush(0);
    for (let step = 0; step < disk.submitted[0].length; step++) {
      disk.step();
      for (const { name } of disk.list('log').filter((file) => file.name.startsWith('log.'))) {
        expect(disk.read('log', name, 0, logFileHeader.length), `after step ${step}`).toEqual(logFileHeader);
      }
    }
    expect(disk.list('log').map(({ name }) => name)).toEqual(['log.1']);
  });

  test('forceSync=no: no synced writes, no sync', () => {
    const { disk, log, append } = begin({ forceSync: false });
    append(1);
    log.flush(0);
    expect(disk.submitted[0].map(({ op }) => op)).toEqual(['create', 'write', 'rename', 'write', 'write']);
    expect(disk.submitted[0][0]).toMatchObject({ dsync: false });
  });

  test.each([
    [16, 16 + 16384],
    [16 + 16384 - 4096 - 1, 16 + 16384],
    [16 + 16384 - 4096, 16 + 2 * 16384],
  ])('preallocation: a record at %i finds or makes a size of %i', (position, size) => {
    const { disk, log } = begin();
    const filling = position - 16 - 13;
    if (filling >= 0) {
      log.append(1, Buffer.alloc(filling));
      log.flush(0);
      deliver(disk, log);
      expect(disk.list('log')[0].sizeBytes).toBe(16 + 16384);
    }
    log.append(2, errorBody(2));
    log.flush(0);
    deliver(disk, log);
    expect(disk.list('log')[0].sizeBytes).toBe(size);
  });

  test('preallocation behind a record that went past the end: a multiple of the block', () => {
    const { disk, log, append } = begin();
    log.append(1, Buffer.alloc(20_000));
    log.flush(0);
    deliver(disk, log);
    expect(disk.list('log')[0].sizeBytes).toBe(16 + 13 + 20_000);
    append(2);
    log.flush(0);
    deliver(disk, log);
    expect(disk.list('log')[0].sizeBytes).toBe(2 * 16384);
  });

  test('preallocation off: the file ends with its last record', () => {
    const { disk, log, append } = begin({ preallocBytes: 0 });
    append(1, 2);
    log.flush(0);
    deliver(disk, log);
    expect(disk.list('log')[0].sizeBytes).toBe(16 + 2 * recordBytes);
  });

  test('trap 16: padding stays after a roll', () => {
    const { disk, log, append } = begin({ snapCount: 2 });
    append(1, 2, 3);
    for (let i = 0; i < 2; i++) {
      log.flush(0);
      deliver(disk, log);
    }
    expect(disk.list('log').map(({ name, sizeBytes }) => [name, sizeBytes])).toEqual([
      ['log.1', 16400],
      ['log.3', 16400],
    ]);
  });
});

describe('zeros ahead', () => {
  const ZEROS = 256 * 1024;

  /** The bytes of the write of each batch, whatever steps came before it. */
  function writtenBytes(disk: WatchedDisk): Uint8Array[] {
    return disk.submitted.map((steps) => {
      const write = steps.findLast(({ op }) => op === 'write');
      return write?.op === 'write' ? write.bytes : new Uint8Array(0);
    });
  }

  function logBodies(changes: Partial<StorageOptions>, ...sizes: number[]) {
    const { disk, log } = begin({ preallocBytes: 2 ** 20, ...changes });
    sizes.forEach((size, index) => {
      log.append(index + 1, Buffer.alloc(size, 0xff));
      log.flush(0);
      deliver(disk, log);
    });
    return writtenBytes(disk).map(({ length }, index) => length - sizes[index] - 13);
  }

  test('behind a small batch; those that fall on them write none', () => {
    expect(logBodies({}, 1000, 60_000, 60_000, 60_000, 60_000, 60_000, 1000)).toEqual([ZEROS, 0, 0, 0, 0, ZEROS, 0]);
  });

  test('none behind a large batch, nor without syncs', () => {
    expect(logBodies({}, 70_000, 1000, 1000)).toEqual([0, ZEROS, 0]);
    expect(logBodies({ forceSync: false }, 1000)).toEqual([0]);
  });

  test('none beyond the extended file, nor without one', () => {
    expect(logBodies({ preallocBytes: 100_000 }, 1000)).toEqual([100_000 - 1013]);
    expect(logBodies({ preallocBytes: 0 }, 1000)).toEqual([0]);
  });

  test('are zeros, though the buffer had held records', () => {
    const { disk, log } = begin({ preallocBytes: 2 ** 21 });
    log.append(1, Buffer.alloc(400_000, 0xff)); // its buffer is used again
    log.flush(0);
    deliver(disk, log);
    log.append(2, Buffer.alloc(1000, 0xff));
    log.flush(0);
    expect(
      writtenBytes(disk)[1]
        .subarray(1013)
        .every((byte) => byte === 0),
    ).toBe(true);
  });

  test('are left out when a batch that found no space is tried again', () => {
    const { disk, log, append } = begin();
    disk.full = true;
    append(1);
    log.flush(0);
    deliver(disk, log);
    disk.full = false;
    log.retry();
    deliver(disk, log);
    expect(writtenBytes(disk).map(({ length }) => length)).toEqual([16384, recordBytes]);
    expect(recoverFrom(disk, { trustEmptySnapshot: true }).sink.zxids).toEqual([1]);
  });
});

describe('rolling', () => {
  test.each([
    [0, 6],
    [0.999, 10],
  ])('by count: with random %f a file holds %i of snapCount 10', (random, perFile) => {
    const { disk, log, append } = begin({ snapCount: 10 }, 0, random);
    let rolls = 0;
    for (const zxid of range(1, 3 * perFile + 1)) {
      append(zxid);
      log.flush(0);
      deliver(disk, log);
      rolls += log.takeRolled() ? 1 : 0;
    }
    expect(rolls).toBe(3);
    const names = [1, perFile + 1, 2 * perFile + 1, 3 * perFile + 1].map((zxid) => `log.${zxid.toString(16)}`);
    expect(disk.list('log').map(({ name }) => name)).toEqual(names.sort());
  });

  test('by count within one burst: the triggering record stays, the next begins the new file', () => {
    const { disk, log, append } = begin({ snapCount: 10 });
    append(...range(1, 20));
    expect(log.takeRolled()).toBe(true);
    expect(log.takeRolled()).toBe(false);
    while (!log.idle) {
      log.flush(0);
      deliver(disk, log);
    }
    expect(disk.list('log').map(({ name }) => name)).toEqual(['log.1', 'log.13', 'log.7', 'log.d']);
    expect(recoverFrom(disk, { trustEmptySnapshot: true }).sink.zxids).toEqual(range(1, 20));
  });

  test('by count: files of snapCount/2 + 1 … snapCount records', () => {
    const disk = new SimulatedDisk();
    const options = testOptions({ snapCount: 20, preallocBytes: 0 });
    writeLog(disk, options, seededRandom(7), 0, txns(1, 400));
    const counts = disk.list('log').map(({ sizeBytes }) => (sizeBytes - 16) / recordBytes);
    expect(counts.every((count) => count <= 20)).toBe(true);
    expect(counts.filter((count) => count < 11).length).toBeLessThanOrEqual(1);
    expect(new Set(counts).size).toBeGreaterThan(4);
  });

  test('by size, padding included (trap 16)', () => {
    const { disk, log, append } = begin({ snapSizeLimitBytes: 4 * 16384, preallocBytes: 16384 }, 0, 0.5);
    const rolledAt: number[] = [];
    for (const zxid of range(1, 2000)) {
      append(zxid);
      log.flush(0);
      deliver(disk, log);
      if (log.takeRolled()) {
        rolledAt.push(zxid);
      }
    }
    // The limit drawn is 3 blocks; 16 + 3 blocks exceeds it as soon as the file is extended for the third time.
    const rolled = disk.list('log').filter(({ name }) => name !== `log.${(rolledAt.at(-1)! + 1).toString(16)}`);
    expect(rolledAt.length).toBeGreaterThan(1);
    expect(rolled.every(({ sizeBytes }) => sizeBytes === 16 + 3 * 16384)).toBe(true);
  });

  test('txnLogSizeLimitInKb: closes the file without asking for a snapshot', () => {
    const { disk, log, append } = begin({ txnLogSizeLimitBytes: 8 * 1024 });
    for (const zxid of [1, 2, 3]) {
      append(zxid);
      log.flush(0);
      deliver(disk, log);
    }
    expect(disk.list('log').map(({ name }) => name)).toEqual(['log.1', 'log.2', 'log.3']);
    expect(log.takeRolled()).toBe(false);
  });

  test('trap 34: a new epoch does not roll', () => {
    const disk = new SimulatedDisk();
    const zxids = [0x100000001, 0x100000002, 0x200000001, 0x300000001];
    const names = writeLog(
      disk,
      testOptions(),
      constantRandom(0),
      0x100000000,
      zxids.map((zxid) => ({ zxid, body: errorBody(zxid) })),
    );
    expect(names).toEqual(['log.100000001']);
    expect(recoverFrom(disk, { trustEmptySnapshot: true }).sink.zxids).toEqual(zxids);
  });
});

describe('a full disk', () => {
  test('keeps the batch, refuses to acknowledge it, and writes it when there is space', () => {
    const { disk, log, append, messages } = begin();
    append(1);
    log.flush(0);
    deliver(disk, log);
    disk.full = true;
    append(2, 3);
    log.flush(0);
    deliver(disk, log);
    expect(log.full).toBe(true);
    expect(log.failure).toBe(null);
    expect(log.syncedThrough).toBe(1);
    append(4);
    log.flush(0);
    expect(disk.batchesInFlight).toBe(0);
    log.retry();
    log.retry();
    expect(disk.batchesInFlight).toBe(1);
    deliver(disk, log);
    expect(log.full).toBe(true);
    disk.full = false;
    log.retry();
    deliver(disk, log);
    expect(log.full).toBe(false);
    expect(log.syncedThrough).toBe(3);
    log.flush(0);
    deliver(disk, log);
    expect(log.syncedThrough).toBe(4);
    expect(recoverFrom(disk, { trustEmptySnapshot: true }).sink.zxids).toEqual([1, 2, 3, 4]);
    // One message when it begins, one when it ends.
    expect(messages.lines.map((line) => line.split(':')[0])).toEqual(['error', 'info']);
    expect(messages.text).toContain('Free some space');
  });

  test('at the creation of a file: the retry begins again', () => {
    const { disk, log, append } = begin({ snapCount: 2 });
    disk.full = true;
    append(1, 2, 3);
    log.flush(0);
    deliver(disk, log);
    expect(log.full).toBe(true);
    disk.full = false;
    log.retry();
    deliver(disk, log);
    disk.full = true;
    log.flush(0);
    deliver(disk, log);
    expect(log.full).toBe(true);
    disk.full = false;
    log.retry();
    deliver(disk, log);
    expect(log.syncedThrough).toBe(3);
    expect(recoverFrom(disk, { trustEmptySnapshot: true }).sink.zxids).toEqual([1, 2, 3]);
  });

  test('half-written records do no harm', () => {
    const random = seededRandom(3);
    const { disk, log, append } = begin();
    append(1);
    log.flush(0);
    deliver(disk, log);
    for (let zxid = 2; zxid < 40; zxid++) {
      append(zxid);
      log.flush(0);
      disk.full = true;
      let completion = disk.step(random);
      while (completion === null) {
        completion = disk.step(random);
      }
      log.onCompletion(completion);
      const crashed = recoverFrom(disk.clone(), { trustEmptySnapshot: true });
      expect(crashed.sink.zxids).toEqual(range(1, zxid - 1));
      disk.full = false;
      log.retry();
      deliver(disk, log);
    }
    expect(log.syncedThrough).toBe(39);
  });
});

test('after a failed write nothing is acknowledged any more, and the message says what to do', () => {
  const { disk, log, append, messages } = begin();
  append(1);
  log.flush(0);
  deliver(disk, log);
  disk.failNext(({ op }) => op === 'write', 'EIO');
  append(2);
  log.flush(0);
  deliver(disk, log);
  expect(log.failure).toContain('EIO');
  expect(log.failure).toContain('0x1');
  expect(log.failure).toContain('Check the disk');
  expect(messages.text).toContain(log.failure as string);
  append(3);
  log.flush(0);
  log.retry();
  expect(disk.batchesInFlight).toBe(0);
  expect(log.syncedThrough).toBe(1);
});

test('transactions out of order are a bug of ours', () => {
  const { append } = begin();
  append(2);
  append(2); // two records of one zxid: leaders of 3.9 and later do that
  expect(() => append(1)).toThrow('in order');
});
