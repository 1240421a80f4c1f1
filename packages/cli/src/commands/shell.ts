import { createInterface } from 'node:readline';
import { type Terminal, UsageError } from '../terminal.ts';
import { dashed } from './shell/command.ts';
import { EXIT } from './shell/explain.ts';
import { History, historyFile } from './shell/history.ts';
import { converse } from './shell/interactive.ts';
import { processIo, type ShellIo } from './shell/io.ts';
import { LAUNCH_FLAGS, type Launch, parseLaunch } from './shell/launch.ts';
import { fail, findCommand, remember, runLine, runWords } from './shell/run.ts';
import { Shell } from './shell/shell.ts';
import { COMMANDS } from './shell/table.ts';
import { words } from './shell/tokens.ts';

/** `treekeeper shell [options] [command ...]` */
export async function shell(args: readonly string[], terminal: Terminal, io: ShellIo = processIo(terminal)) {
  const launch = parseLaunch(args, terminal.env);
  if (launch.help) {
    terminal.out(helpText());
    return EXIT.ok;
  }
  const isOneShot = launch.words.length > 0;
  const isInteractive = !isOneShot && io.input.isTTY === true && io.output.isTTY === true;
  const history = new History(isInteractive ? historyFile(terminal.env) : null);
  const { servers, connect, output } = launch;
  const session = new Shell({ io, commands: COMMANDS, history, servers, connect, output });
  try {
    if (isInteractive) {
      return await converse(session);
    }
    return await withSignals(session, () => (isOneShot ? runOne(session, launch) : runLines(session, launch)));
  } finally {
    await session.disconnect();
  }
}

/** Ctrl-C ends the shell, whether a command runs or not; the session is closed properly. */
async function withSignals(session: Shell, run: () => Promise<number>): Promise<number> {
  const interrupt = (): void => session.interrupt();
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  try {
    return await run();
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}

async function runOne(session: Shell, { words: command }: Launch): Promise<number> {
  return (await connectFor(session, command[0])) ?? (await runWords(session, command));
}

/** Connects if the command needs it. Null, or the exit code of a failure. */
async function connectFor(session: Shell, name: string): Promise<number | null> {
  const command = findCommand(session.commands, name);
  if (command === undefined || command.needsSession === false || session.clientOrNull !== null) {
    return null;
  }
  try {
    await session.connect();
    return null;
  } catch (error) {
    return fail(session, session.signal.aborted ? session.signal.reason : error);
  }
}

/** Commands from standard input, one a line. The first that fails ends it, unless --keep-going is given. */
async function runLines(session: Shell, { keepsGoing }: Launch): Promise<number> {
  let result: number = EXIT.ok;
  let wasConnected = false;
  const { signal } = session;
  const lines = createInterface({ input: session.io.input });
  signal.addEventListener('abort', () => lines.close(), { once: true });
  for await (const line of lines) {
    if (signal.aborted) {
      break; // lines that were read before are not run any more
    }
    remember(session, line);
    // As zkCli: the session is there from the beginning, and only `close` ends it.
    const failure = wasConnected ? null : await connectFor(session, firstWord(line));
    wasConnected ||= session.clientOrNull !== null;
    const code = failure ?? (await runLine(session, line));
    result = code === EXIT.ok ? result : code;
    if (session.ended || signal.aborted || (code !== EXIT.ok && !keepsGoing)) {
      break;
    }
  }
  // A command that was running has told it already.
  return signal.aborted && result !== EXIT.interrupted ? fail(session, signal.reason) : result;
}

function firstWord(line: string): string {
  try {
    return words(line.replace(/^\s*#.*/, ''))[0] ?? '';
  } catch (error) {
    if (error instanceof UsageError) {
      return ''; // told when the line is run
    }
    throw error;
  }
}

function helpText(): string {
  const options = Object.entries(LAUNCH_FLAGS).map(([name, { value, meaning }]) => {
    const shown = `${name === 'help' ? '-h, ' : name === 'output' ? '-o, ' : ''}${dashed(name)}`;
    return `  ${`${shown}${value === undefined ? '' : ` <${value}>`}`.padEnd(36)}${meaning}`;
  });
  return `A shell for ZooKeeper servers: all that zkCli.sh can do, and more

Usage: treekeeper shell [options] [command ...]

Without a command it asks for commands, or takes them from standard input, one a line.
help lists the commands; treekeeper shell help ls shows one.

Options, before the command:
${options.join('\n')}

Environment:
  TREEKEEPER_SERVERS         Instead of -s
  TREEKEEPER_AUTH            Instead of --auth, so that no password shows among the processes
  TREEKEEPER_TLS_PASSPHRASE  Of the key or the PKCS #12 file
  TREEKEEPER_HISTORY         Where lines are kept; else $XDG_STATE_HOME/treekeeper/history or
                             ~/.treekeeper_history
  EDITOR, VISUAL, NO_COLOR   As everywhere

Exit codes:
    0  The command has done what it says
    1  It could not: no such node, no permission, trees that differ, nothing found, ...
    2  Wrong arguments, or no such command
    3  No connection, or the session is lost
  130  Interrupted (Ctrl-C, SIGTERM)
       lock and elect end with the code of the command that they run

Examples:
  treekeeper shell
  treekeeper shell -s zk1:2181,zk2:2181 get -s /app
  treekeeper shell --output json ls / | jq
  treekeeper shell --tls --ca ca.pem --auth digest:ann:secret -s zk1:2281 tree /
  treekeeper shell < commands.txt
`;
}
