/** Everything that Apache ZooKeeper wrote must read back as files.json and expected.json say. */
import { describe, expect, test } from 'vitest';
import { SimulatedDisk } from '../../../simulator/src/disk.ts';
import { ADLER32_START, adler32 } from '../../src/storage/adler32.ts';
import { uncompressedChunks } from '../../src/storage/compression.ts';
import { compressionOf, listDataFiles, passesQuickCheck } from '../../src/storage/format.ts';
import { LogReader } from '../../src/storage/log-reader.ts';
import { readSnapshot } from '../../src/storage/snapshot-reader.ts';
import { TxnSplitter } from '../../src/storage/txn-body.ts';
import {
  constantRandom,
  decodeTxn,
  framed,
  goldenDisk,
  goldenJson,
  ListSource,
  RecordingSink,
  recoverFrom,
  testOptions,
} from './support.ts';
import { writeLog, writeSnapshot } from './writers.ts';

interface GoldenTxn {
  offset: number;
  end: number;
  bodyLength: number;
  adler32: string;
  clientId: string;
  cxid: number;
  zxid: string;
  time: number;
  type: number;
  txn: unknown;
  digest: { version: number; treeDigest: string } | null;
}
interface GoldenLog {
  file: string;
  size: number;
  records: number;
  endOfRecords: number;
  txns?: GoldenTxn[];
}
interface GoldenSnapshot {
  file: string;
  uncompressedSize: number;
  sessions: number;
  acls?: unknown;
  nodes: number;
  offsets: { seal1: number };
  seals: { section: string; adler32: string }[];
  digest: { zxid: string; version: number; digest: string } | null;
  lastProcessedZxid: string | null;
}
interface GoldenFiles {
  logs: GoldenLog[];
  snapshots: GoldenSnapshot[];
}
interface GoldenState {
  lastZxid: string;
  sessions: { id: string; timeout: number }[];
  znodes: GoldenZnode[];
}
interface GoldenZnode {
  path: string;
  data: string | null;
  acl: { perms: number; scheme: string; id: string }[];
  czxid: string;
  mzxid: string;
  pzxid: string;
  ctime: number;
  mtime: number;
  version: number;
  cversion: number;
  aversion: number;
  ephemeralOwner: string;
}

const fieldBytesMax = testOptions().fieldBytesMax;

/** A decoded txn in the form of files.json: buffers as base64, ACL entries flat, sub-txns with their type. */
function goldenForm(value: unknown): unknown {
  if (value instanceof Uint8Array) {
    return Buffer.from(value).toString('base64');
  }
  if (typeof value === 'bigint') {
    return Number(value);
  }
  if (Array.isArray(value)) {
    return value.map(goldenForm);
  }
  if (value !== null && typeof value === 'object') {
    const fields = value as Record<string, unknown>;
    if ('perms' in fields) {
      return { perms: fields.perms, ...(fields.id as object) };
    }
    return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, goldenForm(field)]));
  }
  return value;
}

/** Drops the names that files.json adds beside the types of sub-txns. */
function withoutNames(txn: unknown): unknown {
  const { txns } = txn as { txns?: { type: number; txn: unknown }[] };
  return txns === undefined ? txn : { txns: txns.map((sub) => ({ type: sub.type, txn: sub.txn })) };
}

describe.each([
  ['standalone-basic', 'version-2', 'version-2'],
  ['standalone-fuzzy', 'version-2', 'version-2'],
  ['ensemble-node1', 'data/version-2', 'log/version-2'],
])('%s', (folder, dataFolder, logFolder) => {
  const files = goldenJson<GoldenFiles>(`${folder}/files.json`);
  const disk = goldenDisk(`${folder}/${dataFolder}`, `${folder}/${logFolder}`);

  test.each(files.logs)('$file: records, offsets, checksums, fields', (expected) => {
    const file = listDataFiles(disk, 'log').find(({ name }) => name === expected.file);
    const reader = new LogReader(disk, file!, fieldBytesMax);
    const splitter = new TxnSplitter();
    const found: GoldenTxn[] = [];
    while (reader.next()) {
      const { bytes, bodyStart, bodyEnd, recordOffset } = reader;
      const { header, digest } = splitter.split(bytes, bodyStart, bodyEnd);
      found.push({
        offset: recordOffset,
        end: recordOffset + 13 + bodyEnd - bodyStart,
        bodyLength: bodyEnd - bodyStart,
        adler32: adler32(ADLER32_START, bytes, bodyStart, bodyEnd).toString(16).padStart(8, '0'),
        clientId: `0x${BigInt.asUintN(64, header.clientId).toString(16)}`,
        cxid: header.cxid,
        zxid: `0x${header.zxid.toString(16)}`,
        time: header.timeMs,
        type: header.type,
        txn: goldenForm(decodeTxn(header.type, splitter.txn)),
        digest: digest === null ? null : { version: 2, treeDigest: String(digest) },
      });
    }
    expect(reader.end).toEqual({ torn: null });
    expect(reader.recordOffset).toBe(expected.endOfRecords);
    expect(found).toHaveLength(expected.records);
    if (expected.txns !== undefined) {
      const txns = expected.txns.map(({ op, ...txn }: GoldenTxn & { op?: string }) => ({
        ...txn,
        txn: withoutNames(txn.txn),
      }));
      expect(found).toEqual(txns);
    }
  });

  test.each(files.logs)('$file: encoding its records again gives the same bytes', (expected) => {
    const original = disk.get('log', expected.file);
    const file = listDataFiles(disk, 'log').find(({ name }) => name === expected.file);
    const reader = new LogReader(disk, file!, fieldBytesMax);
    const bodies: { zxid: number; body: Buffer }[] = [];
    while (reader.next()) {
      const body = Buffer.from(reader.bytes.slice(reader.bodyStart, reader.bodyEnd));
      bodies.push({ zxid: Number(body.readBigInt64BE(12)), body });
    }
    const records = Buffer.concat(bodies.map(({ body }) => framed(body)));
    expect(records.equals(original.subarray(16, expected.endOfRecords))).toBe(true);
    // And through the writer: header, records, and the file grows as Java's.
    const copy = new SimulatedDisk();
    const preallocBytes = expected.size % 16384 === 16 ? 16384 : 8192;
    const written = writeLog(copy, testOptions({ preallocBytes }), constantRandom(0), bodies[0].zxid - 1, bodies);
    expect(written).toEqual([expected.file]);
    expect(copy.get('log', expected.file).equals(original)).toBe(true);
  });

  test.each(files.snapshots)('$file: sections, counts, seals', (expected) => {
    checkSnapshot(disk, expected.file, expected);
  });
});

function checkSnapshot(disk: SimulatedDisk, name: string, expected: GoldenSnapshot): RecordingSink {
  const file = listDataFiles(disk, 'snapshot').find((candidate) => candidate.name === name);
  expect(passesQuickCheck(disk, file!)).toBe(true);
  const sink = new RecordingSink();
  const trailer = readSnapshot(disk, name, fieldBytesMax, sink);
  expect(sink.sessions.size).toBe(expected.sessions);
  expect(sink.nodes.size).toBe(expected.nodes);
  if (Array.isArray(expected.acls)) {
    const acls = [...sink.acls].map(([id, acl]) => ({ id: Number(id), acl: goldenForm(acl) }));
    expect(acls).toEqual(expected.acls);
  }
  const { digest } = expected;
  const known = digest !== null && digest.zxid !== '0x0';
  expect(trailer).toEqual({
    digest: known ? { zxid: Number(digest.zxid), digest: BigInt(digest.digest) } : null,
    lastProcessedZxid: expected.lastProcessedZxid === null ? null : Number(expected.lastProcessedZxid),
  });
  const whole = uncompressed(disk, name);
  expect(whole.length).toBe(expected.uncompressedSize);
  const seal1 = adler32(ADLER32_START, whole, 0, expected.offsets.seal1);
  expect(seal1.toString(16).padStart(8, '0')).toBe(expected.seals[0].adler32);
  return sink;
}

function uncompressed(disk: SimulatedDisk, name: string): Buffer {
  const next = uncompressedChunks(disk, name, compressionOf(name));
  const parts: Uint8Array[] = [];
  for (let chunk = next(); chunk !== null; chunk = next()) {
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}

/** The nodes of a sink as expected.json has them, without what only clients see. */
function znodesOf(sink: RecordingSink): GoldenZnode[] {
  const open = [{ perms: 31, scheme: 'world', id: 'anyone' }];
  const hex = (value: bigint) => `0x${BigInt.asUintN(64, value).toString(16)}`;
  return [...sink.nodes.values()].map(({ path, data, aclId, stat }) => ({
    path: path === '' ? '/' : path,
    data: data === null ? null : Buffer.from(data).toString('base64'),
    acl: aclId === -1n ? open : (goldenForm(sink.acls.get(aclId)) as GoldenZnode['acl']),
    czxid: hex(stat.czxid),
    mzxid: hex(stat.mzxid),
    pzxid: hex(stat.pzxid),
    ctime: Number(stat.ctime),
    mtime: Number(stat.mtime),
    version: stat.version,
    cversion: stat.cversion,
    aversion: stat.aversion,
    ephemeralOwner: hex(stat.ephemeralOwner),
  }));
}

function byPath(znodes: GoldenZnode[]): Map<string, GoldenZnode> {
  return new Map(znodes.map((znode) => [znode.path, znode]));
}

describe('snapshot-variants', () => {
  const variants = goldenJson<GoldenSnapshot[]>('snapshot-variants/files.json');
  const state = goldenJson<GoldenState>('standalone-basic/expected-snapshot.39.json');

  test.each(variants)('$file', (variant) => {
    const [folder, name] = variant.file.split('/');
    const disk = goldenDisk(`snapshot-variants/${folder}`);
    const sink = checkSnapshot(disk, name, variant);
    if (name.startsWith('snapshot.39')) {
      const found = byPath(znodesOf(sink));
      expect([...found.keys()].sort()).toEqual(state.znodes.map(({ path }) => path).sort());
      for (const znode of state.znodes) {
        expect(znode).toMatchObject(found.get(znode.path)!);
      }
    } else {
      const summary = goldenJson<{ paths: string[] }>(`snapshot-variants/${folder}/summary.json`);
      expect([...sink.nodes.keys()].map((path) => path || '/').sort()).toEqual(summary.paths.sort());
    }
  });

  test.each(['none', 'gz', 'snappy'] as const)(
    'writing the tree again (%s) and reading it gives the same',
    (method) => {
      const original = new RecordingSink();
      const source = goldenDisk('snapshot-variants/digest-lastzxid-3.10');
      readSnapshot(source, 'snapshot.39', fieldBytesMax, original);
      const disk = new SimulatedDisk();
      const content = { sessions: original.sessions, acls: original.acls, digest: 49566625207n };
      const name = writeSnapshot(
        disk,
        testOptions({ snapshotCompression: method }),
        new ListSource(0x39, [...original.nodes.values()], content),
      );
      // Sections and order are as they were read, so even the bytes are Java's.
      expect(uncompressed(disk, name).equals(source.get('data', 'snapshot.39'))).toBe(true);
      const copy = new RecordingSink();
      readSnapshot(disk, name, fieldBytesMax, copy);
      expect(copy).toEqual(original);
    },
  );
});

describe('recovery', () => {
  test.each([
    { folder: 'standalone-basic', data: 'version-2', log: 'version-2', snapshot: 0x39, first: 0x3a, txns: 11 },
    {
      folder: 'standalone-fuzzy',
      data: 'version-2',
      log: 'version-2',
      snapshot: 0x229,
      first: 0x22a,
      txns: 0x3aa - 0x229,
    },
    {
      folder: 'ensemble-node1',
      data: 'data/version-2',
      log: 'log/version-2',
      snapshot: 0x100000010,
      first: 0x200000001,
      txns: 24,
    },
  ])('$folder', ({ folder, data, log, snapshot, first, txns }) => {
    const state = goldenJson<GoldenState>(`${folder}/expected.json`);
    const { sink, recovered } = recoverFrom(goldenDisk(`${folder}/${data}`, `${folder}/${log}`));
    expect(recovered).toMatchObject({ lastZxid: Number(state.lastZxid), snapshotZxid: snapshot, tornTail: false });
    expect(sink.zxids[0]).toBe(first);
    expect(recovered.sinceSnapshotTxns).toBe(sink.txns.length);
    expect(sink.txns).toHaveLength(txns);
    const sessions = new Map(sink.sessions);
    for (const { header, txn } of sink.txns) {
      if (header.type === -10) {
        sessions.set(header.clientId, (txn as { timeOut: number }).timeOut);
      } else if (header.type === -11) {
        sessions.delete(header.clientId);
      }
    }
    const found = [...sessions].map(([id, timeout]) => ({ id: `0x${BigInt.asUintN(64, id).toString(16)}`, timeout }));
    const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);
    expect(found.sort(byId)).toEqual(state.sessions.sort(byId));
  });

  test('an older snapshot with more of the logs gives the same last zxid', () => {
    const disk = goldenDisk('standalone-basic/version-2');
    disk.damage('data', 'snapshot.39', 1000);
    const { sink, recovered, log } = recoverFrom(disk);
    expect(recovered).toMatchObject({ lastZxid: 0x44, snapshotZxid: 0 });
    expect(sink.zxids.length).toBe(57 + 11);
    expect(log.text).toContain('snapshot.39');
  });
});
