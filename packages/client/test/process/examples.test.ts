/** What the documentation shows compiles and runs: every `@example` of the public symbols, and the README. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as protocol from '@treekeeper/protocol';
import { startServer } from '@treekeeper/testing';
import { expect, test } from 'vitest';
import { type Client, connect } from '../../src/index.ts';

const home = join(import.meta.dirname, '../..');
const root = join(home, '../..');
/** Ignored by git, and inside the package, so that its name resolves. */
const folder = join(home, 'dist/examples');

interface Example {
  readonly name: string;
  readonly code: string;
}
type Run = (client: Client, connectString: string) => Promise<void>;

const sources = readdirSync(join(home, 'src'), { encoding: 'utf8', recursive: true }).filter((name) =>
  name.endsWith('.ts'),
);
const textOf = (name: string): string => readFileSync(join(home, 'src', name), 'utf8');
const index = textOf('index.ts');

/** Names in index.ts, and whether they are types. */
const exported = [...index.matchAll(/^export (type )?\{([^}]*)\}/gms)].flatMap(([, isType, names]) =>
  (names as string)
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
    .map((name) => ({ name: name.replace(/^type /, ''), isType: isType !== undefined || name.startsWith('type ') })),
);

/** Of the protocol, named here for convenience. */
const protocolTypes: ReadonlySet<string> = new Set(['ACL', 'ClientInfo', 'Stat']);

const examples: readonly Example[] = [...sources.flatMap(examplesOf), ...readmeExamples()];

function examplesOf(file: string): Example[] {
  const blocks = textOf(file).matchAll(/@example\n((?: *\*.*\n)+?) *\*\/\n(.*)/g);
  return [...blocks].map(([, comment, declaration]) => ({
    name: `${file}: ${(declaration as string).trim()}`,
    code: (comment as string).replaceAll(/^ *\* ?/gm, '').replaceAll(/^```.*\n/gm, ''),
  }));
}

function readmeExamples(): Example[] {
  const text = readFileSync(join(home, 'README.md'), 'utf8');
  return [...text.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code], i) => ({
    name: `README.md: block ${i + 1}`,
    code: (code as string).replaceAll(/^import .*\n/gm, '').replaceAll("'127.0.0.1:2181'", 'connectString'),
  }));
}

/** One function for each, in a module that has all public names and a console whose asserts count. */
function moduleText(): string {
  const functions = examples.map(({ name, code }) => {
    const body = `async (client, connectString) => { void client; void connectString; {\n${code}\n} }`;
    return `  ${JSON.stringify(name)}: ${body},\n`;
  });
  const names = exported.map(({ name, isType }) => (isType ? `type ${name}` : name));
  return `import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { ${names.join(', ')} } from '@treekeeper/client';
const console = {
  assert(holds: boolean): void { if (!holds) { throw new Error('an assertion of the example does not hold'); } },
  log(..._: unknown[]): void {},
};
export const examples: Record<string, (client: Client, connectString: string) => Promise<void>> = {
${functions.join('')}};
`;
}

function writeModule(): string {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'examples.ts');
  writeFileSync(file, moduleText());
  const settings = {
    extends: '../../../../tsconfig.base.json',
    compilerOptions: {
      noEmit: true,
      composite: false,
      declaration: false,
      rewriteRelativeImportExtensions: false,
      noUnusedLocals: false,
    },
    files: ['examples.ts'],
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(settings));
  return file;
}

test('every public symbol has a doc comment, and what can be called has an example', () => {
  const all = sources.map(textOf).join('\n');
  const own = exported.filter(({ name }) => !Object.hasOwn(protocol, name) && !protocolTypes.has(name));
  expect(own.length).toBeGreaterThan(60);
  const declared = (name: string): string =>
    `\\*/\\nexport (?:declare )?(?:abstract )?(?:const|(?:async )?function|class|interface|type) ${name}\\b`;
  expect(own.filter(({ name }) => !new RegExp(declared(name)).test(all)).map(({ name }) => name)).toEqual([]);
  const shown = examples.map(({ name }) => name.replace(/^.*?: /, ''));
  const isShown = (name: string): boolean => shown.some((line) => new RegExp(`\\b${name}\\b`).test(line));
  expect(own.filter(({ name, isType }) => !isType && !isShown(name)).map(({ name }) => name)).toEqual([]);
});

test('examples compile', () => {
  writeModule();
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const { stdout, status } = spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' });
  expect(stdout).toBe('');
  expect(status).toBe(0);
});

test('examples run, each on a tree of its own', async () => {
  const { examples: runs } = (await import(/* @vite-ignore */ writeModule())) as { examples: Record<string, Run> };
  await using server = await startServer();
  await using admin = await connect(server.connectString);
  const failures: string[] = [];
  for (const [i, [name, run]] of Object.entries(runs).entries()) {
    await admin.create(`/example-${i}`);
    const connectString = `${server.connectString}/example-${i}`;
    const client = await connect(connectString);
    await run(client, connectString).catch((error: unknown) => failures.push(`${name}: ${String(error)}`));
    await client.close();
  }
  expect(failures).toEqual([]);
  expect(Object.keys(runs).length).toBeGreaterThan(40);
});
