import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadConfig } from '../../server/src/config/config.ts';
import { runCli } from '../src/cli.ts';
import { unresolvableHosts } from '../src/host-names.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'treekeeper-hosts-'));
  writeFileSync(join(directory, 'myid'), '1');
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A zoo.cfg with a server on each of these hosts. */
function member(...hosts: string[]): string {
  const file = join(directory, 'zoo.cfg');
  const lines = hosts.map((host, i) => `server.${i + 1}=${host}:2888:3888;2181`);
  writeFileSync(file, `dataDir=${directory}\ninitLimit=10\nsyncLimit=5\n${lines.join('\n')}\n`);
  return file;
}

describe('host names', () => {
  test('that lead nowhere are warned of', async () => {
    const { config } = loadConfig({ file: member('one', 'two', 'three') });
    const resolve = (host: string) =>
      host === 'two' ? Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' })) : Promise.resolve();
    const warnings = await unresolvableHosts(config, resolve);
    expect(warnings.map(({ message }) => message)).toEqual([
      'server.2: the host name two cannot be resolved here (ENOTFOUND): this server will try again whenever it looks for ' +
        'a leader. Correct the name, or make it known to this machine',
    ]);
  });

  test('of a standalone server are nobody’s business', async () => {
    const resolve = () => Promise.reject(new Error('asked'));
    expect(await unresolvableHosts(loadConfig().config, resolve)).toEqual([]);
  });

  test('addresses need no name server', async () => {
    expect(await unresolvableHosts(loadConfig({ file: member('127.0.0.1', '[::1]', '127.0.0.2') }).config)).toEqual([]);
  });
});

test('treekeeper config shows the lines of an ensemble, from the file they stand in', async () => {
  const file = member('127.0.0.1', '127.0.0.2', '127.0.0.3');
  const dynamic = join(directory, 'members.100000005');
  writeFileSync(dynamic, 'server.1=127.0.0.1:1:2;2181\nserver.2=127.0.0.2:1:2;2181\nserver.3=127.0.0.3:1:2;2181');
  writeFileSync(file, `dataDir=${directory}\ninitLimit=10\nsyncLimit=5\ndynamicConfigFile=${dynamic}\n`);
  let shown = '';
  const out = (text: string): void => {
    shown += text;
  };
  expect(await runCli(['config', file], { out, err: out, colour: false, env: {} })).toBe(0);
  const rows = shown.split('\n').map((line) => line.split(/ {2,}/));
  expect(rows).toEqual(
    expect.arrayContaining([
      ['server.2', '127.0.0.2:1:2;2181', `${dynamic}:2`],
      ['initLimit', '10', `${file}:2`],
      ['clientPort', '2181', `${dynamic}:1`],
    ]),
  );
  expect(shown).not.toContain('warning');
});
