/** The client's contract against a Treekeeper server; `npm run interop -- client` runs it against the others. */
import { startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, beforeAll, test } from 'vitest';
import { behaviourCases, runCase } from '../../../interop/src/client/behaviour.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

test.each(behaviourCases)('$name', async (each) => {
  await runCase(each, server.connectString, 'treekeeper');
});
