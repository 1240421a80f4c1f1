/** SIGTERM and SIGINT while no command runs, or one that waits for its input. */
import { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runShell } from '../support/shell.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s between two lines ends the shell, and the second is not run',
  async (signal) => {
    let tell = (): void => {};
    const created = new Promise<void>((resolve) => {
      tell = resolve;
    });
    async function* lines() {
      yield `create /${signal}\n`;
      await created;
      await turn(); // the command is over
      process.emit(signal, signal);
      yield `create /${signal}/late\n`;
    }
    const args = ['-s', server.connectString, '--keep-going'];
    const result = await runShell(args, { input: Readable.from(lines()), onOutput: () => tell() });
    expect(result).toEqual({ code: 130, out: `Created /${signal}\n`, err: 'error: interrupted\n' });
    expect((await runShell(['-s', server.connectString, 'ls', `/${signal}`])).out).toBe('[]\n');
  },
);

test('a shell that waits for lines which never come ends', async () => {
  const { sessionCount } = server.summary;
  const input = new Readable({ read() {} });
  input.push('ls /\n');
  const ended = runShell(['-s', server.connectString], {
    input,
    onOutput: () => setImmediate(() => process.emit('SIGTERM')),
  });
  expect(await ended).toMatchObject({ code: 130, err: 'error: interrupted\n' });
  expect(server.summary.sessionCount).toBe(sessionCount);
});

test('a command that waits for its data ends, and writes nothing', async () => {
  await runShell(['-s', server.connectString, 'create', '/data', 'before']);
  const { sessionCount } = server.summary;
  const ended = runShell(['-s', server.connectString, 'set', '/data', '-f', '-'], {
    input: new Readable({ read() {} }),
  });
  while (server.summary.sessionCount === sessionCount) {
    await turn();
  }
  process.emit('SIGTERM');
  expect(await ended).toEqual({ code: 130, out: '', err: 'error: interrupted\n' });
  expect((await runShell(['-s', server.connectString, 'get', '/data'])).out).toBe('before\n');
});
