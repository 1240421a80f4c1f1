/** The examples of the README compile, and do what they say: as programs, under node:test and under vitest. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../../..', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'treekeeper-readme-'));
afterAll(() => rmSync(directory, { recursive: true }));

const FILES = {
  '': 'program.ts',
  vitest: 'vitest.test.ts',
  'node-test': 'node.test.ts',
  ensemble: 'ensemble.ts',
} as const;

beforeAll(() => {
  const text = readFileSync(join(root, 'packages/testing/README.md'), 'utf8');
  const blocks = [...text.matchAll(/^```ts ?(\S*)\n([\s\S]*?)^```$/gm)];
  expect(blocks.map(([, kind]) => kind)).toEqual(Object.keys(FILES));
  for (const [, kind, code] of blocks) {
    writeFileSync(join(directory, FILES[kind as keyof typeof FILES]), code);
  }
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }');
  const compilerOptions = {
    composite: false,
    declaration: false,
    sourceMap: false,
    customConditions: [],
    outDir: 'out',
  };
  const files = Object.values(FILES);
  writeFileSync(
    join(directory, 'tsconfig.json'),
    JSON.stringify({ extends: join(root, 'tsconfig.base.json'), compilerOptions, files }),
  );
  expectSuccess(run(join(root, 'node_modules/.bin/tsc'), '-p', directory));
});

function run(command: string, ...args: string[]): { status: number | null; output: string } {
  // The runner that runs us must not be found by the ones that we start.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_)/.test(name)));
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', cwd: directory, env });
  return { status, output: stdout + stderr };
}

function expectSuccess({ status, output }: ReturnType<typeof run>): void {
  expect(status, output).toBe(0);
}

test('the first program', () => {
  expectSuccess(run(process.execPath, 'out/program.js'));
});

test('with an ensemble', () => {
  expectSuccess(run(process.execPath, 'out/ensemble.js'));
});

test('with node:test', () => {
  const result = run(process.execPath, '--test', 'out/node.test.js');
  expectSuccess(result);
  expect(result.output).toMatch(/pass 2\b/);
});

test('with vitest, which compiles it itself', () => {
  const result = run(process.execPath, join(root, 'node_modules/vitest/vitest.mjs'), 'run', 'vitest.test.ts');
  expectSuccess(result);
  expect(result.output).toMatch(/1 passed/);
});
