/** What docs/operating/troubleshooting.md says about full disks and damaged files, done to a server. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ErrorNumber, OpCode } from '@treekeeper/protocol';
import { createBody } from './bodies.ts';
import { fourLetterWord } from './raw-client.ts';
import { Server } from './servers.ts';
import { Session } from './session.ts';
import type { Checks, Options, Suite } from './suite.ts';
import { compareDumps, dumpTree, type TreeDump } from './tree-dump.ts';

const DISK_MB = 16;
const BALLAST_MB = 6;
/** Time within which the server must notice that there is space again. */
const RECOVERY_MS_MAX = 10_000;
const LOG_HEADER_BYTES = 16;
/** Checksum and length; an end mark follows the body. */
const RECORD_HEAD_BYTES = 12;
const RECORDS_OF_NEWEST_LOG = 10;

export const diskFaults: Suite = {
  name: 'disk-faults',
  summary: 'a full disk, a read-only one, torn and damaged files: the documented behaviour and message',
  async run(options, checks) {
    if (options.server !== 'treekeeper') {
      checks.note('not for Apache ZooKeeper');
      return;
    }
    const disk = mountDisk(join(options.directory, 'disk'));
    if (disk === null) {
      checks.fail('full disk', 'needs the right to mount a tmpfs: run as root');
    } else {
      await checks.part('full disk', () => fullDisk(disk, options, checks));
      await checks.part('read-only disk', () => readOnlyDisk(disk, options, checks));
      execFileSync('umount', [disk]);
    }
    await damagedFiles(options, checks);
  },
};

function mountDisk(directory: string): string | null {
  mkdirSync(directory);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m`, 'none', directory], { stdio: 'ignore' });
    return directory;
  } catch {
    return null;
  }
}

async function fullDisk(disk: string, options: Options, checks: Checks): Promise<void> {
  const ballast = join(disk, 'ballast');
  writeFileSync(ballast, Buffer.alloc(BALLAST_MB << 20, 1));
  const directory = join(options.directory, 'full-disk');
  const dataDirectory = join(disk, 'data');
  const server = await Server.start({
    flavour: 'treekeeper',
    directory,
    dataDirectory,
    settings: { preAllocSize: 64 },
  });
  const writer = await Session.open(server.port, { timeoutMs: 4000 });
  const other = await Session.open(server.port, { timeoutMs: 4000 });
  await other.create('/before', Buffer.from('b'));
  const written = await fill(writer);
  checks.that('some writes came before the disk was full', written.acknowledged > 10, () => `${written.acknowledged}`);
  const refused = await other.call(OpCode.create, createBody('/refused', null));
  checks.equal('a write on the full disk', refused.err, ErrorNumber.NOT_READ_ONLY);
  checks.equal('a read on the full disk', Buffer.from((await other.getData('/before')).data ?? []).toString(), 'b');
  checks.that('the log says so', server.log.includes('the disk of the transaction log is full'), () => server.log);
  const refusing = async (): Promise<boolean> =>
    (await fourLetterWord(server.port, 'mntr')).includes('zk_writes_refused\t1\n');
  checks.that('mntr says so', await refusing());
  // Longer than the sessions' timeout: the writer's, which waits in silence, must not expire either.
  for (let i = 0; i < 6; i++) {
    await sleep(1000);
    await other.ping();
  }
  rmSync(ballast);
  const late = await Promise.race([written.waiting, sleep(RECOVERY_MS_MAX, null, { ref: false })]);
  checks.that('the write on its way is done when there is space', late === 0, () => `answer: ${late}`);
  const after = await other.call(OpCode.create, createBody('/after', null));
  checks.equal('a write afterwards', after.err, 0);
  checks.that('the log says so', server.log.includes('has space again'), () => server.log);
  checks.that('mntr says so', !(await refusing()));
  const before = await dumpTree(server.port);
  checks.that('every acknowledged write is there', before.has(`/fill-${written.acknowledged}`));
  checks.that('the refused write is not', !before.has('/refused'));
  await server.kill();
  await server.start();
  checks.equal('tree after kill -9', compareDumps(before, await dumpTree(server.port)), '');
  await server.stop();
}

/** Writes until no answer comes for a while: that write is on its way and has no space. */
async function fill(session: Session): Promise<{ acknowledged: number; waiting: Promise<number> }> {
  for (let i = 0; ; i++) {
    const waiting = session
      .call(OpCode.create, createBody(`/fill-${i}`, Buffer.alloc(100_000, i)))
      .then(({ err }) => err);
    const err = await Promise.race([waiting, sleep(1500, null, { ref: false })]);
    if (err === null) {
      return { acknowledged: i - 1, waiting };
    }
    if (err !== 0) {
      throw new Error(`write ${i}: error ${err}`);
    }
  }
}

async function readOnlyDisk(disk: string, options: Options, checks: Checks): Promise<void> {
  execFileSync('mount', ['-o', 'remount,ro', disk]);
  const directory = join(options.directory, 'read-only');
  await refusesToStart(directory, join(disk, 'data'), 3, 'EROFS: read-only file system', checks);
}

/** Starts a server that must end by itself, with this status and this in its log. */
async function refusesToStart(
  directory: string,
  dataDirectory: string,
  status: number,
  message: string,
  checks: Checks,
): Promise<string> {
  const server = await Server.create({ flavour: 'treekeeper', directory, dataDirectory });
  const logBefore = server.log.length;
  server.launch();
  const ended = await Promise.race([server.exited(), sleep(10_000, 'still running', { ref: false })]);
  await server.kill();
  const log = server.log.slice(logBefore);
  checks.equal(`exit status with "${message}"`, ended, status);
  checks.that(`message "${message}"`, log.includes(message), () => log);
  return log;
}

/** A data directory with several snapshots and logs, and the tree it stands for. */
async function makeData(options: Options): Promise<{ data: string; tree: TreeDump }> {
  const directory = join(options.directory, 'damage');
  const settings = { snapCount: 200, preAllocSize: 64, 'autopurge.purgeInterval': 0 };
  const server = await Server.start({ flavour: 'treekeeper', directory, settings });
  const session = await Session.open(server.port);
  await session.create('/d', null);
  for (let round = 0; round < 10; round++) {
    await Promise.all(
      Array.from({ length: 100 }, (_, i) => session.create(`/d/${round}-${i}`, Buffer.alloc(50, round))),
    );
  }
  const isRight = (records: number): boolean => records >= RECORDS_OF_NEWEST_LOG && records < settings.snapCount / 2;
  for (let i = 0; !isRight(recordOffsets(newest(directory, 'log.')).length); i++) {
    // So that it has a middle, and does not roll before the end: the earliest is after half of snapCount.
    await session.create(`/d/last-${i}`, null);
  }
  await session.close();
  const tree = await dumpTree(server.port);
  await server.kill();
  return { data: server.dataDirectory, tree };
}

async function damagedFiles(options: Options, checks: Checks): Promise<void> {
  const { data, tree } = await makeData(options);
  let copies = 0;
  const copy = (): string => {
    const to = join(options.directory, `damaged-${copies++}`);
    cpSync(data, join(to, 'data'), { recursive: true });
    rmSync(join(to, 'data', 'treekeeper.lock'), { force: true });
    return to;
  };
  await checks.part('damaged newest snapshot', async () => {
    const directory = copy();
    flipByte(newest(directory, 'snapshot.'), 0.6);
    await recovers(directory, tree, 'cannot use snapshot.', checks);
  });
  await checks.part('cut off newest snapshot', async () => {
    const directory = copy();
    const file = newest(directory, 'snapshot.');
    truncateSync(file, statSync(file).size >> 1);
    await recovers(directory, tree, '', checks);
  });
  await checks.part('torn tail', async () => {
    const directory = copy();
    const file = newest(directory, 'log.');
    truncateSync(file, recordsEnd(file) - 3);
    const server = await Server.start({ flavour: 'treekeeper', directory });
    checks.that('torn tail: message', server.log.includes('a record is cut off'), () => server.log);
    // The last record is the close of a session: no node is missing.
    checks.equal('torn tail: tree', compareDumps(tree, await dumpTree(server.port)), '');
    await server.stop();
  });
  for (const [what, offset] of [
    ['body', RECORD_HEAD_BYTES + 5],
    ['length', RECORD_HEAD_BYTES - 4],
    // It looks like a torn write, but for the records that follow.
    ['length, a little', RECORD_HEAD_BYTES - 1],
    ['end mark', -1],
  ] as const) {
    await checks.part(`damaged ${what} of a record in the middle of the newest log`, async () => {
      const directory = copy();
      const file = newest(directory, 'log.');
      const records = recordOffsets(file);
      flipByteAt(file, records[records.length >> 1] + offset);
      const log = await refusesToStart(directory, join(directory, 'data'), 1, 'is damaged at offset', checks);
      const advice = /truncate -s (\d+) (log\.[0-9a-f]+)/.exec(log);
      checks.that(`damaged ${what}: advice`, advice !== null, () => log);
      if (advice !== null) {
        truncateSync(join(directory, 'data/version-2', advice[2]), Number(advice[1]));
        const server = await Server.start({ flavour: 'treekeeper', directory });
        checks.that(`damaged ${what}: starts after the advice is taken`, (await dumpTree(server.port)).has('/d/0-0'));
        await server.stop();
      }
    });
  }
  await checks.part('all snapshots damaged', async () => {
    const directory = copy();
    for (const file of files(directory, 'snapshot.')) {
      flipByte(file, 0.5);
    }
    await refusesToStart(directory, join(directory, 'data'), 1, 'snapshots can be loaded', checks);
  });
  await checks.part('a log is missing', async () => {
    const directory = copy();
    const logs = files(directory, 'log.');
    for (const file of files(directory, 'snapshot.').slice(1)) {
      rmSync(file);
    }
    rmSync(logs[Math.floor(logs.length / 2)]);
    await refusesToStart(directory, join(directory, 'data'), 1, 'the transactions between them are missing', checks);
  });
  await checks.part('two servers on one directory', async () => {
    const directory = copy();
    const server = await Server.start({ flavour: 'treekeeper', directory });
    const other = join(options.directory, 'second');
    await refusesToStart(other, server.dataDirectory, 3, `is in use by process ${server.pid}`, checks);
    checks.equal('the first one goes on', compareDumps(tree, await dumpTree(server.port)), '');
    await server.stop();
  });
}

async function recovers(directory: string, tree: TreeDump, message: string, checks: Checks): Promise<void> {
  const server = await Server.start({ flavour: 'treekeeper', directory });
  checks.that(`message "${message}"`, server.log.includes(message), () => server.log);
  checks.equal(`tree after "${message}"`, compareDumps(tree, await dumpTree(server.port)), '');
  await server.stop();
}

/** Files of a kind in a server's directory, oldest first. */
function files(directory: string, prefix: string): string[] {
  const version2 = join(directory, 'data/version-2');
  const zxid = (name: string): bigint => BigInt(`0x${name.slice(prefix.length)}`);
  return readdirSync(version2)
    .filter((name) => name.startsWith(prefix))
    .sort((a, b) => (zxid(a) < zxid(b) ? -1 : 1))
    .map((name) => join(version2, name));
}

function newest(directory: string, prefix: string): string {
  const all = files(directory, prefix);
  return all[all.length - 1];
}

function flipByte(file: string, where: number): void {
  flipByteAt(file, Math.floor(statSync(file).size * where));
}

function flipByteAt(file: string, offset: number): void {
  const bytes = readFileSync(file);
  bytes[offset] ^= 0x40;
  writeFileSync(file, bytes);
}

/** Where each record of a log begins, and last where the padding does (disk-format.md §2.1). */
function recordOffsets(file: string): number[] {
  const bytes = readFileSync(file);
  const offsets = [LOG_HEADER_BYTES];
  for (let at = LOG_HEADER_BYTES; at + RECORD_HEAD_BYTES < bytes.length; ) {
    const length = bytes.readInt32BE(at + RECORD_HEAD_BYTES - 4);
    if (length === 0) {
      break;
    }
    at += RECORD_HEAD_BYTES + length + 1;
    offsets.push(at);
  }
  return offsets;
}

function recordsEnd(file: string): number {
  const offsets = recordOffsets(file);
  return offsets[offsets.length - 1];
}
