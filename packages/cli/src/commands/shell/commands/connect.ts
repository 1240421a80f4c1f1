import type { ShellCommand } from '../shell.ts';

export const connect: ShellCommand = {
  name: 'connect',
  group: 'shell',
  summary: 'Begin a new session; with the last servers if none are named',
  parameters: [{ name: 'host:port', kind: 'text', optional: true }],
  needsSession: false,
  examples: ['connect zk1:2181,zk2:2181', 'connect zk1:2181/app'],
  async run(shell, args) {
    await shell.connect(args.optional('host:port'));
    shell.cwd = '/';
    shell.output.show({ connected: shell.servers }, `Connected to ${shell.servers}`);
  },
};
