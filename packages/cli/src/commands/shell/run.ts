/** One line of commands: found, checked, run, and its failure told. */
import { nearest } from '@treekeeper/server/config';
import { complain, UsageError } from '../../terminal.ts';
import { Arguments } from './arguments.ts';
import { EXIT, explain } from './explain.ts';
import { paint } from './io.ts';
import type { Shell, ShellCommand } from './shell.ts';
import { words } from './tokens.ts';

/** Case does not matter: zkCli's getAcl and addWatch are hard to remember. */
export function findCommand(commands: readonly ShellCommand[], name: string): ShellCommand | undefined {
  const wanted = name.toLowerCase();
  return commands.find((command) =>
    [command.name, ...(command.aliases ?? [])].some((candidate) => candidate.toLowerCase() === wanted),
  );
}

/** Puts a line into the history; what may hold a password is only counted. */
export function remember(shell: Shell, line: string): void {
  const text = line.trim();
  if (text !== '') {
    shell.history.add(text, isSecret(shell, text));
  }
}

export function isSecret(shell: Shell, line: string): boolean {
  return findCommand(shell.commands, line.trim().split(/\s+/, 1)[0])?.secret ?? false;
}

/** Runs a line; blank lines and those that begin with # do nothing. Answers the exit code. */
export async function runLine(shell: Shell, line: string): Promise<number> {
  const text = line.trim();
  if (text === '' || text.startsWith('#')) {
    return EXIT.ok;
  }
  try {
    return await runWords(shell, words(text));
  } catch (error) {
    return await fail(shell, error);
  }
}

/** Runs a command that is cut into words already. Answers the exit code. */
export async function runWords(shell: Shell, [name, ...rest]: readonly string[]): Promise<number> {
  try {
    shell.signal.throwIfAborted();
    const command = findCommand(shell.commands, name);
    if (command === undefined) {
      throw unknown(shell, name);
    }
    const args = new Arguments(command, rest);
    if (command.needsSession !== false) {
      shell.client;
    }
    await command.run(shell, args);
    shell.signal.throwIfAborted(); // what ends in good order when it is interrupted is interrupted all the same
    return EXIT.ok;
  } catch (error) {
    return await fail(shell, shell.signal.aborted ? shell.signal.reason : error);
  } finally {
    shell.output.endRows();
  }
}

function unknown(shell: Shell, name: string): UsageError {
  const names = shell.commands.flatMap((command) => [command.name, ...(command.aliases ?? [])]);
  const guess = nearest(name, names);
  return new UsageError(`Command not found: ${name}\n${guess === null ? 'help lists them' : `did you mean ${guess}?`}`);
}

/** Tells what went wrong, on the error output. Answers the exit code. */
export async function fail(shell: Shell, error: unknown): Promise<number> {
  const { message, hint, exitCode, code } = await explain(error, shell.clientOrNull);
  if (message === '') {
    return exitCode; // all is said already
  }
  if (shell.output.format === 'json') {
    shell.io.err(`${JSON.stringify({ error: { message, hint, code, exitCode } })}\n`);
    return exitCode;
  }
  complain(shell.io, 'red', 'error', message);
  if (hint !== null) {
    shell.io.err(`${paint(shell.io.colour, 'dim', hint)}\n`);
  }
  return exitCode;
}
