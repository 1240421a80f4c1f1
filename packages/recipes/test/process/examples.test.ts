/** What the documentation shows compiles and runs: every `@example` of the public symbols, and the README. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Documented } from '../../../client/test/support/documented.ts';

const recipes = new Documented({
  home: join(import.meta.dirname, '../..'),
  name: '@treekeeper/recipes',
  without: ['master-worker'],
  imports: "import { type Client, connect, json, type StandardSchema, utf8 } from '@treekeeper/client';\n",
});

test('every public symbol has a doc comment, and what can be called has an example', () => {
  expect(recipes.exported.length).toBeGreaterThan(20);
  expect(recipes.missing(() => false)).toEqual({ comments: [], examples: [] });
});

test('examples compile', () => {
  expect(recipes.compile()).toBe('');
});

test('examples run, each on a tree of its own', async () => {
  const { failures, count } = await recipes.run();
  expect(failures).toEqual([]);
  expect(count).toBeGreaterThan(30);
});
