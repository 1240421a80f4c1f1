import type { ShellCommand } from '../shell.ts';

export const getAllChildrenNumber: ShellCommand = {
  name: 'getAllChildrenNumber',
  aliases: ['count'],
  group: 'nodes',
  summary: 'Count the nodes below a node, at all depths',
  parameters: [{ name: 'path', kind: 'path', optional: true }],
  async run(shell, args) {
    const path = shell.resolve(args.optional('path') ?? '.');
    const count = await shell.client.childrenCountAll(path, { signal: shell.signal });
    shell.output.show(count, String(count));
  },
};
