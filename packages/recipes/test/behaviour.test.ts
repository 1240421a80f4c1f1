/** The recipes' contract against a Treekeeper server; `npm run interop -- recipes` runs it against the others. */
import { startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, beforeAll, test } from 'vitest';
import { runCase } from '../../interop/src/client/behaviour.ts';
import { recipeCases } from '../../interop/src/recipes/behaviour.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

test.each(recipeCases)('$name', async (each) => {
  await runCase(each, server.connectString, 'treekeeper');
});
