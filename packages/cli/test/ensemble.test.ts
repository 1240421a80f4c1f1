/** `treekeeper ensemble` where it starts nothing. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ensemble } from '../src/commands/ensemble.ts';
import { UsageError } from '../src/terminal.ts';

const directory = mkdtempSync(join(tmpdir(), 'treekeeper-ensemble-'));
afterAll(() => rmSync(directory, { recursive: true }));

async function run(...args: string[]) {
  let [out, err] = ['', ''];
  const terminal = {
    out: (text: string): void => {
      out += text;
    },
    err: (text: string): void => {
      err += text;
    },
    colour: false,
    env: {},
  };
  return { code: await ensemble(args, terminal, () => new Promise(() => {})), out, err };
}

test('a data directory that cannot be made is told in a line', async () => {
  const file = join(directory, 'file');
  writeFileSync(file, '');
  for (const [data, named] of [
    [file, file],
    [join(file, 'x'), file],
    ['/proc/nope/x', '/proc/nope'],
  ]) {
    const { code, out, err } = await run('--data', data);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(new RegExp(`^error: --data ${data} cannot be used: E[A-Z]+: .*${named}.*\\n$`));
  }
});

test('a setting that no server would start with is told once, before there is anything', async () => {
  const data = join(directory, 'never');
  const { code, out, err } = await run('--data', data, '-DtickTime=abc');
  expect({ code, out }).toEqual({ code: 2, out: '' });
  expect(err).toMatch(/^error: command line: tickTime=abc: expected an integer .*\n$/);
  expect(existsSync(data)).toBe(false);
});

test('data that living servers have are left as they are', async () => {
  const data = join(directory, 'used');
  for (const id of ['1', '2']) {
    mkdirSync(join(data, id, 'data'), { recursive: true });
    writeFileSync(join(data, id, 'zoo.cfg'), 'theirs');
    writeFileSync(join(data, id, 'server.log'), 'theirs');
  }
  writeFileSync(join(data, '2', 'data', 'treekeeper.lock'), `${process.ppid} 0\n`);
  const { code, out, err } = await run('--size', '2', '--data', data);
  expect({ code, out }).toEqual({ code: 1, out: '' });
  const used = join(data, '2', 'data');
  expect(err).toBe(
    `error: ${used} is in use by process ${process.ppid}: an ensemble runs there. Stop it, or name another --data\n`,
  );
  const texts = ['1', '2'].flatMap((id) => ['zoo.cfg', 'server.log'].map((name) => join(data, id, name)));
  expect(texts.map((file) => readFileSync(file, 'utf8'))).toEqual(['theirs', 'theirs', 'theirs', 'theirs']);
});

test.each([
  ['dataDir=/tmp/x', '--data says where'],
  ['zookeeper.admin.serverPort=8080', 'a free port of its own'],
  ['clientPort=2181', 'a free port of its own'],
  ['4lw.commands.whitelist=ruok', 'all four-letter words'],
])('-D%s is refused, since it could not have an effect', async (define, reason) => {
  await expect(run(`-D${define}`)).rejects.toThrow(UsageError);
  await expect(run(`-D${define}`)).rejects.toThrow(reason);
});
