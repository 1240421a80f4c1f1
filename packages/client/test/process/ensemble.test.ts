/** The client and an ensemble; `npm run interop -- client` runs the same against others. */
import { startEnsemble, type TestEnsemble } from '@treekeeper/testing';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { type EnsembleWorld, ensembleCases } from '../../../interop/src/client/ensemble-cases.ts';
import { superDigest, superUser } from '../../../interop/src/servers.ts';

function worldOf(ensemble: TestEnsemble): EnsembleWorld {
  const { members } = ensemble;
  return {
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
}

describe.each([
  ['with a quorum', false, { 'DigestAuthenticationProvider.superDigest': superDigest }],
  [
    'with or without',
    true,
    { 'readonlymode.enabled': true, localSessionsEnabled: true, localSessionsUpgradingEnabled: true },
  ],
])('%s', (_, readOnlyMode, settings) => {
  let ensemble: TestEnsemble;
  beforeAll(async () => {
    ensemble = await startEnsemble(3, { settings });
  });
  afterAll(() => ensemble[Symbol.asyncDispose]());

  test.each(ensembleCases.filter(({ readOnly = false }) => readOnly === readOnlyMode))('$name', async ({ run }) => {
    await run(worldOf(ensemble));
  });
});
