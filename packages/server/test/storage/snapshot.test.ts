import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SimulatedDisk } from '../../../simulator/src/disk.ts';
import type { DiskStep } from '../../src/io/disk.ts';
import { compressSlice, uncompressedChunks } from '../../src/storage/compression.ts';
import type { StorageOptions } from '../../src/storage/options.ts';
import { SnapshotWriter } from '../../src/storage/snapshot.ts';
import { readSnapshot } from '../../src/storage/snapshot-reader.ts';
import { ListSource, node, nodesText, RecordingSink, recoverFrom, seededRandom, testOptions } from './support.ts';
import { deliver, writeSnapshot } from './writers.ts';

const fieldBytesMax = testOptions().fieldBytesMax;

function manyNodes(count: number) {
  return [node(''), ...Array.from({ length: count }, (_, i) => node(`/node-${i}`, Buffer.alloc(i % 300, i)))];
}

function names(disk: SimulatedDisk): string[] {
  return disk.list('data').map(({ name }) => name);
}

describe.each(['none', 'gz', 'snappy'] as const)('compression %s', (snapshotCompression) => {
  test('many slices read back as what was written', () => {
    const nodes = manyNodes(5000);
    const disk = new SimulatedDisk();
    const writer = new SnapshotWriter(disk, testOptions({ snapshotCompression }), new ListSource(5, nodes));
    let slices = 0;
    while (writer.state === 'writing') {
      writer.advance();
      writer.advance(); // one is in flight: nothing more happens
      expect(disk.batchesInFlight).toBe(1);
      slices++;
      deliver(disk, writer);
    }
    expect(slices).toBeGreaterThan(5);
    expect(writer.state).toBe('done');
    expect(writer.name).toBe(snapshotCompression === 'none' ? 'snapshot.5' : `snapshot.5.${snapshotCompression}`);
    expect(names(disk)).toEqual([writer.name]);
    expect(disk.list('data')[0].sizeBytes).toBe(writer.sizeBytes);
    const sink = new RecordingSink();
    readSnapshot(disk, writer.name, fieldBytesMax, sink);
    expect(nodesText(sink.nodes.values()) === nodesText(nodes)).toBe(true);
  });

  test('damage is found wherever it is', () => {
    const disk = new SimulatedDisk();
    const name = writeSnapshot(disk, testOptions({ snapshotCompression }), new ListSource(5, manyNodes(300)));
    const original = new RecordingSink();
    readSnapshot(disk, name, fieldBytesMax, original);
    const random = seededRandom(11);
    for (let i = 0; i < 100; i++) {
      const damaged = disk.clone();
      damaged.damage('data', name, Math.floor(random.next() * disk.list('data')[0].sizeBytes), 1 << (i % 8));
      const sink = new RecordingSink();
      try {
        readSnapshot(damaged, name, fieldBytesMax, sink);
      } catch {
        continue;
      }
      // Some bytes of the compressed forms do not matter (gzip's time and checksum, for the seals are checked).
      expect(nodesText(sink.nodes.values()) === nodesText(original.nodes.values())).toBe(true);
    }
  });
});

test('compressed slices of any content come back', () => {
  const slices = fc.array(fc.uint8Array({ minLength: 1, maxLength: 70_000, size: 'max' }), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(
    fc.property(fc.constantFrom('gz' as const, 'snappy' as const), slices, (method, parts) => {
      const disk = new SimulatedDisk();
      const header =
        method === 'snappy' ? Buffer.from('82534e4150505900' + '0000000100000001', 'hex') : Buffer.alloc(0);
      disk.put('data', 'x', Buffer.concat([header, ...parts.map((part) => compressSlice(method, part))]));
      const next = uncompressedChunks(disk, 'x', method);
      const chunks: Uint8Array[] = [];
      for (let chunk = next(); chunk !== null; chunk = next()) {
        chunks.push(chunk);
      }
      return Buffer.concat(chunks).equals(Buffer.concat(parts));
    }),
    { numRuns: 30, seed: 1 },
  );
});

describe('trailer (§3.1)', () => {
  const trailerBytes = (changes: Partial<StorageOptions>) => {
    const disk = new SimulatedDisk();
    const name = writeSnapshot(disk, testOptions(changes), new ListSource(5, [node('')], { digest: -7n }));
    const sink = new RecordingSink();
    const trailer = readSnapshot(disk, name, fieldBytesMax, sink);
    return { length: disk.get('data', name).length, trailer };
  };

  test('trap 19: 54, 33, 21 or no bytes, by the two settings; the reader goes by the bytes', () => {
    const bare = trailerBytes({ digestEnabled: false, serializeLastProcessedZxid: false });
    expect(bare.trailer).toEqual({ digest: null, lastProcessedZxid: null });
    const digest = { zxid: 5, digest: -7n };
    const forms = [
      { changes: {}, bytes: 54, trailer: { digest, lastProcessedZxid: 5 } },
      { changes: { serializeLastProcessedZxid: false }, bytes: 33, trailer: { digest, lastProcessedZxid: null } },
      { changes: { digestEnabled: false }, bytes: 21, trailer: { digest: null, lastProcessedZxid: 5 } },
    ];
    for (const { changes, bytes, trailer } of forms) {
      const found = trailerBytes(changes);
      expect(found.length - bare.length).toBe(bytes);
      expect(found.trailer).toEqual(trailer);
    }
  });

  test('trap 27: a digest has 64 bits and a sign', () => {
    for (const digest of [-(2n ** 63n), -1n, 2n ** 53n + 1n, 2n ** 63n - 1n]) {
      const disk = new SimulatedDisk();
      const name = writeSnapshot(disk, testOptions(), new ListSource(5, [node('')], { digest }));
      expect(readSnapshot(disk, name, fieldBytesMax, new RecordingSink()).digest).toEqual({ zxid: 5, digest });
    }
  });

  test('a digest of version 1 is text, and none to compare with', () => {
    const disk = new SimulatedDisk();
    const name = writeSnapshot(
      disk,
      testOptions({ digestEnabled: false, serializeLastProcessedZxid: false }),
      new ListSource(5, [node('')]),
    );
    const plain = disk.get('data', name);
    const section = Buffer.from('0000000000000005' + '00000001' + '00000008' + '6465616462656566', 'hex');
    const seal = sealOver(Buffer.concat([plain, section]));
    disk.put('data', name, Buffer.concat([plain, section, seal]));
    expect(readSnapshot(disk, name, fieldBytesMax, new RecordingSink())).toEqual({
      digest: null,
      lastProcessedZxid: null,
    });
  });

  test('a null list in the table of ACLs makes the snapshot unusable', () => {
    const disk = new SimulatedDisk();
    const content = { acls: new Map([[1n, []]]) };
    const name = writeSnapshot(disk, testOptions(), new ListSource(5, [node('')], content));
    const bytes = disk.get('data', name);
    bytes.writeInt32BE(-1, 16 + 4 + 4 + 8);
    disk.put('data', name, bytes);
    expect(() => readSnapshot(disk, name, fieldBytesMax, new RecordingSink())).toThrow('is null');
  });
});

describe('nodes (§3.1)', () => {
  const readBack = (nodes: ReturnType<typeof node>[]) => {
    const disk = new SimulatedDisk();
    const name = writeSnapshot(disk, testOptions(), new ListSource(5, nodes));
    const sink = new RecordingSink();
    readSnapshot(disk, name, fieldBytesMax, sink);
    return { sink, bytes: disk.get('data', name) };
  };

  test('trap 2: in a snapshot the pzxid is the last field of the stat', () => {
    const { bytes } = readBack([node('')]);
    // Header, no sessions, no ACLs, path "", null data, ACL id −1, then the stat.
    const stat = bytes.subarray(16 + 4 + 4 + 4 + 4 + 8, 16 + 4 + 4 + 4 + 4 + 8 + 60);
    const longs = [0, 8, 16, 24, 44, 52].map((at) => stat.readBigInt64BE(at));
    const ints = [32, 36, 40].map((at) => stat.readInt32BE(at));
    expect({ longs, ints }).toEqual({ longs: [1n, 2n, 3n, 4n, 8n, 9n], ints: [5, 6, 7] });
  });

  test('trap 24: the root is "", and "/" ends the section', () => {
    const { sink, bytes } = readBack([node('', Buffer.from('/')), node('/a')]);
    expect([...sink.nodes.keys()]).toEqual(['', '/a']);
    expect(bytes.subarray(-54 - 13 - 5, -54 - 13).toString('hex')).toBe('000000012f');
    // Taken for a node, it would be the end, and the rest no seal.
    expect(() => readBack([node(''), node('/'), node('/a')])).toThrow('checksum');
  });

  test('trap 29: null data and empty data are two things', () => {
    const { sink } = readBack([node('', null), node('/a', new Uint8Array(0))]);
    expect([...sink.nodes.values()].map(({ data }) => data)).toEqual([null, new Uint8Array(0)]);
  });

  test('trap 23: siblings, sessions and ACLs may come in any order', () => {
    const disk = new SimulatedDisk();
    const nodes = [node(''), node('/z'), node('/a'), node('/z/y'), node('/a/c'), node('/z/b')];
    const sessions = new Map([
      [9n, 1],
      [-3n, 2],
      [5n, 3],
    ]);
    const open = [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }];
    const acls = new Map([
      [7n, open],
      [2n, open],
    ]);
    const name = writeSnapshot(disk, testOptions(), new ListSource(5, nodes, { sessions, acls }));
    const sink = new RecordingSink();
    readSnapshot(disk, name, fieldBytesMax, sink);
    expect([sink.sessions, sink.acls, nodesText(sink.nodes.values())]).toEqual([sessions, acls, nodesText(nodes)]);
  });
});

/** The slow, obvious Adler-32. */
function sealOver(bytes: Uint8Array): Buffer {
  let a = 1;
  let b = 0;
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  const seal = Buffer.alloc(13);
  seal.writeUInt32BE(b * 65536 + a, 4);
  seal.writeInt32BE(1, 8);
  seal[12] = 0x2f;
  return seal;
}

describe('writing safely', () => {
  test('trap 38: under another name, synced, then renamed over', () => {
    const disk = new SimulatedDisk();
    const writer = new SnapshotWriter(disk, testOptions(), new ListSource(5, [node('')]));
    const steps: string[] = [];
    const submit = disk.submit.bind(disk);
    disk.submit = (batch: readonly DiskStep[]) => {
      steps.push(...batch.map((step) => ('name' in step ? `${step.op} ${step.name}` : step.op)));
      return submit(batch);
    };
    writer.advance();
    expect(steps).toEqual(['create writing.snapshot.5', 'write', 'sync', 'close', 'rename', 'syncDirectory']);
  });

  test('long snapshots are synced on the way', () => {
    const disk = new SimulatedDisk();
    const nodes = [node(''), ...Array.from({ length: 20 }, (_, i) => node(`/${i}`, Buffer.alloc(1_000_000, i)))];
    const writer = new SnapshotWriter(disk, testOptions(), new ListSource(5, nodes));
    let syncs = 0;
    const submit = disk.submit.bind(disk);
    disk.submit = (batch: readonly DiskStep[]) => {
      syncs += batch.filter(({ op }) => op === 'sync').length;
      return submit(batch);
    };
    while (writer.state === 'writing') {
      writer.advance();
      deliver(disk, writer);
    }
    expect(syncs).toBe(3);
  });

  test.each(['create', 'write', 'sync', 'rename'])(
    'a failed %s leaves nothing, and what was there before stays',
    (op) => {
      const disk = new SimulatedDisk();
      writeSnapshot(disk, testOptions(), new ListSource(5, [node('')]));
      const before = disk.get('data', 'snapshot.5');
      const writer = new SnapshotWriter(disk, testOptions(), new ListSource(5, manyNodes(3000)));
      disk.failNext((step) => step.op === op, 'EIO');
      while (writer.state === 'writing') {
        writer.advance();
        deliver(disk, writer);
      }
      expect(writer.state).toBe('failed');
      expect(writer.failure).toMatchObject({ kind: 'failed', message: `${op}: EIO` });
      expect(names(disk)).toEqual(['snapshot.5']);
      expect(disk.get('data', 'snapshot.5').equals(before)).toBe(true);
    },
  );

  test('a full disk: the temporary file is removed, the failure says why', () => {
    const disk = new SimulatedDisk();
    const writer = new SnapshotWriter(disk, testOptions(), new ListSource(5, manyNodes(3000)));
    writer.advance();
    deliver(disk, writer);
    disk.full = true;
    writer.advance();
    deliver(disk, writer);
    expect(writer.state).toBe('writing'); // until the removal is done
    deliver(disk, writer);
    expect(writer.state).toBe('failed');
    expect(writer.failure?.kind).toBe('full');
    expect(names(disk)).toEqual([]);
    writer.advance();
    expect(disk.batchesInFlight).toBe(0);
    expect(writer.onCompletion({ kind: 'disk', ticket: 1, error: null, durationMs: 0 })).toBe(false);
  });

  test('a crash at any moment leaves the new snapshot or the old one', () => {
    const nodes = manyNodes(1500);
    for (let seed = 0; seed < 120; seed++) {
      const random = seededRandom(seed);
      const disk = new SimulatedDisk();
      writeSnapshot(disk, testOptions(), new ListSource(5, [node('')]));
      const writer = new SnapshotWriter(disk, testOptions(), new ListSource(9, nodes));
      for (let steps = Math.floor(random.next() * 12); steps > 0 && writer.state === 'writing'; steps--) {
        writer.advance();
        const completion = disk.step(random);
        if (completion !== null) {
          writer.onCompletion(completion);
        }
      }
      const done = writer.state === 'done';
      disk.crash(random);
      const { recovered, sink } = recoverFrom(disk);
      expect(sink.resets).toBe(0);
      if (recovered.snapshotZxid === 9) {
        expect(nodesText(sink.nodes.values()) === nodesText(nodes)).toBe(true);
      } else {
        expect(recovered.snapshotZxid).toBe(5);
        expect(done).toBe(false);
      }
      expect(names(disk).filter((name) => name.startsWith('writing'))).toEqual([]);
    }
  });
});
