import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { aclLine, parseAcl } from '../../src/commands/shell/acl.ts';
import { Arguments, parseFlags } from '../../src/commands/shell/arguments.ts';
import { usageOf } from '../../src/commands/shell/command.ts';
import { dateText, hexDump, sizeText } from '../../src/commands/shell/format.ts';
import { globPattern } from '../../src/commands/shell/glob.ts';
import { serversShort } from '../../src/commands/shell/interactive.ts';
import { parseLaunch } from '../../src/commands/shell/launch.ts';
import { parseLocation } from '../../src/commands/shell/locations/location.ts';
import { resolvePath } from '../../src/commands/shell/paths.ts';
import { progressText } from '../../src/commands/shell/progress.ts';
import { limitsText, parseLimits } from '../../src/commands/shell/quota.ts';
import type { ShellCommand } from '../../src/commands/shell/shell.ts';
import { quoted, words } from '../../src/commands/shell/tokens.ts';

describe('words of a line', () => {
  test.each([
    ['get /a', ['get', '/a']],
    ['  set  /a   "two words" ', ['set', '/a', 'two words']],
    ['set /a \'a "b" c\'', ['set', '/a', 'a "b" c']],
    ['set /a {"x":1}', ['set', '/a', '{"x":1}']],
    ['set /a ""', ['set', '/a', '']],
    ['set /a "a\\nb"', ['set', '/a', 'a\\nb']],
    ['', []],
  ])('%s', (line, expected) => {
    expect(words(line)).toEqual(expected);
  });

  test('an open quote is refused, and named', () => {
    expect(() => words('set /a "two')).toThrow('the quote " at column 8 is not closed');
  });

  test('what is quoted reads back', () => {
    fc.assert(
      fc.property(fc.array(fc.string().filter((text) => !(text.includes('"') && text.includes("'")))), (list) => {
        expect(words(list.map(quoted).join(' '))).toEqual(list);
      }),
    );
  });
});

describe('flags', () => {
  const flags = {
    s: { meaning: '' },
    w: { meaning: '' },
    v: { value: 'n', meaning: '' },
    add: { value: 'x', meaning: '' },
  };
  const parse = (...list: string[]) => {
    const { flags: found, words: rest } = parseFlags(list, flags);
    return [Object.fromEntries(found), rest];
  };

  test('stand anywhere, with one dash or two, alone or together', () => {
    expect(parse('/a', '-s')).toEqual([{ s: [''] }, ['/a']]);
    expect(parse('-sw', '/a')).toEqual([{ s: [''], w: [''] }, ['/a']]);
    expect(parse('-v', '-1', '/a')).toEqual([{ v: ['-1'] }, ['/a']]);
    expect(parse('--v=3', '-add', 'server.1=a:1:2')).toEqual([{ v: ['3'], add: ['server.1=a:1:2'] }, []]);
    expect(parse('/a', '-5', '-', '--', '-s')).toEqual([{}, ['/a', '-5', '-']]);
  });

  test.each([
    [['-x'], 'unknown flag -x'],
    [['-v'], '-v needs a value: -v n'],
    [['-v', '1', '-v', '2'], '-v is given twice'],
    [['--s=1'], '-s takes no value'],
    [['-sx'], 'unknown flag -sx'],
  ])('%j is refused', (list, message) => {
    expect(() => parse(...list)).toThrow(message);
  });
});

describe('arguments', () => {
  const command: ShellCommand = {
    name: 'try',
    group: 'nodes',
    summary: '',
    parameters: [
      { name: 'path', kind: 'path' },
      { name: 'data', kind: 'text', optional: true },
    ],
    flags: { v: { value: 'version', meaning: '' }, m: { value: 'mode', meaning: '', choices: ['A', 'B'] } },
    run: async () => {},
  };

  test('are found by their names', () => {
    const args = new Arguments(command, ['-v', '7', '/a']);
    expect([args.text('path'), args.optional('data'), args.version]).toEqual(['/a', undefined, 7]);
  });

  test.each([
    [[], 'path is missing'],
    [['/a', 'x', 'y'], 'too many arguments: y; a text with blanks needs "quotes"'],
    [['/a', '-m', 'C'], '-m is C; it may be A, B'],
  ])('%j is refused with the usage', (list, message) => {
    expect(() => new Arguments(command, list)).toThrow(`${message}\nUsage: ${usageOf(command)}`);
  });

  test.each(['x', '-2', '99999999999'])('-v %s is refused', (version) => {
    expect(() => new Arguments(command, ['/a', '-v', version]).version).toThrow(`-v ${version}: a whole number`);
  });
});

describe('launching', () => {
  test('options stand before the command, which has its own', () => {
    const launch = parseLaunch(['-s', 'h:1', '-o', 'json', 'get', '-s', '/a'], {});
    expect(launch).toMatchObject({ servers: 'h:1', output: 'json', words: ['get', '-s', '/a'] });
  });

  test("zkCli's ways are known", () => {
    const args = ['-server', 'h:1', '-timeout', '5000', '-r', '-waitforconnection', 'ls', '/'];
    expect(parseLaunch(args, {})).toMatchObject({
      servers: 'h:1',
      connect: { sessionTimeoutMs: 5000, readOnly: true },
      words: ['ls', '/'],
    });
  });

  test('who one is, and TLS', () => {
    const args = ['--auth', 'digest:u:p:q', '--sasl', 'bob:secret', '--ca', import.meta.filename, '--any-hostname'];
    expect(
      parseLaunch(args, { TREEKEEPER_AUTH: 'digest:a:b', TREEKEEPER_TLS_PASSPHRASE: 'open' }).connect,
    ).toMatchObject({
      auth: [
        { scheme: 'digest', credentials: 'a:b' },
        { scheme: 'digest', credentials: 'u:p:q' },
      ],
      sasl: { mechanism: 'DIGEST-MD5', username: 'bob', password: 'secret' },
      tls: { caFile: import.meta.filename, checkHostname: false, passphrase: 'open' },
    });
    expect(parseLaunch(['--tls'], {}).connect.tls).toBe(true);
    expect(parseLaunch([], {}).connect.tls).toBeUndefined();
  });

  test.each([
    [['--output', 'xml'], '--output xml: there are text, json, table'],
    [['--auth', 'bob'], '--auth needs a scheme and credentials'],
    [['--timeout', 'long'], '--timeout long: a number of milliseconds'],
    [['--nonsense'], 'unknown flag --nonsense'],
  ])('%j is refused', (args, message) => {
    expect(() => parseLaunch(args, {})).toThrow(message);
  });
});

describe('paths', () => {
  test.each([
    ['/', '/a', '/a'],
    ['/a/b', 'c', '/a/b/c'],
    ['/a/b', '../c/', '/a/c'],
    ['/a', '../../..', '/'],
    ['/a', '.', '/a'],
  ])('in %s, %s is %s', (cwd, text, path) => {
    expect(resolvePath(cwd, text)).toBe(path);
  });

  test('a character that no path may have is refused', () => {
    expect(() => resolvePath('/', 'a\u0001')).toThrow('U+0001');
  });
});

describe('ACLs', () => {
  test('of ids with colons and commas', () => {
    const text = 'world:anyone:r,digest:ann:hash=:cdrwa,x509:CN=ann,OU=ops:w,auth::cd';
    expect(parseAcl(text).map(({ id }) => [id.scheme, id.id])).toEqual([
      ['world', 'anyone'],
      ['digest', 'ann:hash='],
      ['x509', 'CN=ann,OU=ops'],
      ['auth', ''],
    ]);
    expect(aclLine(parseAcl(text))).toBe(text);
  });

  test.each([
    ['world', 'is no ACL entry'],
    ['world:anyone', 'is no ACL entry'],
    ['world:anyone:x', "'x' in 'world:anyone:x' is no permission"],
  ])('%s is refused', (text, message) => {
    expect(() => parseAcl(text)).toThrow(message);
  });
});

describe('texts', () => {
  test('limits of a quota read back', () => {
    const limits = { n: 5, b: -1, N: -1, B: 1000 };
    expect(parseLimits(limitsText(limits))).toEqual(limits);
    expect(parseLimits('count=5,bytes=-1')).toEqual({ n: 5, b: -1, N: -1, B: -1 });
  });

  test('patterns for names', () => {
    expect(['lock-1', 'lock-', 'a.lock-1'].map((name) => globPattern('lock-*').test(name))).toEqual([
      true,
      true,
      false,
    ]);
    expect(globPattern('a?[0-9].txt').test('ab7.txt')).toBe(true);
    expect(globPattern('a.b').test('axb')).toBe(false);
    expect(globPattern('[!a]').test('a')).toBe(false);
  });

  test('hex, sizes, progress, dates', () => {
    expect(hexDump(Buffer.from('Hi\n'))).toBe(`00000000  48 69 0a${' '.repeat(39)}  |Hi.|`);
    expect([0, 999, 1500, 2_000_000].map(sizeText)).toEqual(['0 B', '999 B', '1.5 kB', '2.0 MB']);
    expect(progressText('copying', 1000, 4000, 1000)).toBe(
      'copying  [######------------------]  25%  1000 of 4000, 3 s left',
    );
    expect(dateText(0)).toMatch(/^\w{3} \w{3} \d\d \d\d:\d\d:\d\d \S+ (1970|1969)$/);
  });

  test('places of nodes', () => {
    expect(parseLocation('/a:b')).toEqual({ kind: 'node', path: '/a:b' });
    expect(parseLocation('zk://h1:1,h2:2/a')).toEqual({ kind: 'server', servers: 'h1:1,h2:2', path: '/a' });
    expect(parseLocation('file:x.json')).toEqual({ kind: 'file', file: 'x.json' });
    expect(parseLocation('file:///etc/x')).toEqual({ kind: 'file', file: '/etc/x' });
    expect(() => parseLocation('http://x')).toThrow('no place for nodes');
  });
});

test.each([
  ['zk1:2181', 'zk1:2181'],
  ['zk1:2181/app', 'zk1:2181/app'],
  ['zk1:2181,zk2:2181,zk3:2181', 'zk1:2181+2'],
  ['zk1:2181,zk2:2181/app/x', 'zk1:2181+1/app/x'],
])('the prompt for %s', (servers, prompt) => {
  expect(serversShort(servers)).toBe(prompt);
});
