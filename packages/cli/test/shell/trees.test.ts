/** Commands for whole trees, between servers and files as well. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
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

const temporary = process.env['TMPDIR'];
/** Where `edit` leaves its files. */
beforeEach(() => {
  process.env['TMPDIR'] = directory;
  return () => {
    if (temporary === undefined) {
      delete process.env['TMPDIR'];
    } else {
      process.env['TMPDIR'] = temporary;
    }
  };
});

describe('trees', () => {
  const SOME = `
    create /t top
    create /t/a one
    create /t/a/deep "needle in here"
    create /t/b two`;

  test('cd, pwd, relative paths', async () => {
    expect(await shells.ok('create -p /x/y/z v\ncd /x/y\npwd\nget z\ncd ..\nls\nls y/..\ncd\npwd')).toBe(
      'Created /x/y/z\n/x/y\nv\n[y]\n[y]\n/\n',
    );
    expect((await shells.one('cd', '/none')).code).toBe(1);
  });

  test('tree, find, grep, du', async () => {
    const text = await shells.ok(`${SOME}
      create -e /t/gone x
      tree /t
      tree -v -d 1 /t
      find /t --name "d*"
      find /t --min-bytes 4
      grep needle /t
      grep -l NEEDLE -i /t
      du -b /t`);
    expect(text).toContain('/t\n├── a\n│   └── deep\n├── b\n└── gone*\n5 nodes\n');
    expect(text).toContain('├── a = one\n├── b = two\n└── gone* = x\n4 nodes\n');
    expect(text).toContain('4 nodes\n/t/a/deep\n/t/a/deep\n/t/a/deep: needle in here\n/t/a/deep\n');
    expect(text.slice(text.indexOf('      DATA')).trimEnd().split(/\s+/)).toEqual(
      ' DATA NODES PATH 24 5 /t 17 2 /t/a 3 1 /t/b 1 1 /t/gone'.split(' '),
    );
    expect(await shells.one('grep', 'nowhere', '/t')).toMatchObject({ code: 1, out: '', err: '' });
    expect((await shells.one('grep', '(', '/t')).err).toContain('-F searches the text as it is');
  });

  test('cp, diff and mirror on one server', async () => {
    expect(await shells.ok(`${SOME}\ncp -r /t /copy\ndiff /t /copy`)).toMatch(/\nCopied 4 nodes\n$/);
    expect(await shells.ok('ls -R /copy')).toBe('/copy\n/copy/a\n/copy/a/deep\n/copy/b\n');
    await shells.ok('set /copy/b changed\ncreate /copy/more\ndelete /copy/a/deep');
    expect(await shells.one('diff', '/t', '/copy')).toMatchObject({
      code: 1,
      out: '- a/deep: "needle in here"\n~ b: "two" -> "changed"\n+ more: ""\n',
    });
    const refused = await shells.one('cp', '-r', '/t', '/copy');
    expect(refused).toMatchObject({ code: 1, out: '' });
    expect(refused.err).toContain('1 node of /copy has other data, such as b\n-f overwrites them');
    expect(await shells.ok('mirror -n /t /copy')).toBe('create  a/deep\nset     b\ndelete  more\n');
    expect(await shells.ok('mirror /t /copy')).toBe('1 created, 1 changed, 1 deleted\n');
    expect(await shells.one('diff', '/t', '/copy')).toMatchObject({ code: 0, out: '' });
    expect(await shells.ok('cp -r /t /copy')).toBe('Copied 0 nodes, 4 were the same already\n');
    expect((await shells.one('cp', '/t', '/t')).err).toContain('/t is copied onto itself');
  });

  test('ephemeral nodes are not copied, and it is said', async () => {
    const { code, out, err } = await shells.lines(`${SOME}\ncreate -e /t/gone\ncp -r /t /copy\nls /copy`);
    expect({ code, err }).toEqual({ code: 0, err: '1 ephemeral left out of /t: they belong to sessions\n' });
    expect(out).toMatch(/\[a, b\]\n$/);
  });

  test('to another server and back', async () => {
    await using other = await startServer();
    await shells.ok(`${SOME}\ncp -r /t zk://${other.connectString}/there/t`);
    expect(await shells.ok(`diff /t zk://${other.connectString}/there/t`)).toBe('');
    await shells.ok(`set /t/b newer\nmirror zk://${other.connectString}/there/t /t`);
    expect(await shells.ok('get /t/b')).toBe('two\n');
    expect((await shells.one('cp', `zk://${other.connectString}/none`, '/x')).err).toContain(
      'there is nothing at zk://',
    );
  });

  test('to a JSON file and back, with ACLs and bytes that are no text', async () => {
    const file = join(directory, 'tree.json');
    await shells.ok(`${SOME}\ncreate /t/bytes -b /wD+\nsetAcl /t/b world:anyone:ra\ncp -r --acl /t file:${file}`);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ format: 'treekeeper-tree-1' });
    await shells.ok(`cp -r --acl file:${file} /back`);
    expect(await shells.ok('get -b /back/bytes\nget -b /t/bytes\ngetAcl /back/b')).toBe(
      "/wD+\n/wD+\n'world,'anyone\n: ra\n",
    );
    expect(await shells.ok(`diff file:${file} /back`)).toBe('');
    writeFileSync(file, '{}');
    expect((await shells.one('cp', '-r', `file:${file}`, '/x')).err).toContain(
      'is not a tree that this shell has written',
    );
  });

  test('to a directory and back', async () => {
    const top = join(directory, 'conf');
    await shells.ok(`${SOME}\ncp -r /t file:${top}`);
    expect(readFileSync(join(top, '.znode'), 'utf8')).toBe('top');
    expect(readFileSync(join(top, 'a/deep'), 'utf8')).toBe('needle in here');
    expect(await shells.ok(`diff /t file:${top}`)).toBe('');
    mkdirSync(join(top, 'new'));
    writeFileSync(join(top, 'new/leaf'), 'leaf');
    rmSync(join(top, 'b'));
    await shells.ok(`mirror file:${top} /t`);
    expect(await shells.ok('get /t/new/leaf\nls /t')).toBe('leaf\n[a, new]\n');
    await shells.ok('deleteall /t/a\nset /t/new x');
    await shells.ok(`mirror /t file:${top}`);
    expect(existsSync(join(top, 'a'))).toBe(false);
    expect(readFileSync(join(top, 'new/.znode'), 'utf8')).toBe('x');
    await shells.ok(`cp /t/new/leaf file:${join(directory, 'one')}`);
    expect(readFileSync(join(directory, 'one'), 'utf8')).toBe('leaf');
  });

  test('edit writes what the editor leaves, unless somebody else was faster', async () => {
    const editor = join(directory, 'editor');
    const script = (text: string): void => {
      writeFileSync(editor, `#!/bin/sh\n${text}\n`);
      chmodSync(editor, 0o755);
    };
    await shells.ok('create /e before');
    script('echo after > "$1"');
    expect(await shells.ok('edit /e', { env: { EDITOR: editor } })).toBe('/e has version 1 now\n');
    expect(await shells.ok('get /e')).toBe('after\n\n');
    script('true');
    expect(await shells.ok('edit /e', { env: { EDITOR: editor } })).toBe('/e is unchanged\n');
    script('exit 3');
    expect((await shells.lines('edit /e', { env: { EDITOR: editor } })).err).toContain(
      'ended with code 3; nothing was written\n',
    );
    expect(readdirSync(directory)).toEqual(['editor']);
    script('echo half > "$1"; exit 3');
    const failed = await shells.lines('edit /e', { env: { EDITOR: editor } });
    const [, half] = /ended with code 3; nothing was written, your text is in (\S+)\n/.exec(failed.err) ?? [];
    expect({ code: failed.code, text: readFileSync(half, 'utf8') }).toEqual({ code: 1, text: 'half\n' });
    expect(await shells.ok(`get /e\nset /e -f ${half}\nget /e`)).toBe('after\n\nhalf\n\n');
    const [started, go] = [join(directory, 'started'), join(directory, 'go')];
    script(`echo mine > "$1"; touch ${started}; while [ ! -e ${go} ]; do sleep 0.05; done`);
    const waiting = shells.lines('edit /e', { env: { EDITOR: editor } });
    while (!existsSync(started)) {
      await sleep(5);
    }
    await shells.ok('set /e theirs');
    writeFileSync(go, '');
    const { code, err } = await waiting;
    const [, kept] = /somebody else while you edited it: your text is in (\S+)\n/.exec(err) ?? [];
    expect({ code, text: readFileSync(kept, 'utf8') }).toEqual({ code: 1, text: 'mine\n' });
    expect(await shells.ok(`get /e\nset /e -f ${kept}`)).toBe('theirs\n');
  });
});
