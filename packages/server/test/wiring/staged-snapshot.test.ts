import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EPOCH_LIMIT, makeZxid } from '@treekeeper/protocol';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { SimulatedDisk } from '../../../simulator/src/disk.ts';
import { NodeDisk } from '../../src/host/node-disk.ts';
import { recover } from '../../src/storage/recovery.ts';
import { StagedSnapshot } from '../../src/wiring/staged-snapshot.ts';
import { create } from '../replica/requests.ts';
import { TestServer } from '../replica/support.ts';
import {
  errorBody,
  ListSource,
  logFile,
  node,
  type RecordedNode,
  RecordingLog,
  RecordingSink,
  testOptions,
} from '../storage/support.ts';
import { writeSnapshot } from '../storage/writers.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'treekeeper-staged-'));
const directory = join(dataDir, 'version-2');
const disk = new NodeDisk({ dataDir, dataLogDir: dataDir, autocreate: true, onCompletion: () => {} });
afterAll(async () => {
  await disk.close();
  rmSync(dataDir, { recursive: true });
});
beforeEach(() => readdirSync(directory).forEach((name) => rmSync(join(directory, name))));

type Changes = Parameters<typeof testOptions>[0];
type Zxids = Partial<Record<'czxid' | 'mzxid' | 'pzxid', number>>;

/** A node whose other zxids are 1. */
function from(path: string, { czxid = 1, mzxid = 1, pzxid = 1 }: Zxids = {}): RecordedNode {
  const plain = node(path);
  const zxids = { czxid: BigInt(czxid), mzxid: BigInt(mzxid), pzxid: BigInt(pzxid) };
  return { ...plain, stat: { ...plain.stat, ...zxids, ephemeralOwner: 0n } };
}

/** The bytes of a snapshot file of `zxid`, as another server has written it. */
function snapshotBytes(
  zxid: number,
  nodes: readonly RecordedNode[] = [],
  changes: Changes = {},
  digest: bigint | null = null,
): Buffer {
  const writer = new SimulatedDisk();
  const source = new ListSource(zxid, [from(''), ...nodes], { sessions: new Map([[7n, 5000]]), digest });
  return Buffer.from(writer.get('data', writeSnapshot(writer, testOptions(changes), source)));
}

function receive(bytes: () => AsyncGenerator<Uint8Array>): Promise<StagedSnapshot> {
  const rules = { extendedTypesEnabled: false, emulate353TtlNodes: false };
  return StagedSnapshot.receive(directory, disk, 1 << 20, rules, bytes());
}

function receiveBytes(bytes: Uint8Array): Promise<StagedSnapshot> {
  return receive(async function* () {
    yield bytes;
  });
}

function recovered(): { zxid: number | undefined; paths: string[]; sessions: bigint[]; txns: number[] } {
  const sink = new RecordingSink();
  recover(disk, testOptions(), sink, new RecordingLog());
  const { snapshot, nodes, sessions, zxids } = sink;
  return { zxid: snapshot?.zxid, paths: [...nodes.keys()], sessions: [...sessions.keys()], txns: zxids };
}

/** What a server has after so many transactions: a first snapshot, and a log. */
function putHistory(through: number, compression: 'none' | 'gz' | 'snappy' = 'none'): void {
  const suffix = compression === 'none' ? '' : `.${compression}`;
  const first = snapshotBytes(0, [], { snapshotCompression: compression });
  writeFileSync(join(directory, `snapshot.0${suffix}`), first);
  if (through > 0) {
    const zxids = Array.from({ length: through }, (_, i) => i + 1);
    writeFileSync(join(directory, 'log.1'), logFile(...zxids.map(errorBody)));
  }
}

test('what is no whole snapshot is refused, and leaves nothing behind', async () => {
  await expect(receiveBytes(new Uint8Array(100))).rejects.toThrow();
  await expect(
    receive(async function* () {
      yield new Uint8Array(100);
      throw new Error('the client has gone');
    }),
  ).rejects.toThrow('the client has gone');
  expect(readdirSync(directory)).toEqual([]);
});

describe('the zxid of a restored snapshot', () => {
  const SECTIONS: readonly Changes[] = [
    {},
    { digestEnabled: false },
    { digestEnabled: false, serializeLastProcessedZxid: false },
  ];

  test.each(SECTIONS)('is behind all that the snapshot shows, where this server has less (%o)', async (changes) => {
    putHistory(2);
    const nodes = [from('/a', { czxid: 30 }), from('/a/b', { mzxid: 39 }), from('/c', { pzxid: 36 })];
    const staged = await receiveBytes(snapshotBytes(37, nodes, changes));
    expect(staged.lastZxid).toBe(changes?.serializeLastProcessedZxid === false ? 0 : 37);
    expect(await staged.commit(2)).toBe(40);
    expect(recovered()).toEqual({ zxid: 40, paths: ['', '/a', '/a/b', '/c'], sessions: [7n], txns: [] });
  });

  test('is behind the last one of this server, where that has more', async () => {
    putHistory(50);
    const staged = await receiveBytes(snapshotBytes(37, [from('/a', { czxid: 30 })]));
    expect(await staged.commit(50)).toBe(51);
    expect(recovered()).toMatchObject({ zxid: 51, paths: ['', '/a'], txns: [] });
    writeFileSync(join(directory, 'log.34'), logFile(errorBody(0x34), errorBody(0x35)));
    expect(recovered()).toMatchObject({ zxid: 51, txns: [0x34, 0x35] });
  });

  test('is behind what this server may have logged and not applied', () => {
    const server = new TestServer();
    const client = server.client();
    client.send(create('/a'));
    server.turn();
    expect([server.lastZxid, server.replica.lastLoggedZxid]).toEqual([1, 2]);
  });

  test('is not that of the digest, which is of the tree at the end of the writing', async () => {
    putHistory(0);
    const staged = await receiveBytes(snapshotBytes(9, [], {}, 123n));
    expect(await staged.commit(0)).toBe(10);
    const sink = new RecordingSink();
    recover(disk, testOptions(), sink, new RecordingLog());
    expect(sink.snapshot).toEqual({ zxid: 10, digest: { zxid: 9, digest: 123n } });
  });

  test('does not count what the membership node says: that comes from no transaction', async () => {
    const nodes = [from('/zookeeper'), from('/zookeeper/config', { mzxid: makeZxid(5, 0) })];
    expect(await (await receiveBytes(snapshotBytes(9, nodes))).commit(2)).toBe(10);
  });

  test.each(['gz', 'snappy'] as const)('is that of no %s snapshot, which would go before', async (compression) => {
    putHistory(0, compression);
    const staged = await receiveBytes(snapshotBytes(0, [from('/a', { czxid: 0, mzxid: 0, pzxid: 0 })]));
    expect(await staged.commit(0)).toBe(2);
    expect(recovered()).toMatchObject({ zxid: 2, paths: ['', '/a'] });
  });

  test('leaves a gap behind the history of before, which is not gone on from without it', async () => {
    putHistory(5);
    const staged = await receiveBytes(snapshotBytes(4, [from('/a')]));
    expect(await staged.commit(5)).toBe(6);
    writeFileSync(join(directory, 'log.7'), logFile(errorBody(7)));
    expect(recovered()).toMatchObject({ zxid: 6, txns: [7] });
    rmSync(join(directory, 'snapshot.6'));
    expect(recovered).toThrow('zxid 0x7 follows 0x5: the transactions between them are missing');
  });

  test('is none where the epochs are used up: such a snapshot is refused', async () => {
    const last = makeZxid(EPOCH_LIMIT - 1, 0xffff_ffff);
    for (const bytes of [snapshotBytes(1, [from('/a', { mzxid: last })]), snapshotBytes(last)]) {
      await expect(receiveBytes(bytes)).rejects.toThrow('leaves no zxids');
    }
    expect(readdirSync(directory)).toEqual([]);
  });
});
