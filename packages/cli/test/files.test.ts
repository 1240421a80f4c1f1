/** The commands that look into logs and snapshots, on files that Apache ZooKeeper has written. */
import { copyFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { runCli } from '../src/cli.ts';

const golden = fileURLToPath(new URL('../../server/test/golden/', import.meta.url));
const basic = join(golden, 'standalone-basic/version-2');
const directory = mkdtempSync(join(tmpdir(), 'treekeeper-files-'));
afterAll(() => rmSync(directory, { recursive: true }));

async function run(...args: string[]) {
  let [out, err] = ['', ''];
  const code = await runCli(args, {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    colour: false,
    env: {},
  });
  return { code, out, err, lines: out.trimEnd().split('\n') };
}

describe('log', () => {
  test('shows each transaction, and what a multi has done', async () => {
    const { code, err, lines } = await run('log', join(basic, 'log.1'));
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(lines.filter((line) => line.includes('  zxid 0x'))).toHaveLength(0x39);
    expect(lines[2]).toBe(
      '2026-11-21T00:25:00.719Z  zxid 0x3  session 0x100003cdd190000  cxid 1  ' +
        'create /plain data="hello" acl=world:anyone:cdrwa ephemeral=false parentCVersion=1',
    );
    expect(lines).toContain('    check /m version=2');
    expect(lines.some((line) => line.endsWith('error err=-103 (BAD_VERSION)'))).toBe(true);
    expect(lines.some((line) => line.endsWith('setData /empty data=(512 bytes) version=1'))).toBe(true);
  });

  test('as JSON', async () => {
    const { lines } = await run('log', '-o', 'json', join(basic, 'log.1'));
    const entries = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(entries.map(({ zxid }) => Number(zxid))).toEqual(Array.from({ length: 0x39 }, (_, i) => i + 1));
    expect(entries[2]).toMatchObject({ type: 'create', path: '/plain', data: 'hello', session: '0x100003cdd190000' });
    expect(entries[0x24]).toMatchObject({ type: 'multi', operations: { length: 6, 3: { type: 'check', path: '/m' } } });
  });

  test('a write that was cut off is noted; damage, and what is no log, are errors', async () => {
    const torn = join(directory, 'log.1');
    const { lines } = await run('log', '-o', 'json', join(basic, 'log.1'));
    const { offset } = JSON.parse(lines[9]) as { offset: number };
    copyFileSync(join(basic, 'log.1'), torn);
    truncateSync(torn, offset + 20);
    const cut = await run('log', torn);
    expect(cut).toMatchObject({ code: 0, err: expect.stringContaining('a record is cut off, as a crash leaves it') });
    expect(cut.lines).toHaveLength(9);
    const blank = join(directory, 'log.2');
    writeFileSync(blank, '');
    expect(await run('log', blank)).toMatchObject({ code: 0, err: expect.stringContaining('nothing is in it yet') });
    writeFileSync(torn, Buffer.alloc(100).fill(1, 50));
    expect(await run('log', torn)).toMatchObject({ code: 1, err: expect.stringContaining('it is no log') });
  });

  test('a healthy file of the other kind is said to be that, and nothing about moving it away', async () => {
    const snapshot = join(basic, 'snapshot.0');
    const compressed = ['gz-3.8.0/snapshot.39.gz', 'snappy-3.8.0/snapshot.39.snappy'];
    for (const file of [snapshot, ...compressed.map((name) => join(golden, 'snapshot-variants', name))]) {
      const err = `error: ${file}: it is a snapshot: treekeeper snapshot ${file} shows it\n`;
      expect(await run('log', file)).toMatchObject({ code: 1, out: '', err });
    }
    const log = join(basic, 'log.1');
    const isLog = `error: ${log}: it is a log: treekeeper log ${log} shows it\n`;
    expect(await run('snapshot', log)).toMatchObject({ code: 1, out: '', err: isLog });
    const other = join(directory, 'snapshot.1');
    writeFileSync(other, 'no data of a server');
    const noLog = `error: ${other}: it is no log: it does not begin with ZKLG\n`;
    expect(await run('log', other)).toMatchObject({ code: 1, out: '', err: noLog });
    const noSnapshot = `error: ${other}: it is no snapshot: it does not begin with ZKSN\n`;
    expect(await run('snapshot', other)).toMatchObject({ code: 1, out: '', err: noSnapshot });
  });

  test.each(['log', 'snapshot'])('%s of a directory, or of what is not there, says of which', async (command) => {
    expect(await run(command, directory)).toEqual(
      expect.objectContaining({ code: 1, err: `error: ${directory} is a directory: name the files in it\n` }),
    );
    const none = join(directory, 'none');
    expect((await run(command, none)).err).toMatch(new RegExp(`^error: ${none}: ENOENT`));
  });
});

describe('snapshot', () => {
  test.each([
    'standalone-basic/version-2/snapshot.39',
    'snapshot-variants/gz-3.8.0/snapshot.39.gz',
    'snapshot-variants/snappy-3.8.0/snapshot.39.snappy',
  ])('lists the nodes: %s', async (file) => {
    const { code, err, lines } = await run('snapshot', '--data', join(golden, file));
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(lines).toHaveLength(29);
    expect(lines).toContain('       2 B  v0  mzxid 0xb  /eph  of 0x100003cdd190001  "e1"');
    expect(lines).toContain('       1 B  v0  mzxid 0xd  /cont  container  "c"');
    expect(lines).toContain('       1 B  v0  mzxid 0xf  /ttl  ttl  "t"');
    expect(lines).toContain('       0 B  v1  mzxid 0x1b  /nulldata  null');
  });

  test('sums up', async () => {
    const { out, lines } = await run('snapshot', '--summary', join(basic, 'snapshot.39'));
    expect(out).toContain('29 nodes, 3 of them ephemeral; 2 sessions\nlast zxid 0x39, digest 0xb8a66adb7\n');
    expect(lines[3]).toBe('     603 B        29  /');
    const json = await run('snapshot', '--summary', '--depth', '2', '-o', 'json', join(basic, 'snapshot.39'));
    const { subtrees } = JSON.parse(json.out) as { subtrees: { path: string; nodes: number; bytes: number }[] };
    expect(subtrees).toContainEqual({ path: '/plain', nodes: 4, bytes: 25 });
    expect(subtrees).toContainEqual({ path: '/plain/q', nodes: 1, bytes: 10 });
  });

  test('compares two', async () => {
    const [before, after] = [join(basic, 'snapshot.0'), join(basic, 'snapshot.39')];
    const { code, lines } = await run('snapshot', before, after);
    expect(code).toBe(1);
    expect(lines[0]).toBe('~ / data: v0 "" -> v1 "root data"');
    expect(lines).toContain('+ /plain/q');
    expect(await run('snapshot', after, after)).toMatchObject({ code: 0, out: '' });
    const back = await run('snapshot', '-o', 'json', after, before);
    expect(back.lines.map((line) => JSON.parse(line) as unknown)).toContainEqual({
      path: '/cont/kid',
      change: 'removed',
    });
  });

  test('a damaged one, and wrong arguments', async () => {
    const damaged = join(directory, 'snapshot.39');
    copyFileSync(join(basic, 'snapshot.39'), damaged);
    truncateSync(damaged, 1000);
    expect(await run('snapshot', damaged)).toMatchObject({ code: 1, err: expect.stringContaining('mid-section') });
    const whole = join(basic, 'snapshot.39');
    for (const files of [
      [whole, damaged],
      [damaged, whole],
    ]) {
      const { code, out, err } = await run('snapshot', ...files);
      expect({ code, out, errors: err.match(/^error: .*?: /gm) }).toEqual({
        code: 1,
        out: '',
        errors: [`error: ${damaged}: `],
      });
    }
    writeFileSync(damaged, 'x');
    expect((await run('snapshot', damaged)).code).toBe(1);
    for (const args of [[], ['a', 'b', 'c'], ['--depth', 'x', 'a'], ['-o', 'xml', 'a']]) {
      expect((await run('snapshot', ...args)).code).toBe(2);
    }
  });
});
