/** Our client against both servers: its contract, and what it makes of a bad network. */
import { join } from 'node:path';
import { type Flavour, Server } from '../servers.ts';
import type { Checks, Options, Suite } from '../suite.ts';
import { behaviourCases, runCase } from './behaviour.ts';
import { runFaults } from './faults.ts';
import { runReconnects } from './reconnects.ts';

const FAULT_OPERATIONS = 10_000;
const RECONNECTS = 1_000;
/** Less than anything that could be kept for a connection. */
const HEAP_BYTES_EACH_MAX = 2_048;
const flavours: readonly Flavour[] = ['treekeeper', 'apache'];

export const client: Suite = {
  name: 'client',
  summary: '@treekeeper/client: its contract against both servers, and behind a proxy that cuts and truncates',
  async run(options, checks) {
    for (const flavour of flavours) {
      await against(flavour, options, checks);
    }
  },
};

async function against(flavour: Flavour, { directory, seed }: Options, checks: Checks): Promise<void> {
  const server = await Server.start({ flavour, directory: join(directory, `client-${flavour}`) });
  const address = `127.0.0.1:${server.port}`;
  for (const each of behaviourCases) {
    await checks.part(`${flavour}: ${each.name}`, () => runCase(each, address, flavour));
  }
  const report = await runFaults({ server: address, seed, operations: FAULT_OPERATIONS });
  for (const fault of report.faults) {
    checks.fail(`${flavour}: behind the proxy`, fault);
  }
  checks.that(`${flavour}: connections were cut`, report.connections > 100, () => `${report.connections} connections`);
  checks.that(`${flavour}: the watch told something`, report.events > 100, () => `${report.events} events`);
  const { before, after, connections: reconnects, signalListeners } = await runReconnects(address, RECONNECTS);
  const heapBytes = after.heapBytes - before.heapBytes;
  checks.that(`${flavour}: ${RECONNECTS} reconnects`, reconnects > RECONNECTS, () => `${reconnects} connections`);
  checks.equal(`${flavour}: listeners left on a signal`, signalListeners, 0);
  checks.that(`${flavour}: no timers left`, after.timers <= before.timers + 2, () => `${after.timers}`);
  checks.that(`${flavour}: no sockets left`, after.sockets <= before.sockets + 2, () => `${after.sockets}`);
  checks.that(`${flavour}: no memory left`, heapBytes < RECONNECTS * HEAP_BYTES_EACH_MAX, () => `${heapBytes} bytes`);
  const { operations, failures, connections, events } = report;
  checks.note(
    `${flavour}: ${operations} operations over ${connections} connections, ${failures} lost, ${events} events`,
  );
  await server.stop();
}
