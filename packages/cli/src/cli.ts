import { type Command, complain, type Terminal, UsageError } from './terminal.ts';
import { ownVersion } from './version.ts';

interface CommandRow {
  readonly summary: string;
  /** Commands are loaded when they are called: a server must start fast. */
  readonly load: () => Promise<Command>;
}

const COMMANDS: Readonly<Record<string, CommandRow>> = {
  server: {
    summary: 'Run a server in the foreground, from a zoo.cfg or without one',
    load: async () => (await import('./commands/server.ts')).server,
  },
  ensemble: {
    summary: 'Run several servers on this machine as one ensemble, to try things out',
    load: async () => (await import('./commands/ensemble.ts')).ensemble,
  },
  shell: {
    summary: 'Look at a tree and change it: interactive, or one command',
    load: async () => (await import('./commands/shell.ts')).shell,
  },
  config: {
    summary: 'Check a zoo.cfg and show what is in effect, and why',
    load: async () => (await import('./commands/config.ts')).config,
  },
  log: {
    summary: 'Show the transactions of a log file',
    load: async () => (await import('./commands/log.ts')).log,
  },
  snapshot: {
    summary: 'Show what is in a snapshot file, or how two differ',
    load: async () => (await import('./commands/snapshot.ts')).snapshot,
  },
  purge: {
    summary: 'Remove old snapshots and logs of a server that is not running',
    load: async () => (await import('./commands/purge.ts')).purge,
  },
};

const USAGE_EXIT_CODE = 2;

/** Runs `treekeeper` with the given arguments and answers with the exit code. */
export async function runCli(args: readonly string[], terminal: Terminal): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    const command = name === 'help' ? rest[0] : undefined;
    if (command !== undefined) {
      return runCli([command, '--help'], terminal);
    }
    terminal.out(helpText());
    return name === undefined ? USAGE_EXIT_CODE : 0;
  }
  if (name === '--version' || name === '-V') {
    terminal.out(`treekeeper ${ownVersion()}\n`);
    return 0;
  }
  if (!Object.hasOwn(COMMANDS, name)) {
    complain(terminal, 'red', 'error', await unknownCommand(name));
    return USAGE_EXIT_CODE;
  }
  try {
    const command = await COMMANDS[name].load();
    return await command(rest, terminal);
  } catch (error) {
    if (!(error instanceof UsageError)) {
      throw error;
    }
    complain(terminal, 'red', 'error', `${error.message}\nSee: treekeeper ${name} --help`);
    return USAGE_EXIT_CODE;
  }
}

function helpText(): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length)) + 2;
  const commands = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(width)}${summary}`);
  return `Treekeeper: a coordination service that speaks ZooKeeper

Usage: treekeeper <command> [arguments]

Commands:
${commands.join('\n')}

Options:
  -h, --help     This text; treekeeper <command> --help for a command
  -V, --version  The version

Try it:
  treekeeper server            a server on 127.0.0.1:2181, its data in ./data
  treekeeper server zoo.cfg    a server as an Apache ZooKeeper would be configured
`;
}

async function unknownCommand(name: string): Promise<string> {
  if (name.startsWith('-')) {
    return `unknown option ${name}\nSee: treekeeper --help`;
  }
  const { nearest } = await import('@treekeeper/server/config');
  const guess = nearest(name, Object.keys(COMMANDS));
  const hint = guess === null ? 'See: treekeeper --help' : `Did you mean: treekeeper ${guess}`;
  return `unknown command '${name}'\n${hint}`;
}
