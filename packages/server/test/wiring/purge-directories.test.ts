import { mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SimulatedDisk } from '../../../simulator/src/disk.ts';
import { NodeDisk } from '../../src/host/node-disk.ts';
import { logName, snapshotName } from '../../src/storage/format.ts';
import { recover } from '../../src/storage/recovery.ts';
import { purgeDirectories } from '../../src/wiring/purge-directories.ts';
import { errorBody, ListSource, logFile, node, RecordingLog, RecordingSink, testOptions } from '../storage/support.ts';
import { writeSnapshot } from '../storage/writers.ts';

const LAST_ZXID = 40;
const SNAPSHOTS = [0, 8, 16, 24, 32];
const LOG_STARTS = [1, 9, 17, 25, 33];
let root: string;
let dataDir: string;
let dataLogDir: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'treekeeper-purge-'));
  [dataDir, dataLogDir] = [join(root, 'data'), join(root, 'log')];
  for (const directory of [dataDir, dataLogDir]) {
    mkdirSync(join(directory, 'version-2'), { recursive: true });
  }
  for (const zxid of SNAPSHOTS) {
    writeFileSync(inData(snapshotName(zxid)), snapshotBytes(zxid));
  }
  for (const [i, start] of LOG_STARTS.entries()) {
    const next = LOG_STARTS[i + 1] ?? LAST_ZXID + 1;
    const bodies = Array.from({ length: next - start }, (_, k) => errorBody(start + k));
    writeFileSync(join(dataLogDir, 'version-2', logName(start)), logFile(...bodies));
  }
});
afterEach(() => rmSync(root, { recursive: true }));

const inData = (name: string): string => join(dataDir, 'version-2', name);

function snapshotBytes(zxid: number): Uint8Array {
  const disk = new SimulatedDisk();
  const source = new ListSource(zxid, [node(''), ...Array.from({ length: 20 }, (_, i) => node(`/n${i}`))]);
  return disk.get('data', writeSnapshot(disk, testOptions(), source));
}

/** Changes a byte in the middle, which no look at the ends shows. */
function damage(zxid: number): void {
  const bytes = Buffer.from(snapshotBytes(zxid));
  bytes[bytes.length >> 1] ^= 1;
  writeFileSync(inData(snapshotName(zxid)), bytes);
}

const run = (retainCount = 3) => purgeDirectories({ dataDir, dataLogDir, retainCount });

/** The zxid of the snapshot that a server would begin with, and those of the transactions after it. */
async function recovered() {
  const disk = new NodeDisk({ dataDir, dataLogDir, autocreate: false, onCompletion: () => {} });
  try {
    const sink = new RecordingSink();
    recover(disk, testOptions(), sink, new RecordingLog());
    return { from: sink.snapshot?.zxid, zxids: sink.zxids };
  } finally {
    await disk.close();
  }
}

const through = (zxid: number) => Array.from({ length: LAST_ZXID - zxid }, (_, i) => zxid + 1 + i);

test('the newest snapshots stay, with the logs that they need; what went is told', async () => {
  const { removed, ...report } = await run();
  expect(removed.map(({ name }) => name)).toEqual(['snapshot.0', 'snapshot.8', 'log.1']);
  expect(removed.map(({ sizeBytes }) => sizeBytes)).toEqual([
    snapshotBytes(0).length,
    snapshotBytes(8).length,
    logFile(...Array.from({ length: 8 }, (_, i) => errorBody(1 + i))).length,
  ]);
  expect(report).toEqual({ kept: ['snapshot.20', 'snapshot.18', 'snapshot.10'], damaged: [], failure: null });
  expect(readdirSync(dataDir)).toEqual(['version-2']);
  for (const zxid of [32, 24, 16]) {
    expect(await recovered()).toEqual({ from: zxid, zxids: through(zxid) });
    damage(zxid);
  }
});

test('a snapshot that is damaged in its middle is no spare: older ones stay in its place', async () => {
  damage(32);
  damage(24);
  const { removed, kept, damaged } = await run();
  expect({ removed, kept }).toEqual({ removed: [], kept: ['snapshot.10', 'snapshot.8', 'snapshot.0'] });
  expect(damaged).toEqual([
    { name: 'snapshot.20', reason: expect.stringContaining('checksum') },
    { name: 'snapshot.18', reason: expect.stringContaining('checksum') },
  ]);
  expect(await recovered()).toEqual({ from: 16, zxids: through(16) });
});

test('without a whole snapshot nothing goes', async () => {
  for (const zxid of SNAPSHOTS) {
    truncateSync(inData(snapshotName(zxid)), 50);
  }
  expect(await run()).toMatchObject({ removed: [], kept: [], damaged: { length: SNAPSHOTS.length } });
});

test('more are kept if more are asked for, never fewer than three', async () => {
  expect((await run(4)).removed.map(({ name }) => name)).toEqual(['snapshot.0']);
  expect((await run(1)).kept).toHaveLength(3);
  expect((await run(1)).removed).toEqual([]);
});

test('nothing goes while a server has one of the directories', async () => {
  const elsewhere = join(root, 'elsewhere');
  const server = new NodeDisk({ dataDir: elsewhere, dataLogDir, autocreate: true, onCompletion: () => {} });
  await expect(run()).rejects.toThrow(`${dataLogDir} is in use by this process itself. Nothing was removed.`);
  expect(readdirSync(join(dataDir, 'version-2'))).toHaveLength(SNAPSHOTS.length);
  await server.close();
  expect((await run()).removed).toHaveLength(3);
});

test('a directory without data is named, and stays as it is', async () => {
  const empty = join(root, 'empty');
  mkdirSync(empty);
  await expect(purgeDirectories({ dataDir: empty, dataLogDir, retainCount: 3 })).rejects.toThrow(
    `${empty} is no data directory`,
  );
  expect(readdirSync(empty)).toEqual([]);
});
