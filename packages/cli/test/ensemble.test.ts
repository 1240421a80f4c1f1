/** `treekeeper ensemble` where it starts nothing. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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
    expect(err).toMatch(new RegExp(`^error: E[A-Z]+: .*${named}.*\\n$`));
  }
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
