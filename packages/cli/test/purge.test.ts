/** Purging directories of copies of a snapshot and a log that Apache ZooKeeper has written. */
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runCli } from '../src/cli.ts';

const golden = fileURLToPath(new URL('../../server/test/golden/standalone-basic/version-2/', import.meta.url));
let root: string;
let data: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'treekeeper-purge-'));
  data = join(root, 'data');
  mkdirSync(join(data, 'version-2'), { recursive: true });
  for (const zxid of [1, 2, 3, 4, 5]) {
    copyFileSync(join(golden, 'snapshot.39'), file(`snapshot.${zxid}`));
    copyFileSync(join(golden, 'log.1'), file(`log.${zxid}`));
  }
});
afterEach(() => rmSync(root, { recursive: true }));

const file = (name: string): string => join(data, 'version-2', name);
const files = (): string[] => readdirSync(join(data, 'version-2'));

async function run(...args: string[]) {
  let [out, err] = ['', ''];
  const code = await runCli(['purge', ...args], {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    colour: false,
    env: {},
  });
  return { code, out: out.replaceAll(/\d+(\.\d)? [kM]?B/g, 'SIZE'), err: err.replaceAll(`${root}/`, '') };
}

test('names what it removes, and what stays', async () => {
  writeFileSync(file('log.old'), 'x');
  expect(await run(data)).toEqual({
    code: 0,
    err: '',
    out: `removed snapshot.1  SIZE
removed snapshot.2  SIZE
removed log.1  SIZE
removed log.2  SIZE
removed 4 files, SIZE; 3 snapshots from snapshot.3 on stay, with the logs needed
`,
  });
  expect(files()).toEqual(['log.3', 'log.4', 'log.5', 'log.old', 'snapshot.3', 'snapshot.4', 'snapshot.5']);
  expect((await run(data)).out).toBe('nothing to remove; 3 snapshots from snapshot.3 on stay, with the logs needed\n');
});

test('-n says how many stay', async () => {
  expect((await run(data, '-n', '4')).out).toContain('4 snapshots from snapshot.2 on stay');
  expect(files()).toContain('snapshot.2');
});

test('the log directory may be another', async () => {
  const log = join(root, 'log');
  mkdirSync(join(log, 'version-2'), { recursive: true });
  copyFileSync(join(golden, 'log.1'), join(log, 'version-2', 'log.1'));
  copyFileSync(join(golden, 'log.1'), join(log, 'version-2', 'log.2'));
  expect((await run(data, log)).out).toMatch(/^removed snapshot\.1 .*\n.*\nremoved log\.1 .*\nremoved 3 files/);
});

test('a zoo.cfg names the directories and the number; -n goes before it', async () => {
  const log = join(root, 'log');
  mkdirSync(join(log, 'version-2'), { recursive: true });
  for (const zxid of [1, 2, 3]) {
    copyFileSync(join(golden, 'log.1'), join(log, 'version-2', `log.${zxid}`));
    rmSync(file(`log.${zxid}`));
  }
  const zooCfg = join(root, 'zoo.cfg');
  const lines = [`dataDir=${data}`, `dataLogDir=${log}`, 'clientPort=0', 'autopurge.snapRetainCount=4', 'snapCuont=1'];
  writeFileSync(zooCfg, lines.join('\n'));
  const { out, err } = await run(zooCfg);
  expect(out).toMatch(/^removed snapshot\.1 .*\nremoved log\.1 .*\nremoved 2 files/);
  expect(err).toBe('warning: zoo.cfg:5: snapCuont is not a known key and has no effect; did you mean snapCount?\n');
  expect((await run(zooCfg, '-n', '3')).out).toMatch(/^removed snapshot\.2 .*\nremoved log\.2 .*\nremoved 2 files/);
  expect(readdirSync(join(log, 'version-2'))).toEqual(['log.3']);
});

test('a damaged snapshot is named and not counted; with none that is whole, nothing goes', async () => {
  truncateSync(file('snapshot.5'), 1000);
  const { code, out, err } = await run(data);
  expect({ code, err }).toEqual({
    code: 0,
    err: expect.stringMatching(/^warning: snapshot\.5 cannot be loaded and is not counted: it ends at .*\n$/),
  });
  expect(out).toContain('3 snapshots from snapshot.2 on stay');
  for (const zxid of [2, 3, 4]) {
    truncateSync(file(`snapshot.${zxid}`), 1000);
  }
  const before = files();
  const none = await run(data);
  expect(none).toMatchObject({ code: 1, out: '' });
  expect(none.err).toContain('error: there is no snapshot in data that can be loaded: nothing was removed\n');
  expect(files()).toEqual(before);
});

test('a directory in use, or without data, and a faulty zoo.cfg are errors', async () => {
  writeFileSync(join(data, 'treekeeper.lock'), `${process.ppid} 0\n`);
  const before = files();
  expect(await run(data)).toEqual({
    code: 1,
    out: '',
    err:
      `error: data is in use by process ${process.ppid}. Nothing was removed. A server purges by itself, as ` +
      'autopurge.purgeInterval says; stop it to purge now\n',
  });
  expect(files()).toEqual(before);
  expect(await run(root)).toMatchObject({ code: 1, err: expect.stringContaining('there is no version-2 in it') });
  const zooCfg = join(root, 'zoo.cfg');
  writeFileSync(zooCfg, `dataDir=${data}\nclientPort=x\n`);
  expect(await run(zooCfg)).toMatchObject({ code: 1, err: expect.stringMatching(/^error: zoo\.cfg:2: clientPort/) });
  expect(await run(join(root, 'none'))).toMatchObject({ code: 1, err: expect.stringContaining('there is no such') });
});

test.each([
  [[], 'which data?'],
  [['-n', '2', '.'], '-n 2: a number of snapshots is needed, at least 3'],
  [['-n', 'all', '.'], '-n all: a number of snapshots is needed'],
  [['.', '.', 'more'], 'what is more?'],
  [['zoo.cfg', '.'], 'zoo.cfg is no directory'],
  [['--force', '.'], "Unknown option '--force'"],
])('%j is not understood', async (args, reason) => {
  const { code, err } = await run(...args);
  expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining(reason) });
});
