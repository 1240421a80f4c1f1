/** The TypeScript in the pages compiles, with the types that its readers will have. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { blocksIn, root } from '../support/pages.ts';

const directory = mkdtempSync(join(tmpdir(), 'treekeeper-docs-'));
afterAll(() => rmSync(directory, { recursive: true }));

test('the TypeScript in the pages compiles', () => {
  const blocks = blocksIn('ts');
  expect(blocks.length).toBeGreaterThan(1);
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }');
  const files = blocks.map(({ text }, i) => {
    writeFileSync(join(directory, `block-${i}.ts`), text);
    return `block-${i}.ts`;
  });
  const compilerOptions = { noEmit: true, composite: false, declaration: false, customConditions: [] };
  const config = { extends: join(root, 'tsconfig.base.json'), compilerOptions, files };
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(config));
  const tsc = join(root, 'node_modules/.bin/tsc');
  const { status, stdout, stderr } = spawnSync(tsc, ['-p', directory], { encoding: 'utf8' });
  const pages = blocks.map(({ page }, i) => `block-${i}: ${page}`).join('\n');
  expect({ status, output: stdout + stderr }, pages).toEqual({ status: 0, output: '' });
});
