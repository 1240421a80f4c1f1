/** The shell as a process: pipes, signals, exit codes, and that it ends. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';

const BIN = fileURLToPath(new URL('../../bin/treekeeper.js', import.meta.url));
let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

interface Result {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** @param onOutput told all that came so far, and how to send a signal, once */
function run(command: string, input = '', onOutput?: (text: string, kill: (signal: NodeJS.Signals) => void) => void) {
  const shell = `"${process.execPath}" "${BIN}" shell -s ${server.connectString}`;
  // As a group of its own, which gets the signals as it would from a terminal.
  const child = spawn('sh', ['-c', command.replaceAll('SHELL', shell)], { detached: true });
  let [out, err] = ['', ''];
  let killed = false;
  const kill = (signal: NodeJS.Signals): void => {
    if (!killed) {
      killed = true;
      process.kill(-(child.pid as number), signal);
    }
  };
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
    onOutput?.(out + err, kill);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString();
    onOutput?.(out + err, kill);
  });
  child.stdin.end(input);
  return new Promise<Result>((resolve) => child.once('close', (code) => resolve({ code, out, err })));
}

test('one command, and its exit code', async () => {
  expect(await run('SHELL create /one "two words"')).toEqual({ code: 0, out: 'Created /one\n', err: '' });
  expect(await run('SHELL get /one')).toEqual({ code: 0, out: 'two words\n', err: '' });
  expect(await run('SHELL get /none')).toMatchObject({ code: 1, out: '' });
  expect(await run('SHELL get')).toMatchObject({ code: 0 });
  expect(await run('SHELL --nonsense')).toMatchObject({ code: 2, out: '' });
});

test('lines by pipe, the last without an end', async () => {
  const input = 'create /piped\nls /\nget /none\nls /piped';
  expect(await run('SHELL', input)).toMatchObject({ code: 1, out: 'Created /piped\n[one, piped, zookeeper]\n' });
  expect((await run('SHELL --keep-going', input)).out).toBe('[one, piped, zookeeper]\n[]\n');
});

test('many nodes at a time, without a word about it', async () => {
  const input = Array.from({ length: 300 }, (_, i) => `create -p /many/${i}`).join('\n');
  expect(await run('SHELL', `${input}\nfind /many --name 29?\ndeleteall /many`)).toMatchObject({ code: 0, err: '' });
});

test('data by pipe', async () => {
  expect(await run('printf "a\\nb" | SHELL create /data -f - && SHELL get /data')).toMatchObject({
    code: 0,
    out: 'Created /data\na\nb\n',
  });
});

test('a reader that goes away ends it without a word', async () => {
  expect(await run('SHELL help | head -1')).toEqual({ code: 0, out: 'nodes\n', err: '' });
});

test('Ctrl-C ends what runs for long, and the session with it', async () => {
  const result = await run('exec SHELL watch /', '', (text, kill) => {
    if (text.includes('watching /')) {
      kill('SIGINT');
    }
  });
  expect(result).toMatchObject({ code: 130, out: '' });
  expect(server.summary.sessionCount).toBe(0);
});

test('SIGTERM ends a shell that waits for lines, with its pipe still open', async () => {
  const child = spawn(process.execPath, [BIN, 'shell', '-s', server.connectString], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.write('create -e /idle\n');
  child.stdout.once('data', () => child.kill('SIGTERM'));
  expect(await new Promise((resolve) => child.once('close', (code) => resolve(code)))).toBe(130);
  expect(server.summary.sessionCount).toBe(0);
});

test('a command under a lock gets the Ctrl-C, and the lock is free behind it', async () => {
  // A minute at most: it must not go on for ever when the test fails.
  const script = 'trap "exit 9" INT TERM; echo held; for i in $(seq 3000); do sleep 0.02; done';
  const result = await run(`exec SHELL lock /lock -- sh -c '${script}'`, '', (text, kill) => {
    if (text.includes('held')) {
      kill('SIGINT');
    }
  });
  expect(result.code).toBe(130);
  expect(await run('SHELL ls /lock')).toMatchObject({ out: '[]\n' });
});
