import { ConfigError, EXIT_CODES, formatNotice, type LoadedConfig, loadConfig } from '@treekeeper/server/config';
import { parseConfigArguments } from '../arguments.ts';
import { unresolvableHosts } from '../host-names.ts';
import { showConfigError, showWarnings } from '../notices.ts';
import { complain, type Terminal } from '../terminal.ts';

/** Starts a server; resolves when it serves. */
export type StartServer = (loaded: LoadedConfig) => Promise<void>;

/** Set to 1 by `treekeeper ensemble`: the server ends when its standard input does, as it does on SIGTERM. */
export const ENDS_WITH_STDIN = 'TREEKEEPER_ENDS_WITH_STDIN';

async function startServer(loaded: LoadedConfig): Promise<void> {
  if (process.env[ENDS_WITH_STDIN] === '1') {
    process.stdin.on('end', () => process.kill(process.pid, 'SIGTERM')).resume();
  }
  const { createLogger, LogFileError, runServer } = await import('@treekeeper/server/main');
  process.stdout.on('error', () => {}); // whoever reads the log may go away; the server stays
  const log = orConfigError(LogFileError, () => createLogger(loaded.config.log, process.stdout));
  for (const note of loaded.notes) {
    log.info(formatNotice(note));
  }
  // Nobody waits for name servers: the server starts meanwhile.
  void unresolvableHosts(loaded.config).then((warnings) => {
    for (const warning of warnings) {
      log.warn(formatNotice(warning));
    }
  });
  await runServer(loaded, log);
}

/** An error of this kind comes from what somebody has set. */
function orConfigError<T>(kind: new (...args: never[]) => Error, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof kind)) {
      throw error;
    }
    throw new ConfigError([{ origin: { kind: 'default' }, key: null, message: error.message }]);
  }
}

/** `treekeeper server [zoo.cfg] [-Dkey=value ...]` */
export async function server(args: readonly string[], terminal: Terminal, start: StartServer = startServer) {
  const { file, defines, help } = parseConfigArguments(args);
  if (help) {
    terminal.out(helpText());
    return EXIT_CODES.ok.code;
  }
  try {
    const loaded = loadConfig({ file, defines, env: terminal.env });
    showWarnings(terminal, loaded.warnings);
    await start(loaded);
    return EXIT_CODES.ok.code;
  } catch (error) {
    if (error instanceof ConfigError) {
      showConfigError(terminal, error);
      return EXIT_CODES.invalidInvocation.code;
    }
    return showStartError(terminal, error);
  }
}

function showStartError(terminal: Terminal, error: unknown): number {
  // A system error says all there is in its message; of anything else we want to know where it was.
  const isSystemError = error instanceof Error && 'syscall' in error;
  const text = error instanceof Error ? (isSystemError ? error.message : error.stack) : String(error);
  complain(terminal, 'red', 'error', text ?? String(error));
  return EXIT_CODES.unexpectedError.code;
}

function helpText(): string {
  const exitCodes = Object.values(EXIT_CODES).map(({ code, meaning }) => `  ${String(code).padStart(2)}  ${meaning}`);
  return `Run a server in the foreground; SIGTERM or Ctrl-C ends it

Usage: treekeeper server [zoo.cfg] [-Dkey=value ...]

Arguments:
  zoo.cfg          A configuration file of Apache ZooKeeper, as it is. Without one the server
                   listens on 127.0.0.1:2181, keeps its data in ./data and has its admin server
                   on http://127.0.0.1:8080/commands

Options:
  -D<key>=<value>  A setting by its zoo.cfg key or its Java property: -DsnapCount=10000 and
                   -Dzookeeper.snapCount=10000 are the same. As in ZooKeeper, a key that stands
                   in zoo.cfg goes before it
  -h, --help       This text

Environment:
  SERVER_JVMFLAGS, JVMFLAGS   -D options in them are read, other JVM options are passed over
  NO_COLOR                    No colours

Exit codes:
${exitCodes.join('\n')}

Examples:
  treekeeper server
  treekeeper server conf/zoo.cfg
  treekeeper server -DclientPort=2182 -DdataDir=/tmp/zk -Dadmin.serverPort=8081

To see what a configuration comes to: treekeeper config zoo.cfg
`;
}
