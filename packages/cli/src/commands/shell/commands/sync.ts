import type { ShellCommand } from '../shell.ts';

export const sync: ShellCommand = {
  name: 'sync',
  group: 'nodes',
  summary: 'Let the server catch up with its leader',
  parameters: [{ name: 'path', kind: 'path', optional: true }],
  async run(shell, args) {
    const path = shell.resolve(args.optional('path') ?? '.');
    await shell.client.sync(path, { signal: shell.signal });
    shell.output.show({ synced: path }, 'Sync is OK');
  },
};
