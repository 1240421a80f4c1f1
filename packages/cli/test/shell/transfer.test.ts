/** What comes along when trees are copied, and what a slip of the hand, or of a script, must not do to them. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Directory } from '../../src/commands/shell/locations/directory.ts';
import { Shells } from '../support/shell.ts';

let server: TestServer;
let shells: Shells;
let directory: string;
beforeAll(async () => {
  server = await startServer();
  shells = new Shells(server);
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'treekeeper-shell-'));
  return async () => {
    rmSync(directory, { recursive: true });
    await shells.clear();
  };
});

const SOME = 'create /t top\ncreate /t/secret word world:anyone:rda\ncreate /t/b two';
const OPEN = "'world,'anyone\n: cdrwa\n";

describe('a place is always named', () => {
  test.each([
    ['deleteall', ''],
    ['rmr', ''],
    ['setAcl', '-R', '', 'world:anyone:r'],
    ['set', '', 'x'],
    ['ls', ''],
    ['cd', ''],
    ['txn', 'delete ""'],
    ['mv', '/kept', ''],
    ['cp', '-r', '/kept', ''],
    ['mirror', '/kept', ''],
    ['mirror', '', '/other'],
    ['lock', '', '--', 'true'],
  ])('%s: an empty one is none', async (...args) => {
    await shells.ok('create /kept x\ncreate /other y');
    expect(await shells.one(...args)).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringContaining('path is empty'),
    });
    expect(await shells.ok('ls /\ngetAcl /other')).toBe(`[kept, other, zookeeper]\n${OPEN}`);
  });

  test.each([['/'], ['.'], ['//'], ['/kept/..']])('deleteall %s deletes nothing', async (path) => {
    await shells.ok('create /kept x');
    const refused = await shells.one('deleteall', path);
    expect(refused).toMatchObject({ code: 2, out: '', err: expect.stringContaining('/ is not deleted as a whole') });
    expect(await shells.ok('ls /')).toBe('[kept, zookeeper]\n');
  });

  test('mirror onto / wants to be told that this is meant', async () => {
    await shells.ok('create /kept x\ncreate /from\ncreate /from/a');
    await using other = await startServer();
    for (const root of ['/', '/kept/..', `zk://${server.connectString}`]) {
      const refused = await shells.one('mirror', '/from', root);
      expect(refused).toMatchObject({ code: 2, out: '', err: expect.stringContaining('--whole-tree says') });
    }
    expect(await shells.ok('ls /')).toBe('[from, kept, zookeeper]\n');
    // Not tried out: without the question, it would be the end of this machine.
    expect(new Directory('/').isRoot && new Directory('/../tmp/..').isRoot).toBe(true);
    expect(new Directory(directory).isRoot).toBe(false);
    expect(await shells.ok('mirror -n /from /')).toBe('create  a\ndelete  kept\ndelete  from/a\ndelete  from\n');
    await shells.ok(`mirror --whole-tree / zk://${other.connectString}`);
    expect(await new Shells(other).ok('ls -R /')).toContain('\n/from\n/from/a\n/kept\n');
    expect(await shells.ok('mirror --whole-tree /from /')).toBe('1 created, 0 changed, 3 deleted\n');
    expect(await shells.ok('ls /')).toBe('[a, zookeeper]\n');
  });
});

describe('ACLs', () => {
  test('a backup is brought up to date where only an ACL has changed', async () => {
    const file = join(directory, 'tree.json');
    await shells.ok(`${SOME}\ncp -r --acl /t file:${file}\nsetAcl /t/b world:anyone:ra`);
    const refused = await shells.one('cp', '-r', '--acl', '/t', `file:${file}`);
    expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('1 node of file:') });
    expect(refused.err).toContain('has other ACLs, such as b\n-f overwrites them');
    expect(await shells.ok(`mirror -n --acl /t file:${file}`)).toBe('setAcl  b\n');
    expect(await shells.ok(`cp -r --acl -f /t file:${file}`)).toBe('Copied 1 node, 2 were the same already\n');
    expect(aclsIn(file)).toEqual({ '': 'world:anyone:cdrwa', secret: 'world:anyone:dra', b: 'world:anyone:ra' });
    expect(await shells.ok(`cp -r --acl /t file:${file}`)).toBe('Copied 0 nodes, 3 were the same already\n');
    await shells.ok(`set /t more\nsetAcl /t world:anyone:cdra`);
    expect((await shells.one('cp', '-r', '--acl', '/t', `file:${file}`)).err).toContain('has other data or ACLs\n');
  });

  test('a file keeps those that it has when others are not asked for', async () => {
    const file = join(directory, 'tree.json');
    await shells.ok(`${SOME}\ncp -r --acl /t file:${file}`);
    await shells.ok(`setAcl /t/secret world:anyone:cdrwa\nset /t/secret new\nmirror /t file:${file}`);
    expect(aclsIn(file)).toMatchObject({ secret: 'world:anyone:dra' });
    await shells.ok(`set /t/secret newer\ncp -r -f /t file:${file}`);
    expect(aclsIn(file)).toMatchObject({ secret: 'world:anyone:dra' });
    expect(readFileSync(file, 'utf8')).toContain('newer');
  });

  test('nodes that are there get theirs back, the root too, and nothing else of them is touched', async () => {
    const file = join(directory, 'tree.json');
    await shells.ok(`${SOME}\nsetAcl / world:anyone:cdra\ncp -r --acl / file:${file}`);
    await shells.ok('setAcl / world:anyone:cdrwa\nsetAcl /t/secret world:anyone:cdrwa\nset /t/b other');
    expect(await shells.ok(`cp -r --acl -f file:${file} /`)).toBe('Copied 3 nodes, 1 were the same already\n');
    expect(await shells.ok('getAcl /\ngetAcl /t/secret\nget /t/b')).toBe(
      "'world,'anyone\n: cdra\n'world,'anyone\n: dra\ntwo\n",
    );
    expect(await shells.json('stat', '/t/secret')).toMatchObject({ dataVersion: 0, aclVersion: 2 });
    expect(await shells.json('stat', '/t/b')).toMatchObject({ dataVersion: 2, aclVersion: 0 });
    await shells.ok('setAcl /t/secret world:anyone:cdrwa');
    expect(await shells.ok(`mirror --acl --whole-tree file:${file} /`)).toBe('0 created, 1 changed, 0 deleted\n');
    expect(await shells.ok('getAcl /t/secret')).toBe("'world,'anyone\n: dra\n");
  });

  test('an ACL that forbids what is still to be done comes last', async () => {
    const file = join(directory, 'tree.json');
    await shells.ok('create /t top\ncreate /t/a one\nsetAcl /t world:anyone:rda');
    await shells.ok(`cp -r --acl /t file:${file}\nsetAcl /t world:anyone:cdrwa\ndelete /t/a\nset /t x`);
    expect(await shells.ok(`cp -r --acl -f file:${file} /t`)).toBe('Copied 2 nodes\n');
    expect(await shells.ok('get /t\nget /t/a\ngetAcl /t')).toBe("top\none\n'world,'anyone\n: dra\n");
  });

  test('where they cannot come along it is said, and nothing is done', async () => {
    const top = join(directory, 'conf');
    const file = join(directory, 'tree.json');
    await shells.ok(`${SOME}\ncp -r /t file:${file}`);
    mkdirSync(top);
    for (const [from, to] of [
      ['/t', `file:${top}/t`],
      [`file:${top}`, '/x'],
      ['/t', `file:${top}`],
    ]) {
      for (const command of ['cp', 'mirror']) {
        const refused = await shells.one(command, '--acl', from, to);
        expect(refused).toMatchObject({ code: 2, err: expect.stringContaining('a directory, which keeps no ACLs') });
      }
    }
    const bare = await shells.one('cp', '-r', '--acl', `file:${file}`, '/x');
    expect(bare).toMatchObject({ code: 1, err: expect.stringContaining('has no ACL for 3 nodes') });
    expect(await shells.ok('ls /')).toBe('[t, zookeeper]\n');
  });

  test('one that is shown without the hash of a password is not taken for whole', async () => {
    const file = join(directory, 'tree.json');
    await shells.ok('addauth digest u:p\ncreate /t\ncreate /t/a x world:anyone:cdrw,auth::cdrwa');
    for (const args of [
      ['cp', '-r', '--acl', '/t', `file:${file}`],
      ['mirror', '--acl', '/t', '/x'],
      ['mv', '/t', '/x'],
    ]) {
      const refused = await shells.one(...args);
      expect(refused).toMatchObject({
        code: 1,
        out: '',
        err: expect.stringContaining('without the hash of a password'),
      });
    }
    expect(await shells.ok('ls /')).toBe('[t, zookeeper]\n');
    await shells.ok(`addauth digest u:p\ncp -r --acl /t file:${file}\nmv /t /x`);
    expect(aclsIn(file)).toMatchObject({ a: 'world:anyone:cdrw,digest:u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=:cdrwa' });
    expect(await shells.ok('addauth digest u:p\nsetAcl /x/a world:anyone:cdrwa\nget /x/a')).toBe('x\n');
    // A file that was written without looking.
    writeFileSync(file, readFileSync(file, 'utf8').replace(/u:[^:]*:/, 'u:x:'));
    expect((await shells.one('cp', '-r', `file:${file}`, '/back')).err).toContain('shows 1 ACL without the hash');
  });

  test('nodes made from a file get those that are in it in any case', async () => {
    const file = join(directory, 'tree.json');
    await shells.ok(`${SOME}\ncp -r --acl /t file:${file}\ncp -r file:${file} /back`);
    expect(await shells.ok('getAcl /back/secret')).toBe("'world,'anyone\n: dra\n");
    await shells.ok(`setAcl /t/secret world:anyone:cdrwa\ncp -r file:${file} /t`);
    expect(await shells.ok('getAcl /t/secret')).toBe(OPEN);
  });

  function aclsIn(file: string): Record<string, string> {
    const { nodes } = JSON.parse(readFileSync(file, 'utf8')) as { nodes: { path: string; acl: string }[] };
    return Object.fromEntries(nodes.map(({ path, acl }) => [path, acl]));
  }

  test('files are for their owner only, whatever they are', async () => {
    const top = join(directory, 'out/conf');
    const file = join(directory, 'tree.json');
    await shells.ok(`${SOME}\ncp -r /t file:${top}\ncp -r /t file:${file}\ncp /t/b file:${join(directory, 'one')}`);
    const modes = ['out', 'out/conf', 'out/conf/secret', 'out/conf/.znode', 'one', 'tree.json'].map((name) =>
      (statSync(join(directory, name)).mode & 0o777).toString(8),
    );
    expect(modes).toEqual(['700', '700', '600', '600', '600', '600']);
    // What somebody has opened to others stays open.
    writeFileSync(join(directory, 'open'), '', { mode: 0o644 });
    await shells.ok(`cp -f /t/b file:${join(directory, 'open')}`);
    expect((statSync(join(directory, 'open')).mode & 0o777).toString(8)).toBe('644');
  });

  test('a directory that cannot be made is told, below /proc as well', async () => {
    await shells.ok(SOME);
    writeFileSync(join(directory, 'plain'), '');
    expect((await shells.one('cp', '/t', `file:${directory}/plain/x/y`)).code).toBe(1);
    expect((await shells.one('cp', '-r', '/t', 'file:/proc/nope/x')).code).toBe(1);
  });
});
