import { defineConfig } from 'vitest/config';

// Sources run directly (no dist needed): the packages' exports name their sources under this condition.
const conditions = ['@treekeeper/source', 'node', 'import', 'module', 'default'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['packages/*/test/**/*.test.ts', 'scripts/*.test.ts'],
          exclude: ['packages/*/test/process/**'],
          pool: 'threads',
          isolate: false,
          // No test depends on time; this is for machines on which much else is going on.
          testTimeout: 30_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'process',
          include: ['packages/*/test/process/**/*.test.ts'],
          pool: 'forks',
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
