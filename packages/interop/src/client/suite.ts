/** Our client against both servers: its contract, and what it makes of a bad network. */
import { join } from 'node:path';
import { Ensemble } from '../ensemble.ts';
import { type Flavour, Server, superUser } from '../servers.ts';
import type { Checks, Options, Suite } from '../suite.ts';
import { behaviourCases, runCase } from './behaviour.ts';
import { type EnsembleWorld, ensembleCases } from './ensemble-cases.ts';
import { runFaults } from './faults.ts';
import { runReconnects } from './reconnects.ts';

const FAULT_OPERATIONS = 10_000;
const RECONNECTS = 1_000;
/** Less than anything that could be kept for a connection. */
const HEAP_BYTES_EACH_MAX = 2_048;
/** Servers that serve reads without a quorum; without local sessions Apache's take nobody (client-protocol.md §2.8). */
const READ_ONLY_SETTINGS = {
  'readonlymode.enabled': 'true',
  localSessionsEnabled: 'true',
  localSessionsUpgradingEnabled: 'true',
};
const flavours: readonly Flavour[] = ['treekeeper', 'apache'];

export const client: Suite = {
  name: 'client',
  summary: '@treekeeper/client: its contract against both servers and ensembles of each, and behind a bad network',
  async run(options, checks) {
    for (const flavour of flavours) {
      await against(flavour, options, checks);
      await againstEnsemble(flavour, options, checks);
    }
  },
};

/** The contract at a follower, whose writes go the long way; and what only an ensemble can do to a client. */
async function againstEnsemble(flavour: Flavour, { directory }: Options, checks: Checks): Promise<void> {
  const members = [{ flavour }, { flavour }, { flavour }];
  const place = join(directory, `client-ensemble-${flavour}`);
  const ensemble = await Ensemble.start(place, members, { reconfigEnabled: 'true' });
  const world = worldOf(ensemble);
  const follower = world.addresses[((await world.leader()) + 1) % members.length] as string;
  for (const each of behaviourCases) {
    await checks.part(`${flavour} ensemble: ${each.name}`, () => runCase(each, follower, flavour));
  }
  for (const each of ensembleCases.filter(({ readOnly }) => readOnly !== true)) {
    await checks.part(`${flavour} ensemble: ${each.name}`, () => each.run(world));
  }
  await ensemble.stop();
  const lenient = await Ensemble.start(`${place}-read-only`, members, READ_ONLY_SETTINGS);
  for (const each of ensembleCases.filter(({ readOnly }) => readOnly === true)) {
    await checks.part(`${flavour} ensemble: ${each.name}`, () => each.run(worldOf(lenient)));
  }
  await lenient.stop();
}

function worldOf(ensemble: Ensemble): EnsembleWorld {
  const { members } = ensemble;
  return {
    addresses: members.map(({ port }) => `127.0.0.1:${port}`),
    superUser,
    kill: async (member) => await members[member]?.server.kill(),
    start: async (member) => {
      if (members[member]?.server.alive === false) {
        members[member].server.launch();
      }
    },
    untilServing: () => ensemble.untilServing(),
    leader: async () => members.indexOf(await ensemble.leader()),
  };
}

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
  checks.that(`${flavour}: deadlines passed`, report.timeouts > 10, () => `${report.timeouts} timeouts`);
  checks.that(`${flavour}: the watch told something`, report.events > 100, () => `${report.events} events`);
  const { before, after, connections: reconnects, signalListeners } = await runReconnects(address, RECONNECTS);
  const heapBytes = after.heapBytes - before.heapBytes;
  checks.that(`${flavour}: ${RECONNECTS} reconnects`, reconnects > RECONNECTS, () => `${reconnects} connections`);
  checks.equal(`${flavour}: listeners left on a signal`, signalListeners, 0);
  checks.that(`${flavour}: no timers left`, after.timers <= before.timers + 2, () => `${after.timers}`);
  checks.that(`${flavour}: no sockets left`, after.sockets <= before.sockets + 2, () => `${after.sockets}`);
  checks.that(`${flavour}: no memory left`, heapBytes < RECONNECTS * HEAP_BYTES_EACH_MAX, () => `${heapBytes} bytes`);
  const { operations, failures, timeouts, connections, events } = report;
  checks.note(
    `${flavour}: ${operations} operations over ${connections} connections, ${failures} lost, ${timeouts} of them timed out, ${events} events`,
  );
  await server.stop();
}
