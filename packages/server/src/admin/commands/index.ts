import { NOT_SERVING } from '../four-letter.ts';
import { type JsonValue, printJson } from '../json.ts';
import type { Command, CommandAnswer, CommandContext } from './command.ts';
import { configurationCommands } from './configuration.ts';
import { ensembleCommands } from './ensemble.ts';
import { sessionCommands } from './sessions.ts';
import { shedCommands } from './shed.ts';
import { snapshotCommands } from './snapshots.ts';
import { statisticsCommands } from './statistics.ts';
import { treeCommands } from './tree.ts';

const commands: readonly Command[] = [
  ...configurationCommands,
  ...statisticsCommands,
  ...treeCommands,
  ...ensembleCommands,
  ...snapshotCommands,
  ...shedCommands,
  ...sessionCommands,
];

/** Primary names, sorted: the index page's. */
export const commandNames: readonly string[] = commands.map(({ name }) => name).sort();

const commandsByName = new Map(
  commands.flatMap((command) => [command.name, ...command.aliases].map((name) => [name, command])),
);

/** The outcome of an authorisation; all but 'permitted' are answers with an error. */
export type Authorization = 'permitted' | 'missing' | 'notAuthenticated' | 'notAuthorized';

const refusals = {
  missing: { status: 401, error: 'Auth info is missing for the command' },
  notAuthenticated: { status: 401, error: 'Not authenticated' },
  notAuthorized: { status: 403, error: 'Not authorized' },
} as const;

export interface CommandResult extends CommandAnswer {
  readonly status: number;
  readonly json: string;
}

/**
 * Runs a command by any of its names. Throws what the command threw, and a WrongMethodError when it does not have the
 * method; everything else that can be wrong is a result.
 */
export async function runCommand(
  name: string,
  method: 'GET' | 'POST',
  context: CommandContext,
  authorize: () => Authorization | Promise<Authorization>,
): Promise<CommandResult> {
  const command = commandsByName.get(name);
  if (command === undefined) {
    return result(name, { fields: {} }, `Unknown command: ${name}`);
  }
  if (command.needsServer && !context.view.serving) {
    return result(command.name, {}, NOT_SERVING);
  }
  if (command.needsAuthorization) {
    const authorization = await authorize();
    if (authorization !== 'permitted') {
      const { status, error } = refusals[authorization];
      return result(command.name, { status }, error);
    }
  }
  if (command.method !== method) {
    throw new WrongMethodError(command.name, method);
  }
  return result(command.name, await command.run(context), null);
}

export class WrongMethodError extends Error {
  override readonly name = 'WrongMethodError';

  constructor(command: string, method: string) {
    super(`${command} does not answer to ${method}`);
  }
}

/** The answer of a command that failed while it ran. */
export function failure(name: string, error: unknown): CommandResult {
  const message = error instanceof Error ? error.message : String(error);
  return result(commandsByName.get(name)?.name ?? name, { status: 500 }, message);
}

function result(name: string, answer: CommandAnswer, error: string | null): CommandResult {
  const fields: { readonly [key: string]: JsonValue } = answer.fields ?? {};
  const json = printJson({ ...fields, command: name, error: fields.error ?? error });
  return { status: 200, ...answer, json };
}
