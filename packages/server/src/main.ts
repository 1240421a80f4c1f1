/** A server as a process: from the configuration to its end. The only file that may end the process. */
import { resolve } from 'node:path';
import { zxidHex } from '@treekeeper/protocol';
import { TREEKEEPER_VERSION, ZOOKEEPER_VERSION } from './admin/version.ts';
import { JaasError } from './auth/jaas.ts';
import { NameRuleError } from './auth/kerberos-names.ts';
import { AuthConfigError } from './auth/registry.ts';
import type { LoadedConfig } from './config/config.ts';
import { EXIT_CODES } from './config/exit-codes.ts';
import type { ServerConfig } from './config/server-config.ts';
import { onEndSignal } from './host/end-signals.ts';
import { LogFileError } from './host/rolling-file.ts';
import { TlsError } from './host/tls.ts';
import { keepYoungGenerationSmall } from './host/young-generation.ts';
import type { Log } from './io/log.ts';
import { StorageError } from './io/storage-error.ts';
import { Server } from './server.ts';
import { ElectionPortError } from './wiring/election-port-error.ts';
import { CLIENT_PORT_KEYS, HttpPortError, portProblem } from './wiring/http-port-error.ts';

export { createLogger } from './host/logger.ts';
export { LogFileError };

/** Runs a server until it is told to end (SIGTERM, SIGINT) or cannot go on; then the process ends. */
export async function runServer({ config }: LoadedConfig, log: Log): Promise<void> {
  const end = (error: unknown): never => {
    const { code, text } = verdict(error);
    log.error(text);
    process.exit(code);
  };
  let server: Server | null = null;
  // Before anything else: a server that is told to end while it starts ends in the same way.
  onEndSignal(process, log, () => {
    (server?.stop() ?? Promise.resolve()).then(() => {
      log.info('stopped');
      process.exit(EXIT_CODES.ok.code);
    }, end);
  });
  try {
    const version = `Treekeeper ${TREEKEEPER_VERSION} (speaks ZooKeeper ${ZOOKEEPER_VERSION})`;
    log.info(`${version}, Node ${process.version}, process ${process.pid}`);
    log.info(foundation(config));
    server = new Server(config, log, end);
    await server.open();
    keepYoungGenerationSmall(); // not before: recovery makes much at once
    log.info(config.source.file === null ? welcome(server, config) : readiness(server, config));
  } catch (error) {
    end(error);
  }
}

/** What the server stands on. */
function foundation({ source, storage: { dataDir, dataLogDir } }: ServerConfig): string {
  const from =
    source.file === null ? 'no zoo.cfg given: defaults for trying things out' : `configuration ${source.file}`;
  const data = resolve(dataDir);
  const log = resolve(dataLogDir);
  return `${from}; data in ${data}${log === data ? '' : `, transaction log in ${log}`}`;
}

/** One line for service managers and their readers. */
function readiness(server: Server, config: ServerConfig): string {
  const { lastZxid, nodeCount, sessionCount } = server.summary;
  const where = [...clientAddresses(server, config), ...server.httpUrls].join(', ');
  const has = `${nodeCount} nodes, ${sessionCount} sessions, last zxid 0x${zxidHex(lastZxid)}`;
  const state = config.ensemble === null ? 'ready' : 'open, and looking for a leader';
  return `${state}: ${where}; ${has}; ${Math.round(performance.now())} ms after the process began`;
}

/** Where the shell looks for a server that nobody named. */
const SHELL_DEFAULT = '127.0.0.1:2181';

/** A few lines for somebody who has just typed `npm start`. */
function welcome(server: Server, config: ServerConfig): string {
  const { nodeCount } = server.summary;
  const address = `${config.listeners.clientAddress ?? '127.0.0.1'}:${server.clientPort ?? server.secureClientPort}`;
  const shell = `npx treekeeper shell${address === SHELL_DEFAULT ? '' : ` -s ${address}`}`;
  const urls = server.httpUrls.map((url) => url.replace(/^admin /, 'Admin    ').replace(/^metrics /, 'Metrics  '));
  return [
    'ready: a ZooKeeper server for trying things out',
    `Clients  ${address} (${shell}, or any ZooKeeper client)`,
    ...urls,
    `Data     ${resolve(config.storage.dataDir)} (${nodeCount} nodes)`,
    'Stop     Ctrl-C; the data stay',
  ].join('\n');
}

function clientAddresses({ clientPort, secureClientPort }: Server, { listeners }: ServerConfig): string[] {
  const plain = clientPort === null ? [] : [`clients ${listeners.clientAddress ?? '*'}:${clientPort}`];
  const secure =
    secureClientPort === null ? [] : [`TLS clients ${listeners.secureClientAddress ?? '*'}:${secureClientPort}`];
  return [...plain, ...secure];
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
    error instanceof NameRuleError ||
    error instanceof LogFileError
  ) {
    return { code: EXIT_CODES.invalidInvocation.code, text: error.message };
  }
  if (error instanceof HttpPortError) {
    const { code } = error.server === 'admin' ? EXIT_CODES.adminServer : EXIT_CODES.unexpectedError;
    return { code, text: error.message };
  }
  if (error instanceof ElectionPortError) {
    return { code: EXIT_CODES.electionPort.code, text: error.message };
  }
  const { code } = EXIT_CODES.unexpectedError;
  if (!(error instanceof Error)) {
    return { code, text: String(error) };
  }
  const problem = portProblem(error);
  if (problem !== null) {
    return { code, text: `${problem} (${CLIENT_PORT_KEYS})` };
  }
  const { syscall, path } = error as NodeJS.ErrnoException;
  if (syscall !== undefined && path !== undefined) {
    return { code, text: error.message }; // a file that cannot be opened: where in our code says nothing
  }
  return { code, text: error.stack ?? error.message };
}
