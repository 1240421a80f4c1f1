import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';

const BIN = fileURLToPath(new URL('../../bin/treekeeper.js', import.meta.url));
const running: ChildProcess[] = [];
afterAll(() => {
  for (const child of running) {
    child.kill('SIGTERM');
  }
});

/** Runs it until its output shows what is looked for, then goes on with it. */
async function startUntil(pattern: RegExp, ...args: string[]) {
  const child = spawn(process.execPath, [BIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  running.push(child);
  let output = '';
  const ended = new Promise<number | null>((end) => {
    child.once('close', end);
  });
  await new Promise<void>((found, failed) => {
    const onOutput = (chunk: Buffer): void => {
      output += chunk.toString();
      if (pattern.test(output)) {
        found();
      }
    };
    child.stdout.on('data', onOutput);
    child.stderr.on('data', onOutput);
    void ended.then(() => failed(new Error(`it ended without ${pattern}:\n${output}`)));
  });
  return { child, ended, output: () => output };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('treekeeper ensemble starts servers, says where they are, and ends them all', async () => {
  const { child, ended, output } = await startUntil(/Stop .*\n/, 'ensemble', '--size', '3', '-DtickTime=500');
  const text = output();
  expect(text).toMatch(/^an ensemble of 3 is ready\nClients {3}127\.0\.0\.1:\d+,127\.0\.0\.1:\d+,127\.0\.0\.1:\d+\n/);
  expect(text.match(/ leader /g)).toHaveLength(1);
  expect(text.match(/ follower /g)).toHaveLength(2);
  const pids = [...text.matchAll(/ process (\d+)$/gm)].map(([, pid]) => Number(pid));
  expect(pids.map(isAlive)).toEqual([true, true, true]);
  const directory = /^Data +(\S+)/m.exec(text)?.[1] ?? '';
  expect(existsSync(directory)).toBe(true);
  child.kill('SIGINT');
  expect(await ended).toBe(0);
  expect(pids.map(isAlive)).toEqual([false, false, false]);
  expect(existsSync(directory)).toBe(false);
});

test('-D reaches every server, and each has an admin port of its own', async () => {
  const args = ['ensemble', '--size', '2', '-DtickTime=500', '-Dzookeeper.syncLimit=7', '-Dadmin.enableServer=true'];
  const { child, ended, output } = await startUntil(/Stop .*\n/, ...args);
  const [, clients] = /^Clients +(\S+)$/m.exec(output()) ?? [];
  for (const address of clients.split(',')) {
    const [host, port] = address.split(':');
    const conf = await textOf(connect(Number(port), host).end('conf'));
    expect(conf).toContain('\ntickTime=500\n');
    expect(conf).toContain('\ninitLimit=10\nsyncLimit=7\n');
  }
  const urls = /^Admin +(.*)$/m.exec(output())?.[1].split(' ') ?? [];
  expect(new Set(urls).size).toBe(2);
  const ports = await Promise.all(
    urls.map(
      async (url) => ((await (await fetch(`${url}/configuration`)).json()) as { client_port: number }).client_port,
    ),
  );
  expect(ports.map((port) => `127.0.0.1:${port}`)).toEqual(clients.split(','));
  child.kill('SIGINT');
  expect(await ended).toBe(0);
});

test('servers end with the ensemble, even when nobody can tell them to', async () => {
  const { child, ended, output } = await startUntil(/Stop .*\n/, 'ensemble', '--size', '2');
  const pids = [...output().matchAll(/ process (\d+)$/gm)].map(([, pid]) => Number(pid));
  const [, directory] = /^Data +(\S+)/m.exec(output()) ?? [];
  child.kill('SIGKILL');
  await ended;
  while (pids.some(isAlive)) {
    await sleep(10);
  }
  rmSync(directory, { recursive: true });
});

test('treekeeper ensemble --size 1 is an ensemble of one', async () => {
  const { child, ended, output } = await startUntil(/Stop .*\n/, 'ensemble', '-n', '1');
  expect(output()).toMatch(/^an ensemble of 1 is ready\n/);
  expect(output()).toMatch(/^Server 1 {2}127\.0\.0\.1:\d+ +leader /m);
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
});

test('treekeeper ensemble refuses a size that is none', async () => {
  await expect(startUntil(/never/, 'ensemble', '--size', 'many')).rejects.toThrow(
    'error: --size many is not a number from 1 to 9',
  );
});
