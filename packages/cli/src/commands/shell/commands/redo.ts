import { UsageError } from '../../../terminal.ts';
import { ShellError } from '../explain.ts';
import { runLine } from '../run.ts';
import type { ShellCommand } from '../shell.ts';

export const redo: ShellCommand = {
  name: 'redo',
  group: 'shell',
  summary: 'Run a command of the history again',
  parameters: [{ name: 'number', kind: 'text' }],
  needsSession: false,
  async run(shell, args) {
    const text = args.text('number');
    const line = /^\d+$/.test(text) ? shell.history.own[Number(text)] : undefined;
    if (line === undefined) {
      throw new UsageError(`there is no command ${text}; history shows the numbers`);
    }
    if (/^redo\b/.test(line) || line.endsWith(' ...')) {
      throw new UsageError(`${line} cannot be repeated`);
    }
    shell.note(line);
    const code = await runLine(shell, line);
    if (code !== 0) {
      throw new ShellError('', null, code);
    }
  },
};
