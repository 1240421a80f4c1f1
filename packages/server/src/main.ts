/** A server as a process: from the configuration to its end. The only file that may end the process. */
import type { LoadedConfig } from './config/config.ts';
import { EXIT_CODES } from './config/exit-codes.ts';
import type { Log } from './io/log.ts';
import { Server } from './server.ts';
import { StorageError } from './storage/errors.ts';

export { createLogger } from './host/logger.ts';

/** Runs a server until it is told to end (SIGTERM, SIGINT) or cannot go on. */
export async function runServer({ config }: LoadedConfig, log: Log): Promise<void> {
  const fail = (code: number, error: unknown): void => {
    log.error(error instanceof Error ? (code === EXIT_CODES.unexpectedError.code ? (error.stack ?? error.message) : error.message) : String(error));
    process.exit(code);
  };
  try {
    const server = new Server(config, log, (kind, error) =>
      fail(kind === 'storage' ? EXIT_CODES.storage.code : EXIT_CODES.unexpectedError.code, error),
    );
    await server.listen();
    log.info(`serving clients on port ${server.clientPort}`);
    const stop = (signal: string): void => {
      log.info(`${signal}: stopping`);
      server.stop().then(
        () => process.exit(EXIT_CODES.ok.code),
        (error: unknown) => fail(EXIT_CODES.unexpectedError.code, error),
      );
    };
    process.once('SIGTERM', stop);
    process.once('SIGINT', stop);
  } catch (error) {
    if (error instanceof StorageError) {
      fail(error.kind === 'directory' ? EXIT_CODES.dataDirectory.code : EXIT_CODES.unexpectedError.code, error);
    }
    fail(EXIT_CODES.unexpectedError.code, error);
  }
}
