/** Every command, as somebody would type it, against a server. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Arguments } from '../../src/commands/shell/arguments.ts';
import { lag } from '../../src/commands/shell/commands/status.ts';
import { COMMANDS } from '../../src/commands/shell/table.ts';
import { words } from '../../src/commands/shell/tokens.ts';
import { runShell, Shells } from '../support/shell.ts';

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

describe("zkCli's commands", () => {
  test('create, get, set, ls, stat, delete', async () => {
    const text = await shells.ok(`
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
    const text = await shells.ok(`
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
    await shells.ok(`create /f -f ${file}\ncreate /b -b aGk=\nset /b -b aG8=`);
    expect(await shells.ok('get /f\nget /b')).toBe('from a file\nho\n');
    expect((await shells.one('set', '/b', '-b', '*')).err).toContain("-b: '*' is not base64");
    await runShell(['-s', server.connectString, 'set', '/b', '-f', '-'], { input: 'piped' });
    expect(await shells.ok('get /b')).toBe('piped\n');
  });

  test('ACLs and identities', async () => {
    const text = await shells.ok(`
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
    const refused = await shells.one('get', '/mine');
    expect(refused).toMatchObject({ code: 1, out: '' });
    expect(refused.err).toContain('Insufficient permission : /mine\ngetAcl /mine shows who may; addauth digest');
    expect((await runShell(['-s', server.connectString, '--auth', 'digest:u:p', 'get', '/mine'])).out).toBe('x\n');
  });

  test('quotas', async () => {
    const text = await shells.ok(`
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
    expect((await shells.one('listquota', '/t')).err).toContain('quota for /t does not exist.');
    expect(await shells.ok('ls /zookeeper/quota')).toBe('[]\n');
    await shells.ok('create -p /a/b/c\nsetquota -N 1 /a/b');
    const { err } = await shells.lines('setquota -n 1 /a\nsetquota -n 1 /a/b/c\ncreate /a/b/d');
    expect(err).toContain('/a has child /a/b which has a quota');
    expect(err).toContain('/a/b/c has a parent /a/b which has a quota');
    await shells.ok('delquota /a/b');
  });

  test('watch events come between commands', async () => {
    const { out, err } = await shells.lines(`
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
      'PersistentWatchRemoved path:/w',
      'NodeDataChanged path:/w',
    ]);
    expect(out).toContain('printwatches is off\n');
  });

  test('a watch that is removed says which it was', async () => {
    const { out, err } = await shells.lines(`
      create /gone
      get -w /gone
      ls -w /gone
      addWatch -m PERSISTENT /gone
      removewatches /gone -c
      removewatches /gone -d
      removewatches /gone
      removewatches /gone`);
    expect(out.match(/type:\w+Removed path:\/gone/g)).toEqual([
      'type:ChildWatchRemoved path:/gone',
      'type:DataWatchRemoved path:/gone',
      'type:PersistentWatchRemoved path:/gone',
    ]);
    expect(err).toContain('No such watcher : /gone\nget -w');
  });

  test('sessions, history', async () => {
    const { out: text } = await shells.lines(`
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
    const closed = await shells.lines('ls /\nclose\nls /');
    expect(closed.code).toBe(3);
    expect(closed.err).toContain('not connected\nconnect begins a session with');
  });

  test('config and reconfig', async () => {
    expect((await shells.one('config')).code).toBe(0);
    const refused = await shells.one('reconfig', '-add', 'server.2=127.0.0.1:1:2;3');
    expect(refused.code).toBe(1);
    expect((await shells.one('reconfig')).err).toContain('nothing to change: -add, -remove, -members or -file');
    expect((await shells.one('reconfig', '-members', 'x', '-add', 'y')).err).toContain('do not go with them');
  });
});

describe('coordination', () => {
  test('lock runs a command with its exit code, one at a time', async () => {
    const file = join(directory, 'log');
    const held = shells.one(
      'lock',
      '/l',
      '--',
      'sh',
      '-c',
      `echo in >> ${file}; cat ${directory}/go 2>/dev/null; exit 7`,
    );
    expect(await held).toMatchObject({ code: 7 });
    await shells.ok('create -p /l/lock-0000000000 host-7');
    const refused = await shells.one('lock', '-n', '/l', '--', 'touch', file);
    expect(refused.code).toBe(1);
    expect(refused.err).toContain('/l is held by host-7; not waited for');
    expect((await shells.one('lock', '-t', '50', '/l', '--', 'touch', file)).err).toContain('gave up after 50 ms');
    expect(readFileSync(file, 'utf8')).toBe('in\n');
    expect((await shells.one('lock', '/l')).err).toContain('the command is missing: -- command');
  });

  test('elect runs a command while leading, and stands again when it is cut off', async () => {
    const log = join(directory, 'log');
    // It does not outlive the test: it would hold the output of the test run open for ever.
    const script = `echo in >> ${log} || exit 5; [ $(wc -l < ${log}) = 2 ] && exit 5; trap "exit 0" TERM
      while [ -e ${log} ]; do sleep 0.02; done`;
    const leading = shells.one('elect', '/e', '--', 'sh', '-c', script);
    while (!existsSync(log) || readFileSync(log, 'utf8') === '') {
      await sleep(5); // the shell makes the file before it writes, and could be ended in between
    }
    expect(server.cutConnections()).toBeGreaterThan(0);
    const { code, err } = await leading;
    expect(code).toBe(5);
    expect(err).toMatch(/^leading \/e\n.*standing again\nleading \/e\n$/);
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
    await watched();
    await shells.ok('create /seen one\nset /seen two\ndelete /seen');
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
    while (!/Total watches:[1-9]/.test((await shells.one('wchs')).out)) {
      await sleep(5);
    }
  }
});

describe('servers', () => {
  test('four-letter words', async () => {
    expect(await shells.ok('ruok')).toBe('imok\n');
    expect(await shells.ok('srvr')).toContain('Mode: standalone');
    expect(await shells.ok('4lw stat')).toContain('Clients:');
    const unknown = await runShell(['-s', server.connectString, '4lw', 'abcd']);
    expect({ code: unknown.code, out: unknown.out }).toEqual({ code: 1, out: '' });
    expect(unknown.err).toContain(`error: ${server.connectString} does not answer to abcd\nhelp lists the words`);
    expect(await shells.ok('wchp')).toBe(''); // known, and with nothing to say
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

describe('several things at one moment', () => {
  test('mv takes everything below along, with ACLs', async () => {
    await shells.ok('create /m one\ncreate /m/a two\ncreate /m/a/b\nsetAcl /m/a/b world:anyone:r');
    expect(await shells.ok('mv /m /moved')).toBe('Moved 3 nodes\n');
    expect(await shells.ok('ls -R /moved\nget /moved/a\ngetAcl /moved/a/b')).toBe(
      "/moved\n/moved/a\n/moved/a/b\ntwo\n'world,'anyone\n: r\n",
    );
    expect(await shells.one('get', '/m')).toMatchObject({ code: 1 });
  });

  test('mv does nothing where it cannot do all', async () => {
    const { err, out } = await shells.lines('create /e\ncreate -e /e/mine\nmv /e /f\nmv /e /e/g\nmv / /x\nls /e\nls /');
    expect(err).toContain('/e/mine is ephemeral');
    expect(err).toContain('/e cannot be moved to /e/g');
    expect(out).toContain('[mine]');
    await shells.ok('create /big');
    await shells.ok(Array.from({ length: 5 }, (_, i) => `create /big/n${i} ${'x'.repeat(200_000)}`).join('\n'));
    expect((await shells.one('mv', '/big', '/other')).err).toContain('/big is too large to be moved: 6 nodes');
    await shells.ok('create /from\ncreate /to');
    expect(await shells.one('mv', '/from', '/to')).toMatchObject({ code: 1 });
    expect((await shells.one('ls', '/')).out).toMatch(/from,.* to,/);
  });

  test('txn does all, or nothing', async () => {
    await shells.ok('create /txn 1\ncreate /txn/old');
    const all = `txn 'check /txn 0' 'set /txn "two words" 0' 'create /txn/new' 'delete /txn/old'`;
    expect(await shells.ok(all)).toBe('Done: 4 operations at one moment\n');
    expect(await shells.ok('get /txn\nls /txn')).toBe('two words\n[new]\n');
    const failed = await shells.one('txn', 'set /txn 3', 'delete /txn/new 7');
    expect(failed).toMatchObject({ code: 1, err: expect.stringMatching(/\/txn\/new.*BAD_VERSION.*nothing was done/) });
    expect(await shells.ok('get /txn')).toBe('two words\n');
    for (const wrong of ['move /t', 'check /t', 'set /t', 'delete /t x', 'create']) {
      expect(await shells.one('txn', wrong)).toMatchObject({ code: 2 });
    }
  });
});

describe('whose, and how they are', () => {
  test('owner names session and client', async () => {
    const out = await shells.ok('create -e /mine\nowner /mine');
    expect(out).toMatch(/^Created \/mine\n0x[0-9a-f]+ of 127\.0\.0\.1:\d+, connected to 127\.0\.0\.1:\d+\n$/);
    await shells.ok('create /nobodys');
    expect((await shells.one('owner', '/nobodys')).err).toContain('/nobodys is not ephemeral');
  });

  test('how far the last is behind', () => {
    expect(lag([])).toBe(0);
    expect(lag([0x100000005n, 0x100000002n])).toBe(3);
    expect(lag([0x200000000n, 0x1000000ffn])).toBe(0);
    expect(lag([0x200000009n, 0x1000000ffn, 0x200000001n])).toBe(8);
  });

  test('status: a healthy server, and one that is not there', async () => {
    const alone = await shells.one('status');
    expect(alone).toMatchObject({
      code: 0,
      out: expect.stringMatching(/standalone, zxid 0x\w+, \d+ nodes\nhealthy\n$/),
    });
    const two = await runShell(['-s', `${server.connectString},127.0.0.1:1`, '-o', 'json', 'status']);
    expect(two.code).toBe(1);
    const { healthy, troubles } = JSON.parse(two.out) as { healthy: boolean; troubles: string[] };
    expect({ healthy, troubles }).toEqual({
      healthy: false,
      troubles: ['127.0.0.1:1 does not serve', 'they are not one ensemble'],
    });
  });
});

describe('output', () => {
  test('json', async () => {
    await shells.ok('create /j {"a":1}\ncreate /j/b -b /w==');
    expect(await shells.json('get', '/j')).toEqual({ path: '/j', data: '{"a":1}' });
    expect(await shells.json('get', '/j/b')).toEqual({ path: '/j/b', dataBase64: '/w==' });
    expect(await shells.json('ls', '/j')).toEqual(['b']);
    expect(await shells.json('stat', '/j')).toMatchObject({ dataVersion: 0, numChildren: 1, ephemeralOwner: '0x0' });
    expect(await shells.json('tree', '/j')).toMatchObject({
      path: '/j',
      children: [{ path: '/j/b', type: 'persistent' }],
    });
    const failed = await shells.one('-o', 'json', 'get', '/none');
    expect(JSON.parse(failed.err)).toEqual({
      error: { message: 'Node does not exist: /none', hint: expect.any(String), code: 'NO_NODE', exitCode: 1 },
    });
  });

  test('table', async () => {
    await shells.ok('create -p /t/a xyz\ncreate /t/bcd');
    expect((await shells.one('-o', 'table', 'du', '-b', '/t')).out).toBe(
      'BYTES  NODES  PATH\n3      3      /t\n3      1      /t/a\n0      1      /t/bcd\n',
    );
    expect((await shells.one('-o', 'table', 'get', '/t/a')).out).toBe('path  /t/a\ndata  xyz\n');
    expect((await shells.one('-o', 'table', 'ls', '/t')).out).toBe('a\nbcd\n');
  });

  test('colour only where it is wanted', async () => {
    await shells.ok('create /c needle');
    expect((await runShell(['-s', server.connectString, 'grep', 'needle', '/c'], { colour: true })).out).toBe(
      '\u001b[36m/c\u001b[0m: \u001b[31mneedle\u001b[0m\n',
    );
    expect((await shells.one('grep', 'needle', '/c')).out).toBe('/c: needle\n');
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
    const { code, err } = await shells.lines(`create /x\ncreate -e /x/e\n${line}`);
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
    expect(await shells.lines(input.replace('/one', '/three'))).toMatchObject({
      code: 1,
      out: 'Created /three\nCreated /two\n',
    });
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
