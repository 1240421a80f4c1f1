/** A bad network between client and server; interop does this ten thousand times, against both servers. */
import { startServer } from '@treekeeper/testing';
import { expect, test } from 'vitest';
import { runFaults } from '../../../interop/src/client/faults.ts';

test.each([1, 2])('no call is answered wrongly, none hangs, no event is lost without a gap: seed %i', async (seed) => {
  await using server = await startServer();
  const report = await runFaults({ server: server.connectString, seed, operations: 600 });
  expect(report.faults).toEqual([]);
  expect(report.connections).toBeGreaterThan(5);
  expect(report.events).toBeGreaterThan(20);
  expect(report.timeouts).toBeGreaterThan(0);
});
