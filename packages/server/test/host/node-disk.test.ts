import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LOCK_NAME } from '../../src/host/directory-lock.ts';
import { NodeDisk } from '../../src/host/node-disk.ts';
import type { DiskCompletion, DiskStep } from '../../src/io/disk.ts';
import { TxnLog } from '../../src/storage/log.ts';
import { recover } from '../../src/storage/recovery.ts';
import { SnapshotWriter } from '../../src/storage/snapshot.ts';
import {
  constantRandom,
  errorBody,
  ListSource,
  node,
  RecordingLog,
  RecordingSink,
  testOptions,
} from '../storage/support.ts';

let directory: string;
const open: NodeDisk[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'treekeeper-disk-'));
});

afterEach(async () => {
  await Promise.all(open.splice(0).map((disk) => disk.close()));
  rmSync(directory, { recursive: true });
});

/** A disk whose completions can be waited for. */
function openDisk(where: { dataDir?: string; dataLogDir?: string; autocreate?: boolean } = {}) {
  const dataDir = where.dataDir ?? directory;
  const { dataLogDir = dataDir, autocreate = true } = where;
  const waiting = new Map<number, (completion: DiskCompletion) => void>();
  const disk = new NodeDisk({
    dataDir,
    dataLogDir,
    autocreate,
    onCompletion: (completion) => waiting.get(completion.ticket)?.(completion),
  });
  open.push(disk);
  const run = (...steps: DiskStep[]) => completionOf(disk.submit(steps));
  const completionOf = (ticket: number) => new Promise<DiskCompletion>((resolve) => waiting.set(ticket, resolve));
  return { disk, run, completionOf };
}

function close(disk: NodeDisk): Promise<void> {
  open.splice(open.indexOf(disk), 1);
  return disk.close();
}

const inVersion2 = (name: string) => join(directory, 'version-2', name);

describe('batches', () => {
  test('every kind of step, in order', async () => {
    const { disk, run } = openDisk();
    const file = disk.allocateFile();
    const completion = await run(
      { op: 'create', area: 'log', name: 'a', file, dsync: true },
      { op: 'write', file, position: 4, bytes: Buffer.from('later') },
      { op: 'write', file, position: 0, bytes: Buffer.from('soon') },
      { op: 'sync', file },
      { op: 'rename', area: 'log', from: 'a', to: 'b' },
      { op: 'write', file, position: 9, bytes: Buffer.from('!?') },
      { op: 'close', file },
      { op: 'truncate', area: 'log', name: 'b', length: 10 },
      { op: 'syncDirectory', area: 'log' },
      { op: 'remove', area: 'log', name: 'missing' },
    );
    expect(completion).toMatchObject({ kind: 'disk', ticket: 1, error: null });
    expect(completion.durationMs).toBeGreaterThan(0);
    expect(readFileSync(inVersion2('b'), 'latin1')).toBe('soonlater!');
    expect(disk.list('log')).toMatchObject([{ name: 'b', sizeBytes: 10 }]);
    await run({ op: 'remove', area: 'log', name: 'b' });
    expect(disk.list('data')).toEqual([]);
  });

  test('the renaming of recovery', async () => {
    const { disk, run } = openDisk();
    const file = disk.allocateFile();
    await run({ op: 'create', area: 'data', name: 'a', file, dsync: false }, { op: 'close', file });
    disk.rename('data', 'a', 'b');
    expect(disk.list('data')).toMatchObject([{ name: 'b', sizeBytes: 0 }]);
    expect(() => disk.rename('data', 'a', 'b')).toThrow('ENOENT');
  });

  test('a file that is to be cut and is not there', async () => {
    const { run } = openDisk();
    const { error } = await run({ op: 'truncate', area: 'log', name: 'none', length: 1 });
    expect(error).toMatchObject({ kind: 'failed', message: expect.stringContaining(inVersion2('none')) });
  });

  test('creating a file truncates it; creating it again under its number starts over; closing twice is fine', async () => {
    const { disk, run } = openDisk();
    writeFileSync(inVersion2('a'), 'old content');
    const file = disk.allocateFile();
    const create: DiskStep = { op: 'create', area: 'log', name: 'a', file, dsync: false };
    await run(create, { op: 'write', file, position: 0, bytes: Buffer.from('first') });
    await run(create, { op: 'write', file, position: 0, bytes: Buffer.from('2nd') });
    expect((await run({ op: 'close', file }, { op: 'close', file })).error).toBe(null);
    expect(readFileSync(inVersion2('a'), 'latin1')).toBe('2nd');
  });

  test('the completion comes after submit has returned', async () => {
    const { disk, completionOf } = openDisk();
    const ticket = disk.submit([{ op: 'close', file: 1 }]);
    expect(disk.batchesInFlight).toBe(1);
    expect((await completionOf(ticket)).ticket).toBe(ticket);
    expect(disk.batchesInFlight).toBe(0);
  });

  test.runIf(existsSync('/dev/full'))("no space is 'full', and the steps after it are not tried", async () => {
    const { disk, run } = openDisk();
    symlinkSync('/dev/full', inVersion2('log.1'));
    const file = disk.allocateFile();
    const { error } = await run(
      { op: 'create', area: 'log', name: 'log.1', file, dsync: false },
      { op: 'write', file, position: 0, bytes: Buffer.from('x') },
      { op: 'rename', area: 'log', from: 'log.1', to: 'log.2' },
    );
    expect(error?.kind).toBe('full');
    expect(error?.message).toContain('ENOSPC');
    expect(error?.message).toContain(inVersion2('log.1'));
    expect(existsSync(inVersion2('log.2'))).toBe(false);
  });

  test('a file that is renamed while it is open: writes follow it, and so do messages', async () => {
    const { disk, run } = openDisk();
    const file = disk.allocateFile();
    await run(
      { op: 'create', area: 'log', name: 'writing.log.1', file, dsync: true },
      { op: 'write', file, position: 0, bytes: Buffer.from('x') },
      { op: 'rename', area: 'log', from: 'writing.log.1', to: 'log.1' },
      { op: 'write', file, position: 1, bytes: Buffer.from('y') },
    );
    expect(readFileSync(inVersion2('log.1'), 'utf8')).toBe('xy');
    expect(existsSync(inVersion2('writing.log.1'))).toBe(false);
  });

  test("anything else is 'failed', with the file's name", async () => {
    const { disk, run } = openDisk();
    mkdirSync(inVersion2('snapshot.1'));
    const file = disk.allocateFile();
    const { error } = await run({ op: 'create', area: 'data', name: 'snapshot.1', file, dsync: true });
    expect(error).toMatchObject({ kind: 'failed', message: expect.stringContaining(inVersion2('snapshot.1')) });
    const missing = await run({ op: 'rename', area: 'data', from: 'x', to: 'y' });
    expect(missing.error).toMatchObject({ kind: 'failed', message: expect.stringContaining('ENOENT') });
  });
});

describe('reading', () => {
  test('pieces, also beyond the end', () => {
    const { disk } = openDisk();
    writeFileSync(inVersion2('a'), '0123456789');
    const read = (position: number, length: number) => Buffer.from(disk.read('data', 'a', position, length)).toString();
    expect(read(0, 4)).toBe('0123');
    expect(read(8, 100)).toBe('89');
    expect(read(10, 5)).toBe('');
    expect(read(50, 5)).toBe('');
    expect(() => disk.read('data', 'b', 0, 1)).toThrow('ENOENT');
  });

  test('files are listed by name, directories are not', () => {
    const { disk } = openDisk();
    mkdirSync(inVersion2('folder'));
    writeFileSync(inVersion2('b'), '');
    writeFileSync(inVersion2('a'), 'xy');
    utimesSync(inVersion2('a'), 1234, 1234);
    utimesSync(inVersion2('b'), 5678, 5678);
    expect(disk.list('log')).toEqual([
      { name: 'a', sizeBytes: 2, modifiedMs: 1_234_000 },
      { name: 'b', sizeBytes: 0, modifiedMs: 5_678_000 },
    ]);
    disk.remove('log', 'a');
    expect(disk.list('log').map(({ name }) => name)).toEqual(['b']);
  });
});

describe('directories (§1)', () => {
  test('are created, with their parents', () => {
    const dataDir = join(directory, 'x/y');
    const { disk } = openDisk({ dataDir, dataLogDir: join(directory, 'z') });
    expect(disk.sharedDirectory).toBe(false);
    expect(existsSync(join(dataDir, 'version-2'))).toBe(true);
    expect(existsSync(join(directory, 'z/version-2'))).toBe(true);
  });

  test('two names of one directory are one directory', () => {
    symlinkSync(directory, `${directory}/self`);
    expect(openDisk({ dataLogDir: `${directory}/self/.` }).disk.sharedDirectory).toBe(true);
  });

  test('are not created with datadir.autocreate=false', () => {
    const dataDir = join(directory, 'x');
    expect(() => openDisk({ dataDir, autocreate: false })).toThrow(/x\/version-2 does not exist \(dataDir\).*mounted/);
    expect(existsSync(dataDir)).toBe(false);
    mkdirSync(join(dataDir, 'version-2'), { recursive: true });
    openDisk({ dataDir, autocreate: false });
  });

  test('that cannot be directories are told by name', () => {
    writeFileSync(join(directory, 'file'), '');
    const dataDir = join(directory, 'file');
    expect(() => openDisk({ dataDir })).toThrow(/file\/version-2 cannot be used: .*Correct dataDir/);
    // The other one, which was fine, is free again.
    const good = join(directory, 'good');
    expect(() => openDisk({ dataDir: good, dataLogDir: dataDir })).toThrow('Correct dataLogDir');
    openDisk({ dataDir: good });
  });

  test.each<readonly [place: string, dataDir: () => string, code: string]>([
    ['below a file', () => join(directory, 'file/below/it'), 'ENOTDIR'],
    ['below a device', () => '/dev/null/data', 'ENOTDIR'],
    ['where a link leads nowhere', () => join(directory, 'link'), 'EEXIST|ENOENT'],
    ...(process.platform === 'linux'
      ? ([
          ['in /proc, where Node tries for ever', () => '/proc/treekeeper/data', 'ENOENT'],
          ['below a process in /proc', () => '/proc/self/treekeeper', 'ENOENT'],
        ] as const)
      : []),
  ])('%s: an error that names the directory, at once', (_, dataDir, code) => {
    writeFileSync(join(directory, 'file'), '');
    symlinkSync(join(directory, 'nowhere/at/all'), join(directory, 'link'));
    expect(() => openDisk({ dataDir: dataDir() })).toThrow(
      new RegExp(`the directory ${dataDir()}/version-2 cannot be used: (${code}).*Correct dataDir`),
    );
  });

  test('trap 18: the marker lies beside the version-2 of the logs', () => {
    const dataLogDir = join(directory, 'logs');
    const { disk } = openDisk({ dataLogDir });
    writeFileSync(join(directory, 'initialize'), '');
    expect(disk.takeInitializeMarker()).toBe(false);
    writeFileSync(join(dataLogDir, 'initialize'), '');
    expect(disk.takeInitializeMarker()).toBe(true);
    expect(disk.takeInitializeMarker()).toBe(false);
  });
});

describe('the lock', () => {
  const lockPath = () => join(directory, LOCK_NAME);
  const startTicks = (pid: number) => readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1].split(' ')[19];

  test('a directory has one server at a time, in this process too', async () => {
    const { disk } = openDisk();
    expect(() => openDisk()).toThrow(/is in use by this process itself.*-DdataDir=DIRECTORY.*treekeeper\.lock/);
    await close(disk);
    expect(existsSync(lockPath())).toBe(false);
    openDisk();
  });

  test('shared logs are shared data', async () => {
    const dataLogDir = join(directory, 'logs');
    openDisk({ dataDir: join(directory, 'a'), dataLogDir });
    const other = { dataDir: join(directory, 'b'), dataLogDir };
    expect(() => openDisk(other)).toThrow('logs is in use');
    expect(existsSync(join(other.dataDir, LOCK_NAME))).toBe(false);
  });

  test.each([
    ['of a process that is gone', '999999999 5\n'],
    ['of an earlier process with our number', `${process.pid} 5\n`],
    ['that was cut off', ''],
    ['that holds something else', 'x'],
  ])('a lock %s does not block', (_, text) => {
    writeFileSync(lockPath(), text);
    openDisk();
    expect(readFileSync(lockPath(), 'latin1')).toMatch(new RegExp(`^${process.pid} `));
    expect(readdirSync(directory).filter((name) => name.startsWith(LOCK_NAME))).toEqual([LOCK_NAME]);
  });

  test.runIf(existsSync('/proc/self/stat'))('a living process blocks, one that only has its number does not', () => {
    writeFileSync(lockPath(), `${process.ppid} ${startTicks(process.ppid)}\n`);
    expect(() => openDisk()).toThrow(`is in use by process ${process.ppid}`);
    writeFileSync(lockPath(), `${process.ppid} 1${startTicks(process.ppid)}\n`);
    openDisk();
  });
});

test('closing waits for what is on its way, and delivers nothing more', async () => {
  const { disk, completionOf } = openDisk();
  const file = disk.allocateFile();
  const delivered: DiskCompletion[] = [];
  const ticket = disk.submit([
    { op: 'create', area: 'log', name: 'a', file, dsync: true },
    { op: 'write', file, position: 0, bytes: Buffer.alloc(100_000, 1) },
  ]);
  void completionOf(ticket).then((completion) => delivered.push(completion));
  await close(disk);
  expect(readFileSync(inVersion2('a')).length).toBe(100_000);
  expect(delivered).toEqual([]);
  expect(() => disk.submit([{ op: 'close', file }])).toThrow();
  openDisk();
});

test('log and snapshot through real files, and back', async () => {
  const { disk, completionOf } = openDisk({ dataLogDir: join(directory, 'logs') });
  const options = testOptions({ snapCount: 10, snapshotCompression: 'gz' });
  const snapshot = new SnapshotWriter(
    disk,
    options,
    new ListSource(0, [node(''), node('/a', Buffer.alloc(500_000, 7))]),
  );
  const settle = async (writer: TxnLog | SnapshotWriter, ticket: number) => {
    writer.onCompletion(await completionOf(ticket));
  };
  let ticket = 0;
  while (snapshot.state === 'writing') {
    snapshot.advance();
    await settle(snapshot, ++ticket);
  }
  expect(snapshot.state).toBe('done');
  const log = new TxnLog(disk, options, constantRandom(0), new RecordingLog(), 0);
  for (let zxid = 1; zxid <= 20; zxid++) {
    log.append(zxid, errorBody(zxid));
    log.flush(0);
    await settle(log, ++ticket);
  }
  expect(log.syncedThrough).toBe(20);
  await close(disk);
  const again = openDisk({ dataLogDir: join(directory, 'logs') }).disk;
  const sink = new RecordingSink();
  expect(recover(again, options, sink, new RecordingLog())).toMatchObject({ lastZxid: 20, snapshotZxid: 0 });
  expect(sink.nodes.get('/a')?.data?.length).toBe(500_000);
  expect(again.list('log').map(({ name }) => name)).toEqual(['log.1', 'log.13', 'log.7', 'log.d']);
});
