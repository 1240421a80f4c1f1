/** What damage, crashes and stray files do (disk-format.md §1, §2.4, §3.5); trap numbers are those of §10. */
import { describe, expect, test } from 'vitest';
import { SimulatedDisk } from '../../../simulator/src/disk.ts';
import { StorageError } from '../../src/io/storage-error.ts';
import { logFileHeader } from '../../src/storage/format.ts';
import { recover } from '../../src/storage/recovery.ts';
import {
  errorBody,
  framed,
  goldenDisk,
  ListSource,
  logFile,
  node,
  RecordingLog,
  RecordingSink,
  recoverFrom,
  seededRandom,
  testOptions,
  txnBody,
} from './support.ts';
import { writeSnapshot } from './writers.ts';

const TREE = [node(''), node('/a', Buffer.from('x')), node('/a/b')];
const RECORD_BYTES = framed(errorBody(1)).length;

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

/** Replaces a log's bytes. */
function change(disk: SimulatedDisk, name: string, edit: (bytes: Buffer) => Buffer): SimulatedDisk {
  disk.put('log', name, edit(disk.get('log', name)));
  return disk;
}

/** Offset of the n-th record, counted from 1. */
const offsetOf = (n: number) => 16 + (n - 1) * RECORD_BYTES;

describe('which logs are replayed', () => {
  test('trap 3: replay begins after the zxid in the name, not after the lastProcessedZxid inside', () => {
    const disk = diskWithLog(9);
    const source = new ListSource(3, TREE);
    source.trailer = () => ({ digestZxid: 7, digest: 5n, lastZxid: 7 });
    writeSnapshot(disk, testOptions(), source);
    const { sink, recovered } = recoverFrom(disk);
    expect(sink.snapshot).toEqual({ zxid: 3, digest: { zxid: 7, digest: 5n } });
    expect(sink.zxids).toEqual([4, 5, 6, 7, 8, 9]);
    expect(recovered).toMatchObject({ lastZxid: 9, snapshotZxid: 3, sinceSnapshotTxns: 6, tornTail: false });
  });

  test('traps 4 and 5: the log that begins at or before the snapshot is read, older ones are not', () => {
    const disk = new SimulatedDisk();
    putSnapshot(disk, 6);
    disk.put('log', 'log.1', Buffer.from('not read at all'));
    disk.put('log', 'log.4', logFile(...bodies(4, 5, 6, 7, 8)));
    disk.put('log', 'log.9', logFile(...bodies(9)));
    expect(recoverFrom(disk).sink.zxids).toEqual([7, 8, 9]);
  });

  test('trap 5: a log named like the first transaction after the snapshot', () => {
    const disk = new SimulatedDisk();
    putSnapshot(disk, 3);
    disk.put('log', 'log.1', logFile(...bodies(1, 2, 3)));
    disk.put('log', 'log.4', logFile(...bodies(4)));
    expect(recoverFrom(disk).sink.zxids).toEqual([4]);
  });

  test('names are numbers: log.10 comes after log.9', () => {
    const disk = new SimulatedDisk();
    putSnapshot(disk, 8);
    disk.put('log', 'log.9', logFile(...bodies(...range(9, 15))));
    disk.put('log', 'log.10', logFile(...bodies(16)));
    expect(recoverFrom(disk).sink.zxids).toEqual(range(9, 16));
  });

  test('trap 17: stray suffixes are read, names without a zxid are not', () => {
    const disk = diskWithLog(2);
    disk.put('log', 'log.3.fixed', logFile(...bodies(3)));
    disk.put('data', 'snapshot.1.tmp', disk.get('data', 'snapshot.0'));
    for (const name of ['log.old', 'log', 'log.', 'log.-1', 'log.ffffffffffffffff', 'logs.9', 'snapshot.xyz', 'myid']) {
      disk.put('log', name, Buffer.from('not read'));
    }
    const { sink, recovered } = recoverFrom(disk);
    expect(recovered).toMatchObject({ snapshotZxid: 1, lastZxid: 3 });
    expect(sink.zxids).toEqual([2, 3]);
  });

  test('trap 17: a repaired copy beside the original is replayed as well', () => {
    const disk = diskWithLog(3);
    disk.put('log', 'log.1.fixed', logFile(...bodies(1, 2, 3)));
    const { sink, recovered, log } = recoverFrom(disk);
    expect(sink.zxids).toEqual([1, 2, 3, 1, 2, 3]);
    expect(recovered.lastZxid).toBe(3);
    expect(log.text).toContain('comes after');
  });

  test('trap 7: one zxid in two records: both are applied, in file order', () => {
    const disk = new SimulatedDisk();
    putSnapshot(disk, 0);
    const createSession = txnBody(2, -10, Buffer.from([0, 0, 0x4e, 0x20]));
    disk.put('log', 'log.1', logFile(errorBody(1), createSession, errorBody(2), errorBody(3)));
    const { sink, recovered } = recoverFrom(disk);
    expect(sink.txns.map(({ header }) => [header.zxid, header.type])).toEqual([
      [1, -1],
      [2, -10],
      [2, -1],
      [3, -1],
    ]);
    expect(recovered.sinceSnapshotTxns).toBe(4);
  });

  test('trap 34: several epochs in one file, jumps between them', () => {
    const disk = new SimulatedDisk();
    putSnapshot(disk, 0x100000002);
    const zxids = [0x100000001, 0x100000002, 0x100000003, 0x200000001, 0x500000001, 0x500000002];
    disk.put('log', 'log.100000001', logFile(...bodies(...zxids)));
    expect(recoverFrom(disk).sink.zxids).toEqual(zxids.slice(2));
  });

  test('a gap between the snapshot and the first record is accepted, and told', () => {
    const disk = new SimulatedDisk();
    putSnapshot(disk, 3);
    disk.put('log', 'log.8', logFile(...bodies(8, 9)));
    const { sink, log } = recoverFrom(disk);
    expect(sink.zxids).toEqual([8, 9]);
    expect(log.text).toContain('error: log.8, offset 16: zxid 0x8 follows 0x3');
  });

  test('trap 6: a gap between records of one epoch is fatal, within a file and between files', () => {
    const within = new SimulatedDisk();
    putSnapshot(within, 0);
    within.put('log', 'log.1', logFile(...bodies(1, 2, 4)));
    expect(() => recoverFrom(within)).toThrow(/log\.1, offset 114: zxid 0x4 follows 0x2.*missing.*backup/s);
    const between = diskWithLog(3);
    between.put('log', 'log.5', logFile(...bodies(5)));
    expect(() => recoverFrom(between)).toThrow(/log\.5, offset 16: zxid 0x5 follows 0x3/);
  });
});

describe('damaged logs (§2.4)', () => {
  const lastOf = (disk: SimulatedDisk) => recoverFrom(disk).recovered.lastZxid;

  test('padding removed: starts with every record', () => {
    const disk = change(diskWithLog(), 'log.1', (bytes) => bytes.subarray(0, offsetOf(6)));
    const { recovered } = recoverFrom(disk);
    expect(recovered).toMatchObject({ lastZxid: 5, tornTail: false });
  });

  test('trap 13: cut at every place inside the last record: the good ones before it count', () => {
    for (let length = offsetOf(5) + 1; length < offsetOf(6); length++) {
      const { recovered, log } = recoverFrom(change(diskWithLog(), 'log.1', (bytes) => bytes.subarray(0, length)));
      const cutInChecksumZeros = length <= offsetOf(5) + 4;
      expect([length, recovered]).toMatchObject([
        length,
        { lastZxid: 4, snapshotZxid: 0, sinceSnapshotTxns: 4, tornTail: !cutInChecksumZeros },
      ]);
      expect(log.text.includes('was not acknowledged')).toBe(!cutInChecksumZeros);
    }
  });

  test('trap 13: the last record torn in a preallocated file, at every byte', () => {
    for (let kept = 0; kept < RECORD_BYTES; kept++) {
      const disk = change(diskWithLog(), 'log.1', (bytes) => bytes.fill(0, offsetOf(5) + kept));
      expect([kept, lastOf(disk)]).toEqual([kept, 4]);
    }
  });

  test('only the checksum, or checksum and length, were written', () => {
    for (const kept of [8, 12]) {
      const disk = change(diskWithLog(), 'log.1', (bytes) => bytes.fill(0, offsetOf(5) + kept));
      expect(recoverFrom(disk).recovered).toMatchObject({ lastZxid: 4, tornTail: true });
    }
  });

  test('bytes after the terminating zero length, other version and dbid: ignored', () => {
    const disk = diskWithLog();
    change(disk, 'log.1', (bytes) => bytes.fill(0xab, offsetOf(6) + 12));
    disk.damage('log', 'log.1', 7, 0xff);
    disk.damage('log', 'log.1', 15, 0xff);
    expect(recoverFrom(disk).recovered).toMatchObject({ lastZxid: 5, tornTail: false });
  });

  test('16-byte header only: starts, and the file stays', () => {
    const disk = diskWithLog();
    disk.put('log', 'log.6', logFileHeader);
    expect(lastOf(disk)).toBe(5);
    expect(disk.list('log').map(({ name }) => name)).toContain('log.6');
  });

  test('trap 14: a wrong end byte in mid-file ends it, in Java without a word; that whole records follow is fatal', () => {
    const disk = diskWithLog();
    disk.damage('log', 'log.1', offsetOf(5) - 1);
    expect(() => recoverFrom(disk)).toThrow(
      `log.1 is damaged at offset ${offsetOf(4)}: a record has no end mark, but a whole one follows at offset ` +
        `${offsetOf(5)}, so this is no torn write. The server does not start`,
    );
  });

  test('a length that is a little wrong, or nothing, looks like a torn write; records that follow tell', () => {
    for (const length of [0, 1, 20, RECORD_BYTES, 2 * RECORD_BYTES, 900, 5000, 0xfffff]) {
      const disk = change(diskWithLog(), 'log.1', (bytes) => {
        bytes.writeInt32BE(length, offsetOf(3) + 8);
        return bytes;
      });
      expect(() => recoverFrom(disk)).toThrow(
        new RegExp(`log\\.1 is damaged at offset ${offsetOf(3)}: a record .* offset ${offsetOf(4)}, .*truncate -s`),
      );
    }
  });

  test('records whose first is gone altogether, in a sector that has others', () => {
    const disk = change(diskWithLog(), 'log.1', (bytes) => bytes.fill(0, offsetOf(3), offsetOf(4)));
    expect(() => recoverFrom(disk)).toThrow(`offset ${offsetOf(3)}: a record has no length, but a whole one follows`);
  });

  test('data that hold a whole record of an older log are no later record', () => {
    const disk = diskWithLog(2);
    const copied = Buffer.concat([
      Buffer.from('000000022f61000000ff', 'hex'),
      framed(errorBody(1)),
      Buffer.alloc(300, 1),
    ]);
    const torn = framed(txnBody(3, 5, copied)).subarray(0, 300);
    change(disk, 'log.1', (bytes) => Buffer.concat([bytes.subarray(0, offsetOf(3)), torn]));
    expect(recoverFrom(disk).recovered).toMatchObject({ lastZxid: 2, tornTail: true });
  });

  test('a torn tail in an older file, after which the server went on in the next', () => {
    const disk = change(diskWithLog(), 'log.1', (bytes) => bytes.fill(0, offsetOf(5) + 20));
    disk.put('log', 'log.5', logFile(...bodies(5, 6)));
    const { recovered, sink } = recoverFrom(disk);
    expect(sink.zxids).toEqual([1, 2, 3, 4, 5, 6]);
    expect(recovered.tornTail).toBe(false);
  });

  test.each([1, 3, 5])('trap 13: a wrong checksum in record %i of 5 is fatal', (n) => {
    for (const position of [offsetOf(n) + 4, offsetOf(n), offsetOf(n) + 12, offsetOf(n) + 40]) {
      const disk = diskWithLog();
      disk.damage('log', 'log.1', position);
      const message = new RegExp(
        `log\\.1 is damaged at offset ${offsetOf(n)}: the checksum.*truncate -s ${offsetOf(n)} log\\.1`,
      );
      expect(() => recoverFrom(disk)).toThrow(message);
    }
  });

  test('trap 1: the checksum is over the body only', () => {
    // A wrong length moves the end byte away (torn); it is not what the checksum guards.
    const disk = diskWithLog();
    disk.damage('log', 'log.1', offsetOf(5) + 11);
    expect(lastOf(disk)).toBe(4);
  });

  test('a length that is negative or beyond the limit is fatal', () => {
    for (const length of [-1, -2147483648, 2 * 0xfffff + 1, 2147483647]) {
      const disk = change(diskWithLog(), 'log.1', (bytes) => {
        bytes.writeInt32BE(length, offsetOf(3) + 8);
        return bytes;
      });
      expect(() => recoverFrom(disk)).toThrow(new RegExp(`offset ${offsetOf(3)}: the length of a record is ${length}`));
    }
  });

  test('a whole record above the limit is accepted: the limit may have been lowered since', () => {
    const disk = diskWithLog(2);
    change(disk, 'log.1', (bytes) =>
      Buffer.concat([
        bytes.subarray(0, offsetOf(3)),
        framed(txnBody(3, 5, Buffer.concat([Buffer.from('000000022f6100002000', 'hex'), Buffer.alloc(0x2000 + 4)]))),
        framed(errorBody(4)),
      ]),
    );
    const sink = new RecordingSink();
    const recovered = recover(disk, testOptions({ fieldBytesMax: 4096 }), sink, new RecordingLog());
    expect(recovered.lastZxid).toBe(4);
  });

  test('wrong magic is fatal', () => {
    const disk = diskWithLog();
    disk.damage('log', 'log.1', 0);
    expect(() => recoverFrom(disk)).toThrow('log.1 is damaged at offset 0');
  });

  test.each([
    ['no bytes', 0],
    ['a cut header', 1],
    ['a cut header', 15],
  ])('a newest log with %s is removed: nothing was ever in it', (_, length) => {
    const disk = diskWithLog();
    disk.put('log', 'log.6', logFileHeader.subarray(0, length));
    const { recovered, log } = recoverFrom(disk);
    expect(recovered.lastZxid).toBe(5);
    expect(log.text).toContain('removed log.6');
    expect(disk.list('log').map(({ name }) => name)).not.toContain('log.6');
  });

  test('a newest log of zeros only is removed; with anything in it, it is damage', () => {
    const disk = diskWithLog();
    disk.put('log', 'log.6', Buffer.alloc(16400));
    expect(recoverFrom(disk).recovered.lastZxid).toBe(5);
    const zeros = Buffer.alloc(16400);
    zeros[9000] = 1;
    disk.put('log', 'log.6', zeros);
    expect(() => recoverFrom(disk)).toThrow('log.6 is damaged at offset 0');
  });

  test.each([0, 1, 15])('an older log of %i bytes is fatal', (length) => {
    const disk = diskWithLog();
    disk.put('log', 'log.3', logFileHeader.subarray(0, length));
    disk.put('log', 'log.6', logFile(...bodies(6)));
    expect(() => recoverFrom(disk)).toThrow('log.3 is damaged at offset 0');
  });

  test('a body too short for its txn ends the file', () => {
    const disk = new SimulatedDisk();
    putSnapshot(disk, 0);
    const tooShort = txnBody(3, 1, Buffer.from('000000022f61000000050000', 'hex'));
    disk.put('log', 'log.1', logFile(...bodies(1, 2), tooShort));
    expect(recoverFrom(disk).recovered).toMatchObject({ lastZxid: 2, tornTail: true });
    disk.put('log', 'log.1', logFile(...bodies(1, 2), Buffer.alloc(20), ...bodies(3)));
    expect(() => recoverFrom(disk)).toThrow('a whole one follows');
  });

  test.each([13, 3, 17, 99, -2])('an unknown type (%i) is fatal', (type) => {
    const disk = new SimulatedDisk();
    putSnapshot(disk, 0);
    disk.put('log', 'log.1', logFile(errorBody(1), txnBody(2, type, Buffer.alloc(40))));
    expect(() => recoverFrom(disk)).toThrow(new RegExp(`after zxid 0x1: unknown transaction type ${type}`));
  });

  test('a zxid that the server cannot count with is fatal', () => {
    const disk = new SimulatedDisk();
    putSnapshot(disk, 0);
    const body = errorBody(1);
    body.writeBigInt64BE(2n ** 60n, 12);
    disk.put('log', 'log.1', logFile(body));
    expect(() => recoverFrom(disk)).toThrow(/log\.1, offset 16.*epoch/);
  });
});

describe('old forms of transactions', () => {
  const acl = Buffer.from('000000010000001f00000005776f726c6400000006616e796f6e65', 'hex');
  const create = Buffer.concat([Buffer.from('000000022f61ffffffff', 'hex'), acl, Buffer.from([0])]);
  const paths = (...list: string[]) =>
    Buffer.concat([
      Buffer.from([0, 0, 0, list.length]),
      ...list.map((path) => Buffer.concat([Buffer.from([0, 0, 0, path.length]), Buffer.from(path)])),
    ]);

  function only(body: Buffer) {
    const disk = new SimulatedDisk();
    putSnapshot(disk, 0);
    disk.put('log', 'log.1', logFile(body));
    const { sink } = recoverFrom(disk);
    expect(sink.txns).toHaveLength(1);
    return sink.txns[0];
  }

  test('trap 31: a create without parentCVersion (3.3 and older) says −1', () => {
    const { txn, digest } = only(txnBody(1, 1, create));
    expect(txn).toMatchObject({ path: '/a', data: null, ephemeral: false, parentCVersion: -1 });
    expect(digest).toBe(null);
    const today = only(txnBody(1, 1, Buffer.concat([create, Buffer.from([0, 0, 0, 7])]), 5n));
    expect(today).toMatchObject({ txn: { parentCVersion: 7 }, digest: 5n });
  });

  test('trap 30: closeSession without a list, with or without digest, reads as an empty list', () => {
    expect(only(txnBody(1, -11, Buffer.alloc(0)))).toMatchObject({ txn: { paths2Delete: [] }, digest: null });
    expect(only(txnBody(1, -11, Buffer.alloc(0), 7n))).toMatchObject({ txn: { paths2Delete: [] }, digest: 7n });
  });

  test('trap 30: the 12-byte rule does not hit real lists', () => {
    expect(only(txnBody(1, -11, paths()))).toMatchObject({ txn: { paths2Delete: [] }, digest: null });
    expect(only(txnBody(1, -11, paths(), 9n))).toMatchObject({ txn: { paths2Delete: [] }, digest: 9n });
    expect(only(txnBody(1, -11, paths('/a', '/b')))).toMatchObject({
      txn: { paths2Delete: ['/a', '/b'] },
      digest: null,
    });
    // Twelve bytes as well, but one path: not beginning with a 2.
    expect(only(txnBody(1, -11, paths('/abc')))).toMatchObject({ txn: { paths2Delete: ['/abc'] }, digest: null });
    expect(only(txnBody(1, -11, paths('/a', '/b'), 3n))).toMatchObject({
      txn: { paths2Delete: ['/a', '/b'] },
      digest: 3n,
    });
  });

  test('trap 12: error records have no digest; what follows a digest is ignored', () => {
    expect(only(errorBody(1)).digest).toBe(null);
    const longer = Buffer.concat([txnBody(1, -10, Buffer.from([0, 0, 1, 0]), -5n), Buffer.from('more')]);
    expect(only(longer)).toMatchObject({ txn: { timeOut: 256 }, digest: -5n });
  });

  test('a digest of another version is none', () => {
    const body = txnBody(1, -10, Buffer.from([0, 0, 1, 0]), 77n);
    body.writeInt32BE(1, body.length - 12);
    expect(only(body).digest).toBe(null);
  });

  test('trap 40: text that Java wrote as CESU-8 is no damage; what it cannot say reads as U+FFFD', () => {
    const path = Buffer.concat([Buffer.from('/\u00fc'), Buffer.from('eda0bdedb880', 'hex')]); // and U+1F600
    const body = txnBody(1, 2, Buffer.concat([Buffer.from([0, 0, 0, path.length]), path]));
    expect((only(body).txn as { path: string }).path).toMatch(/^\/\u00fc\ufffd+$/);
  });

  test('a null ACL and null data are kept apart from empty ones (trap 29)', () => {
    const fields = Buffer.from('000000022f6100000000ffffffff0000000001', 'hex');
    expect(only(txnBody(1, 1, fields)).txn).toMatchObject({ data: new Uint8Array(0), acl: null, parentCVersion: 1 });
  });
});

test('whatever bytes are changed: a clear refusal, or the history up to some point', () => {
  const fromStart = () => {
    const disk = goldenDisk('standalone-basic/version-2');
    disk.damage('data', 'snapshot.39', 20);
    return disk;
  };
  const history = recoverFrom(fromStart()).sink.txns;
  expect(history).toHaveLength(57 + 11);
  let refusals = 0;
  for (let seed = 0; seed < 400; seed++) {
    const random = seededRandom(seed);
    const disk = fromStart();
    const name = random.next() < 0.8 ? 'log.1' : 'log.3a';
    for (let i = Math.floor(random.next() * 3); i >= 0; i--) {
      disk.damage('log', name, Math.floor(random.next() * 7000), Math.floor(random.next() * 256));
    }
    try {
      const { txns } = recoverFrom(disk).sink;
      expect(JSON.stringify(txns, bigintText)).toBe(JSON.stringify(history.slice(0, txns.length), bigintText));
    } catch (error) {
      expect(error).toBeInstanceOf(StorageError);
      refusals++;
    }
  }
  expect(refusals).toBeGreaterThan(100);
});

function bigintText(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}
