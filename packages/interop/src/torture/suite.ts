/** The torture, as much of it as fits into a run of all suites. */
import type { Suite } from '../suite.ts';
import { Figures } from './figures.ts';
import { torture } from './torture.ts';

const MINUTES = 1;

export const tortured: Suite = {
  name: 'torture',
  summary: 'ensembles of 3 and 5 under kill -9, SIGSTOP, partitions, full disks, damaged files: no write lost, no fork',
  async run({ seed, server: product, directory }, checks) {
    for (const servers of [3, 5]) {
      const common = { network: 'namespaces', disk: 'small', faults: [], directory, tell: () => {} } as const;
      const options = { ...common, product, servers, clients: 6, minutes: MINUTES, seed };
      await torture(options, checks, new Figures(product));
    }
  },
};
