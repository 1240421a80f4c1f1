/** What the documentation of master-worker shows compiles and runs. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Documented } from '../../../client/test/support/documented.ts';

const masterWorker = new Documented({
  home: join(import.meta.dirname, '../..'),
  name: '@treekeeper/recipes/master-worker',
  folder: 'master-worker',
  readme: false,
  imports: "import { type Client, connect, json, utf8 } from '@treekeeper/client';\n",
});

test('every public symbol has a doc comment, and what can be called has an example', () => {
  expect(masterWorker.exported.length).toBeGreaterThan(15);
  expect(masterWorker.missing(() => false)).toEqual({ comments: [], examples: [] });
});

test('examples compile', () => {
  expect(masterWorker.compile()).toBe('');
});

test('examples run, each on a tree of its own', async () => {
  const { failures, count } = await masterWorker.run();
  expect(failures).toEqual([]);
  expect(count).toBeGreaterThan(10);
});
