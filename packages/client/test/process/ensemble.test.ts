/** The client and an ensemble; `npm run interop -- client` runs the same against others. */
import { startEnsemble, type TestEnsemble } from '@treekeeper/testing';
import { afterAll, beforeAll, test } from 'vitest';
import { type EnsembleWorld, ensembleCases } from '../../../interop/src/client/ensemble-cases.ts';
import { superDigest, superUser } from '../../../interop/src/servers.ts';

let ensemble: TestEnsemble;
let world: EnsembleWorld;

beforeAll(async () => {
  ensemble = await startEnsemble(3, { settings: { 'DigestAuthenticationProvider.superDigest': superDigest } });
  const { members } = ensemble;
  world = {
    addresses: members.map(({ connectString }) => connectString),
    superUser,
    kill: async (member) => await members[member]?.kill(),
    start: async (member) => {
      if (members[member]?.running === false) {
        await members[member].restart();
      }
    },
    untilServing: () => ensemble.untilServing(),
    leader: async () => members.indexOf(await ensemble.leader()),
  };
});
afterAll(() => ensemble[Symbol.asyncDispose]());

// Which servers offer read-only mode is interop's to say.
test.each(ensembleCases.filter(({ readOnly }) => readOnly !== true))('$name', async ({ run }) => {
  await run(world);
});
