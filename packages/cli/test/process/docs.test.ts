/** What getting started promises of a server that is started without a configuration. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { page, pages, root } from '../support/pages.ts';

const directory = mkdtempSync(join(tmpdir(), 'treekeeper-docs-'));
const gettingStarted = page('docs/getting-started.md');
const PAGE_ADMIN_URL = 'http://127.0.0.1:8080';
let server: ChildProcess;
let output = '';

beforeAll(async () => {
  const bin = join(root, 'packages/cli/bin/treekeeper.js');
  const args = [bin, 'server', '-DclientPort=0', '-Dadmin.serverPort=0'];
  server = spawn(process.execPath, args, { cwd: directory, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(server, 'exit').then(() => 'ended');
  const said = new Promise((resolve) => {
    server.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (output.includes('Stop ')) {
        resolve('ready');
      }
    });
  });
  expect(await Promise.race([said, ended]), output).toBe('ready');
});

afterAll(async () => {
  if (server.exitCode === null) {
    server.kill('SIGKILL');
    await once(server, 'exit');
  }
  rmSync(directory, { recursive: true });
});

describe('getting started', () => {
  test('shows what the server prints', () => {
    const shown = gettingStarted.blocks.find(({ language }) => language === 'log');
    expect(shapes(output)).toEqual(shapes(shown?.text ?? ''));
  });

  /** Lines without time, numbers, versions, paths, and where the shell would not look by itself. */
  function shapes(text: string): string[] {
    const lines = text.trimEnd().split('\n');
    return lines.map((line) =>
      line
        .replace(/^\S+Z/, 'TIME')
        .replaceAll(/(?<=\s)\/\S+/g, 'PATH')
        .replaceAll(/[\d.]+/g, 'N')
        .replace(' -s N:N', ''),
    );
  }

  test('shows the files that it leaves', () => {
    const shown = gettingStarted.blocks.find(({ text }) => text.startsWith('data/'));
    const present = readdirSync(join(directory, 'data'), { recursive: true, encoding: 'utf8' });
    expect(present.length).toBeGreaterThan(2);
    for (const path of present) {
      expect(shown?.text).toContain(path.slice(path.lastIndexOf('/') + 1));
    }
  });

  test('every URL in the pages answers', async () => {
    const admin = /http:\S+(?=\/commands)/.exec(output)?.[0] ?? '';
    const urls = pages.flatMap(({ text }) => text.match(/http:\/\/127\.0\.0\.1:8080\/[\w/]+/g) ?? []);
    const paths = new Set(urls.map((url) => url.slice(PAGE_ADMIN_URL.length)));
    for (const [, path] of page('docs/operating/monitoring.md').text.matchAll(/`GET (\/\w+)`/g)) {
      paths.add(path);
    }
    const guarded = [
      '/commands/snapshot',
      '/commands/restore',
      '/commands/yield_leadership',
      '/commands/close_session',
    ];
    expect(paths.size).toBeGreaterThan(5);
    for (const path of paths) {
      const response = await fetch(admin + path);
      expect(`${path} ${response.status}`).toBe(`${path} ${guarded.includes(path) ? 401 : 200}`);
      await response.arrayBuffer();
    }
  });

  test('shows the layout of srvr', async () => {
    const shown = gettingStarted.blocks.find(({ text }) => text.startsWith('Zookeeper version'));
    const port = Number(/Clients\s+127\.0\.0\.1:(\d+)/.exec(output)?.[1]);
    const names = (text: string): string[] =>
      text
        .trimEnd()
        .split('\n')
        .map((line) => line.replace(/:.*/, ''));
    expect(names(await ask(port, 'srvr'))).toEqual(names(shown?.text ?? ''));
  });

  function ask(port: number, word: string): Promise<string> {
    return new Promise((resolve, reject) => {
      let answer = '';
      const socket = connect(port, '127.0.0.1', () => socket.write(word));
      socket.setEncoding('utf8').on('data', (text) => {
        answer += text;
      });
      socket.on('error', reject).on('end', () => resolve(answer));
    });
  }

  test('SIGTERM ends it with exit code 0', async () => {
    server.kill('SIGTERM');
    expect(await once(server, 'exit')).toEqual([0, null]);
    expect(output).toMatch(/SIGTERM: stopping\n.*stopped\n$/);
    expect(readdirSync(join(directory, 'data'))).toEqual(['version-2']);
  });
});
