/** A server as a process: from the configuration to its end. The only file that may end the process. */
import { JaasError } from './auth/jaas.ts';
import { NameRuleError } from './auth/kerberos-names.ts';
import { AuthConfigError } from './auth/registry.ts';
import type { LoadedConfig } from './config/config.ts';
import { EXIT_CODES } from './config/exit-codes.ts';
import { TlsError } from './host/tls.ts';
import type { Log } from './io/log.ts';
import { StorageError } from './io/storage-error.ts';
import { Server } from './server.ts';

export { createLogger } from './host/logger.ts';

/** Runs a server until it is told to end (SIGTERM, SIGINT) or cannot go on; then the process ends. */
export async function runServer({ config }: LoadedConfig, log: Log): Promise<void> {
  const end = (error: unknown): never => {
    const { code, text } = verdict(error);
    log.error(text);
    process.exit(code);
  };
  try {
    const server = new Server(config, log, end);
    await server.open();
    log.info(`ready: ${portsOf(server)}`);
    const stop = (signal: NodeJS.Signals): void => {
      log.info(`${signal}: stopping`);
      server.stop().then(() => process.exit(EXIT_CODES.ok.code), end);
    };
    process.once('SIGTERM', stop);
    process.once('SIGINT', stop);
  } catch (error) {
    end(error);
  }
}

function portsOf({ clientPort, secureClientPort }: Server): string {
  const plain = clientPort === null ? [] : [`clients on port ${clientPort}`];
  const secure = secureClientPort === null ? [] : [`TLS clients on port ${secureClientPort}`];
  return [...plain, ...secure].join(', ');
}

/** How the process ends, and what the operator is told: of our own bugs where they are, of anything else what to do. */
function verdict(error: unknown): { code: number; text: string } {
  if (error instanceof StorageError) {
    const { code } = {
      directory: EXIT_CODES.dataDirectory,
      data: EXIT_CODES.unexpectedError,
      disk: EXIT_CODES.storage,
    }[error.kind];
    return { code, text: error.message };
  }
  if (
    error instanceof AuthConfigError ||
    error instanceof TlsError ||
    error instanceof JaasError ||
    error instanceof NameRuleError
  ) {
    return { code: EXIT_CODES.invalidInvocation.code, text: error.message };
  }
  const { code } = EXIT_CODES.unexpectedError;
  if (!(error instanceof Error)) {
    return { code, text: String(error) };
  }
  if ((error as NodeJS.ErrnoException).syscall === 'listen') {
    const { port, address, code: reason } = error as NodeJS.ErrnoException & { port?: number; address?: string };
    const why = reason === 'EADDRINUSE' ? 'is in use: another server runs there, or set another port' : error.message;
    return { code, text: `port ${port} on ${address} ${why}` };
  }
  return { code, text: error.stack ?? error.message };
}
