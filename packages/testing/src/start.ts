import { type StartEnsembleOptions, TestEnsemble } from './test-ensemble.ts';
import { type StartServerOptions, TestServer } from './test-server.ts';

/**
 * Starts a server in this process: on a free port of 127.0.0.1, with temporary data, in some milliseconds.
 * Rejects with ConfigError when `settings` has a wrong one.
 *
 * @example
 * ```ts
 * await using server = await startServer();
 * await using client = await connect(server.connectString);
 * console.assert(client.state === 'connected');
 * ```
 */
export function startServer(options: StartServerOptions = {}): Promise<TestServer> {
  return TestServer.start(options);
}

/**
 * Starts an ensemble of so many servers in this process, and waits until all of them serve: about a second.
 * Rejects with ConfigError when `settings` has a wrong one, and RangeError for a number that cannot be.
 *
 * @example
 * ```ts
 * await using ensemble = await startEnsemble(3);
 * const client = await ensemble.client();
 * await (await ensemble.memberOf(client)).kill();
 * await client.create('/written-at-another-member', null, { idempotent: true });
 * ```
 */
export function startEnsemble(size = 3, options: StartEnsembleOptions = {}): Promise<TestEnsemble> {
  return TestEnsemble.start(size, options);
}
