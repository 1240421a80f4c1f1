import type { ShellCommand } from '../shell.ts';

export const quit: ShellCommand = {
  name: 'quit',
  aliases: ['exit'],
  group: 'shell',
  summary: 'Leave; so does Ctrl-D',
  parameters: [],
  needsSession: false,
  async run(shell) {
    shell.ended = true;
  },
};
