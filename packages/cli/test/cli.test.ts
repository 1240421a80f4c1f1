import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LoadedConfig } from '@treekeeper/server/config';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runCli } from '../src/cli.ts';
import { server } from '../src/commands/server.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'treekeeper-cli-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

function zooCfg(lines: string): string {
  const file = join(dir, 'zoo.cfg');
  writeFileSync(file, lines);
  return file;
}

interface Result {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(args: readonly string[], command = runCli, colour = false): Promise<Result> {
  let out = '';
  let err = '';
  const terminal = {
    out: (text: string) => {
      out += text;
    },
    err: (text: string) => {
      err += text;
    },
    colour,
    env: {},
  };
  const code = await command(args, terminal);
  return { code, out: out.replaceAll(`${dir}/`, ''), err: err.replaceAll(`${dir}/`, '') };
}

describe('treekeeper', () => {
  test('help names every command', async () => {
    const { code, out } = await run(['--help']);
    expect(code).toBe(0);
    expect(out).toMatch(/^ {2}server .*\n {2}ensemble .*\n {2}shell .*\n {2}config /m);
    expect((await run(['help'])).out).toBe(out);
  });

  test('without a command: help, and an exit code that scripts notice', async () => {
    const { code, out } = await run([]);
    expect(code).toBe(2);
    expect(out).toContain('Usage: treekeeper');
  });

  test.each(['server', 'ensemble', 'shell', 'config', 'purge'])('help of %s', async (command) => {
    const { code, out } = await run([command, '--help']);
    expect(code).toBe(0);
    expect(out).toContain(`Usage: treekeeper ${command}`);
    expect(out).toContain('Exit codes:');
    expect((await run(['help', command])).out).toBe(out);
  });

  test('version', async () => {
    expect(await run(['--version'])).toEqual({
      code: 0,
      out: expect.stringMatching(/^treekeeper \d+\.\d+\.\d+\n$/),
      err: '',
    });
  });

  test('an unknown command is answered with the nearest one', async () => {
    const { code, err } = await run(['sevrer']);
    expect(code).toBe(2);
    expect(err).toBe("error: unknown command 'sevrer'\nDid you mean: treekeeper server\n");
    expect((await run(['frobnicate'])).err).toContain('See: treekeeper --help');
    expect((await run(['--frobnicate'])).err).toContain('unknown option --frobnicate');
    expect((await run(['toString'])).code).toBe(2);
  });

  test.each([
    [['server', 'a.cfg', 'b.cfg'], 'one zoo.cfg is enough; there are 2: a.cfg b.cfg'],
    [['server', '--port', '1'], "Unknown option '--port'"],
    [['server', '-D=1'], '-D=1 names no key; write -Dkey=value'],
    [['config', '--output', 'xml'], '--output xml: there are table and json'],
  ])('%j is not understood', async (args, reason) => {
    const { code, err } = await run(args);
    expect(code).toBe(2);
    expect(err).toBe(`error: ${reason}\nSee: treekeeper ${args[0]} --help\n`);
  });
});

describe('treekeeper config', () => {
  test('shows what was set, and where', async () => {
    const file = zooCfg('dataDir=./x\nclientPort=2181\nsnapCuont=3\n');
    const { code, out, err } = await run(['config', file, '-Dzookeeper.skipACL=no', '-DclientPort=5']);
    expect(code).toBe(0);
    expect(out).toBe(
      `KEY         VALUE  FROM
dataDir     ./x    zoo.cfg:1
clientPort  2181   zoo.cfg:2
skipACL     no     command line
`,
    );
    expect(err).toBe(
      `warning: zoo.cfg:3: snapCuont is not a known key and has no effect; did you mean snapCount?
warning: command line: clientPort has no effect, for clientPort in zoo.cfg:2 goes before it
`,
    );
  });

  test('all: defaults too', async () => {
    const { out } = await run(['config', zooCfg('dataDir=./x\nclientPort=2181\n'), '--all']);
    expect(out).toMatch(/^minSessionTimeout +6000 +default$/m);
    expect(out).toMatch(/^secureClientPort +\(unset\) +default$/m);
    expect(out.split('\n').length).toBeGreaterThan(250);
  });

  test('json', async () => {
    const { code, out } = await run(['config', zooCfg('dataDir=./x\nclientPort=2181\n'), '-o', 'json']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({
      settings: [
        { key: 'dataDir', value: './x', from: 'zoo.cfg:1', isDefault: false, default: null },
        { key: 'clientPort', value: '2181', from: 'zoo.cfg:2', isDefault: false, default: null },
      ],
      faults: [],
      warnings: [],
      notes: [],
    });
  });

  test('faults end with 1, all of them named', async () => {
    const file = zooCfg('dataDir=./x\nclientPort=z\ntickTime=-1\n');
    const { code, out, err } = await run(['config', file]);
    expect([code, out]).toEqual([1, '']);
    expect(err.split('\n').map((line) => line.split('=')[0])).toEqual([
      'error: zoo.cfg:2: clientPort',
      'error: zoo.cfg:3: tickTime',
      '',
    ]);
    const json = await run(['config', file, '-o', 'json']);
    expect(json.code).toBe(1);
    expect(JSON.parse(json.out).faults.map(({ key }: { key: string }) => key)).toEqual(['clientPort', 'tickTime']);
  });

  test('labels are coloured on a terminal', async () => {
    const { err } = await run(['config', join(dir, 'none')], runCli, true);
    expect(err).toBe('\u001b[31merror\u001b[0m: none: cannot be read: there is no such file\n');
  });
});

describe('treekeeper server', () => {
  const started: LoadedConfig[] = [];
  const start = (args: readonly string[], failure?: Error) =>
    run(args, (given, terminal) =>
      server(given, terminal, async (loaded) => {
        if (failure !== undefined) {
          throw failure;
        }
        started.push(loaded);
      }),
    );

  test('starts with the configuration', async () => {
    const { code, err } = await start([zooCfg('dataDir=./x\nclientPort=0\nautopurge.snapRetainCount=1\n')]);
    expect(code).toBe(0);
    expect(err).toBe('warning: zoo.cfg:3: autopurge.snapRetainCount=1 is too few; 3 are kept\n');
    expect(started.pop()?.config.listeners.clientPort).toBe(0);
  });

  test('does not start with a faulty one', async () => {
    const { code, err } = await start([zooCfg('dataDir=./x\nclientPort=2181\nmaxSessionTimeout=1')]);
    expect(code).toBe(2);
    expect(err).toContain('error: zoo.cfg:3: minSessionTimeout');
    expect(started).toEqual([]);
  });

  test('a system error is told without a stack, any other with it', async () => {
    const system = Object.assign(new Error("ENOENT: no such file, open '/no/x.log'"), { syscall: 'open' });
    expect(await start([], system)).toEqual({ code: 1, out: '', err: `error: ${system.message}\n` });
    const { code, err } = await start([], new Error('our mistake'));
    expect(code).toBe(1);
    expect(err).toMatch(/^error: Error: our mistake\n {4}at /);
  });
});
