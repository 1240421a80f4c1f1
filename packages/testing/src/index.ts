/** @treekeeper/testing: servers inside the test's own process. */
export { startEnsemble, startServer } from './start.ts';
export type { StartEnsembleOptions, TestEnsemble } from './test-ensemble.ts';
export type { StartServerOptions, TestServer } from './test-server.ts';
