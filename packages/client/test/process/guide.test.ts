/** The programs of docs/guides/client.md and of the README compile, run, and print what stands below them. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startServer } from '@treekeeper/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PASSWORD, storePath } from '../../../server/test/host/tls-fixtures.ts';

const root = join(import.meta.dirname, '../../../..');
const directory = mkdtempSync(join(tmpdir(), 'treekeeper-guide-'));
afterAll(() => rmSync(directory, { recursive: true }));

const pages = ['docs/guides/client.md', 'README.md'].map((page) => readFileSync(join(root, page), 'utf8'));
const guide = pages.join('');
const programs = [...guide.matchAll(/^## (.*)$|^```ts\n([\s\S]*?)^```\n\n```text\n([\s\S]*?)^```$/gm)].flatMap(
  ([, heading, code, output], i, all) =>
    heading === undefined ? [{ name: `${headingBefore(all, i)}, ${i}`, code: code ?? '', output }] : [],
);

function headingBefore(all: readonly RegExpExecArray[], at: number): string {
  return all.slice(0, at).findLast(([, heading]) => heading !== undefined)?.[1] ?? '';
}

const settings = {
  secureClientPort: 0,
  'ssl.keyStore.location': storePath('server.p12'),
  'ssl.keyStore.password': PASSWORD,
  'ssl.trustStore.location': storePath('ca.pem'),
};

beforeAll(() => {
  mkdirSync(join(directory, 'out'));
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }');
  for (const [i, { code }] of programs.entries()) {
    writeFileSync(join(directory, `${i}.ts`), code);
  }
  const compilerOptions = {
    composite: false,
    declaration: false,
    sourceMap: false,
    customConditions: [],
    outDir: 'out',
  };
  const files = programs.map((_, i) => `${i}.ts`);
  const config = { extends: join(root, 'tsconfig.base.json'), compilerOptions, files };
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(config));
  const { stdout, status } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', directory], { encoding: 'utf8' });
  expect(status, stdout).toBe(0);
});

describe('programs', () => {
  test('all blocks have an output', () => {
    expect(programs.length).toBeGreaterThan(7);
    expect(programs).toHaveLength([...guide.matchAll(/^```ts/gm)].length);
  });

  test('that of the README is plain JavaScript, which every Node takes', () => {
    const { code = '' } = programs.at(-1) ?? {};
    expect(pages[1]).toContain(code);
    writeFileSync(join(directory, 'readme.mjs'), code);
    const { status, stderr } = spawnSync(process.execPath, ['--check', join(directory, 'readme.mjs')], {
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  test.each(programs.map(({ name, output }, i) => [name, i, output] as const))('%s', async (_, i, output) => {
    await using server = await startServer({ settings });
    const file = join(directory, 'out', `${i}.js`);
    const here = readFileSync(file, 'utf8')
      .replaceAll('127.0.0.1:2181', server.connectString)
      .replaceAll('zk1.example.com:2281', `localhost:${server.securePort}`)
      .replaceAll('/etc/ssl/zk-ca.pem', storePath('ca.pem'))
      .replaceAll(/\/etc\/ssl\/me\.(pem|key)/g, storePath('client.pem'));
    writeFileSync(file, here);
    // The conditions under which we run are not those of the reader.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_)/.test(name)));
    const { stdout } = await promisify(execFile)(process.execPath, [file], { env });
    expect(stdout).toBe(output);
  });
});
