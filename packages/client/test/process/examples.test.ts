/** What the documentation shows compiles and runs: every `@example` of the public symbols, and the README. */
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

test('examples compile', () => {
  expect(client.compile()).toBe('');
});

test('examples run, each on a tree of its own', async () => {
  const { failures, count } = await client.run();
  expect(failures).toEqual([]);
  expect(count).toBeGreaterThan(90);
});
