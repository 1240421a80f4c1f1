import { dashed, GROUPS, usageOf } from '../command.ts';
import { ShellError } from '../explain.ts';
import type { Json } from '../format.ts';
import { paint } from '../io.ts';
import { findCommand } from '../run.ts';
import type { Shell, ShellCommand } from '../shell.ts';

export const help: ShellCommand = {
  name: 'help',
  aliases: ['man'],
  group: 'shell',
  summary: 'List the commands, or show what one does',
  parameters: [{ name: 'command', kind: 'text', optional: true }],
  needsSession: false,
  async run(shell, args) {
    const name = args.optional('command');
    if (name === undefined) {
      shell.output.show(shell.commands.map(describe), overview(shell));
      return;
    }
    const command = findCommand(shell.commands, name);
    if (command === undefined) {
      throw new ShellError(`Command not found: ${name}`, 'help lists them');
    }
    shell.output.show(describe(command), detailText(command));
  },
};

function describe(command: ShellCommand): { [key: string]: Json } {
  return { command: command.name, usage: usageOf(command), summary: command.summary };
}

function overview(shell: Shell): string {
  const width = Math.max(...shell.commands.map(({ name }) => name.length)) + 2;
  const groups = GROUPS.map((group) => {
    const rows = shell.commands.filter((command) => command.group === group);
    const lines = rows.map(({ name, summary }) => `  ${name.padEnd(width)}${summary}`);
    return `${paint(shell.output.colour, 'bold', group)}\n${lines.join('\n')}`;
  });
  return `${groups.join('\n\n')}\n\nhelp COMMAND shows flags and examples. Tab completes commands, flags and paths.`;
}

/** Usage, flags and examples of one command. */
export function detailText(command: ShellCommand): string {
  const flags = Object.entries(command.flags ?? {}).map(
    ([name, { value, meaning }]) => [`${dashed(name)}${value === undefined ? '' : ` ${value}`}`, meaning] as const,
  );
  const width = Math.max(0, ...flags.map(([flag]) => flag.length)) + 2;
  const aliases = command.aliases === undefined ? '' : ` (also: ${command.aliases.join(', ')})`;
  return [
    `${command.summary}${aliases}`,
    '',
    `Usage: ${usageOf(command)}`,
    ...(flags.length > 0 ? ['', ...flags.map(([flag, meaning]) => `  ${flag.padEnd(width)}${meaning}`)] : []),
    ...(command.examples === undefined ? [] : ['', 'Examples:', ...command.examples.map((text) => `  ${text}`)]),
  ].join('\n');
}
