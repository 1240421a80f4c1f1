/** The torture, as much of it as fits into a run of all suites. */
import type { Suite } from '../suite.ts';
import { torture } from './torture.ts';

const MINUTES = 1;

export const tortured: Suite = {
  name: 'torture',
  summary: 'ensembles of 3 and 5 under kill -9, SIGSTOP, partitions, full disks, damaged files: no write lost, no fork',
  async run(options, checks) {
    for (const servers of [3, 5]) {
      const { seed, server: product, directory } = options;
      await torture(
        {
          product,
          servers,
          clients: 6,
          minutes: MINUTES,
          seed,
          network: 'namespaces',
          faults: [],
          directory,
          tell: () => {},
        },
        checks,
      );
    }
  },
};
