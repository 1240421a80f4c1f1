import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';

const BIN = fileURLToPath(new URL('../../bin/treekeeper.js', import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'treekeeper-process-'));
afterAll(() => rmSync(dir, { recursive: true }));

function treekeeper(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, ...args], { encoding: 'utf8', cwd: dir });
  return { status, stdout, stderr };
}

test('the command answers', () => {
  const { status, stdout, stderr } = treekeeper('--version');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toMatch(/^treekeeper \d/);
});

test('a server with a bad configuration ends with exit code 2 and names every fault', () => {
  const file = join(dir, 'zoo.cfg');
  writeFileSync(file, 'dataDir=./data\nclientPort=2181\nminSessionTimeout=9\nmaxSessionTimeout=8\nskipACL=true\n');
  const { status, stdout, stderr } = treekeeper('server', file);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toContain('zoo.cfg:3: minSessionTimeout, 9 ms, is larger than maxSessionTimeout, 8 ms');
  expect(stderr).toContain('zoo.cfg:5: skipACL=true: expected yes or no');
});

test('a Node.js that is too old is told so, not shown a syntax error', () => {
  const old = 'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.18.3" } })';
  const args = ['--import', `data:text/javascript,${encodeURIComponent(old)}`, BIN, 'shell'];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', cwd: dir });
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  expect(stderr).toMatch(/^error: treekeeper needs Node\.js 20\.19 or newer; this is v\d/);
});

test('a missing configuration file ends with exit code 2', () => {
  expect(treekeeper('server', 'none.cfg')).toEqual({
    status: 2,
    stdout: '',
    stderr: 'error: none.cfg: cannot be read: there is no such file\n',
  });
});
