/** @treekeeper/testing: servers inside the test's own process. */
import { type StartServerOptions, TestServer } from './test-server.ts';

export type { StartServerOptions, TestServer };

/**
 * Starts a server in this process: on a free port of 127.0.0.1, with temporary data, in some milliseconds.
 *
 * @example
 * await using server = await startServer();
 * const client = await connect(server.connectString);
 *
 * @throws ConfigError when `settings` has a wrong one
 */
export function startServer(options: StartServerOptions = {}): Promise<TestServer> {
  return TestServer.start(options);
}
