/** The examples of the public symbols compile and run; the README's are readme.test.ts's. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Documented } from '../../../client/test/support/documented.ts';

const testing = new Documented({
  home: join(import.meta.dirname, '../..'),
  name: '@treekeeper/testing',
  imports: "import { type Client, connect } from '@treekeeper/client';\n",
  readme: false,
  withExample: 'all',
});

test('every public symbol has a doc comment with an example', () => {
  expect(testing.exported.length).toBe(6);
  expect(testing.missing(() => false)).toEqual({ comments: [], examples: [] });
});

test('examples compile', () => {
  expect(testing.compile()).toBe('');
});

test('examples run', async () => {
  const { failures, count } = await testing.run();
  expect(failures).toEqual([]);
  expect(count).toBe(6);
});
