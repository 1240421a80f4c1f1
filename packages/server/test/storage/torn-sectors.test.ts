/** Power fails while a batch is written: any of its sectors may be on the disk; recovery takes that for a crash. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SimulatedDisk } from '../../../simulator/src/disk.ts';
import { SnapshotWriter } from '../../src/storage/snapshot.ts';
import { errorBody, framed, ListSource, logFile, node, recoverFrom, testOptions, txnBody } from './support.ts';

const SECTOR_BYTES = 512;

/** A setData with so many bytes that are not zero. */
function longBody(zxid: number, dataBytes: number): Buffer {
  const txn = Buffer.alloc(4 + 2 + 4 + dataBytes + 4, 'x');
  txn.writeInt32BE(2, 0);
  txn.write('/a', 4);
  txn.writeInt32BE(dataBytes, 6);
  txn.writeInt32BE(1, 10 + dataBytes);
  return txnBody(zxid, 5, txn);
}

function diskWith(log: Buffer): SimulatedDisk {
  const disk = new SimulatedDisk();
  const writer = new SnapshotWriter(disk, testOptions(), new ListSource(0, [node('')]));
  writer.advance();
  disk.drain();
  disk.put('log', 'log.1', Buffer.concat([log, Buffer.alloc(4096)]));
  return disk;
}

/** Two records on disk, then a batch of which only some sectors are. */
function tornLog(batch: readonly Buffer[], isWritten: (sector: number) => boolean): Buffer {
  const before = logFile(errorBody(1), errorBody(2));
  const log = Buffer.concat([before, ...batch.map(framed)]);
  for (let at = before.length; at < log.length; at++) {
    if (!isWritten(Math.floor(at / SECTOR_BYTES))) {
      log[at] = 0;
    }
  }
  return log;
}

describe('sectors of the last batch are missing', () => {
  test('any of them: recovery starts with a prefix, the records before the batch in it', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(sizes, fc.array(fc.boolean(), { minLength: 64, maxLength: 64 }), (dataBytes, written) => {
        const batch = dataBytes.map((bytes, i) => longBody(3 + i, bytes));
        const { sink, recovered } = recoverFrom(diskWith(tornLog(batch, (sector) => written[sector])));
        expect(recovered.lastZxid).toBeGreaterThanOrEqual(2);
        expect(sink.zxids).toEqual(Array.from({ length: recovered.lastZxid }, (_, i) => i + 1));
      }),
      { numRuns: 300 },
    );
  });

  test('the record looks whole at both ends: told as what it is', () => {
    const { recovered, log } = recoverFrom(diskWith(tornLog([longBody(3, 3000)], (sector) => sector !== 2)));
    expect(recovered).toMatchObject({ lastZxid: 2, tornTail: true });
    expect(log.text).toContain('a record was only partly written. A crash cut off its last write');
    expect(log.text).not.toContain('error');
  });

  test('whole records behind it belong to the same batch: no damage', () => {
    const batch = [longBody(3, 1200), longBody(4, 40), longBody(5, 40)];
    const { recovered, log } = recoverFrom(diskWith(tornLog(batch, (sector) => sector !== 1)));
    expect(recovered.lastZxid).toBe(2);
    expect(log.text).not.toContain('error');
  });
});

describe('changed bytes are damage', () => {
  test.each([100, 600, 2000])('one bit at %i of a long record', (at) => {
    const log = tornLog([longBody(3, 3000)], () => true);
    log[114 + at] ^= 1;
    expect(() => recoverFrom(diskWith(log))).toThrow('the checksum of a record is wrong');
  });

  test('in a record whose first bytes, always zero, end a sector', () => {
    const before = 16 + 49; // header and the first record
    const fill = SECTOR_BYTES - 4 - before - framed(longBody(2, 0)).length;
    const log = logFile(errorBody(1), longBody(2, fill), longBody(3, 100));
    expect((log.length - framed(longBody(3, 100)).length) % SECTOR_BYTES).toBe(SECTOR_BYTES - 4);
    log[log.length - 20] ^= 1;
    expect(() => recoverFrom(diskWith(log))).toThrow('the checksum of a record is wrong');
  });
});
