import type { ShellCommand } from '../shell.ts';

export const close: ShellCommand = {
  name: 'close',
  group: 'shell',
  summary: 'End the session; the shell stays',
  parameters: [],
  needsSession: false,
  async run(shell) {
    await shell.disconnect();
    shell.output.show({ closed: shell.servers }, '');
  },
};
