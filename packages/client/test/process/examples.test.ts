/** What the documentation shows compiles and runs: every `@example` of the public symbols, and the README. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as protocol from '@treekeeper/protocol';
import { expect, test } from 'vitest';
import { Documented } from '../support/documented.ts';

const client = new Documented({
  home: join(import.meta.dirname, '../..'),
  name: '@treekeeper/client',
  imports: "import { subscribe, unsubscribe } from 'node:diagnostics_channel';\n",
  withExample: 'all',
});

/** Of the protocol, named here for convenience. */
const protocolTypes: ReadonlySet<string> = new Set(['ACL', 'ClientInfo', 'Stat']);

test('every public symbol has a doc comment with an example', () => {
  expect(client.exported.length).toBeGreaterThan(60);
  const missing = client.missing((name) => Object.hasOwn(protocol, name) || protocolTypes.has(name));
  expect(missing).toEqual({ comments: [], examples: [] });
});

test('every call of a client has an example, and every name of the protocol stands in one', () => {
  const text = readFileSync(join(import.meta.dirname, '../../src/client.ts'), 'utf8');
  const interfaceText = /^export interface Client [\s\S]*?^}/m.exec(text)?.[0] ?? '';
  const calls = [...interfaceText.matchAll(/\*\/\n {2}(\w+)[<(]/g)].map(([, name]) => name as string);
  expect(calls.length).toBeGreaterThan(20);
  const shown = client.examples.map(({ name }) => name.replace(/^client\.ts: (\w+).*/, '$1'));
  expect(calls.filter((name) => !shown.includes(name))).toEqual([]);
  const foreign = client.exported.map(({ name }) => name).filter((name) => Object.hasOwn(protocol, name));
  expect(foreign.length).toBeGreaterThan(0);
  const isUsed = (name: string): boolean => client.examples.some(({ code }) => new RegExp(`\\b${name}\\b`).test(code));
  expect(foreign.filter((name) => !isUsed(name))).toEqual([]);
});

test('examples compile', () => {
  expect(client.compile()).toBe('');
});

test('examples run, each on a tree of its own', async () => {
  const { failures, count } = await client.run();
  expect(failures).toEqual([]);
  expect(count).toBeGreaterThan(90);
});
