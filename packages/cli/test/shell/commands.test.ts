/** Every command, as somebody would type it, against a server. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Arguments } from '../../src/commands/shell/arguments.ts';
import { COMMANDS } from '../../src/commands/shell/table.ts';
import { words } from '../../src/commands/shell/tokens.ts';
import { runShell, type ShellRun } from '../support/shell.ts';

let server: TestServer;
let directory: string;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'treekeeper-shell-'));
  return async () => {
    rmSync(directory, { recursive: true });
    await sh('addauth digest u:p\ndeleteall /');
  };
});

/** Runs lines in one session, all of them. */
async function sh(input: string, options: ShellRun = {}, ...args: string[]) {
  return runShell(['-s', server.connectString, '--keep-going', ...args], { ...options, input });
}

/** Runs one command from the command line. */
async function one(...args: string[]) {
  return runShell(['-s', server.connectString, ...args]);
}

/** Lines of text, which must all succeed; answers what they print. */
async function ok(input: string, options: ShellRun = {}): Promise<string> {
  const { code, out, err } = await sh(input, options);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return out;
}

async function json(...args: string[]): Promise<unknown> {
  const { code, out, err } = await one('-o', 'json', ...args);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return JSON.parse(out);
}

describe("zkCli's commands", () => {
  test('create, get, set, ls, stat, delete', async () => {
    const text = await ok(`
      create /z hello
      create /z/a
      get /z
      get /z/a
      set -s /z "two words"
      get -b /z
      get -x /z
      ls /
      ls -R /z
      ls -s /z
      delete /z/a
      getAllChildrenNumber /z
      sync /z`);
    expect(text).toContain('Created /z\nCreated /z/a\nhello\nnull\ncZxid = 0x');
    expect(text).toContain('dataVersion = 1\naclVersion = 0\nephemeralOwner = 0x0\ndataLength = 9\nnumChildren = 1\n');
    expect(text).toContain('dHdvIHdvcmRz\n00000000  74 77 6f 20');
    expect(text).toContain('[z, zookeeper]\n/z\n/z/a\n[a]\ncZxid');
    expect(text).toMatch(/\n0\nSync is OK\n$/);
  });

  test('all kinds of nodes', async () => {
    const text = await ok(`
      create /q
      create -s /q/s- a
      create -e /q/e a
      create -e -s /q/es- a
      create -c /q/c
      create -t 100000 /q/t a
      create -s -t 100000 /q/st- a
      create -s /q/ numbered
      create -p /p/q/r x
      getEphemerals
      find /q --type ephemeral`);
    expect(text).toBe(`Created /q
Created /q/s-0000000000
Created /q/e
Created /q/es-0000000002
Created /q/c
Created /q/t
Created /q/st-0000000005
Created /q/0000000006
Created /p/q/r
[/q/e, /q/es-0000000002]
/q/e
/q/es-0000000002
`);
  });

  test('data from files and as base64', async () => {
    const file = join(directory, 'data');
    writeFileSync(file, 'from a file');
    await ok(`create /f -f ${file}\ncreate /b -b aGk=\nset /b -b aG8=`);
    expect(await ok('get /f\nget /b')).toBe('from a file\nho\n');
    expect((await one('set', '/b', '-b', '*')).err).toContain("-b: '*' is not base64");
    await runShell(['-s', server.connectString, 'set', '/b', '-f', '-'], { input: 'piped' });
    expect(await ok('get /b')).toBe('piped\n');
  });

  test('ACLs and identities', async () => {
    const text = await ok(`
      addauth digest u:p
      create /mine x auth::cdrwa
      getAcl /mine
      whoami
      create /open
      setAcl -s /open world:anyone:cdrwa,ip:10.0.0.0/8:r
      create /open/below
      setAcl -R /open world:anyone:rcda
      getAcl /open/below`);
    expect(text).toContain("'digest,'u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=\n: cdrwa\nAuth scheme: User\n");
    expect(text).toContain('digest: u\n');
    expect(text).toContain('aclVersion = 1\n');
    expect(text).toMatch(/Changed 2 nodes\n'world,'anyone\n: cdra\n$/);
    const refused = await one('get', '/mine');
    expect(refused).toMatchObject({ code: 1, out: '' });
    expect(refused.err).toContain('Insufficient permission : /mine\ngetAcl /mine shows who may; addauth digest');
    expect((await runShell(['-s', server.connectString, '--auth', 'digest:u:p', 'get', '/mine'])).out).toBe('x\n');
  });

  test('quotas', async () => {
    const text = await ok(`
      create /t x
      setquota -n 10 /t
      setquota -B 1000 /t
      listquota /t
      delquota -n /t
      listquota /t
      delquota /t`);
    expect(text).toContain(
      'Output quota for /t count=10,bytes=-1=;byteHardLimit=1000;countHardLimit=-1\nOutput stat for /t count=1,bytes=1',
    );
    expect(text).toContain('count=-1,bytes=-1=;byteHardLimit=1000');
    expect((await one('listquota', '/t')).err).toContain('quota for /t does not exist.');
    expect(await ok('ls /zookeeper/quota')).toBe('[]\n');
    await ok('create -p /a/b/c\nsetquota -N 1 /a/b');
    const { err } = await sh('setquota -n 1 /a\nsetquota -n 1 /a/b/c\ncreate /a/b/d');
    expect(err).toContain('/a has child /a/b which has a quota');
    expect(err).toContain('/a/b/c has a parent /a/b which has a quota');
    await ok('delquota /a/b');
  });

  test('watch events come between commands', async () => {
    const { out, err } = await sh(`
      create /w
      get -w /w
      stat -w /w/soon
      ls -w /w
      set /w x
      create /w/soon
      addWatch /w
      addWatch -m PERSISTENT /w
      set /w/soon y
      removewatches /w -r
      set /w/soon z
      set /w y
      sync /
      printwatches off
      printwatches`);
    expect(err).toContain('Node does not exist: /w/soon');
    const events = out.split('\n').filter((line) => line.startsWith('WatchedEvent'));
    const shown = events.map((line) => line.replace(/^WatchedEvent state:SyncConnected type:| zxid: \d+$/g, ''));
    expect(shown).toEqual([
      'NodeDataChanged path:/w',
      'NodeCreated path:/w/soon',
      'NodeChildrenChanged path:/w',
      'NodeDataChanged path:/w/soon',
      'WatchRemoved path:/w',
      'NodeDataChanged path:/w',
    ]);
    expect(out).toContain('printwatches is off\n');
  });

  test('sessions, history', async () => {
    const { out: text } = await sh(`
      version
      addauth digest u:secret
      history
      redo 0
      close
      connect
      ls /
      connect ${server.connectString}/zookeeper
      ls /
      quit
      ls /`);
    expect(text).toContain('\n0 - version\n1 - addauth ...\n2 - history\n');
    expect(text).toMatch(/^Treekeeper CLI version: \d+\.\d+\.\d+, Node v/);
    expect(text).toContain(`Connected to ${server.connectString}\n[zookeeper]\n`);
    expect(text).toMatch(/\[config, quota\]\n$/);
    const closed = await sh('ls /\nclose\nls /');
    expect(closed.code).toBe(3);
    expect(closed.err).toContain('not connected\nconnect begins a session with');
  });

  test('config and reconfig', async () => {
    expect((await one('config')).code).toBe(0);
    const refused = await one('reconfig', '-add', 'server.2=127.0.0.1:1:2;3');
    expect(refused.code).toBe(1);
    expect((await one('reconfig')).err).toContain('nothing to change: -add, -remove, -members or -file');
    expect((await one('reconfig', '-members', 'x', '-add', 'y')).err).toContain('do not go with them');
  });
});

describe('trees', () => {
  const SOME = `
    create /t top
    create /t/a one
    create /t/a/deep "needle in here"
    create /t/b two`;

  test('cd, pwd, relative paths', async () => {
    expect(await ok('create -p /x/y/z v\ncd /x/y\npwd\nget z\ncd ..\nls\nls y/..\ncd\npwd')).toBe(
      'Created /x/y/z\n/x/y\nv\n[y]\n[y]\n/\n',
    );
    expect((await one('cd', '/none')).code).toBe(1);
  });

  test('tree, find, grep, du', async () => {
    const text = await ok(`${SOME}
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
    expect(await one('grep', 'nowhere', '/t')).toMatchObject({ code: 1, out: '', err: '' });
    expect((await one('grep', '(', '/t')).err).toContain('-F searches the text as it is');
  });

  test('cp, diff and mirror on one server', async () => {
    expect(await ok(`${SOME}\ncp -r /t /copy\ndiff /t /copy`)).toMatch(/\nCopied 4 nodes\n$/);
    expect(await ok('ls -R /copy')).toBe('/copy\n/copy/a\n/copy/a/deep\n/copy/b\n');
    await ok('set /copy/b changed\ncreate /copy/more\ndelete /copy/a/deep');
    expect(await one('diff', '/t', '/copy')).toMatchObject({
      code: 1,
      out: '- a/deep: "needle in here"\n~ b: "two" -> "changed"\n+ more: ""\n',
    });
    const refused = await one('cp', '-r', '/t', '/copy');
    expect(refused).toMatchObject({ code: 1, out: '' });
    expect(refused.err).toContain('1 node of /copy has other data, such as b\n-f overwrites them');
    expect(await ok('mirror -n /t /copy')).toBe('create  a/deep\nset     b\ndelete  more\n');
    expect(await ok('mirror /t /copy')).toBe('1 created, 1 changed, 1 deleted\n');
    expect(await one('diff', '/t', '/copy')).toMatchObject({ code: 0, out: '' });
    expect(await ok('cp -r /t /copy')).toBe('Copied 0 nodes, 4 were the same already\n');
    expect((await one('cp', '/t', '/t')).err).toContain('/t is copied onto itself');
  });

  test('ephemeral nodes are not copied, and it is said', async () => {
    const { code, out, err } = await sh(`${SOME}\ncreate -e /t/gone\ncp -r /t /copy\nls /copy`);
    expect({ code, err }).toEqual({ code: 0, err: '1 ephemeral left out of /t: they belong to sessions\n' });
    expect(out).toMatch(/\[a, b\]\n$/);
  });

  test('to another server and back', async () => {
    await using other = await startServer();
    await ok(`${SOME}\ncp -r /t zk://${other.connectString}/there/t`);
    expect(await ok(`diff /t zk://${other.connectString}/there/t`)).toBe('');
    await ok(`set /t/b newer\nmirror zk://${other.connectString}/there/t /t`);
    expect(await ok('get /t/b')).toBe('two\n');
    expect((await one('cp', `zk://${other.connectString}/none`, '/x')).err).toContain('there is nothing at zk://');
  });

  test('to a JSON file and back, with ACLs and bytes that are no text', async () => {
    const file = join(directory, 'tree.json');
    await ok(`${SOME}\ncreate /t/bytes -b /wD+\nsetAcl /t/b world:anyone:ra\ncp -r --acl /t file:${file}`);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ format: 'treekeeper-tree-1' });
    await ok(`cp -r --acl file:${file} /back`);
    expect(await ok('get -b /back/bytes\nget -b /t/bytes\ngetAcl /back/b')).toBe("/wD+\n/wD+\n'world,'anyone\n: ra\n");
    expect(await ok(`diff file:${file} /back`)).toBe('');
    writeFileSync(file, '{}');
    expect((await one('cp', '-r', `file:${file}`, '/x')).err).toContain('is not a tree that this shell has written');
  });

  test('to a directory and back', async () => {
    const top = join(directory, 'conf');
    await ok(`${SOME}\ncp -r /t file:${top}`);
    expect(readFileSync(join(top, '.znode'), 'utf8')).toBe('top');
    expect(readFileSync(join(top, 'a/deep'), 'utf8')).toBe('needle in here');
    expect(await ok(`diff /t file:${top}`)).toBe('');
    mkdirSync(join(top, 'new'));
    writeFileSync(join(top, 'new/leaf'), 'leaf');
    rmSync(join(top, 'b'));
    await ok(`mirror file:${top} /t`);
    expect(await ok('get /t/new/leaf\nls /t')).toBe('leaf\n[a, new]\n');
    await ok('deleteall /t/a\nset /t/new x');
    await ok(`mirror /t file:${top}`);
    expect(existsSync(join(top, 'a'))).toBe(false);
    expect(readFileSync(join(top, 'new/.znode'), 'utf8')).toBe('x');
    await ok(`cp /t/new/leaf file:${join(directory, 'one')}`);
    expect(readFileSync(join(directory, 'one'), 'utf8')).toBe('leaf');
  });

  test('edit writes what the editor leaves, unless somebody else was faster', async () => {
    const editor = join(directory, 'editor');
    const script = (text: string): void => {
      writeFileSync(editor, `#!/bin/sh\n${text}\n`);
      chmodSync(editor, 0o755);
    };
    await ok('create /e before');
    script('echo after > "$1"');
    expect(await ok('edit /e', { env: { EDITOR: editor } })).toBe('/e has version 1 now\n');
    expect(await ok('get /e')).toBe('after\n\n');
    script('true');
    expect(await ok('edit /e', { env: { EDITOR: editor } })).toBe('/e is unchanged\n');
    script('exit 3');
    expect((await sh('edit /e', { env: { EDITOR: editor } })).err).toContain('ended with code 3; nothing was written');
    const [started, go] = [join(directory, 'started'), join(directory, 'go')];
    script(`echo mine > "$1"; touch ${started}; while [ ! -e ${go} ]; do sleep 0.05; done`);
    const waiting = sh('edit /e', { env: { EDITOR: editor } });
    while (!existsSync(started)) {
      await sleep(5);
    }
    await ok('set /e theirs');
    writeFileSync(go, '');
    const { code, err } = await waiting;
    const [, kept] = /somebody else while you edited it: your text is in (\S+)\n/.exec(err) ?? [];
    expect({ code, text: readFileSync(kept, 'utf8') }).toEqual({ code: 1, text: 'mine\n' });
    expect(await ok(`get /e\nset /e -f ${kept}`)).toBe('theirs\n');
    rmSync(dirname(kept), { recursive: true });
  });
});

describe('coordination', () => {
  test('lock runs a command with its exit code, one at a time', async () => {
    const file = join(directory, 'log');
    const held = one('lock', '/l', '--', 'sh', '-c', `echo in >> ${file}; cat ${directory}/go 2>/dev/null; exit 7`);
    expect(await held).toMatchObject({ code: 7 });
    await ok('create -p /l/lock-0000000000');
    const refused = await one('lock', '-n', '/l', '--', 'touch', file);
    expect(refused.code).toBe(1);
    expect(refused.err).toContain('/l is held by somebody else; was not waited for');
    expect((await one('lock', '-t', '50', '/l', '--', 'touch', file)).err).toContain('gave up after 50 ms');
    expect(readFileSync(file, 'utf8')).toBe('in\n');
    expect((await one('lock', '/l')).err).toContain('the command is missing: -- command');
  });

  test('watch ends after so many changes, and runs a command for each', async () => {
    const file = join(directory, 'seen');
    const command = ['sh', '-c', `echo $TREEKEEPER_EVENT $TREEKEEPER_PATH $(cat) >> ${file}`];
    const watching = runShell([
      '-s',
      server.connectString,
      '-o',
      'json',
      'watch',
      '-r',
      '-n',
      '3',
      '/',
      '--',
      ...command,
    ]);
    while ((await server.client()).state !== 'connected' || server.summary.sessionCount < 2) {
      await sleep(5);
    }
    await watched();
    await ok('create /seen one\nset /seen two\ndelete /seen');
    const { code, out } = await watching;
    const events = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; path: string });
    expect(code).toBe(0);
    expect(events.map(({ type, path }) => `${type} ${path}`)).toEqual([
      'created /seen',
      'data-changed /seen',
      'deleted /seen',
    ]);
    expect(readFileSync(file, 'utf8').trimEnd().split('\n')).toHaveLength(3);
  });

  /** The server knows of a recursive watch. */
  async function watched(): Promise<void> {
    while (!/Total watches:[1-9]/.test((await one('wchs')).out)) {
      await sleep(5);
    }
  }
});

describe('servers', () => {
  test('four-letter words', async () => {
    expect(await ok('ruok')).toBe('imok\n');
    expect(await ok('srvr')).toContain('Mode: standalone');
    expect(await ok('4lw stat')).toContain('Clients:');
    const down = await runShell(['-s', '127.0.0.1:1', 'ruok']);
    expect(down.code).toBe(3);
    expect(down.err).toContain('127.0.0.1:1 does not answer');
    const both = await runShell(['-s', `${server.connectString},127.0.0.1:1`, 'ruok']);
    expect(both).toMatchObject({ code: 3, err: 'error: no answer from 127.0.0.1:1\n' });
    expect(both.out).toContain(`${server.connectString}\nimok\n127.0.0.1:1\nerror: `);
  });

  test('top', async () => {
    const { code, out } = await runShell(['-s', `${server.connectString},127.0.0.1:1`, 'top', '-d', '1', '-n', '1']);
    expect(code).toBe(0);
    expect(out).toMatch(/^SERVER +MODE +REQ\/S/);
    expect(out).toContain('standalone');
    expect(out).toContain('ECONNREFUSED');
  });
});

describe('output', () => {
  test('json', async () => {
    await ok('create /j {"a":1}\ncreate /j/b -b /w==');
    expect(await json('get', '/j')).toEqual({ path: '/j', data: '{"a":1}' });
    expect(await json('get', '/j/b')).toEqual({ path: '/j/b', dataBase64: '/w==' });
    expect(await json('ls', '/j')).toEqual(['b']);
    expect(await json('stat', '/j')).toMatchObject({ dataVersion: 0, numChildren: 1, ephemeralOwner: '0x0' });
    expect(await json('tree', '/j')).toMatchObject({ path: '/j', children: [{ path: '/j/b', type: 'persistent' }] });
    const failed = await one('-o', 'json', 'get', '/none');
    expect(JSON.parse(failed.err)).toEqual({
      error: { message: 'Node does not exist: /none', hint: expect.any(String), code: 'NO_NODE', exitCode: 1 },
    });
  });

  test('table', async () => {
    await ok('create -p /t/a xyz\ncreate /t/bcd');
    expect((await one('-o', 'table', 'du', '-b', '/t')).out).toBe(
      'BYTES  NODES  PATH\n3      3      /t\n3      1      /t/a\n0      1      /t/bcd\n',
    );
    expect((await one('-o', 'table', 'get', '/t/a')).out).toBe('path  /t/a\ndata  xyz\n');
    expect((await one('-o', 'table', 'ls', '/t')).out).toBe('a\nbcd\n');
  });

  test('colour only where it is wanted', async () => {
    await ok('create /c needle');
    expect((await runShell(['-s', server.connectString, 'grep', 'needle', '/c'], { colour: true })).out).toBe(
      '\u001b[36m/c\u001b[0m: \u001b[31mneedle\u001b[0m\n',
    );
    expect((await one('grep', 'needle', '/c')).out).toBe('/c: needle\n');
  });
});

describe('errors suggest what to do', () => {
  test.each([
    ['get /zookeper', 'Node does not exist: /zookeper\ndid you mean /zookeeper?'],
    ['create /no/where', 'its parent /no does not exist: create -p makes what is missing'],
    ['create /no/where/at/all', 'its parent /no/where/at does not exist; the path is there up to /: create -p'],
    ['create /zookeeper', 'Node already exists: /zookeeper\nset /zookeeper DATA changes its data'],
    ['delete /x', 'Node not empty: /x\ndeleteall /x deletes it'],
    ['set -v 7 /x y', 'version No is not valid : /x\nsomebody else has changed it: its version is 0 now'],
    ['create /x/e/f', 'Ephemerals cannot have children: /x/e/f'],
    ['create /y z nosuch:x:r', 'Acl is not valid : /y'],
    ['create -e -c /y', '-e and -c exclude each other'],
    ['create -c -s /y', '-c and -s exclude each other'],
    ['removewatches /x -c -d', '-c and -d exclude each other'],
    ['setquota /x', 'no limit is given: -n, -b, -N or -B'],
    ['redo 99', 'there is no command 99'],
    ['gett /x', 'Command not found: gett\ndid you mean get?'],
    ['set /x two words', 'too many arguments: words; a text with blanks needs "quotes"\nUsage: set'],
    ['get "/x', 'the quote " at column 5 is not closed'],
    ['cp /x ftp://y', 'ftp://y is no place for nodes'],
    ['find / --newer soon', '--newer soon: an age is a number and s, m, h or d'],
  ])('%s', async (line, message) => {
    const { code, err } = await sh(`create /x\ncreate -e /x/e\n${line}`);
    expect(code).toBeGreaterThan(0);
    expect(err).toContain(message);
  });

  test('no server', async () => {
    const { code, err } = await runShell(['-s', '127.0.0.1:1', '--wait', '100', 'ls', '/']);
    expect(code).toBe(3);
    expect(err).toContain('ECONNREFUSED');
    expect(err).toContain('is a server running there? treekeeper server starts one');
  });
});

describe('lines from standard input', () => {
  test('the first failure ends them; comments and blank lines are nothing', async () => {
    const input = '# begin\n\ncreate /one\nget /none\ncreate /two\n';
    const { code, out } = await runShell(['-s', server.connectString], { input });
    expect({ code, out }).toEqual({ code: 1, out: 'Created /one\n' });
    expect(await sh(input.replace('/one', '/three'))).toMatchObject({ code: 1, out: 'Created /three\nCreated /two\n' });
  });
});

describe('help', () => {
  test('names every command, and what each takes', async () => {
    const { out } = await runShell(['help']);
    for (const command of COMMANDS) {
      expect(out).toContain(`  ${command.name} `);
      const detail = await runShell(['help', command.name]);
      expect(detail.out).toContain(`Usage: ${command.name}`);
    }
    expect((await runShell(['help', 'nothing'])).code).toBe(1);
  });

  test('names are used once, and examples are lines that their commands take', () => {
    const names = COMMANDS.flatMap(({ name, aliases = [] }) => [name, ...aliases]).map((name) => name.toLowerCase());
    expect(new Set(names).size).toBe(names.length);
    for (const command of COMMANDS) {
      for (const example of command.examples ?? []) {
        const [name, ...rest] = words(example);
        expect([command.name, ...(command.aliases ?? [])]).toContain(name);
        expect(() => new Arguments(command, rest)).not.toThrow();
      }
    }
  });
});
