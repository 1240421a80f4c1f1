import type { ShellCommand } from '../shell.ts';

export const pwd: ShellCommand = {
  name: 'pwd',
  group: 'trees',
  summary: 'Show where you are',
  parameters: [],
  needsSession: false,
  async run(shell) {
    shell.output.show(shell.cwd, shell.cwd);
  },
};
